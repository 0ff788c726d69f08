//! Koordinator's batch tier: what is used now, plus a fixed share of the machine.
//!
//! Source: koordinator-sh/koordinator, slo-controller/noderesource/plugins/batchresource:
//! `batch = C - C * (1 - threshold) - used`, threshold 60 % for CPU and 65 % for memory, where the capacity `C` is
//! here the sum of the limits.

use crate::forecast::{Expert, Step};
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug)]
pub struct KoordinatorBatch {
    margin: f64,
    peak: f64,
}

impl KoordinatorBatch {
    /// Its default for CPU: 40 % stay free.
    #[must_use]
    pub const fn cpu() -> Self {
        Self { margin: 0.40, peak: 0.0 }
    }

    /// Its default for memory: 35 % stay free.
    #[must_use]
    pub const fn memory() -> Self {
        Self { margin: 0.35, peak: 0.0 }
    }
}

impl Expert for KoordinatorBatch {
    fn observe(&mut self, step: &Step<'_>) {
        let limit = step.limit();
        self.peak = (step.used() + self.margin * limit).min(limit);
    }

    fn peak(&self, _horizon: Duration) -> f64 {
        self.peak
    }
}
