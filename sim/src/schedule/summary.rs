//! A replay's figures, and the bounds beside them.

use super::{
    Policy, Record, Setup,
    workload::{Repairs, Workload},
};
use crate::bound::{
    flow::{self, Holds},
    peak,
    slots::{self, Order},
};
use serde::Serialize;
use std::time::Duration;

/// Jobs shorter than this are of the class (and at least as long as the class before), when nothing
/// slows them.
const CLASSES: [(&str, u64); 5] = [
    ("under 1 min", 60),
    ("under 10 min", 600),
    ("under 1 h", 3_600),
    ("under 12 h", 43_200),
    ("longer", u64::MAX / 1_000),
];

/// Mean and quantiles over jobs, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean_s: f64,
    /// Half are below.
    pub p50_s: f64,
    /// Nine tenths are below.
    pub p90_s: f64,
    /// All but a hundredth are below.
    pub p99_s: f64,
    /// The largest.
    pub max_s: f64,
}

impl Spread {
    /// Of these, in milliseconds; `None` of none.
    #[must_use]
    pub fn of(mut all_ms: Vec<u64>) -> Option<Self> {
        all_ms.sort_unstable();
        let last = all_ms.last()?;
        // Nearest rank.
        let rank = |part: f64| ((all_ms.len() as f64 * part).ceil() as usize).max(1) - 1;
        let at = |part| all_ms[rank(part)] as f64 / 1e3;
        let sum: u128 = all_ms.iter().map(|ms| u128::from(*ms)).sum();
        Some(Self {
            mean_s: sum as f64 / all_ms.len() as f64 / 1e3,
            p50_s: at(0.5),
            p90_s: at(0.9),
            p99_s: at(0.99),
            max_s: *last as f64 / 1e3,
        })
    }
}

/// Jobs of about one length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizeClass {
    /// How long they are.
    pub length: &'static str,
    /// How many.
    pub jobs: usize,
    /// From submission to first holding.
    pub wait: Option<Spread>,
    /// From submission to end, less the length.
    pub delay: Option<Spread>,
}

/// What no schedule can pass, and references. Absent: could not be had, `notes` say why.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bounds {
    /// CPU-hours that all jobs use: the least that can be held.
    pub used_cpu_hours: f64,
    /// CPU-hours held by an oracle that must cover each node's use of the next `peak_horizon_s`,
    /// with the jobs placed as they were.
    pub peak_oracle_cpu_hours: f64,
    /// See there.
    pub peak_horizon_s: u64,
    /// No schedule that holds all that is asked for has a mean delay below this.
    pub delay_without_lending_s: Option<f64>,
    /// No schedule at all has a mean delay below this.
    pub delay_s: Option<f64>,
    /// Length of the time slots of these two.
    pub slot_s: u64,
    /// Mean delay of first come first served, one job a node.
    pub fcfs_s: Option<f64>,
    /// Of shortest job first, with perfect knowledge, one job a node.
    pub sjf_s: Option<f64>,
    /// Of shortest remaining time first, with perfect knowledge and free preemption, one job a node.
    pub srpt_s: Option<f64>,
    /// Why something is absent.
    pub notes: Vec<String>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How the queue was worked off.
    pub policy: Policy,
    /// Whether idle resources were lent.
    pub reclaim: bool,
    /// Nodes.
    pub nodes: usize,
    /// What each has.
    pub node_cpus: f64,
    /// Frameworks.
    pub frameworks: usize,
    /// Deals the jobs.
    pub seed: u64,
    /// Length of a step.
    pub step_s: f64,
    /// Jobs replayed.
    pub jobs: usize,
    /// What was mended in the trace.
    pub repairs: Repairs,
    /// When the last job ended.
    pub makespan_h: f64,
    /// CPU-hours held, as the core counts it.
    pub held_cpu_hours: f64,
    /// CPU-hours used, as the core was told.
    pub used_cpu_hours: f64,
    /// The headline.
    pub held_over_used: Option<f64>,
    /// CPU-hours lent.
    pub lent_cpu_hours: f64,
    /// The same of memory; absent where the trace does not tell of it.
    pub memory: Option<MemoryFigures>,
    /// Used of what all nodes had until the last job ended.
    pub utilisation: f64,
    /// From submission to first holding.
    pub wait: Option<Spread>,
    /// From submission to end, less the length when nothing slows: waiting, going slower and doing
    /// things again, together.
    pub delay: Option<Spread>,
    /// By length.
    pub classes: Vec<SizeClass>,
    /// Jobs that began on lent resources.
    pub began_lent: usize,
    /// Lent tasks that came to hold a promise in place.
    pub promotions: u64,
    /// Tasks that the reclaim ladder ended.
    pub evictions: u64,
    /// Tasks that their framework ended to begin them anew on a free node.
    pub moves: u64,
    /// CPU-hours of work that was lost by both.
    pub lost_cpu_hours: f64,
    /// That over the work done.
    pub lost_share: f64,
    /// Jain's index over what frameworks with work hold, mean over steps; absent for one framework.
    pub jain: Option<f64>,
    /// Mean over steps of the change of what could be lent, over all capacity.
    pub churn: f64,
    /// Offers made.
    pub offers: u64,
    /// Offers declined.
    pub declined: u64,
    /// Offers taken back.
    pub rescinded: u64,
    /// The bounds.
    pub bounds: Bounds,
}

