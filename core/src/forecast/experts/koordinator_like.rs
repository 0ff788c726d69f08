//! Koordinator's predictor: a percentile of a decayed histogram for each task and for all of them, plus 10 %.
//!
//! Source: koordinator-sh/koordinator, pkg/koordlet/prediction (config.go, peak_predictor.go): buckets of 5 %, half-life
//! 12 h for CPU and 24 h for memory, p95 for CPU and p98 for memory, margin 10 %; reclaimable is the smaller of what the pods
//! and what their class leave, hence the peak the larger. A pod counts with its request for its first 24 h. Peaks with their
//! margin may pass a pod's request: reclaimable is what the capacity leaves beside them, and the capacity is here the sum
//! of the limits.

use super::{decayed_histogram::DecayedHistogram, tasks::Tasks};
use crate::{
    forecast::{Expert, Step},
    time::Time,
};
use std::time::Duration;

const MARGIN: f64 = 1.10;
const HOUR: Duration = Duration::from_secs(3_600);

/// See the module.
#[derive(Clone, Debug)]
pub struct KoordinatorLike {
    percent: f64,
    half_life: Duration,
    cold: Duration,
    tasks: Tasks<(Time, DecayedHistogram)>,
    machine: Option<DecayedHistogram>,
    peak: f64,
}

impl KoordinatorLike {
    /// Its defaults for CPU.
    #[must_use]
    pub fn cpu() -> Self {
        Self::new(95.0, HOUR * 12)
    }

    /// Its defaults for memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(98.0, HOUR * 24)
    }

    fn new(percent: f64, half_life: Duration) -> Self {
        let (tasks, cold) = (Tasks::default(), HOUR * 24);
        Self { percent, half_life, cold, tasks, machine: None, peak: 0.0 }
    }

    /// For traces of a day, in which its 24 h would leave nothing to compare.
    #[must_use]
    pub const fn cold_for(mut self, cold: Duration) -> Self {
        self.cold = cold;
        self
    }
}

impl Expert for KoordinatorLike {
    fn observe(&mut self, step: &Step<'_>) {
        let half_life = self.half_life;
        let states = self
            .tasks
            .align(step.present, |task| (step.now, DecayedHistogram::new(half_life, task.limit)));
        let (mut capped, mut uncapped) = (0.0, 0.0);
        for ((first, histogram), task) in states.iter_mut().zip(step.present) {
            histogram.push(step.now, task.used);
            let cold = step.now.since(*first) < self.cold;
            let peak = if cold { 0.0 } else { histogram.percentile(self.percent) * MARGIN };
            capped += if cold { task.limit } else { peak.min(task.limit) };
            uncapped += peak;
        }
        let machine =
            self.machine.get_or_insert_with(|| DecayedHistogram::new(half_life, step.limit()));
        machine.push(step.now, step.used());
        let class_peak = machine.percentile(self.percent) * MARGIN;
        self.peak = capped.max(uncapped).max(class_peak).min(step.limit());
    }

    fn peak(&self, _horizon: Duration) -> f64 {
        self.peak
    }
}
