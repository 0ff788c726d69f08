//! A step's figures as the wire says them.

use super::Meter;
use headroom_core::{command::Usage, usage::Rates};
use headroom_proto::v1 as wire;

pub(super) fn task(
    handle: u64,
    usage: Usage,
    forecast: Usage,
    moved: &Rates,
    wait_p99_ms: Option<f64>,
) -> wire::TaskReport {
    wire::TaskReport {
        handle,
        usage: Some(as_wire(usage)),
        forecast: Some(as_wire(forecast)),
        wait_ms: moved.wait_ms,
        wait_p99_ms,
        throttled_ms: moved.throttled_ms,
        read_bytes_per_s: moved.read_bytes_per_s,
        write_bytes_per_s: moved.write_bytes_per_s,
    }
}

pub(super) fn node(
    meter: &Meter,
    usage: Usage,
    system_forecast: Usage,
    refusing_work: String,
) -> wire::NodeReport {
    let lending = meter.reclaimer.is_lending() && meter.tree.is_some();
    let reason = match (&meter.tree, lending) {
        (None, _) => "no cgroup to take lent resources back with",
        (_, false) => "guaranteed work needs what it had lent",
        _ => "",
    };
    wire::NodeReport {
        usage: Some(as_wire(usage)),
        system_forecast: Some(as_wire(system_forecast)),
        lending,
        lending_reason: reason.to_owned(),
        revocable_quota_cpus: meter.reclaimer.quota_cpus_milli().map(|milli| milli as f64 / 1e3),
        reclaims: meter.reclaims,
        reclaim_ms_max: meter.reclaim_ms_max,
        refusing_work,
    }
}

fn as_wire(usage: Usage) -> wire::Usage {
    wire::Usage {
        cpus: usage.cpus_milli.map(|milli| milli as f64 / 1e3),
        memory_mib: usage.memory_milli_mib.map(|milli| milli as f64 / 1e3),
    }
}
