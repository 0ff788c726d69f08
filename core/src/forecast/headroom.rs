//! Our own forecaster: past peaks of day, week and season, with a margin calibrated online to the operator's violation rate.
//!
//! [`Outlook`] is one machine, [`Calibrations`] what many machines learn together; [`Headroom`] is both for a machine alone.

use super::{Expert, Step, calibration::Calibration, outlook::Outlook};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a forecaster is made for.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadroomSettings {
    /// How far ahead, shortest first: what can be taken back at once is judged by a short one, the rest by a long one.
    pub horizons: Vec<Duration>,
    /// Which share of forecasts may be passed by the peak that comes.
    pub target: f64,
    /// For how long a task counts with its limit (the warm-up of EuroSys 2021).
    pub young: Duration,
}

impl Default for HeadroomSettings {
    fn default() -> Self {
        Self {
            horizons: vec![Duration::from_secs(600), Duration::from_secs(86_400)],
            target: 0.01,
            young: Duration::from_secs(2 * 3_600),
        }
    }
}

impl HeadroomSettings {
    fn sorted_horizons(&self) -> Vec<Duration> {
        let mut horizons = self.horizons.clone();
        horizons.sort_unstable();
        horizons.dedup();
        horizons
    }

    /// A machine of this setting.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        Outlook::new(&self.sorted_horizons(), self.young)
    }

    /// The calibrations of this setting.
    #[must_use]
    pub fn calibrations(&self) -> Calibrations {
        let calibration = |horizon| Calibration::new(horizon, self.target);
        Calibrations(self.sorted_horizons().into_iter().map(calibration).collect())
    }
}

/// One calibration for each horizon, shortest first; may be shared by many machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrations(Vec<Calibration>);

impl Calibrations {
    /// Learns from what came due on a machine in its last step.
    pub fn learn(&mut self, outlook: &Outlook) {
        for (number, calibration) in self.0.iter_mut().enumerate() {
            outlook.settled(number).iter().for_each(|outcome| calibration.settle(outcome));
        }
    }

    /// All machines of this step have been learnt from.
    pub fn close(&mut self, now: Time) {
        self.0.iter_mut().for_each(|calibration| calibration.close(now));
    }

    /// A new violation rate to aim at.
    pub fn set_target(&mut self, target: f64) {
        self.0.iter_mut().for_each(|calibration| calibration.set_target(target));
    }

    /// The calibrations, shortest horizon first.
    #[must_use]
    pub fn all(&self) -> &[Calibration] {
        &self.0
    }
}

/// A machine that learns from itself alone. Serialised, it is a checkpoint that loses nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Headroom {
    outlook: Outlook,
    calibrations: Calibrations,
}

impl Headroom {
    /// A forecaster that has seen nothing.
    #[must_use]
    pub fn new(settings: &HeadroomSettings) -> Self {
        Self { outlook: settings.outlook(), calibrations: settings.calibrations() }
    }

    /// What it learnt, shortest horizon first.
    #[must_use]
    pub const fn calibrations(&self) -> &Calibrations {
        &self.calibrations
    }

    /// The machine itself.
    #[must_use]
    pub const fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// Takes other settings: what was seen stays, and for the same horizons what was learnt.
    pub fn adapt(&mut self, settings: &HeadroomSettings) {
        let horizons = settings.sorted_horizons();
        self.outlook.adapt(&horizons, settings.young);
        if self.calibrations.0.iter().map(Calibration::horizon).eq(horizons) {
            self.calibrations.set_target(settings.target);
        } else {
            self.calibrations = settings.calibrations();
        }
    }
}

impl Expert for Headroom {
    fn observe(&mut self, step: &Step<'_>) {
        self.outlook.observe(step);
        self.calibrations.learn(&self.outlook);
        self.calibrations.close(step.now);
        self.outlook.forecast(self.calibrations.all());
    }

    fn peak(&self, horizon: Duration) -> f64 {
        self.outlook.peak(horizon).unwrap_or_else(|| self.outlook.limit())
    }
}
