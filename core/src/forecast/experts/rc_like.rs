//! RC-like: of every task a high percentile of what share of its limit it used, summed up.
//!
//! Source: `per_vm_percentile` in googleinterns/cluster-resource-forecast, the simulator of Bashir et al., *Take it to the
//! Limit*, EuroSys 2021: `P = sum of percentile_k(U_i / L_i over the last h) * L_i`. It copies the idea of Cortez et al.,
//! *Resource Central*, SOSP 2017. A task that is there for less than the warm-up counts with its limit.

use super::{tasks::Tasks, window::SortedWindow};
use crate::{
    forecast::{Expert, Step},
    time::Time,
};
use std::time::Duration;

/// How long a task counts with its limit (the paper's 2 h).
pub(super) const WARM_UP: Duration = Duration::from_secs(2 * 3_600);

/// See the module.
#[derive(Clone, Debug)]
pub struct RcLike {
    percent: f64,
    history: Duration,
    tasks: Tasks<(Time, SortedWindow)>,
    peak: f64,
}

impl RcLike {
    /// The `percent`-th percentile of each task's last `history`.
    #[must_use]
    pub fn new(percent: f64, history: Duration) -> Self {
        Self { percent, history, tasks: Tasks::default(), peak: 0.0 }
    }
}

impl Expert for RcLike {
    fn observe(&mut self, step: &Step<'_>) {
        let history = self.history;
        let states = self.tasks.align(step.present, |_| (step.now, SortedWindow::new(history)));
        self.peak = 0.0;
        for ((first, window), task) in states.iter_mut().zip(step.present) {
            let share = if task.limit > 0.0 { task.used / task.limit } else { 0.0 };
            window.push(step.now, share as f32);
            let warm = step.now.since(*first) >= WARM_UP;
            let share = if warm { window.percentile(self.percent).min(1.0) } else { 1.0 };
            self.peak += share * task.limit;
        }
    }

    fn peak(&self, _horizon: Duration) -> f64 {
        self.peak
    }
}
