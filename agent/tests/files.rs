//! The reader and the samples against real cgroup files.

mod support;

use std::path::PathBuf;

use headroom_agent::cgroup::Controller;
use headroom_agent::containers::ContainerSpec;
use headroom_agent::files::{
    Backend, Cadence, Choice, NodeFiles, ReadFailure, Reader, TaskFiles, TaskSampler,
};

use support::{Bench, can_run, output, shell, wait, wait_exit};

/// Every file of a container that does not change while nothing runs in it.
fn still_files(bench: &Bench) -> Vec<PathBuf> {
    let group = bench.tree.container(headroom_agent::cgroup::Class::Guaranteed, "still");
    let group = group.expect("group");
    let mut files = Vec::new();
    for dir in group.group().distinct_dirs() {
        for entry in std::fs::read_dir(dir).expect("list").flatten() {
            if std::fs::read(entry.path()).is_ok() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn both_ways_read_equal_bytes_from_cgroup_files() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let files = still_files(&bench);
    assert!(files.len() > 20, "{files:?}");
    let mut all = Vec::new();
    for choice in [Choice::Uring, Choice::Pread] {
        let mut reader = Reader::new(choice, &files);
        println!("{}", reader.choice_report());
        if choice == Choice::Uring && reader.choice_report().backend != Backend::Uring {
            println!("skipped: {}", reader.choice_report().reason);
            return;
        }
        let ids: Vec<_> = files.iter().map(|path| reader.open(path).expect("open")).collect();
        let mut contents = Vec::new();
        reader.read(&ids, |_, read| contents.push(read.expect("read").to_vec()));
        all.push(contents);
    }
    for (path, (uring, pread)) in files.iter().zip(all[0].iter().zip(&all[1])) {
        assert_eq!(uring, pread, "{}", path.display());
        // /proc and cgroup files have no size to compare with, so the usual read is the judge.
        assert_eq!(pread, &std::fs::read(path).expect("read"), "{}", path.display());
    }
}

#[test]
fn a_containers_figures_are_sampled_and_a_removed_group_is_gone_not_zero() {
    if !can_run() {
        return;
    }
    for choice in [Choice::Pread, Choice::Uring] {
        let bench = Bench::new();
        let spec = ContainerSpec {
            limit_cpus: Some(0.2),
            ..shell("head -c 20000000 /dev/zero > file; sync file; echo ready; while :; do :; done")
        };
        let container = bench.containers.launch(&spec).expect("launch");
        let mut reader = Reader::new(choice, &[]);
        let group = container.cgroup().expect("cgroup").group();
        let mut tasks = [TaskFiles::open(&mut reader, group)];
        let mut sampler = TaskSampler::new();
        assert!(wait(|| output(&container, "stdout") == "ready\n"));
        assert!(wait(|| {
            sampler.sample(&mut reader, &mut tasks, Cadence::All);
            tasks[0].sample().throttled_ns.is_some_and(|ns| ns > 0)
        }));
        let sample = *tasks[0].sample();
        println!("{sample:?}\n{:?}", tasks[0].absences());
        assert!(sample.cpu_usage_ns.is_some_and(|ns| ns > 1_000_000));
        assert!(sample.throttled_periods <= sample.cpu_periods && sample.cpu_periods > Some(0));
        assert!(sample.memory_bytes.is_some_and(|bytes| bytes > 0));
        assert!(sample.working_set_bytes <= sample.memory_bytes);
        assert_eq!(sample.oom_kills, Some(0));
        for (value, what) in [
            (sample.io_read_bytes, "io_bytes"),
            (sample.io_reads, "io_operations"),
            (sample.psi_cpu_some_us, "psi_cpu"),
            (sample.psi_memory_some_us, "psi_memory"),
            (sample.psi_io_some_us, "psi_io"),
        ] {
            let absent = tasks[0].absences().iter().any(|absence| absence.what == what);
            assert!(value.is_some() != absent, "{what}: {value:?} and absent {absent}");
        }
        // 20 MB were written, where the kernel counts at all: on v2, to a disk.
        let counted = group.dir(Controller::Io).is_some_and(|dir| {
            dir.v2 && std::fs::read_to_string(dir.path.join("io.stat")).is_ok_and(|t| !t.is_empty())
        });
        assert!(!counted || sample.io_write_bytes >= Some(20_000_000), "{sample:?}");
        let direct = group.cpu_usage_ns().expect("usage");
        assert!(direct >= sample.cpu_usage_ns.expect("usage"));

        container.kill(Some(0)).expect("kill");
        wait_exit(&container);
        container.cleanup().expect("cleanup");
        let kept = reader.len();
        sampler.sample(&mut reader, &mut tasks, Cadence::All);
        assert!(tasks[0].is_gone());
        assert!(tasks[0].sample().cpu_usage_ns >= sample.cpu_usage_ns, "the last figure stays");
        assert!(kept > 0 && reader.is_empty(), "{} descriptors stay", reader.len());
    }
}

#[test]
fn one_batch_tells_the_gone_from_the_living() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let class = headroom_agent::cgroup::Class::Revocable;
    for choice in [Choice::Pread, Choice::Uring] {
        let mut reader = Reader::new(choice, &[]);
        let stays = bench.tree.container(class, "stays").expect("group");
        let goes = bench.tree.container(class, "goes").expect("group");
        let file = |group: &headroom_agent::cgroup::Group| {
            group.dir(Controller::Cpu).expect("cpu").path.join("cpu.stat")
        };
        let ids = [&stays, &goes].map(|c| reader.open(&file(c.group())).expect("open"));
        goes.remove().expect("remove");
        let mut outcomes = Vec::new();
        reader.read(&ids, |_, read| {
            outcomes.push(match read {
                Ok(text) => !text.is_empty(),
                Err(ReadFailure::Gone) => false,
                Err(e) => panic!("{e}"),
            });
        });
        assert_eq!(outcomes, [true, false], "{choice:?}");
        assert_eq!(reader.len(), 1);
    }
}

#[test]
fn the_nodes_figures_are_sampled() {
    let mut reader = Reader::new(Choice::Auto, &[]);
    let mut node = NodeFiles::open(&mut reader);
    let first = node.sample(&mut reader);
    println!("{first:?} {:?}", node.absences());
    assert!(NodeFiles::ticks_per_second().is_some_and(|ticks| ticks >= 100));
    let memory = first.memory.expect("memory");
    assert!(memory.available_bytes <= memory.total_bytes && memory.total_bytes > 0);
    assert!(wait(|| {
        let now = node.sample(&mut reader).cpu.expect("cpu");
        let was = first.cpu.expect("cpu");
        now.busy_ticks + now.idle_ticks > was.busy_ticks + was.idle_ticks
    }));
    let absent = node.absences().iter().any(|absence| absence.what == "psi_cpu");
    assert!(first.psi_cpu.is_some() != absent);
}
