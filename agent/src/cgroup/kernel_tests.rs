//! Control groups against the running kernel, and the v2 writes against fixture directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::*;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A tree of the test's own on this machine, removed with everything in it.
struct Own(Tree);

impl Own {
    fn new(change: impl Fn(Hierarchy) -> Option<Hierarchy>) -> Option<Own> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: only root can make cgroups");
            return None;
        }
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let parent = format!("headroom-test-{}-u{unique}", std::process::id());
        let hierarchy = change(Hierarchy::detect().expect("cgroups"))?;
        Some(Own(Tree::create(&hierarchy, &parent).expect("tree")))
    }

    /// The machine as an old v1 host would offer it.
    fn v1() -> Option<Own> {
        let freezer = PathBuf::from("/sys/fs/cgroup/freezer");
        Own::new(|found| {
            let v1 = found.mode() != Mode::V2 && freezer.join("cgroup.procs").exists();
            if !v1 {
                println!("not tried as a v1 host would have it: there is no v1 freezer");
            }
            v1.then(|| found.without_unified(Some(freezer.clone())))
        })
    }

    fn any() -> Option<Own> {
        Own::new(Some)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        for slice in [self.0.revocable(), self.0.guaranteed()] {
            let _ = slice.thaw();
            let _ = slice.group().kill_all(Duration::from_secs(5));
        }
        self.0.remove().expect("the test's groups are removed");
    }
}

/// A child of the test that joins `group` before it executes `line`.
fn spawn_in(group: &Group, line: &str) -> Child {
    let joins: String = group
        .procs_files()
        .iter()
        .map(|file| format!("echo 0 > '{}' && ", file.display()))
        .collect();
    Command::new("/bin/sh").arg("-c").arg(format!("{joins}{line}")).spawn().expect("spawn")
}

fn wait(mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn knob_of(group: &Group, controller: Controller, file: &str) -> String {
    let path = group.dir(controller).expect("controller").path.join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).trim().into()
}

#[test]
fn a_tree_is_made_once_adopted_and_removed() {
    let Some(own) = Own::any() else { return };
    let tree = &own.0;
    let again = Tree::create(tree.hierarchy(), tree.parent()).expect("adopted");
    assert_eq!(again.absences(), tree.absences());
    let container = tree.container(Class::Revocable, "c1").expect("container");
    assert!(again.open_existing(Class::Revocable, "c1").expect("open").exists());
    assert!(!again.open_existing(Class::Guaranteed, "c1").expect("open").exists());
    assert_eq!(tree.ids(Class::Revocable).expect("ids"), ["c1"]);
    assert_ne!(container.cpu_inode().expect("inode"), tree.revocable().cpu_inode().expect("inode"));
    assert!(container.io_inode().expect("inode") > 0);
    for bad in ["", "..", "a/b", "cgroup.procs"] {
        assert!(matches!(tree.container(Class::Revocable, bad), Err(CgroupError::Name { .. })));
    }
    let nested = container.group().distinct_dirs()[0].join("made-by-the-task");
    fs::create_dir(nested).expect("nested");
    container.remove().expect("remove");
    assert!(!container.group().distinct_dirs().iter().any(|dir| dir.exists()));
    container.remove().expect("removing what is gone is fine");
}

#[test]
fn a_group_with_nested_groups_and_forking_processes_is_emptied() {
    for own in [Own::any(), Own::v1()].into_iter().flatten() {
        let container = own.0.container(Class::Guaranteed, "c1").expect("container");
        container.set_pids_limit(Some(64)).expect("pids limit");
        let dir = container.group().distinct_dirs()[0].join("nested");
        fs::create_dir(&dir).expect("nested");
        let line = format!(
            "echo 0 > '{}/cgroup.procs'; (while :; do sleep 0.01; done) & exec sleep 1000",
            dir.display()
        );
        let mut child = spawn_in(container.group(), &line);
        assert!(wait(|| container.procs().is_ok_and(|pids| pids.len() >= 3)));
        container.kill_all().expect("kill");
        assert!(container.procs().expect("procs").is_empty());
        child.wait().expect("reap");
        container.remove().expect("remove");
    }
}

