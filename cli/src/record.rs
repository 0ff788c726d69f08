//! The records that `--json` prints: a stable interface. Fields are added, not renamed or removed.
//! What was not measured is null.

use headroom_proto::v1::{
    AgentState, ForecastQuality, ForecastResource, FrameworkState, Ledger, Resources, Role,
    TaskInstance, Usage,
};
use serde::Serialize;

use crate::state;

#[derive(Debug, Serialize)]
pub(crate) struct Amounts {
    pub(crate) cpus: f64,
    pub(crate) memory_mib: f64,
    pub(crate) disk_mib: f64,
    pub(crate) gpus: f64,
    /// First and last, both included.
    pub(crate) ports: Vec<(u32, u32)>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) cpus: Option<f64>,
    pub(crate) memory_mib: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskRecord {
    pub(crate) task_id: String,
    pub(crate) framework_id: String,
    pub(crate) framework_name: String,
    pub(crate) agent_id: String,
    pub(crate) hostname: String,
    pub(crate) role: String,
    pub(crate) revocable: bool,
    pub(crate) state: String,
    pub(crate) requested: Amounts,
    pub(crate) used: Measured,
    pub(crate) forecast: Measured,
    pub(crate) wait_ms: Option<f64>,
    pub(crate) wait_p99_ms: Option<f64>,
    pub(crate) throttled_ms: Option<f64>,
    pub(crate) age_ms: u64,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) exit_code: Option<i32>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AgentRecord {
    pub(crate) agent_id: String,
    pub(crate) hostname: String,
    pub(crate) connected: bool,
    pub(crate) version: String,
    pub(crate) total: Amounts,
    pub(crate) requested: Amounts,
    pub(crate) lent: Amounts,
    pub(crate) offered: Amounts,
    pub(crate) lendable: Amounts,
    pub(crate) used: Measured,
    pub(crate) forecast: Measured,
    pub(crate) lending: bool,
    pub(crate) lending_reason: Option<String>,
    pub(crate) revocable_quota_cpus: Option<f64>,
    pub(crate) reclaims: u64,
    pub(crate) reclaim_ms_max: Option<f64>,
    pub(crate) rung: String,
    pub(crate) absences: Vec<AbsenceRecord>,
    pub(crate) refusing_work: Option<String>,
    /// `active`, `deactivated`, `draining` or `drained`.
    pub(crate) standing: &'static str,
    pub(crate) drain: Option<DrainRecord>,
    pub(crate) tasks: u32,
    pub(crate) last_report_ms_ago: u64,
    pub(crate) forecast_quality: Vec<QualityRecord>,
}

/// How a node is drained.
#[derive(Debug, Serialize)]
pub(crate) struct DrainRecord {
    pub(crate) max_grace_ms: Option<u64>,
    pub(crate) mark_gone: bool,
}

