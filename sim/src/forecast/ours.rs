//! Our forecaster on all machines of a cell, with one calibration for all of them.

use super::Fleet;
use headroom_core::{
    forecast::{Calibrations, HeadroomSettings, Outlook, Step},
    time::Time,
};
use std::time::Duration;

/// All machines, and what they learn together.
pub struct Pooled {
    outlooks: Vec<Outlook>,
    calibrations: Calibrations,
    observed: Vec<usize>,
}

impl Pooled {
    /// So many machines of one setting.
    #[must_use]
    pub fn new(machines: usize, settings: &HeadroomSettings) -> Self {
        let outlooks = (0..machines).map(|_| settings.outlook()).collect();
        Self { outlooks, calibrations: settings.calibrations(), observed: Vec::new() }
    }
}

impl Fleet for Pooled {
    fn observe(&mut self, machine: usize, step: &Step<'_>) {
        if let Some(outlook) = self.outlooks.get_mut(machine) {
            outlook.observe(step);
            self.calibrations.learn(outlook);
            self.observed.push(machine);
        }
    }

    fn close(&mut self, now: Time) {
        self.calibrations.close(now);
        for machine in self.observed.drain(..) {
            self.outlooks[machine].forecast(self.calibrations.all());
        }
    }

    fn peak(&self, machine: usize, horizon: Duration) -> f64 {
        let outlook = self.outlooks.get(machine);
        outlook.map_or(0.0, |outlook| outlook.peak(horizon).unwrap_or_else(|| outlook.limit()))
    }
}