#[test]
fn a_group_below_a_frozen_slice_can_be_killed() {
    for own in [Own::any(), Own::v1()].into_iter().flatten() {
        let container = own.0.container(Class::Revocable, "c1").expect("container");
        let mut child = spawn_in(container.group(), "while :; do :; done");
        assert!(wait(|| container.procs().is_ok_and(|pids| pids.len() == 1)));
        own.0.revocable().freeze().expect("freeze");
        container.kill_all().expect("kill");
        assert!(container.procs().expect("procs").is_empty());
        child.wait().expect("reap");
        own.0.revocable().thaw().expect("thaw");
    }
}

#[test]
fn a_frozen_group_uses_no_cpu_and_goes_on_when_thawed() {
    for own in [Own::any(), Own::v1()].into_iter().flatten() {
        let container = own.0.container(Class::Revocable, "c1").expect("container");
        let usage = || container.group().cpu_usage_ns().expect("usage");
        let mut child = spawn_in(container.group(), "while :; do :; done");
        assert!(wait(|| usage() > 20_000_000));
        container.freeze().expect("freeze");
        // It stops at its next return to user mode; afterwards the counter stands still.
        let mut last = usage();
        assert!(wait(|| {
            std::thread::sleep(Duration::from_millis(50));
            let now = usage();
            std::mem::replace(&mut last, now) == now
        }));
        container.thaw().expect("thaw");
        assert!(wait(|| usage() > last + 10_000_000), "it did not go on");
        container.kill_all().expect("kill");
        child.wait().expect("reap");
    }
}

#[test]
fn the_figures_agree_with_proc() {
    let Some(own) = Own::any() else { return };
    let container = own.0.container(Class::Guaranteed, "c1").expect("container");
    let mut child = spawn_in(container.group(), "while :; do :; done");
    let usage = || container.group().cpu_usage_ns().expect("usage");
    let path = format!("/proc/{}/schedstat", child.id());
    let ran = || -> u64 {
        let text = fs::read_to_string(&path).expect("schedstat");
        text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("run time")
    };
    // Both sides once nothing moves any more.
    let stop = || {
        container.freeze().expect("freeze");
        let mut last = (0, 0);
        assert!(wait(|| {
            std::thread::sleep(Duration::from_millis(50));
            let now = (usage(), ran());
            std::mem::replace(&mut last, now) == now
        }));
        last
    };
    // What it ran before it joined is its old group's, so only what comes after counts.
    assert!(wait(|| usage() > 10_000_000));
    let before = stop();
    container.thaw().expect("thaw");
    assert!(wait(|| usage() > before.0 + 300_000_000));
    let after = stop();
    let (used_ns, ran_ns) = (after.0 - before.0, after.1 - before.1);
    println!("cgroup {used_ns} ns, /proc {ran_ns} ns");
    assert!(used_ns.abs_diff(ran_ns) * 1_000 <= ran_ns, "cgroup {used_ns} ns, /proc {ran_ns} ns");
    container.thaw().expect("thaw");
    container.kill_all().expect("kill");
    child.wait().expect("reap");
}