/// What became of a node's forecasts; null with a reason where that is not known.
#[derive(Debug, Serialize)]
pub(crate) struct QualityRecord {
    /// `cpus` or `memory`.
    pub(crate) resource: &'static str,
    pub(crate) horizon_ms: u64,
    /// CPUs or MiB.
    pub(crate) peak: Option<f64>,
    pub(crate) target: f64,
    pub(crate) calibrated: bool,
    pub(crate) forecasts: Option<f64>,
    pub(crate) violation_rate: Option<f64>,
    pub(crate) severity: Option<f64>,
    pub(crate) savings: Option<f64>,
    pub(crate) held_per_used: Option<f64>,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AbsenceRecord {
    pub(crate) signal: String,
    pub(crate) reason: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct FrameworkRecord {
    pub(crate) framework_id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) connected: bool,
    pub(crate) suppressed: bool,
    pub(crate) offers: u32,
    pub(crate) tasks: u32,
    pub(crate) wanted: u32,
    pub(crate) dominant_share: f64,
    pub(crate) accepts_revocable: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct RoleRecord {
    pub(crate) name: String,
    pub(crate) weight: f64,
    pub(crate) opportunistic: bool,
    pub(crate) dominant_share: f64,
    pub(crate) frameworks: u32,
}

#[derive(Debug, Serialize)]
pub(crate) struct LedgerRecord {
    pub(crate) steps: u64,
    pub(crate) held_cpu_s: f64,
    pub(crate) used_cpu_s: f64,
    pub(crate) held_memory_mib_s: f64,
    pub(crate) used_memory_mib_s: f64,
    pub(crate) lent_cpu_s: f64,
    /// Null until something was used.
    pub(crate) held_to_used_cpu: Option<f64>,
    pub(crate) held_to_used_memory: Option<f64>,
    pub(crate) waits: u64,
    /// Null until something was placed.
    pub(crate) wait_steps_mean: Option<f64>,
    pub(crate) wait_steps_max: Option<u64>,
}

impl From<&Resources> for Amounts {
    fn from(r: &Resources) -> Self {
        Amounts {
            cpus: r.cpus,
            memory_mib: r.memory_mib,
            disk_mib: r.disk_mib,
            gpus: r.gpus,
            ports: r.ports.iter().map(|p| (p.first, p.last)).collect(),
        }
    }
}

/// Resources that were not sent are none.
pub(crate) fn amounts(resources: Option<&Resources>) -> Amounts {
    Amounts::from(resources.unwrap_or(&Resources::default()))
}

/// A measurement that was not sent is absent.
pub(crate) fn measured(usage: Option<&Usage>) -> Measured {
    Measured { cpus: usage.and_then(|u| u.cpus), memory_mib: usage.and_then(|u| u.memory_mib) }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

impl From<&TaskInstance> for TaskRecord {
    fn from(t: &TaskInstance) -> Self {
        TaskRecord {
            task_id: t.task_id.clone(),
            framework_id: t.framework_id.clone(),
            framework_name: t.framework_name.clone(),
            agent_id: t.agent_id.clone(),
            hostname: t.hostname.clone(),
            role: t.role.clone(),
            revocable: t.revocable,
            state: state::state_word(t.state),
            requested: amounts(t.resources.as_ref()),
            used: measured(t.usage.as_ref()),
            forecast: measured(t.forecast.as_ref()),
            wait_ms: t.wait_ms,
            wait_p99_ms: t.wait_p99_ms,
            throttled_ms: t.throttled_ms,
            age_ms: t.age_ms,
            reason: state::reason_word(t.reason),
            message: said(&t.message),
            exit_code: t.exit_code,
        }
    }
}

impl From<&AgentState> for AgentRecord {
    fn from(a: &AgentState) -> Self {
        let absences = a.absences.iter();
        AgentRecord {
            agent_id: a.agent_id.clone(),
            hostname: a.hostname.clone(),
            connected: a.connected,
            version: a.version.clone(),
            total: amounts(a.total.as_ref()),
            requested: amounts(a.guaranteed.as_ref()),
            lent: amounts(a.revocable.as_ref()),
            offered: amounts(a.offered.as_ref()),
            lendable: amounts(a.lendable.as_ref()),
            used: measured(a.usage.as_ref()),
            forecast: measured(a.forecast.as_ref()),
            lending: a.lending,
            lending_reason: said(&a.lending_reason),
            revocable_quota_cpus: a.revocable_quota_cpus,
            reclaims: a.reclaims,
            reclaim_ms_max: a.reclaim_ms_max,
            rung: a.rung.clone(),
            absences: absences
                .map(|x| AbsenceRecord { signal: x.signal.clone(), reason: x.reason.clone() })
                .collect(),
            refusing_work: said(&a.refusing_work),
            standing: crate::agents::set_aside(a).unwrap_or("active"),
            drain: a.drain.map(|drain| DrainRecord {
                max_grace_ms: drain.max_grace_ms,
                mark_gone: drain.mark_gone,
            }),
            tasks: a.tasks,
            last_report_ms_ago: a.last_report_ms_ago,
            forecast_quality: a.forecast_quality.iter().map(QualityRecord::from).collect(),
        }
    }
}

impl From<&ForecastQuality> for QualityRecord {
    fn from(q: &ForecastQuality) -> Self {
        QualityRecord {
            resource: match q.resource() {
                ForecastResource::Cpus => "cpus",
                ForecastResource::Memory => "memory",
                ForecastResource::Unspecified => "unknown",
            },
            horizon_ms: q.horizon_ms,
            peak: q.peak,
            target: q.target,
            calibrated: q.calibrated,
            forecasts: q.forecasts,
            violation_rate: q.violation_rate,
            severity: q.severity,
            savings: q.savings,
            held_per_used: q.held_per_used,
            reason: said(&q.reason),
        }
    }
}

impl From<&FrameworkState> for FrameworkRecord {
    fn from(f: &FrameworkState) -> Self {
        FrameworkRecord {
            framework_id: f.framework_id.clone(),
            name: f.name.clone(),
            role: f.role.clone(),
            connected: f.connected,
            suppressed: f.suppressed,
            offers: f.offers,
            tasks: f.tasks,
            wanted: f.wanted,
            dominant_share: f.dominant_share,
            accepts_revocable: f.accepts_revocable,
        }
    }
}

impl From<&Role> for RoleRecord {
    fn from(r: &Role) -> Self {
        RoleRecord {
            name: r.name.clone(),
            weight: r.weight,
            opportunistic: r.opportunistic,
            dominant_share: r.dominant_share,
            frameworks: r.frameworks,
        }
    }
}

impl From<&Ledger> for LedgerRecord {
    fn from(l: &Ledger) -> Self {
        let ratio = |held: f64, used: f64| (used > 0.0).then(|| held / used);
        LedgerRecord {
            steps: l.steps,
            held_cpu_s: l.held_cpu_s,
            used_cpu_s: l.used_cpu_s,
            held_memory_mib_s: l.held_memory_mib_s,
            used_memory_mib_s: l.used_memory_mib_s,
            lent_cpu_s: l.lent_cpu_s,
            held_to_used_cpu: ratio(l.held_cpu_s, l.used_cpu_s),
            held_to_used_memory: ratio(l.held_memory_mib_s, l.used_memory_mib_s),
            waits: l.waits,
            wait_steps_mean: (l.waits > 0).then_some(l.wait_steps_mean),
            wait_steps_max: (l.waits > 0).then_some(l.wait_steps_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_null() {
        let task = TaskInstance { task_id: "a".into(), ..Default::default() };
        let json = serde_json::to_value(TaskRecord::from(&task)).expect("json");
        for field in ["wait_ms", "wait_p99_ms", "throttled_ms", "reason", "message", "exit_code"] {
            assert!(json[field].is_null(), "{field}: {}", json[field]);
        }
        assert!(json["used"]["cpus"].is_null());
        let zero = TaskInstance {
            usage: Some(Usage { cpus: Some(0.0), memory_mib: None }),
            ..Default::default()
        };
        let json = serde_json::to_value(TaskRecord::from(&zero)).expect("json");
        assert_eq!(json["used"]["cpus"], 0.0);
        assert!(json["used"]["memory_mib"].is_null());
    }

    #[test]
    fn no_ratio_before_anything_was_used() {
        let record = LedgerRecord::from(&Ledger { held_cpu_s: 10.0, ..Default::default() });
        assert_eq!(record.held_to_used_cpu, None);
        assert_eq!(record.wait_steps_mean, None);
        let ledger = Ledger { held_cpu_s: 10.0, used_cpu_s: 4.0, ..Default::default() };
        assert_eq!(LedgerRecord::from(&ledger).held_to_used_cpu, Some(2.5));
    }
}
