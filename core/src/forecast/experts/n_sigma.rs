//! N-sigma: mean and n deviations of what share of all limits the machine used.
//!
//! Source: Bashir et al., *Take it to the Limit*, EuroSys 2021, and `n_sigma` in googleinterns/cluster-resource-forecast:
//! `r(t) = sum U_i / sum L_i` over the last h, `P = min(1, mean(r) + n * deviation(r)) * sum L_i`, where tasks that are
//! still warming up are left out of `r` and count with their limit. The deviation is that of a sample.

use super::{rc_like::WARM_UP, tasks::Tasks, window::Window};
use crate::{
    forecast::{Expert, Step},
    time::Time,
};
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug)]
pub struct NSigma {
    deviations: f64,
    shares: Window,
    firsts: Tasks<Time>,
    peak: f64,
}

impl NSigma {
    /// So many `deviations` above the mean of the last `history`.
    #[must_use]
    pub fn new(deviations: f64, history: Duration) -> Self {
        Self { deviations, shares: Window::new(history), firsts: Tasks::default(), peak: 0.0 }
    }

    fn share(&self) -> f64 {
        let samples = self.shares.samples();
        let count = samples.len() as f64;
        if count == 0.0 {
            return 1.0;
        }
        let mean = samples.clone().map(f64::from).sum::<f64>() / count;
        let squares: f64 = samples.map(|sample| (f64::from(sample) - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        (mean + self.deviations * deviation).min(1.0)
    }
}

impl Expert for NSigma {
    fn observe(&mut self, step: &Step<'_>) {
        let firsts = self.firsts.align(step.present, |_| step.now);
        let (mut young_limit, mut warm_limit, mut warm_used) = (0.0, 0.0, 0.0);
        for (first, task) in firsts.iter().zip(step.present) {
            if step.now.since(*first) >= WARM_UP {
                warm_limit += task.limit;
                warm_used += task.used;
            } else {
                young_limit += task.limit;
            }
        }
        if warm_limit > 0.0 {
            self.shares.push(step.now, (warm_used / warm_limit) as f32, |_| ());
        }
        self.peak = young_limit + self.share() * warm_limit;
    }

    fn peak(&self, _horizon: Duration) -> f64 {
        self.peak
    }
}
