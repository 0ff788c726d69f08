//! The flow bound on waiting: no schedule whatever, with all knowledge and free preemption, has less.
//!
//! Job k arrives at a, runs p when nothing slows it, and does work v (thousandths of a CPU times ms)
//! at a rate of at most q. Let m be the mean own time of its work (p / 2 when its use is even) and d
//! its delay, end - a - p. Work of own time s cannot be done later than end - (p - s), so the mean
//! time of its work is at most a + d + m. Hence the sum of all d is at least the least sum of (mean
//! time of work - a), over all ways of doing all work within the capacity, less the sum of m. That
//! least sum is a transportation problem: a unit of k's work costs (t - a) / v in the slot that begins
//! at t. Costs are taken at the begin of a slot, which is too early, so the bound is safe.

use super::simplex::{Source, TooHard, least_cost};
use crate::schedule::workload::{Job, Workload};
use thiserror::Error;

/// At most so many arcs (jobs times slots) are solved.
pub const MAX_ARCS: usize = 400_000_000;
/// Costs are whole numbers up to about this.
const COST_SCALE: f64 = 1e14;

/// What a job is taken to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// What it asks for, all its time: no lending.
    Request,
    /// What it uses.
    Usage,
}

/// Why there is no bound.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoBound {
    /// The solver gave up.
    #[error(transparent)]
    TooHard(#[from] TooHard),
    /// The problem does not fit.
    #[error("the flow bound has {0} arcs, at most {MAX_ARCS} are solved; use longer slots")]
    TooLarge(usize),
    /// There is nothing to place work on.
    #[error("there is no capacity")]
    NoCapacity,
}

struct Part {
    arrives_ms: u64,
    work: i64,
    rate_milli: u64,
    /// The mean own time of its work.
    mean_ms: f64,
}

fn part(job: &Job, holds: Holds) -> Part {
    let length = job.profile.length_ms();
    let (arrives_ms, request) = (job.submitted_ms, job.request_cpus_milli);
    let whole = |work: u128| i64::try_from(work).unwrap_or(i64::MAX);
    if holds == Holds::Request {
        let work = whole(u128::from(length) * u128::from(request));
        return Part { arrives_ms, work, rate_milli: request, mean_ms: length as f64 / 2.0 };
    }
    let (mut start, mut moment, mut peak) = (0, 0.0, 0);
    for (end, used) in job.profile.stretches() {
        moment += (end - start) as f64 * *used as f64 * (start + end) as f64 / 2.0;
        peak = peak.max(*used);
        start = *end;
    }
    let work = whole(job.profile.work());
    let mean_ms = if work == 0 { 0.0 } else { moment / work as f64 };
    Part { arrives_ms, work, rate_milli: peak, mean_ms }
}

/// A lower bound on the mean delay of all jobs, in milliseconds, on `capacity_milli` in all, with
/// slots of `slot_ms`. A bound below zero says nothing and counts as zero.
///
/// # Errors
/// There is no capacity, or the problem is too large.
pub fn least_mean_delay_ms(
    workload: &Workload,
    capacity_milli: u64,
    slot_ms: u64,
    holds: Holds,
) -> Result<f64, NoBound> {
    if capacity_milli == 0 || slot_ms == 0 {
        return Err(NoBound::NoCapacity);
    }
    let all = workload.jobs.iter().map(|job| part(job, holds));
    // Jobs that hold nothing wait for nothing.
    let parts: Vec<_> = all.filter(|part| part.work > 0).collect();
    let work: i128 = parts.iter().map(|part| i128::from(part.work)).sum();
    let last = workload.jobs.iter().map(|job| job.submitted_ms + job.profile.length_ms()).max();
    let busy_ms = u64::try_from(work / i128::from(capacity_milli)).unwrap_or(u64::MAX);
    let slots = (last.unwrap_or(0).saturating_add(busy_ms) / slot_ms + 1) as usize;
    let arcs = slots.saturating_mul(parts.len());
    if arcs > MAX_ARCS {
        return Err(NoBound::TooLarge(arcs));
    }
    let dearest = |part: &Part| (slots as f64 * slot_ms as f64) / part.work as f64;
    let scale = COST_SCALE / parts.iter().map(dearest).fold(f64::MIN_POSITIVE, f64::max);
    let sources: Vec<_> = parts
        .iter()
        .map(|part| Source {
            supply: part.work,
            per_slot: i64::try_from(part.rate_milli.saturating_mul(slot_ms)).unwrap_or(i64::MAX),
            from: (part.arrives_ms / slot_ms) as usize,
        })
        .collect();
    let factors: Vec<_> = parts.iter().map(|part| scale / part.work as f64).collect();
    let capacity = i64::try_from(capacity_milli.saturating_mul(slot_ms)).unwrap_or(i64::MAX);
    let least = least_cost(&sources, &vec![capacity; slots], |source, slot| {
        let waited = (slot as u64 * slot_ms).saturating_sub(parts[source].arrives_ms);
        // Rounded down: the bound stays one.
        (waited as f64 * factors[source]) as i64
    })?;
    let means: f64 = parts.iter().map(|part| part.mean_ms).sum();
    Ok(((least as f64 / scale - means) / workload.jobs.len() as f64).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::workload::{Profile, Repairs};

    fn workload(jobs: &[(u64, u64)]) -> Workload {
        let jobs = jobs.iter().enumerate().map(|(number, (submitted_ms, length))| {
            let mut profile = Profile::default();
            profile.push(*length, 1_000);
            let name = number.to_string();
            let submitted_ms = *submitted_ms;
            Job { name, submitted_ms, request_cpus_milli: 1_000, profile, memory: None }
        });
        Workload::new(jobs.collect(), Repairs::default()).unwrap()
    }

    #[test]
    fn two_jobs_on_one_cpu() {
        // Best: the short one first, so the long one waits 10 of its own time: 5 s on the mean.
        let two = workload(&[(0, 10_000), (0, 100_000)]);
        let bound = |slot| least_mean_delay_ms(&two, 1_000, slot, Holds::Usage).unwrap();
        assert!(bound(100) <= 5_000.0, "{}", bound(100));
        assert!(bound(100) > 4_000.0, "{}", bound(100));
        assert!(bound(1_000) <= bound(100), "longer slots are safe");
        assert_eq!(least_mean_delay_ms(&two, 2_000, 100, Holds::Usage), Ok(0.0));
        assert_eq!(least_mean_delay_ms(&two, 0, 100, Holds::Usage), Err(NoBound::NoCapacity));
    }

    #[test]
    fn what_is_not_used_does_not_make_others_wait() {
        let mut jobs = workload(&[(0, 10_000), (0, 10_000)]);
        for job in &mut jobs.jobs {
            job.request_cpus_milli = 2_000;
        }
        let bound = |holds| least_mean_delay_ms(&jobs, 2_000, 100, holds).unwrap();
        assert_eq!(bound(Holds::Usage), 0.0);
        // One after the other is 5 s on the mean; a fluid schedule of both halves cannot do better.
        assert!(bound(Holds::Request) > 2_000.0 && bound(Holds::Request) <= 5_000.0);
    }
}