/// What was done with memory, where the trace tells of it; amounts in the trace's unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryFigures {
    /// What each node has.
    pub node: f64,
    /// Amount-hours held, as the core counts it.
    pub held_hours: f64,
    /// Amount-hours used, as the core was told.
    pub used_hours: f64,
    /// Held over used.
    pub held_over_used: Option<f64>,
    /// Amount-hours lent.
    pub lent_hours: f64,
    /// Used of what all nodes had until the last job ended.
    pub utilisation: f64,
    /// Tasks that the reclaim ladder ended as their node ran out of memory.
    pub evictions: u64,
    /// Seconds, summed over nodes, in which tasks used more memory than there was.
    pub short_s: f64,
    /// Amount-hours that all jobs use: the least that can be held.
    pub least_hours: f64,
    /// Amount-hours held by the peak oracle (see [`Bounds`]).
    pub peak_oracle_hours: f64,
}

const MILLI_MS_PER_HOUR: f64 = 1e3 * 3_600e3;

/// Makes a summary of a replay. `slot`: the length of the flow bound's time slots, `None`: leave it
/// out; `horizon`: of the peak oracle.
#[must_use]
pub fn summarise(
    setup: &Setup,
    workload: &Workload,
    record: &Record,
    slot: Option<Duration>,
    horizon: Duration,
) -> Summary {
    let waits = record.jobs.iter().filter_map(|job| job.wait_ms).collect();
    let delays = record.jobs.iter().filter_map(|job| job.delay_ms).collect();
    let step_h = setup.step.as_secs_f64() / 3_600.0;
    let ledger = record.ledger;
    let capacity_milli = setup.node_cpus_milli as f64 * setup.nodes as f64;
    let done = record.done_cpu_ns as f64;
    let lost = record.lost_cpu_ns as f64;
    let span_ms = record.ended_ms.max(1) as f64;
    Summary {
        policy: setup.policy,
        reclaim: setup.reclaim,
        nodes: setup.nodes,
        node_cpus: setup.node_cpus_milli as f64 / 1e3,
        frameworks: setup.frameworks(),
        seed: setup.seed,
        step_s: setup.step.as_secs_f64(),
        jobs: workload.jobs.len(),
        repairs: workload.repairs,
        makespan_h: span_ms / 3_600e3,
        held_cpu_hours: ledger.held_cpus * step_h,
        used_cpu_hours: ledger.used_cpus * step_h,
        held_over_used: ledger.held_over_used_cpus(),
        lent_cpu_hours: ledger.lent_cpus * step_h,
        memory: memory(setup, workload, record, horizon),
        utilisation: (done + lost) / 1e3 / (capacity_milli * span_ms),
        wait: Spread::of(waits),
        delay: Spread::of(delays),
        classes: classes(workload, record),
        began_lent: record.jobs.iter().filter(|job| job.began_lent).count(),
        promotions: record.promotions,
        evictions: record.evictions,
        moves: record.moves,
        lost_cpu_hours: lost / 1e9 / 3_600.0,
        lost_share: if done > 0.0 { lost / done } else { 0.0 },
        jain: (record.jain_steps > 0).then(|| record.jain_sum / record.jain_steps as f64),
        churn: record.lendable_moved_milli as f64 / (capacity_milli * ledger.steps.max(1) as f64),
        offers: record.offers,
        declined: record.declined,
        rescinded: record.rescinded,
        bounds: bounds(setup, workload, record, slot, horizon),
    }
}

