//! The largest of what several experts say.
//!
//! Source: Bashir et al., *Take it to the Limit*, EuroSys 2021, whose "max predictor" is that of N-sigma and RC-like.

use crate::forecast::{Expert, Step};
use std::time::Duration;

/// See the module.
pub struct Largest(Vec<Box<dyn Expert>>);

impl Largest {
    /// The largest of `experts`.
    #[must_use]
    pub fn new(experts: Vec<Box<dyn Expert>>) -> Self {
        Self(experts)
    }
}

impl Expert for Largest {
    fn observe(&mut self, step: &Step<'_>) {
        self.0.iter_mut().for_each(|expert| expert.observe(step));
    }

    fn peak(&self, horizon: Duration) -> f64 {
        self.0.iter().fold(0.0, |largest, expert| largest.max(expert.peak(horizon)))
    }
}
