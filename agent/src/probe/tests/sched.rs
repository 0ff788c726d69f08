//! Run time, wait and displacement.

use std::{thread::sleep, time::Duration};

use super::{
    account::{Container, cpu_root, inside, run_two_seconds},
    loaded,
    loads::{hog, nap},
    skip, within,
};
use crate::probe::{
    Displacer, ProbeConfig, SchedKey,
    workload::{Cgroup, Process, ping_pong},
};

#[test]
fn run_time_and_wait_match_the_kernels_accounts() {
    if skip() {
        return;
    }
    let [one, two, three] = ["one", "two", "three"].map(Container::create);
    let probe = loaded(&ProbeConfig::default());
    let first = [hog(&one.cgroups(), Some(0)).unwrap()];
    let second = [hog(&two.cgroups(), Some(0)).unwrap()];
    let third = ping_pong(&three.cgroups(), 0).unwrap();
    let figures = run_two_seconds(
        &probe,
        &[("hog", &one, &first), ("hog", &two, &second), ("ping-pong", &three, &third)],
    );
    assert!(figures[0].1 > 100_000_000, "hogs that share a CPU wait");
    println!("health {:?}", probe.health());
}

#[test]
fn tasks_that_move_between_cpus_and_wake_from_idle_are_measured_whole() {
    if skip() {
        return;
    }
    let container = Container::create("moving");
    let probe = loaded(&ProbeConfig::default());
    let hogs: Vec<Process> = (0..3).map(|_| hog(&container.cgroups(), None).unwrap()).collect();
    run_two_seconds(&probe, &[("three hogs", &container, &hogs)]);
    drop(hogs);
    let napper = Container::create("napper");
    let nappers: Vec<Process> =
        (0..2).map(|cpu| nap(&napper.cgroups(), Some(cpu)).unwrap()).collect();
    run_two_seconds(&probe, &[("nappers", &napper, &nappers)]);
    println!("health {:?}", probe.health());
}

#[test]
fn short_lives_are_counted_whole() {
    if skip() {
        return;
    }
    let container = Container::create("brief");
    let probe = loaded(&ProbeConfig::default());
    let mut key = container.key();
    for _ in 0..30 {
        let body = || {
            for _ in 0..2_000_000 {
                std::hint::black_box(0u64);
            }
        };
        // SAFETY: the body computes only.
        let mut brief = unsafe { Process::start(&container.cgroups(), None, body).unwrap() };
        brief.wait().unwrap();
    }
    let (ours, usage) = (probe.sched(&mut key).unwrap(), container.usage_ns());
    println!("30 short processes: run {} of {usage} ns, health {:?}", ours.run_ns, probe.health());
    // What a process ran between fork and entering the cgroup is booked with its first slice.
    assert!(within(ours.run_ns, usage, 1_500), "{} of {usage}", ours.run_ns);
    assert!(ours.run_ns >= usage / 100 * 99, "nothing is lost");
}