fn memory(
    setup: &Setup,
    workload: &Workload,
    record: &Record,
    horizon: Duration,
) -> Option<MemoryFigures> {
    let node = setup.node_memory_milli? as f64 / 1e3;
    let step_h = setup.step.as_secs_f64() / 3_600.0;
    let hours = |mib_steps: f64| setup.from_core_memory(mib_steps) * step_h;
    let (ledger, steps) = (record.ledger, peak_steps(setup, horizon));
    let peaks = record.memory_series.iter().map(|node| peak::held(node.values(), steps));
    let used = workload.jobs.iter().filter_map(|job| Some(job.memory.as_ref()?.profile.work()));
    let span_h = record.ended_ms.max(1) as f64 / 3_600e3;
    Some(MemoryFigures {
        node,
        held_hours: hours(ledger.held_memory_mib),
        used_hours: hours(ledger.used_memory_mib),
        held_over_used: (ledger.used_memory_mib > 0.0)
            .then(|| ledger.held_memory_mib / ledger.used_memory_mib),
        lent_hours: hours(ledger.lent_memory_mib),
        utilisation: hours(ledger.used_memory_mib) / (node * setup.nodes as f64 * span_h),
        evictions: record.memory_evictions,
        short_s: record.memory_short_ms as f64 / 1e3,
        least_hours: used.sum::<u128>() as f64 / MILLI_MS_PER_HOUR,
        peak_oracle_hours: hours(peaks.sum::<u128>() as f64 / 1e3),
    })
}

/// How many steps the peak oracle must cover.
fn peak_steps(setup: &Setup, horizon: Duration) -> usize {
    (horizon.as_secs_f64() / setup.step.as_secs_f64()).round() as usize
}

fn classes(workload: &Workload, record: &Record) -> Vec<SizeClass> {
    let mut from = 0;
    let class = |(length, below): (&'static str, u64)| {
        let range = from * 1_000..below * 1_000;
        from = below;
        let both = workload.jobs.iter().zip(&record.jobs);
        let of = both.filter(|(job, _)| range.contains(&job.profile.length_ms()));
        let of: Vec<_> = of.map(|(_, record)| record).collect();
        SizeClass {
            length,
            jobs: of.len(),
            wait: Spread::of(of.iter().filter_map(|job| job.wait_ms).collect()),
            delay: Spread::of(of.iter().filter_map(|job| job.delay_ms).collect()),
        }
    };
    CLASSES.into_iter().map(class).collect()
}

fn bounds(
    setup: &Setup,
    workload: &Workload,
    record: &Record,
    slot: Option<Duration>,
    horizon: Duration,
) -> Bounds {
    let mut notes = Vec::new();
    let work: u128 = workload.jobs.iter().map(|job| job.profile.work()).sum();
    let steps = peak_steps(setup, horizon);
    let held: u128 = record.series.iter().map(|node| peak::held(node.values(), steps)).sum();
    let slot_ms = slot.map(|slot| u64::try_from(slot.as_millis()).unwrap_or(u64::MAX));
    let capacity = setup.node_cpus_milli.saturating_mul(setup.nodes as u64);
    let mut least = |holds| match slot_ms {
        None => {
            notes.push("the flow bound was not asked for (--bound-slot)".to_owned());
            None
        }
        Some(slot_ms) => flow::least_mean_delay_ms(workload, capacity, slot_ms, holds)
            .map_err(|why| notes.push(why.to_string()))
            .ok()
            .map(|ms| ms / 1e3),
    };
    let (without, with) = (least(Holds::Request), least(Holds::Usage));
    // A queue of slots stands for the cluster only where every job fills a node.
    let whole = workload.jobs.iter().all(|job| job.request_cpus_milli == setup.node_cpus_milli);
    if !whole {
        notes.push("FCFS, SJF, SRPT: only where each job asks for a whole node".to_owned());
    }
    notes.dedup();
    let queue = |order| {
        let delay = whole.then(|| slots::mean_delay_ms(workload, setup.nodes, order)).flatten();
        delay.map(|ms| ms / 1e3)
    };
    Bounds {
        used_cpu_hours: work as f64 / MILLI_MS_PER_HOUR,
        peak_oracle_cpu_hours: held as f64 / 1e3 * setup.step.as_secs_f64() / 3_600.0,
        peak_horizon_s: horizon.as_secs(),
        delay_without_lending_s: without,
        delay_s: with,
        slot_s: slot.map_or(0, |slot| slot.as_secs()),
        fcfs_s: queue(Order::Fcfs),
        sjf_s: queue(Order::Sjf),
        srpt_s: queue(Order::Srpt),
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_nearest_rank() {
        let spread = Spread::of((1..=100).rev().map(|s| s * 1_000).collect()).unwrap();
        let expected = Spread { mean_s: 50.5, p50_s: 50.0, p90_s: 90.0, p99_s: 99.0, max_s: 100.0 };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![7]).unwrap().p99_s, 0.007);
    }
}
