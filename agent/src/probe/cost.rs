//! What the scheduler program costs a context switch: timed by the kernel under a ping-pong on one CPU, against
//! a program that does nothing. The difference is ours; the rest is the hook and the timing itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    thread::sleep,
    time::Duration,
};

use super::{
    ProbeConfig,
    btf::{BtfError, KERNEL_BTF, KernelBtf},
    cpus_present,
    object::{self, LoadError, ProgramTiming, Settings, Size},
    offsets, sched, task_rows,
    workload::{Cgroup, ping_pong},
};

/// How long each program is watched in a round, after it has run warm.
const WATCHED: Duration = Duration::from_millis(300);
const WARM_UP: Duration = Duration::from_millis(50);
/// Rounds that make sense: beyond, only time is lost.
pub const MAX_ROUNDS: u32 = 1_000;

/// The empty program's name in the object.
const EMPTY: &str = "empty";

/// Places where the cpu controller may be: a v1 hierarchy, v2.
const CPU_HIERARCHIES: [&str; 3] =
    ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"];

/// Why the cost could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// A program could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The fields could not be found.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// The ping-pong, or its cgroup, could not be made.
    #[error("the ping-pong could not be run: {0}")]
    Workload(#[from] io::Error),
    /// No cgroup hierarchy has a cpu controller.
    #[error("no cpu controller under /sys/fs/cgroup: the program would have nothing to book")]
    NoCpuController,
    /// The machine's CPUs are not known.
    #[error("{0}")]
    Cpus(String),
    /// A round in which nothing switched.
    #[error("the ping-pong made no switches")]
    Idle,
}

/// Medians over rounds; each round times the empty program and ours right after one another.
#[derive(Clone, Debug, PartialEq)]
pub struct CostReport {
    /// How many rounds.
    pub rounds: u32,
    /// Nanoseconds a run of the empty program: hook and timing.
    pub empty_ns: f64,
    /// Nanoseconds a run of ours.
    pub sched_ns: f64,
    /// Median of the rounds' differences.
    pub net_ns: f64,
    /// Least and greatest difference of a round.
    pub net_range_ns: (f64, f64),
    /// Switches timed in all.
    pub switches: u64,
}

/// Measures in a cgroup of its own, which it makes and removes.
pub fn measure(rounds: u32) -> Result<CostReport, CostError> {
    let parent = cpu_hierarchy().ok_or(CostError::NoCpuController)?;
    let cgroup = Cgroup::create(&parent.join(format!("headroom-cost-{}", process::id())))?;
    let settings = settings()?;
    let players = ping_pong(&[&cgroup], 0)?;
    let _timing = ProgramTiming::start()?;
    let mut pairs = Vec::new();
    let mut switches = 0;
    for round in 0..rounds.clamp(1, MAX_ROUNDS) {
        // The order changes, so that a drift of the machine favours neither.
        let order = if round % 2 == 0 { [EMPTY, sched::PROGRAM] } else { [sched::PROGRAM, EMPTY] };
        let [first, second] = [time(&settings, order[0])?, time(&settings, order[1])?];
        switches += first.1 + second.1;
        let (empty, ours) = if round % 2 == 0 { (first, second) } else { (second, first) };
        pairs.push((empty.0, ours.0));
    }
    drop(players);
    Ok(report(&pairs, switches))
}

/// Nanoseconds a run, and runs.
fn time(settings: &Settings, program: &'static str) -> Result<(f64, u64), CostError> {
    let btf = object::tracepoints()?;
    let mut ebpf = object::open(settings)?;
    object::attach(&mut ebpf, program, sched::TRACEPOINT, &btf)?;
    sleep(WARM_UP);
    let before = object::cost(&ebpf, program).ok_or(CostError::Idle)?;
    sleep(WATCHED);
    let after = object::cost(&ebpf, program).ok_or(CostError::Idle)?;
    let runs = after.runs - before.runs;
    if runs == 0 {
        return Err(CostError::Idle);
    }
    Ok(((after.run_ns - before.run_ns) as f64 / runs as f64, runs))
}

fn settings() -> Result<Settings, CostError> {
    let slots = ProbeConfig::default().slots;
    let cpus = cpus_present().map_err(CostError::Cpus)?;
    let size = Size { cpus, slots: slots as usize, tasks: task_rows() };
    let mut offsets = offsets::sched(&KernelBtf::read(Path::new(KERNEL_BTF))?)?;
    offsets.push(("SLOTS", slots));
    Ok(Settings {
        offsets,
        guaranteed_parent: 0,
        revocable_parent: 0,
        sched: Some(size),
        block: None,
    })
}

fn report(pairs: &[(f64, f64)], switches: u64) -> CostReport {
    let net: Vec<f64> = pairs.iter().map(|(empty, ours)| ours - empty).collect();
    CostReport {
        rounds: pairs.len() as u32,
        empty_ns: median(pairs.iter().map(|pair| pair.0).collect()),
        sched_ns: median(pairs.iter().map(|pair| pair.1).collect()),
        net_range_ns: (
            net.iter().copied().fold(f64::INFINITY, f64::min),
            net.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ),
        net_ns: median(net),
        switches,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// Where children get a css of their own in the cpu controller.
fn cpu_hierarchy() -> Option<PathBuf> {
    CPU_HIERARCHIES.iter().map(PathBuf::from).find(|path| {
        let delegated = fs::read_to_string(path.join("cgroup.subtree_control"));
        path.join("cpu.shares").exists()
            || delegated.is_ok_and(|list| list.split_whitespace().any(|name| name == "cpu"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_cost_is_measured() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        let rounds = std::env::var("HEADROOM_COST_ROUNDS").ok().and_then(|n| n.parse().ok());
        let report = measure(rounds.unwrap_or(2)).unwrap();
        println!("{report:#?}");
        assert!(report.switches > 100);
        assert!(report.sched_ns > 0.0 && report.empty_ns > 0.0);
    }
}