#[test]
fn who_displaces_whom_is_told_by_the_parents() {
    if skip() {
        return;
    }
    let name = |kind: &str| cpu_root().join(format!("headroom-test-{}-{kind}", std::process::id()));
    let guaranteed = Cgroup::create(&name("guaranteed")).unwrap();
    let revocable = Cgroup::create(&name("revocable")).unwrap();
    let [owner, sibling] = ["owner", "sibling"].map(|name| inside(&guaranteed, name));
    let lent = inside(&revocable, "lent");
    // As Docker has it: a group below the task's.
    let [owner_below, lent_below] = [&owner, &lent].map(|cgroup| inside(cgroup, "below"));
    let probe = loaded(&ProbeConfig {
        guaranteed_parent_inode: Some(guaranteed.inode().unwrap()),
        revocable_parent_inode: Some(revocable.inode().unwrap()),
        ..ProbeConfig::default()
    });
    let mut key = SchedKey::new(owner.inode().unwrap());
    let watched = hog(&[&owner], Some(0)).unwrap();
    let mut displaced = || probe.sched(&mut key).unwrap().displaced_by;
    // How often depends on what else runs here, so it waits until it happens, within reason.
    let mut rise = |by: Displacer, rival: Process| {
        let start = displaced();
        let mut end = start;
        for _ in 0..100 {
            sleep(Duration::from_millis(100));
            end = displaced();
            if end[by as usize] > start[by as usize] + 3 {
                break;
            }
        }
        drop(rival);
        std::array::from_fn::<u64, 4, _>(|kind| end[kind] - start[kind])
    };
    let by_lent = rise(Displacer::Revocable, hog(&[&lent], Some(0)).unwrap());
    let by_sibling = rise(Displacer::Guaranteed, hog(&[&sibling], Some(0)).unwrap());
    let by_own = rise(Displacer::Same, hog(&[&owner], Some(0)).unwrap());
    let by_below = rise(Displacer::Same, hog(&[&owner_below], Some(0)).unwrap());
    let by_lent_below = rise(Displacer::Revocable, hog(&[&lent_below], Some(0)).unwrap());
    println!("displaced by lent {by_lent:?}, by a sibling {by_sibling:?}, by its own {by_own:?}");
    println!("below: by its own {by_below:?}, by lent {by_lent_below:?}");
    assert!(by_below[Displacer::Same as usize] > 0);
    assert!(by_lent_below[Displacer::Revocable as usize] > 0);
    assert!(by_lent[Displacer::Revocable as usize] > 0);
    assert_eq!(by_lent[Displacer::Guaranteed as usize], 0);
    assert!(by_sibling[Displacer::Guaranteed as usize] > 0);
    assert!(
        by_sibling[Displacer::Revocable as usize] <= 1,
        "one switch may follow the last reading"
    );
    assert!(by_own[Displacer::Same as usize] > 0);
    drop(watched);
}

#[test]
fn long_waits_of_guaranteed_tasks_raise_the_alarm_and_of_lent_ones_do_not() {
    if skip() {
        return;
    }
    let name =
        |kind: &str| cpu_root().join(format!("headroom-test-{}-alarm-{kind}", std::process::id()));
    let guaranteed = Cgroup::create(&name("guaranteed")).unwrap();
    let revocable = Cgroup::create(&name("revocable")).unwrap();
    let (owner, lent) = (inside(&guaranteed, "owner"), inside(&revocable, "lent"));
    let below = inside(&owner, "below");
    let mut probe = loaded(&ProbeConfig {
        guaranteed_parent_inode: Some(guaranteed.inode().unwrap()),
        revocable_parent_inode: Some(revocable.inode().unwrap()),
        ..ProbeConfig::default()
    });
    let mut alarms = probe.take_alarms().expect("this kernel has ring buffers");
    let mut rings_while_two_share_a_cpu = |cgroup: &Cgroup, looks: u32| {
        let _two = [hog(&[cgroup], Some(0)).unwrap(), hog(&[cgroup], Some(0)).unwrap()];
        (0..looks).any(|_| {
            sleep(Duration::from_millis(100));
            alarms.clear() > 0
        })
    };
    assert!(!rings_while_two_share_a_cpu(&lent, 10), "who borrows may wait");
    assert!(rings_while_two_share_a_cpu(&owner, 100), "ticks are longer than the threshold");
    assert!(rings_while_two_share_a_cpu(&below, 100), "a Docker container's group is the task's");
}

/// By the scheduler's own account (proc_pid_schedstat).
fn ran_ns(process: &Process) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/schedstat", process.pid())).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_task_is_the_sum_of_its_cgroups_and_keeps_what_the_gone_ones_used() {
    if skip() {
        return;
    }
    let outer = Container::create("outer");
    let probe = loaded(&ProbeConfig::default());
    let mut key = outer.key();
    let mut last = 0;
    for round in 0..5 {
        // A css id that is free again is taken by the next: every round re-uses the row.
        let inner = inside(&outer.cpu, "inner");
        let inode = inner.inode().unwrap();
        assert!(key.add(inode));
        let worker = hog(&[&inner], None).unwrap();
        // On a busy machine it may be long before it gets a CPU.
        for _ in 0..100 {
            sleep(Duration::from_millis(100));
            if ran_ns(&worker) > 20_000_000 {
                break;
            }
        }
        worker.stop().unwrap();
        let total = probe.sched(&mut key).unwrap().run_ns;
        println!("round {round}: {total}");
        assert!(total > last + 10_000_000, "round {round}: {total} after {last}");
        last = total;
        drop(worker);
        drop(inner);
        key.remove(inode);
        assert!(probe.sched(&mut key).unwrap().run_ns >= last, "what was used stays counted");
    }
}
