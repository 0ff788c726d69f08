//! The sum of the limits, or a fixed share of it.
//!
//! "limit" (share 1) is no overcommitment at all. "borg-default" (share 0.9) is the default of the simulator of
//! Bashir et al., *Take it to the Limit*, EuroSys 2021: every machine sells 1/0.9 of what it has.

use crate::forecast::{Expert, Step};
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug)]
pub struct Limit {
    share: f64,
    limit: f64,
}

impl Limit {
    /// Predicts `share` of the sum of the limits.
    #[must_use]
    pub const fn new(share: f64) -> Self {
        Self { share, limit: 0.0 }
    }
}

impl Expert for Limit {
    fn observe(&mut self, step: &Step<'_>) {
        self.limit = step.limit();
    }

    fn peak(&self, _horizon: Duration) -> f64 {
        self.limit * self.share
    }
}
