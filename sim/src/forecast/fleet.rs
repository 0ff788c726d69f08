//! One predictor on all machines of a cell at once, so that it may learn from all of them (a margin pooled over machines).

use headroom_core::{
    forecast::{Expert, Step},
    time::Time,
};
use std::time::Duration;

/// A predictor on all machines. Driven step by step: `observe` each machine that has tasks, then `close`,
/// then `peak` of each of them for each horizon.
pub trait Fleet: Send {
    /// Takes note of one step of one machine.
    fn observe(&mut self, machine: usize, step: &Step<'_>);

    /// All machines have been observed in the step that ends at `now`: the place for what they learn together.
    fn close(&mut self, now: Time) {
        let _ = now;
    }

    /// The predicted peak of a machine, as [`Expert::peak`].
    fn peak(&self, machine: usize, horizon: Duration) -> f64;
}

/// Machines that learn nothing from one another: one expert each.
pub struct Independent<E>(Vec<E>);

impl<E: Expert> Independent<E> {
    /// `machines` experts, each made by `make`.
    pub fn new(machines: usize, make: impl Fn() -> E) -> Self {
        Self((0..machines).map(|_| make()).collect())
    }
}

impl<E: Expert> Fleet for Independent<E> {
    fn observe(&mut self, machine: usize, step: &Step<'_>) {
        self.0[machine].observe(step);
    }

    fn peak(&self, machine: usize, horizon: Duration) -> f64 {
        self.0[machine].peak(horizon)
    }
}
