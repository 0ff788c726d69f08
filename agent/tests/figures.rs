//! Sampled figures against the scheduler's account of the same processes: CPU within a thousandth.

mod support;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use headroom_agent::containers::Container;
use headroom_agent::files::{Cadence, Choice, Reader, TaskFiles, TaskSampler};
use headroom_core::{
    time::Time,
    usage::{Sample, rates},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::{Bench, can_run, output, procs, shell, wait, wait_exit};

/// Run time of all its processes in nanoseconds (proc_pid_schedstat): counted per process, not per
/// cgroup.
fn ran_ns(container: &Container) -> u64 {
    let ran = |pid: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("schedstat");
        text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("a number")
    };
    procs(container).into_iter().map(ran).sum()
}

fn signal(container: &Container, signal: Signal) {
    for pid in procs(container) {
        kill(Pid::from_raw(pid), signal).expect("signalled");
    }
}

/// Stops all of a container's processes and waits until they do: the state is told before the last
/// slice is booked, which can be long on a virtual CPU that its host has taken away.
fn stop(container: &Container) {
    signal(container, Signal::SIGSTOP);
    let stopped = |pid: &i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    };
    let mut last = 0;
    assert!(wait(|| {
        sleep(Duration::from_millis(20));
        let now = ran_ns(container);
        std::mem::replace(&mut last, now) == now && procs(container).iter().all(stopped)
    }));
}

#[test]
fn cpu_time_and_rate_match_the_schedulers_account_to_a_thousandth() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    // Two that never sleep on one CPU: they are switched all the time.
    let spec = shell("echo ready; exec taskset -c 0 sh -c 'while :; do :; done'");
    let containers = [0, 1].map(|n| {
        let id = format!("{}-{n}", spec.id);
        let spec = headroom_agent::containers::ContainerSpec { id, ..spec.clone() };
        bench.containers.launch(&spec).expect("launch")
    });
    let mut reader = Reader::new(Choice::Auto, &[]);
    let mut files = containers
        .each_ref()
        .map(|container| TaskFiles::open(&mut reader, container.cgroup().expect("cgroup").group()));
    for container in &containers {
        assert!(
            wait(|| output(container, "stdout") == "ready\n" && ran_ns(container) > 50_000_000)
        );
    }
    let started = Instant::now();
    let mut sampler = TaskSampler::new();
    let mut look = || {
        containers.iter().for_each(stop);
        sampler.sample(&mut reader, &mut files, Cadence::All);
        let at = Time::ZERO + started.elapsed();
        let samples = files.each_ref().map(|files| Sample {
            at,
            cpu_ns: files.sample().cpu_usage_ns,
            ..Sample::default()
        });
        (samples, containers.each_ref().map(ran_ns))
    };
    let (before, ran_before) = look();
    containers.iter().for_each(|container| signal(container, Signal::SIGCONT));
    sleep(Duration::from_secs(3));
    let (after, ran_after) = look();
    for n in 0..2 {
        let ran = ran_after[n] - ran_before[n];
        let told = after[n].cpu_ns.expect("measured") - before[n].cpu_ns.expect("measured");
        let elapsed_s = after[n].at.since(before[n].at).as_secs_f64();
        let rate = rates(&before[n], &after[n]).and_then(|rates| rates.usage.cpus_milli);
        println!("ran {ran} ns, told {told} ns, {rate:?} thousandths of a CPU over {elapsed_s} s");
        assert!(ran > 300_000_000, "it hardly ran: {ran} ns");
        assert!(told.abs_diff(ran) * 1_000 <= ran, "told {told} of {ran} ns");
        let truth_milli = ran as f64 / elapsed_s / 1e6;
        let off = (rate.expect("a rate") as f64 - truth_milli).abs();
        assert!(off <= 0.5 + truth_milli / 1_000.0, "{rate:?} of {truth_milli}");
    }
    for container in &containers {
        signal(container, Signal::SIGCONT);
        container.kill(Some(0)).expect("kill");
        wait_exit(container);
        container.cleanup().expect("cleanup");
    }
}
