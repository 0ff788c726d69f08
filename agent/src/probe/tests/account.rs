//! Figures of a container from both sides: ours, and the kernel's files.

use std::{fs, path::Path, thread::sleep, time::Duration};

use super::{CPU, CPUACCT, UNIFIED, within};
use crate::probe::{
    Probe, SchedCounters, SchedKey,
    workload::{Cgroup, Process},
};

/// Where v2 says which controllers there are.
const CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.subtree_control";

/// Whether the cpu controller is on v2 here, ready for our children.
pub(crate) fn unified() -> bool {
    fs::read_to_string(CONTROLLERS).is_ok_and(|list| list.split_whitespace().any(|c| c == "cpu"))
}

/// The hierarchy whose ids the program books by.
pub(crate) fn cpu_root() -> &'static Path {
    Path::new(if unified() { UNIFIED } else { CPU })
}

/// A cgroup inside another, with a cpu controller of its own.
pub(crate) fn inside(outer: &Cgroup, name: &str) -> Cgroup {
    if unified() {
        fs::write(outer.path().join("cgroup.subtree_control"), "+cpu").unwrap();
    }
    Cgroup::create(&outer.path().join(name)).unwrap()
}

/// One task's cgroups where CPU time is accounted for: one directory on v2, two on v1.
pub(crate) struct Container {
    pub(crate) cpu: Cgroup,
    acct: Option<Cgroup>,
}

impl Container {
    pub(crate) fn create(name: &str) -> Self {
        let name = format!("headroom-test-{}-{name}", std::process::id());
        let acct = (!unified()).then(|| Cgroup::create(&Path::new(CPUACCT).join(&name)).unwrap());
        let cpu = Cgroup::create(&cpu_root().join(&name)).unwrap();
        Self { cpu, acct }
    }

    pub(crate) fn cgroups(&self) -> Vec<&Cgroup> {
        std::iter::once(&self.cpu).chain(&self.acct).collect()
    }

    pub(crate) fn key(&self) -> SchedKey {
        SchedKey::new(self.cpu.inode().unwrap())
    }

    pub(crate) fn usage_ns(&self) -> u64 {
        let Some(acct) = &self.acct else {
            let text = fs::read_to_string(self.cpu.path().join("cpu.stat")).unwrap();
            let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
            return usage.unwrap().parse::<u64>().unwrap() * 1_000;
        };
        number(&acct.path().join("cpuacct.usage"))
    }
}

pub(crate) fn number(path: &Path) -> u64 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

/// Run-queue wait in nanoseconds, summed over processes of one thread each.
pub(crate) fn schedstat_wait_ns(processes: &[Process]) -> u64 {
    let wait = |process: &Process| -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", process.pid())).unwrap();
        text.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    processes.iter().map(wait).sum()
}

/// (voluntary, involuntary) switches.
pub(crate) fn status_switches(processes: &[Process]) -> (u64, u64) {
    let mut sum = (0, 0);
    for process in processes {
        let text = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
        let field = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse().unwrap()
        };
        sum.0 += field("voluntary_ctxt_switches:");
        sum.1 += field("nonvoluntary_ctxt_switches:");
    }
    sum
}

/// What both sides say of a container while its processes are stopped.
pub(crate) struct Account {
    ours: SchedCounters,
    usage_ns: u64,
    wait_ns: u64,
    switches: (u64, u64),
}

pub(crate) fn account(
    probe: &Probe,
    key: &mut SchedKey,
    box_: &Container,
    processes: &[Process],
) -> Account {
    Account {
        ours: probe.sched(key).unwrap(),
        usage_ns: box_.usage_ns(),
        wait_ns: schedstat_wait_ns(processes),
        switches: status_switches(processes),
    }
}

/// Compares what both sides saw between two stops.
pub(crate) fn compare(name: &str, before: &Account, after: &Account) -> (u64, u64) {
    let run = after.ours.run_ns - before.ours.run_ns;
    let wait = after.ours.wait_ns - before.ours.wait_ns;
    let usage = after.usage_ns - before.usage_ns;
    let delay = after.wait_ns - before.wait_ns;
    let waits = after.ours.wait_histogram.since(&before.ours.wait_histogram);
    let switches = after.ours.switches - before.ours.switches;
    let involuntary = after.ours.involuntary - before.ours.involuntary;
    let (voluntary, forced) =
        (after.switches.0 - before.switches.0, after.switches.1 - before.switches.1);
    println!(
        "{name}: run {run} of {usage} ns, wait {wait} of {delay} ns, p99 {:?} ns, \
         switches {switches} of {}, involuntary {involuntary} of {forced}, displaced {:?}",
        waits.quantile_ns(0.99),
        voluntary + forced,
        after.ours.displaced_by,
    );
    assert!(within(run, usage, 10), "{name}: run time");
    assert!(within(wait, delay, 100) || delay < 1_000_000, "{name}: wait");
    assert!(within(switches, voluntary + forced, 100), "{name}: switches");
    assert_eq!(waits.count(), switches, "{name}: every slice has its wait in the histogram");
    (run, wait)
}

/// Stops and accounts, lets run for two seconds, stops and accounts again.
pub(crate) fn run_two_seconds(
    probe: &Probe,
    containers: &[(&'static str, &Container, &[Process])],
) -> Vec<(u64, u64)> {
    let mut keys: Vec<SchedKey> = containers.iter().map(|(_, box_, _)| box_.key()).collect();
    let mut round = || -> Vec<Account> {
        containers.iter().flat_map(|(_, _, processes)| *processes).for_each(|p| p.stop().unwrap());
        let each = containers.iter().zip(&mut keys);
        each.map(|((_, box_, processes), key)| account(probe, key, box_, processes)).collect()
    };
    sleep(Duration::from_millis(200));
    let before = round();
    containers.iter().flat_map(|(_, _, processes)| *processes).for_each(|p| p.go_on().unwrap());
    sleep(Duration::from_secs(2));
    let after = round();
    let pairs = before.iter().zip(&after).zip(containers);
    pairs.map(|((before, after), (name, _, _))| compare(name, before, after)).collect()
}
