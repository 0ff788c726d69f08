//! Limits hold, and passing one is told as what it is.

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use headroom_tests::{Cluster, Settings, can_run, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

#[test]
fn passing_the_memory_limit_is_told_apart_from_a_kill() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    // tail keeps the last line, and there is no line's end in zeros.
    let done = cluster.run(&["--name", "hog", "--", "tail", "/dev/zero"]);
    assert_eq!(done.code, 137, "{done:?}");
    assert!(done.err.contains("memory limit"), "{done:?}");
    let task = cluster.task("hog");
    assert_eq!((&task["state"], &task["reason"]), (&"failed".into(), &"memory_limit".into()));

    let run = cluster.run_named("shot", &["--", "sleep", "1000"]);
    let pids = cluster.task_pids();
    kill(Pid::from_raw(*pids.first().expect("a process")), Signal::SIGKILL).expect("killed");
    let done = run.done();
    assert_eq!(done.code, 137, "{done:?}");
    assert!(!done.err.contains("memory limit"), "{done:?}");
    assert_eq!(cluster.task("shot")["reason"], "command_failed");
    cluster.empty();
}

#[test]
fn a_memory_limit_above_the_request_is_the_one_that_holds() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let line =
        ["--limit-memory", "512MiB", "--", "sh", "-c", "head -c 150M /dev/zero | tail | wc -c"];
    let done = cluster.run(&line);
    assert_eq!((done.code, done.out.trim()), (0, "157286400"), "{done:?}");
}

#[test]
fn a_cpu_limit_holds() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let limit = ["--cpus", "0.2", "--limit-cpus", "0.2"];
    let busy = ["--", "sh", "-c", "while :; do :; done"];
    let run = cluster.run_named("busy", &[&limit[..], &busy[..]].concat());
    let file = cluster.house.cgroups.container_file(&["cpuacct.usage", "cpu.stat"]);
    let file = file.expect("the kernel's account");
    wait_until("it is throttled", || cluster.task("busy")["throttled_ms"].as_f64() > Some(0.0));
    let (began, before) = (Instant::now(), usage_ns(&file));
    sleep(Duration::from_secs(3));
    let (took, used) = (began.elapsed(), usage_ns(&file) - before);
    let cpus = used as f64 / took.as_nanos() as f64;
    // Periods of 100 ms do not end where our three seconds do.
    assert!(cpus < 0.23, "it uses {cpus} CPUs and may use 0.2");
    let told = cluster.task("busy")["used"]["cpus"].as_f64().expect("measured");
    assert!((0.01..0.3).contains(&told), "it is told to use {told} CPUs");
    run.signal(Signal::SIGINT);
    let _ = run.done();
    cluster.empty();
}

/// Of `cpuacct.usage`, or of v2's `cpu.stat`.
fn usage_ns(file: &std::path::Path) -> u64 {
    let text = fs::read_to_string(file).expect("readable");
    let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
    match micros {
        Some(micros) => micros.parse::<u64>().expect("a number") * 1_000,
        None => text.trim().parse().expect("a number"),
    }
}
