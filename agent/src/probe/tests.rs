//! The programs on this kernel, against the kernel's own accounts. They need root and BTF.

use std::{fs, path::Path, thread::sleep, time::Duration};

use super::{
    workload::{Cgroup, Process, hog, ping_pong},
    *,
};

const CPU: &str = "/sys/fs/cgroup/cpu";
const CPUACCT: &str = "/sys/fs/cgroup/cpuacct";
const BLKIO: &str = "/sys/fs/cgroup/blkio";

/// Why the tests below cannot run here.
fn skip() -> bool {
    let reason = if !nix::unistd::geteuid().is_root() {
        "needs root"
    } else if !Path::new(KERNEL_BTF).exists() {
        "this kernel has no BTF"
    } else if ![CPU, CPUACCT, BLKIO].iter().all(|path| Path::new(path).exists()) {
        "needs the cpu, cpuacct and blkio controllers on v1"
    } else {
        return false;
    };
    println!("skipped: {reason}");
    true
}

/// One task's cgroups in the two controllers that account for CPU time.
struct Container {
    cpu: Cgroup,
    acct: Cgroup,
}

impl Container {
    fn create(name: &str) -> Self {
        let name = format!("headroom-test-{}-{name}", std::process::id());
        let cpu = Cgroup::create(&Path::new(CPU).join(&name)).unwrap();
        let acct = Cgroup::create(&Path::new(CPUACCT).join(&name)).unwrap();
        Self { cpu, acct }
    }

    fn cgroups(&self) -> [&Cgroup; 2] {
        [&self.cpu, &self.acct]
    }

    fn key(&self) -> SchedKey {
        SchedKey::new(self.cpu.inode().unwrap())
    }

    fn usage_ns(&self) -> u64 {
        number(&self.acct.path().join("cpuacct.usage"))
    }
}

fn number(path: &Path) -> u64 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

/// Run-queue wait in nanoseconds, summed over processes of one thread each.
fn schedstat_wait_ns(processes: &[Process]) -> u64 {
    let wait = |process: &Process| -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", process.pid())).unwrap();
        text.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    processes.iter().map(wait).sum()
}

/// (voluntary, involuntary) switches.
fn status_switches(processes: &[Process]) -> (u64, u64) {
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

fn within(got: u64, truth: u64, parts_per_10_000: u64) -> bool {
    got.abs_diff(truth) * 10_000 <= truth * parts_per_10_000
}

fn loaded(config: &ProbeConfig) -> Probe {
    let probe = Probe::load(config);
    assert_eq!(probe.absences(), &[], "this kernel takes the programs");
    probe
}

#[test]
fn both_programs_load_on_this_kernel() {
    if skip() {
        return;
    }
    let probe = loaded(&ProbeConfig::default());
    assert_eq!(probe.rung(), Rung::C);
    assert!(probe.health().is_some());
}

/// What both sides say of a container while its processes are stopped.
struct Account {
    ours: SchedCounters,
    usage_ns: u64,
    wait_ns: u64,
    switches: (u64, u64),
}

fn account(probe: &Probe, key: &mut SchedKey, box_: &Container, processes: &[Process]) -> Account {
    Account {
        ours: probe.sched(key).unwrap(),
        usage_ns: box_.usage_ns(),
        wait_ns: schedstat_wait_ns(processes),
        switches: status_switches(processes),
    }
}

/// Compares what both sides saw between two stops.
fn compare(name: &str, before: &Account, after: &Account) -> (u64, u64) {
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
fn run_two_seconds(
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
fn a_probe_that_measures_nothing_says_so() {
    let config = ProbeConfig { sched: false, block: false, ..ProbeConfig::default() };
    let probe = Probe::load(&config);
    assert_eq!(probe.absences().len(), 2);
    assert_eq!(probe.rung(), Rung::E);
    assert!(probe.sched(&mut SchedKey::new(1)).is_none());
    assert!(probe.block(&mut BlockKey::new(1)).is_none());
}

#[test]
fn this_machine_has_cpus() {
    assert!(cpus_present().unwrap() >= 1);
}