#[test]
fn a_slice_can_be_throttled_below_its_containers_own_ceilings() {
    let Some(own) = Own::any() else { return };
    let slice = own.0.revocable();
    let big = own.0.container(Class::Revocable, "big").expect("container");
    let small = own.0.container(Class::Revocable, "small").expect("container");
    if big.group().dir(Controller::Cpu).expect("cpu").v2 {
        return throttled_on_v2(&own.0);
    }
    let quota = |group: &Group| knob_of(group, Controller::Cpu, "cpu.cfs_quota_us");
    big.set_cpu_limit(Some(1.5)).expect("limit");
    small.set_cpu_limit(Some(0.2)).expect("limit");
    assert_eq!((quota(big.group()), quota(small.group())), ("150000".into(), "20000".into()));
    slice.set_cpu_quota(Some(0.5)).expect("throttle");
    assert_eq!((quota(slice.group()), quota(big.group())), ("10000".into(), "-1".into()));
    assert_eq!(quota(small.group()), "20000");
    slice.set_cpu_quota(Some(0.01)).expect("throttle more");
    assert_eq!(quota(small.group()), "-1");
    assert_eq!(knob_of(slice.group(), Controller::Cpu, "cpu.cfs_period_us"), "100000");
    let late = own.0.container(Class::Revocable, "late").expect("container");
    late.set_cpu_limit(Some(1.0)).expect("a limit while throttled");
    slice.set_cpu_quota(Some(0.5)).expect("ease");
    assert_eq!(quota(small.group()), "20000");
    slice.set_cpu_quota(None).expect("lift");
    assert_eq!((quota(big.group()), quota(late.group())), ("150000".into(), "100000".into()));
    assert_eq!(quota(slice.group()), "-1");
}

/// There a child's ceiling may be the higher one: both stay as they were asked for, and the lower holds.
fn throttled_on_v2(tree: &Tree) {
    let slice = tree.revocable();
    let big = tree.open_existing(Class::Revocable, "big").expect("container");
    let max = |group: &Group| knob_of(group, Controller::Cpu, "cpu.max");
    big.set_cpu_limit(Some(1.5)).expect("limit");
    slice.set_cpu_quota(Some(0.1)).expect("throttle");
    assert_eq!(
        (max(slice.group()), max(big.group())),
        ("2000 20000".into(), "150000 100000".into())
    );
    let mut child = spawn_in(big.group(), "while :; do :; done");
    let throttled =
        || knob_of(slice.group(), Controller::Cpu, "cpu.stat").contains("nr_throttled 0");
    assert!(wait(|| !throttled()), "nothing was throttled");
    slice.set_cpu_quota(Some(0.01)).expect("throttle more");
    assert_eq!(max(slice.group()), "1000 100000");
    slice.set_cpu_quota(None).expect("lift");
    assert_eq!(
        (max(slice.group()), max(big.group())),
        ("max 100000".into(), "150000 100000".into())
    );
    let usage = || big.group().cpu_usage_ns().expect("usage");
    let before = usage();
    assert!(wait(|| usage() > before + 50_000_000), "it runs again");
    big.kill_all().expect("kill");
    child.wait().expect("reap");
}

#[test]
fn weights_limits_and_idle_reach_the_kernel() {
    let Some(own) = Own::any() else { return };
    let container = own.0.container(Class::Revocable, "c1").expect("container");
    container.set_cpu_weight(2.0).expect("weight");
    container.set_memory_limit(64 << 20).expect("memory");
    container.set_pids_limit(Some(10)).expect("pids");
    if container.group().dir(Controller::Cpu).expect("cpu").v2 {
        assert_eq!(knob_of(container.group(), Controller::Cpu, "cpu.weight"), "200");
        assert_eq!(knob_of(container.group(), Controller::Memory, "memory.max"), "67108864");
        assert_eq!(knob_of(container.group(), Controller::Memory, "memory.oom.group"), "1");
        container.set_memory_min(1 << 20).expect("min");
        assert_eq!(knob_of(container.group(), Controller::Memory, "memory.min"), "1048576");
    } else {
        assert_eq!(knob_of(container.group(), Controller::Cpu, "cpu.shares"), "2048");
    }
    assert_eq!(knob_of(container.group(), Controller::Pids, "pids.max"), "10");
    container.set_pids_limit(None).expect("no limit");
    assert_eq!(knob_of(container.group(), Controller::Pids, "pids.max"), "max");
    assert_eq!(container.oom_kills().expect("oom kills"), 0);
    let slice = own.0.revocable();
    if slice.set_idle(true).expect("idle") == Demotion::Idle {
        assert_eq!(knob_of(slice.group(), Controller::Cpu, "cpu.idle"), "1");
        slice.set_idle(false).expect("not idle");
        assert_eq!(knob_of(slice.group(), Controller::Cpu, "cpu.idle"), "0");
    }
    let missing = own.0.container(Class::Revocable, "c2").expect("container");
    missing.remove().expect("remove");
    let error = missing.set_memory_limit(1 << 20).expect_err("no such group");
    assert!(error.to_string().contains("/c2"), "the path is missing: {error}");
}

