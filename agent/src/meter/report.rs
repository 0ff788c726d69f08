//! A step's figures as the wire says them.

use super::Meter;
use headroom_core::{
    command::Usage,
    forecast::{Quality, Resource},
    usage::Rates,
};
use headroom_proto::v1 as wire;

/// Without a forecast: that is the node's to make, when all its tasks are measured.
pub(super) fn task(
    handle: u64,
    usage: Usage,
    moved: &Rates,
    wait_p99_ms: Option<f64>,
) -> wire::TaskReport {
    wire::TaskReport {
        handle,
        usage: Some(self::usage(usage)),
        forecast: None,
        wait_ms: moved.wait_ms,
        wait_p99_ms,
        throttled_ms: moved.throttled_ms,
        read_bytes_per_s: moved.read_bytes_per_s,
        write_bytes_per_s: moved.write_bytes_per_s,
    }
}

pub(super) fn node(meter: &Meter, usage: Usage, refusing_work: String) -> wire::NodeReport {
    let lending = meter.reclaimer.is_lending() && meter.tree.is_some();
    let reason = match (&meter.tree, lending) {
        (None, _) => "no cgroup to take lent resources back with",
        (_, false) => "guaranteed work needs what it had lent",
        _ => "",
    };
    wire::NodeReport {
        usage: Some(self::usage(usage)),
        system_forecast: Some(self::usage(meter.forecast.of_system())),
        lending,
        lending_reason: reason.to_owned(),
        revocable_quota_cpus: meter.reclaimer.quota_cpus_milli().map(|milli| milli as f64 / 1e3),
        reclaims: meter.reclaims,
        reclaim_ms_max: meter.reclaim_ms_max,
        refusing_work,
        joint_forecast: Some(self::usage(meter.forecast.needed())),
        forecast_quality: meter.forecast.qualities().map(quality).collect(),
    }
}

fn quality(of: Quality) -> wire::ForecastQuality {
    let resource = match of.resource {
        Resource::Cpus => wire::ForecastResource::Cpus,
        Resource::Memory => wire::ForecastResource::Memory,
    };
    wire::ForecastQuality {
        resource: resource.into(),
        horizon_ms: u64::try_from(of.horizon.as_millis()).unwrap_or(u64::MAX),
        peak: of.peak.map(|milli| milli as f64 / 1e3),
        target: of.target,
        calibrated: of.calibrated,
        forecasts: of.live.map(|live| live.forecasts),
        violation_rate: of.live.map(|live| live.violation_rate),
        severity: of.live.map(|live| live.severity),
        savings: of.live.map(|live| live.savings),
        held_per_used: of.live.and_then(|live| live.held_per_used),
        reason: of.reason,
    }
}

pub(super) fn usage(usage: Usage) -> wire::Usage {
    wire::Usage {
        cpus: usage.cpus_milli.map(|milli| milli as f64 / 1e3),
        memory_mib: usage.memory_milli_mib.map(|milli| milli as f64 / 1e3),
    }
}
