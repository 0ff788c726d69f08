//! What predicts the peak of one machine: told each step who is present and what each uses, asked for the peak of their sum.
//!
//! An expert sees one resource of one machine and never the future. The simulator and the agent drive the same ones.
//! Not here: what the forecasts are worth (the simulator's evaluation), and what is lent on their word ([`crate::overcommit`]).

use crate::{ids::TaskHandle, time::Time};
use std::time::Duration;

/// A task on the machine in one step.
///
/// Amounts are in any one unit (thousandths of a CPU, bytes, MHz), finite and never negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Present {
    /// Which task: never used again for another.
    pub task: TaskHandle,
    /// What it may never pass. May change from step to step.
    pub limit: f64,
    /// What it used in the step; at most its limit.
    pub used: f64,
}

/// One step of one machine.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// When the step ended. Later than that of the step before.
    pub now: Time,
    /// Who was present, ascending by [`Present::task`], each once.
    pub present: &'a [Present],
}

impl Step<'_> {
    /// Sum of the limits of all who are present: the most that can be used.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.present.iter().map(|task| task.limit).sum()
    }

    /// Sum of what all who are present used.
    #[must_use]
    pub fn used(&self) -> f64 {
        self.present.iter().map(|task| task.used).sum()
    }
}

/// One rule for predicting the peak of one resource of one machine.
pub trait Expert: Send {
    /// Takes note of a step. Steps come in the order of time, and may be missing.
    fn observe(&mut self, step: &Step<'_>);

    /// The peak of the sum of those present in the last observed step, from that step (included)
    /// until `horizon` later. Never above the sum of their limits; zero before the first step.
    ///
    /// A published rule answers as published, so it may lie below the present use; ours never does.
    fn peak(&self, horizon: Duration) -> f64;
}

impl<E: Expert + ?Sized> Expert for Box<E> {
    fn observe(&mut self, step: &Step<'_>) {
        (**self).observe(step);
    }

    fn peak(&self, horizon: Duration) -> f64 {
        (**self).peak(horizon)
    }
}