#[test]
fn on_v2_a_parent_below_a_group_with_processes_gets_no_controllers_and_says_why() {
    let Some(own) = Own::any() else { return };
    if own.0.hierarchy().mode() != Mode::V2 {
        println!("skipped: the rule is v2's");
        return;
    }
    let outer = own.0.container(Class::Guaranteed, "outer").expect("container");
    let mut child = spawn_in(outer.group(), "sleep 1000");
    assert!(wait(|| outer.procs().is_ok_and(|pids| !pids.is_empty())));
    let below = format!("{}/ours", outer.group().name());
    let hierarchy = Hierarchy::detect().expect("cgroups");
    let tree = Tree::create(&hierarchy, &below).expect("what needs no controller is left");
    let absent: Vec<&str> = tree.absences().iter().map(|absence| absence.what.as_str()).collect();
    let controllers = ["controller io", "controller memory", "controller pids", "controller cpu"];
    assert_eq!(absent, controllers, "{:?}", tree.absences());
    assert!(tree.absences().iter().all(|a| a.reason.contains("processes of its own")));
    let inner = tree.container(Class::Guaranteed, "c1").expect("container");
    assert!(matches!(inner.set_memory_limit(1 << 20), Err(CgroupError::NoController { .. })));
    let mut idle = spawn_in(inner.group(), "sleep 1000");
    assert!(wait(|| inner.procs().is_ok_and(|pids| !pids.is_empty())));
    assert!(inner.group().cpu_usage_ns().is_ok(), "the core counts without a controller");
    inner.kill_all().expect("it can still be killed");
    outer.kill_all().expect("kill");
    idle.wait().expect("reap");
    child.wait().expect("reap");
}

/// Directories with the files a v2 kernel would show, so that the writes can be looked at.
fn v2_fixture(root: &Path, parent: &str) -> Hierarchy {
    let dirs = ["", parent, "guaranteed", "revocable", "supervisors", "guaranteed/c1"];
    for (index, dir) in dirs.iter().enumerate() {
        let dir = if index < 2 { root.join(dir) } else { root.join(parent).join(dir) };
        fs::create_dir_all(&dir).expect("fixture");
        for file in [
            "cgroup.subtree_control",
            "cgroup.freeze",
            "cpu.weight",
            "cpu.max",
            "cpu.idle",
            "memory.max",
            "memory.min",
            "memory.oom.group",
            "pids.max",
            "cgroup.procs",
        ] {
            fs::write(dir.join(file), "").expect("fixture");
        }
        fs::write(dir.join("cpu.stat"), "usage_usec 1234\nuser_usec 1\n").expect("fixture");
        fs::write(dir.join("memory.events"), "max 3\noom 2\noom_kill 1\n").expect("fixture");
    }
    fs::write(root.join("cgroup.controllers"), "cpu io memory pids\n").expect("fixture");
    fs::write(root.join("cgroup.subtree_control"), "cpu io memory pids").expect("fixture");
    let line = format!("1 1 0:1 / {} rw - cgroup2 cgroup2 rw\n", root.display());
    Hierarchy::from_mountinfo(&line).expect("hierarchy")
}

