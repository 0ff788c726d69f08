//! How good a node's forecasts were of late: what overcommitting costs and wins.

use super::{Calibration, Live, Resource};
use std::time::Duration;

/// One resource and horizon of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// Of what.
    pub resource: Resource,
    /// How far ahead.
    pub horizon: Duration,
    /// What is forecast now, in the resource's unit; absent if the node is not measured.
    pub peak: Option<u64>,
    /// The violation rate that is aimed at.
    pub target: f64,
    /// Whether the margin is learnt, not yet the cold one.
    pub calibrated: bool,
    /// What became of the forecasts.
    pub live: Option<Live>,
    /// Why peak or figures are absent.
    pub reason: String,
}

impl Quality {
    /// `known`: whether the node has been seen for long enough.
    pub(super) fn of(
        resource: Resource,
        calibration: &Calibration,
        peak: Option<u64>,
        known: bool,
    ) -> Self {
        let horizon = calibration.horizon();
        let live = calibration.live();
        let what = match resource {
            Resource::Cpus => "CPU",
            Resource::Memory => "memory",
        };
        let seconds = horizon.as_secs();
        let reason = match (peak, live) {
            (None, _) => format!("the node's use of {what} is not measured"),
            (_, None) if !known => {
                format!("until a third of {seconds} s has been seen, all that was asked for counts")
            }
            (_, None) => format!("no forecast of {seconds} s has come due yet"),
            _ => String::new(),
        };
        let (target, calibrated) = (calibration.target(), calibration.is_warm());
        Self { resource, horizon, peak, target, calibrated, live, reason }
    }
}
