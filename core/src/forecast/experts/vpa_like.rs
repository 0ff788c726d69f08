//! Kubernetes' vertical pod autoscaler: of each task the 90th percentile of a decayed histogram, plus 15 %, summed up.
//!
//! Source: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender: target p90, margin 15 %, buckets of 5 %, half-life
//! 24 h; of memory, the samples are the peaks of whole days. Its minimum per pod and its growth after OOM kills are left out:
//! the first is about small pods, the second about limits, which here are given. A target may pass the limit, as there.

use super::{decayed_histogram::DecayedHistogram, rc_like::WARM_UP, tasks::Tasks};
use crate::{
    forecast::{Expert, Step},
    time::Time,
};
use std::time::Duration;

const PERCENT: f64 = 90.0;
const MARGIN: f64 = 1.15;
const DAY: Duration = Duration::from_secs(86_400);

/// See the module.
#[derive(Clone, Debug)]
pub struct VpaLike {
    peaks_of: Option<Duration>,
    tasks: Tasks<Usage>,
    peak: f64,
}

#[derive(Clone, Debug)]
struct Usage {
    first: Time,
    interval_start: Time,
    interval_peak: f64,
    histogram: DecayedHistogram,
}

impl VpaLike {
    /// As for CPU: every sample counts.
    #[must_use]
    pub fn cpu() -> Self {
        Self { peaks_of: None, tasks: Tasks::default(), peak: 0.0 }
    }

    /// As for memory: the peak of each day counts, and that of the running one.
    #[must_use]
    pub fn memory() -> Self {
        Self { peaks_of: Some(DAY), ..Self::cpu() }
    }
}

impl Usage {
    fn new(now: Time, limit: f64) -> Self {
        let histogram = DecayedHistogram::new(DAY, limit);
        Self { first: now, interval_start: now, interval_peak: 0.0, histogram }
    }

    fn push(&mut self, now: Time, used: f64, peaks_of: Option<Duration>) {
        let Some(interval) = peaks_of else {
            self.histogram.push(now, used);
            return;
        };
        if now.since(self.interval_start) >= interval {
            self.histogram.push(now, self.interval_peak);
            (self.interval_start, self.interval_peak) = (now, 0.0);
        }
        self.interval_peak = self.interval_peak.max(used);
    }

    fn target(&self) -> f64 {
        let running = self.interval_peak;
        (self.histogram.percentile(PERCENT).max(running)) * MARGIN
    }
}

impl Expert for VpaLike {
    fn observe(&mut self, step: &Step<'_>) {
        let peaks_of = self.peaks_of;
        let states = self.tasks.align(step.present, |task| Usage::new(step.now, task.limit));
        self.peak = 0.0;
        for (usage, task) in states.iter_mut().zip(step.present) {
            usage.push(step.now, task.used, peaks_of);
            let warm = step.now.since(usage.first) >= WARM_UP;
            self.peak += if warm { usage.target() } else { task.limit };
        }
        self.peak = self.peak.min(step.limit());
    }

    fn peak(&self, _horizon: Duration) -> f64 {
        self.peak
    }
}