#[test]
fn on_v2_controllers_are_enabled_where_groups_have_children_only() {
    let root = tempfile::tempdir().expect("temp dir");
    let hierarchy = v2_fixture(root.path(), "hr");
    // The fixture's file keeps the first write; the kernel's would list all of them.
    fs::write(root.path().join("hr/cgroup.subtree_control"), "io memory pids").expect("fixture");
    let tree = Tree::create(&hierarchy, "hr").expect("tree");
    assert!(tree.absences().is_empty(), "{:?}", tree.absences());
    let control = |dir: &str| {
        fs::read_to_string(root.path().join(dir).join("cgroup.subtree_control")).expect("control")
    };
    assert!(control("hr").starts_with("+cpu"), "{}", control("hr"));
    assert!(control("hr/guaranteed").starts_with('+'));
    assert_eq!(control("hr/supervisors"), "", "it holds processes, so nothing may be enabled");
}

#[test]
fn on_v2_the_files_get_the_words_the_kernel_takes() {
    let root = tempfile::tempdir().expect("temp dir");
    let hierarchy = v2_fixture(root.path(), "hr");
    let tree = Tree::open(&hierarchy, "hr").expect("tree");
    let container = tree.open_existing(Class::Guaranteed, "c1").expect("container");
    container.set_cpu_weight(0.5).expect("weight");
    container.set_cpu_limit(Some(2.0)).expect("limit");
    container.set_memory_limit(1 << 30).expect("memory");
    container.set_memory_min(1 << 20).expect("min");
    container.set_pids_limit(None).expect("pids");
    container.freeze().expect("freeze");
    tree.revocable().set_cpu_quota(Some(1.0)).expect("quota");
    let file = |name: &str| fs::read_to_string(root.path().join("hr").join(name)).expect("file");
    assert_eq!(file("guaranteed/c1/cpu.weight"), "50");
    assert_eq!(file("guaranteed/c1/cpu.max"), "200000 100000");
    assert_eq!(file("guaranteed/c1/memory.max"), "1073741824");
    assert_eq!(file("guaranteed/c1/memory.oom.group"), "1");
    assert_eq!(file("guaranteed/c1/memory.min"), "1048576");
    assert_eq!(file("guaranteed/c1/pids.max"), "max");
    assert_eq!(file("guaranteed/c1/cgroup.freeze"), "1");
    assert_eq!(file("revocable/cpu.max"), "20000 20000");
    assert_eq!(container.oom_kills().expect("oom"), 1);
    assert_eq!(container.group().cpu_usage_ns().expect("usage"), 1_234_000);
    assert_eq!(container.group().distinct_dirs().len(), 1);
    assert_eq!(container.procs_files().len(), 1);
}

#[test]
fn what_runs_is_moved_to_the_other_class_whatever_it_does_meanwhile() {
    for own in [Own::any(), Own::v1()].into_iter().flatten() {
        let from = own.0.container(Class::Revocable, "c1").expect("container");
        let to = own.0.container(Class::Guaranteed, "c1").expect("container");
        from.set_cpu_limit(Some(0.5)).expect("a ceiling of its own");
        let nested = from.group().distinct_dirs()[0].join("nested");
        fs::create_dir(&nested).expect("nested");
        let line = format!(
            "echo 500 > /proc/self/oom_score_adj; sleep 1000 & \
             echo 0 > '{}/cgroup.procs'; (while :; do sleep 0.01; done) & exec sleep 1000",
            nested.display()
        );
        let mut child = spawn_in(from.group(), &line);
        assert!(wait(|| from.procs().is_ok_and(|pids| pids.len() >= 4)));
        from.move_all(&to).expect("moved");
        assert!(from.procs().expect("procs").is_empty());
        let pids = to.procs().expect("procs");
        assert!(pids.contains(&(child.id() as i32)) && pids.len() >= 3, "{pids:?}");
        let mut scores = pids
            .iter()
            .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok());
        assert!(scores.all(|score| score.trim() == "0"));
        // The slice is throttled without a thought for the ceiling of who has left it.
        own.0.revocable().set_cpu_quota(Some(0.2)).expect("throttled");
        own.0.revocable().set_cpu_quota(None).expect("not any more");
        from.move_all(&to).expect("moving nothing is fine");
        from.remove().expect("remove");
        from.move_all(&to).expect("moving out of what is gone is fine");
        to.kill_all().expect("kill");
        child.wait().expect("reap");
    }
}
