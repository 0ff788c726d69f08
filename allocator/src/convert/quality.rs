//! How good an agent's forecasts were of late.

use super::{Wrong, at_most, cut, measured, wrong};
use headroom_core::forecast::{Live, Quality, Resource};
use headroom_proto::v1;
use std::time::Duration;

/// Resources times horizons: at most.
const MAX_QUALITIES: usize = 16;
const FIELD: &str = "report.node.forecast_quality";

pub(crate) fn qualities_in(given: Vec<v1::ForecastQuality>) -> Result<Vec<Quality>, Wrong> {
    at_most(FIELD, given.len(), MAX_QUALITIES)?;
    given.into_iter().map(quality_in).collect()
}

fn quality_in(given: v1::ForecastQuality) -> Result<Quality, Wrong> {
    let resource = match given.resource() {
        v1::ForecastResource::Cpus => Resource::Cpus,
        v1::ForecastResource::Memory => Resource::Memory,
        v1::ForecastResource::Unspecified => {
            return Err(wrong(FIELD, "names no resource that this allocator knows"));
        }
    };
    let peak = measured(FIELD, given.peak)?.map(|peak| (peak * 1e3) as u64);
    Ok(Quality {
        resource,
        horizon: Duration::from_millis(given.horizon_ms),
        peak,
        target: measured(FIELD, Some(given.target))?.unwrap_or_default(),
        calibrated: given.calibrated,
        live: live_in(&given)?,
        reason: cut(given.reason),
    })
}

/// All figures, or none: without one of them the others say little.
fn live_in(given: &v1::ForecastQuality) -> Result<Option<Live>, Wrong> {
    let savings = given.savings.filter(|savings| savings.is_finite());
    let figures = (
        measured(FIELD, given.forecasts)?,
        measured(FIELD, given.violation_rate)?,
        measured(FIELD, given.severity)?,
        savings,
    );
    let held_per_used = measured(FIELD, given.held_per_used)?;
    let (Some(forecasts), Some(violation_rate), Some(severity), Some(savings)) = figures else {
        return Ok(None);
    };
    Ok(Some(Live { forecasts, violation_rate, severity, savings, held_per_used }))
}

pub(crate) fn quality_out(of: &Quality) -> v1::ForecastQuality {
    let resource = match of.resource {
        Resource::Cpus => v1::ForecastResource::Cpus,
        Resource::Memory => v1::ForecastResource::Memory,
    };
    let live = of.live.as_ref();
    v1::ForecastQuality {
        resource: resource.into(),
        horizon_ms: u64::try_from(of.horizon.as_millis()).unwrap_or(u64::MAX),
        peak: of.peak.map(super::amounts::thousandths),
        target: of.target,
        calibrated: of.calibrated,
        forecasts: live.map(|live| live.forecasts),
        violation_rate: live.map(|live| live.violation_rate),
        severity: live.map(|live| live.severity),
        savings: live.map(|live| live.savings),
        held_per_used: live.and_then(|live| live.held_per_used),
        reason: of.reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_comes_through_as_it_is_and_nonsense_does_not() {
        let wire = v1::ForecastQuality {
            resource: v1::ForecastResource::Memory.into(),
            horizon_ms: 600_000,
            peak: Some(1.5),
            target: 0.01,
            calibrated: true,
            forecasts: Some(96.0),
            violation_rate: Some(0.02),
            severity: Some(0.001),
            savings: Some(0.5),
            held_per_used: Some(2.0),
            reason: String::new(),
        };
        let core = qualities_in(vec![wire.clone()]).unwrap();
        assert_eq!(quality_out(&core[0]), wire);
        assert!(qualities_in(vec![wire.clone(); 17]).is_err());
        let odd = v1::ForecastQuality { severity: Some(f64::NAN), ..wire.clone() };
        assert!(qualities_in(vec![odd]).unwrap_err().to_string().contains("forecast_quality"));
        let unjudged = v1::ForecastQuality {
            forecasts: None,
            reason: "no forecast of 600 s has come due yet".into(),
            ..wire
        };
        let core = qualities_in(vec![unjudged]).unwrap();
        assert_eq!(core[0].live, None, "half of the figures are none");
    }
}
