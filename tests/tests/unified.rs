//! On a host with cgroup v2 only (`cargo xtask vm` makes one): what is asked for stands in the kernel's
//! own files, and what they say is what is told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use headroom_tests::{Cluster, Settings, can_run, unified, wait_for, wait_until};
use nix::sys::signal::Signal;

/// A service reserves most of a node that is bigger than the machine, so that there is much to lend.
const LENDS: &str =
    "cpus = 64.0\nforecast_young_s = 1\nforecast_horizon_s = 3\nforecast_average_s = 1\n";

/// Idle until the file `busy` is in its sandbox; from then on it works on every CPU.
const SERVICE: &str = "while [ ! -e busy ]; do sleep 0.1; done; \
    for cpu in $(seq $(nproc)); do while :; do :; done & done; wait";

fn skip() -> bool {
    if can_run() && unified() {
        return false;
    }
    println!(
        "skipped: not all controllers are on cgroup v2 here; `cargo xtask vm` has such a kernel"
    );
    true
}

fn read(dir: &Path, file: &str) -> String {
    fs::read_to_string(dir.join(file)).unwrap_or_else(|e| panic!("{file}: {e}")).trim().to_owned()
}

/// The one container's directory.
fn container(cluster: &Cluster) -> PathBuf {
    wait_for("a container", || cluster.house.cgroups.containers().into_iter().next())
}

/// The value of a key of a flat keyed file.
fn keyed(dir: &Path, file: &str, key: &str) -> u64 {
    let text = read(dir, file);
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{file} has no {key}: {text}"))
}

fn end(cluster: &Cluster, run: headroom_tests::Started) {
    run.signal(Signal::SIGINT);
    let _ = run.done();
    cluster.empty();
}

#[test]
fn everything_is_measured_and_nothing_absent() {
    if skip() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let node = cluster.node();
    assert_eq!(node["rung"], "B", "{node}");
    assert_eq!(node["absences"].as_array().map(Vec::len), Some(0), "{node}");
}

#[test]
fn limits_of_a_promised_task_stand_in_the_kernels_files() {
    if skip() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick().agent("pids_limit = 77\n"));
    let line = ["--cpus", "0.5", "--limit-cpus", "0.8", "--", "sleep", "1000"];
    let run = cluster.run_named("held", &line);
    let dir = container(&cluster);
    assert_eq!(dir.parent().and_then(Path::file_name), Some("guaranteed".as_ref()));
    assert_eq!(read(&dir, "cpu.weight"), "50");
    assert_eq!(read(&dir, "cpu.max"), "80000 100000");
    assert_eq!(read(&dir, "memory.max"), (64 << 20).to_string());
    assert_eq!(read(&dir, "memory.oom.group"), "1");
    assert_eq!(read(&dir, "pids.max"), "77");
    end(&cluster, run);
}

#[test]
fn lent_work_is_idle_class_and_one_write_takes_it_back() {
    if skip() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick().agent(LENDS));
    let service = cluster.run_named("service", &["--cpus", "63", "--", "sh", "-c", SERVICE]);
    let busy = wait_for("a sandbox", || cluster.sandbox_file("stdout")).with_file_name("busy");
    let owner = container(&cluster);
    wait_until("its idle part can be lent", || {
        cluster.node()["lendable"]["cpus"].as_f64() > Some(4.0)
    });
    let line = ["--revocable", "--cpus", "2", "--", "sh", "-c", "while :; do :; done"];
    let lent = cluster.run_named("lent", &line);
    assert_eq!(cluster.task("lent")["revocable"], true);
    let dirs = cluster.house.cgroups.containers();
    let dir = dirs.iter().find(|dir| **dir != owner).expect("the lent one");
    let (slice, promised) = (dir.parent().expect("a class"), owner.parent().expect("a class"));
    assert_eq!(slice.file_name(), Some("revocable".as_ref()));
    assert_eq!((read(slice, "cpu.idle"), read(promised, "cpu.idle")), ("1".into(), "0".into()));
    cluster.until_used("lent", "cpus", 0.05);
    // One write to the slice takes it back.
    fs::write(busy, "").expect("busy");
    wait_until("the ceiling of all that is lent falls", || {
        cluster.house.cgroups.lent_quota_cpus().is_some_and(|cpus| cpus < 0.5)
    });
    wait_until("it is told", || cluster.node()["reclaims"].as_u64() > Some(0));
    lent.signal(Signal::SIGINT);
    let _ = lent.done();
    end(&cluster, service);
}

#[test]
fn the_task_as_a_whole_ends_when_one_process_passes_the_limit() {
    if skip() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let line = "sleep 1000 & tail /dev/zero; echo survived; wait";
    let done = cluster.run(&["--name", "hog", "--", "sh", "-c", line]);
    assert_eq!((done.code, done.out.as_str()), (137, ""), "{done:?}");
    let task = cluster.task("hog");
    assert_eq!((&task["state"], &task["reason"]), (&"failed".into(), &"memory_limit".into()));
    cluster.empty();
}

#[test]
fn a_task_with_cgroups_of_its_own_is_limited_counted_and_removed() {
    if skip() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    // As a container engine would: its processes below, and controllers switched on there.
    let line = "own=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); mkdir $own/inner && \
                echo $$ > $own/inner/cgroup.procs && \
                echo '+cpu +memory' > $own/cgroup.subtree_control && mkdir $own/empty && \
                echo ready; while :; do :; done";
    let run = cluster
        .run_named("nests", &["--cpus", "0.5", "--limit-cpus", "0.5", "--", "sh", "-c", line]);
    wait_until("it is ready", || run.out().contains("ready"));
    let dir = container(&cluster);
    assert!(read(&dir, "cgroup.procs").is_empty() && !read(&dir, "inner/cgroup.procs").is_empty());
    cluster.until_used("nests", "cpus", 0.02);
    wait_until("it is throttled", || keyed(&dir, "cpu.stat", "nr_throttled") > 0);
    end(&cluster, run);
}

#[test]
fn a_kill_reaches_what_forks_in_a_frozen_group() {
    if skip() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let line = "while :; do sleep 0.01 & sleep 0.01; done";
    let run = cluster.run_named("forks", &["--grace", "300ms", "--", "sh", "-c", line]);
    let dir = container(&cluster);
    fs::write(dir.join("cgroup.freeze"), "1").expect("freeze");
    wait_until("it is frozen", || keyed(&dir, "cgroup.events", "frozen") == 1);
    let killed = cluster.headroom(&["kill", "forks"]);
    assert_eq!(killed.code, 0, "{killed:?}");
    assert!([137, 143].contains(&run.done().code));
    cluster.empty();
}

#[test]
fn without_ebpf_waiting_is_told_by_psi() {
    if skip() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick().agent("ebpf = \"off\"\n"));
    let run = cluster.run_named("busy", &["--", "sh", "-c", "while :; do :; done"]);
    assert_eq!(cluster.node()["rung"], "E");
    wait_until("its wait is told", || cluster.task("busy")["wait_ms"].is_number());
    end(&cluster, run);
}
