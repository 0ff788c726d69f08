//! What is remembered of one machine and of each task on it: a few kilobytes, the same for a day and for a year.
//!
//! Of the machine: the maxima of the last 24 five-minute slots (recent) and of seven days of half hours. Of a task: its
//! half hours and when it came. Percentiles are not kept: no rule made of them was better than these maxima (docs/forecast.md).

use super::{Step, maximum_ring::MaximumRing};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Half hours in a day.
pub(super) const DAY_SLOTS: u64 = 48;
/// Seven days and the half hour that is still filling.
const WEEK_SLOTS: usize = 7 * 48 + 1;
const RECENT_SLOTS: usize = 24;
/// How much of the past counts.
pub(super) const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// The maxima of two hours in five-minute slots.
pub(super) type Recent = MaximumRing<RECENT_SLOTS, 300>;
/// The maxima of seven days in half hours.
pub(super) type HalfHours = MaximumRing<WEEK_SLOTS, 1_800>;

/// One task's digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TaskDigest {
    pub(super) task: u64,
    /// Absent if it was there in the machine's first step: it may have come long before.
    pub(super) arrived_ns: Option<u64>,
    pub(super) used: f64,
    pub(super) limit: f64,
    half_hours: HalfHours,
}

impl TaskDigest {
    /// The most it will use by itself: what it used at most in a week, or its limit while it is young.
    #[must_use]
    pub(super) fn own_peak(&self, now_ns: u64, young: Duration) -> f64 {
        let age_ns = self.arrived_ns.map(|arrived_ns| now_ns.saturating_sub(arrived_ns));
        if age_ns.is_some_and(|age_ns| u128::from(age_ns) < young.as_nanos()) {
            return self.limit;
        }
        self.half_hours.largest().min(self.limit)
    }
}

/// One machine's digest, with its tasks'.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Digest {
    pub(super) first_ns: Option<u64>,
    pub(super) newest_ns: u64,
    pub(super) recent: Recent,
    pub(super) half_hours: HalfHours,
    pub(super) tasks: Vec<TaskDigest>,
}

impl Digest {
    /// Takes note of a step.
    pub(super) fn observe(&mut self, now_ns: u64, step: &Step<'_>) {
        let arrived_ns = self.first_ns.map(|_| now_ns);
        self.first_ns.get_or_insert(now_ns);
        self.newest_ns = now_ns;
        self.align(arrived_ns, step);
        for (digest, present) in self.tasks.iter_mut().zip(step.present) {
            (digest.used, digest.limit) = (measured(present.used), measured(present.limit));
            digest.half_hours.push(now_ns, digest.used);
        }
        let used = self.tasks.iter().map(|digest| digest.used).sum();
        self.recent.push(now_ns, used);
        self.half_hours.push(now_ns, used);
    }

    /// Forgets who has gone and makes room for who is new.
    fn align(&mut self, arrived_ns: Option<u64>, step: &Step<'_>) {
        let handles = step.present.iter().map(|task| task.task.number());
        if self.tasks.iter().map(|digest| digest.task).eq(handles) {
            return;
        }
        let mut old = std::mem::take(&mut self.tasks).into_iter().peekable();
        for task in step.present {
            let handle = task.task.number();
            while old.next_if(|digest| digest.task < handle).is_some() {}
            let kept = old.next_if(|digest| digest.task == handle);
            self.tasks.push(kept.unwrap_or_else(|| TaskDigest {
                task: handle,
                arrived_ns,
                used: 0.0,
                limit: task.limit,
                half_hours: HalfHours::default(),
            }));
        }
    }

    /// How much time was measured, at most a week: gaps do not count.
    #[must_use]
    pub(super) fn history(&self) -> Duration {
        let Some(first_ns) = self.first_ns else { return Duration::ZERO };
        let slots = self.half_hours.since(0).count() as u64;
        let filled = Duration::from_secs(slots * 1_800);
        let age = Duration::from_nanos(self.newest_ns.saturating_sub(first_ns));
        // A machine's first step has no age, but was measured.
        filled.min(age.max(Duration::from_secs(1))).min(WEEK)
    }
}

/// What no meter can have measured counts as nothing, so that it cannot poison what is remembered.
fn measured(amount: f64) -> f64 {
    if amount.is_finite() { amount.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{forecast::Present, ids::TaskHandle, time::Time};

    #[test]
    fn a_digest_is_a_few_kilobytes() {
        let task = size_of::<TaskDigest>() + WEEK_SLOTS * size_of::<f32>();
        let machine = size_of::<Digest>() + (WEEK_SLOTS + RECENT_SLOTS) * size_of::<f32>();
        assert!(task < 1_600, "a task's digest has {task} bytes");
        assert!(machine < 2_048, "a machine's own digest has {machine} bytes");
    }

    #[test]
    fn a_task_counts_with_its_limit_until_it_is_known() {
        let young = Duration::from_secs(60);
        let second = |s: u64| s * 1_000_000_000;
        let mut digest = Digest::default();
        let mut observe = |s: u64, tasks: &[(u64, f64)]| {
            let one = |(task, used): &(u64, f64)| Present {
                task: TaskHandle::from_number(*task),
                limit: 8.0,
                used: *used,
            };
            let present: Vec<_> = tasks.iter().map(one).collect();
            digest
                .observe(second(s), &Step { now: Time::from_nanos(second(s)), present: &present });
            digest.tasks.iter().map(|task| task.own_peak(second(s), young)).collect::<Vec<_>>()
        };
        assert_eq!(
            observe(100, &[(1, 2.0)]),
            [2.0],
            "who was there first may have come long before"
        );
        assert_eq!(observe(110, &[(1, 1.0), (2, 1.0)]), [2.0, 8.0]);
        assert_eq!(observe(170, &[(1, 1.0), (2, 3.0)]), [2.0, 3.0]);
        assert_eq!(observe(171, &[(2, 1.0)]), [3.0]);
        assert_eq!(
            observe(172, &[(1, 1.0), (2, 1.0)]),
            [8.0, 3.0],
            "a task that comes again is new"
        );
    }
}
