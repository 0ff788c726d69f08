//! What simple queues would do on so many equal slots, one job each: references, not bounds.
//!
//! They know every run time, except the first. Nothing is lent.

use crate::schedule::workload::Workload;
use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

/// Who is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// First come first served.
    Fcfs,
    /// The shortest job first, run to its end.
    Sjf,
    /// The shortest remaining time first, taking slots away.
    Srpt,
}

/// The mean delay of all jobs, in milliseconds; `None` without slots or jobs.
#[must_use]
pub fn mean_delay_ms(workload: &Workload, slots: usize, order: Order) -> Option<f64> {
    if slots == 0 || workload.jobs.is_empty() {
        return None;
    }
    let total = match order {
        Order::Srpt => with_preemption(workload, slots),
        Order::Fcfs | Order::Sjf => to_the_end(workload, slots, order),
    };
    Some(total as f64 / workload.jobs.len() as f64)
}

fn to_the_end(workload: &Workload, slots: usize, order: Order) -> u128 {
    let mut free: BinaryHeap<_> = (0..slots).map(|_| Reverse(0_u64)).collect();
    let (mut queue, mut arrived, mut waited) = (BTreeSet::new(), 0, 0);
    let jobs = &workload.jobs;
    let mut clock = 0;
    while arrived < jobs.len() || !queue.is_empty() {
        let Some(Reverse(at)) = free.pop() else { break };
        // A slot that is free before anybody is there waits for the next to come.
        let next = jobs.get(arrived).map_or(at, |job| job.submitted_ms);
        let now = clock.max(if queue.is_empty() { at.max(next) } else { at });
        clock = now;
        while let Some(job) = jobs.get(arrived).filter(|job| job.submitted_ms <= now) {
            let length = job.profile.length_ms();
            queue.insert((if order == Order::Sjf { length } else { 0 }, arrived));
            arrived += 1;
        }
        if let Some((_, job)) = queue.pop_first() {
            waited += u128::from(now - jobs[job].submitted_ms);
            free.push(Reverse(now + jobs[job].profile.length_ms()));
        }
    }
    waited
}

fn with_preemption(workload: &Workload, slots: usize) -> u128 {
    let jobs = &workload.jobs;
    // By what is left: those that run (as of when they began or went on), and those that wait.
    let (mut runs, mut waits) = (BTreeSet::<(u64, usize)>::new(), BTreeSet::<(u64, usize)>::new());
    let (mut arrived, mut delay) = (0, 0);
    while arrived < jobs.len() || !runs.is_empty() {
        // `runs` is by end time: with one speed for all, the order of ends is that of what is left.
        let ends = runs.first().map_or(u64::MAX, |(end, _)| *end);
        let comes = jobs.get(arrived).map_or(u64::MAX, |job| job.submitted_ms);
        let now = ends.min(comes);
        if ends <= comes {
            if let Some((end, job)) = runs.pop_first() {
                let job = &jobs[job];
                delay += u128::from(end - job.submitted_ms - job.profile.length_ms());
            }
        } else {
            waits.insert((jobs[arrived].profile.length_ms(), arrived));
            arrived += 1;
        }
        while let Some((left, job)) = waits.first().copied() {
            if runs.len() >= slots {
                // Who has most left gives way to who has less.
                match runs.last().copied() {
                    Some((end, longest)) if end - now > left => {
                        runs.remove(&(end, longest));
                        waits.insert((end - now, longest));
                    }
                    _ => break,
                }
            }
            waits.remove(&(left, job));
            runs.insert((now + left, job));
        }
    }
    delay
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::workload::{Job, Profile, Repairs};

    #[test]
    fn three_jobs_on_one_slot() {
        let jobs = [(0, 100), (10, 50), (20, 10)].into_iter().map(|(submitted_ms, length)| {
            let mut profile = Profile::default();
            profile.push(length, 1);
            Job {
                name: format!("{length}"),
                submitted_ms,
                request_cpus_milli: 1,
                profile,
                memory: None,
            }
        });
        let workload = Workload::new(jobs.collect(), Repairs::default()).unwrap();
        let mean = |order| mean_delay_ms(&workload, 1, order).unwrap();
        assert_eq!(mean(Order::Fcfs), (90.0 + 130.0) / 3.0);
        assert_eq!(mean(Order::Sjf), (80.0 + 100.0) / 3.0);
        // 100 gives way at 10 to 50, that at 20 to 10: ends at 160, 70, 30.
        assert_eq!(mean(Order::Srpt), (60.0 + 10.0) / 3.0);
        assert_eq!(mean_delay_ms(&workload, 3, Order::Fcfs), Some(0.0));
        assert_eq!(mean_delay_ms(&workload, 0, Order::Fcfs), None);
    }
}
