//! Which of Mesos' operator calls are answered, and how those that are not are refused. What is
//! here is what the door does; docs/mesos.md has the same table, which a test compares.

use crate::mesos::support::Support::{self, But, NotYet, Yes};
use axum::http::StatusCode;
use headroom_proto::mesos::v1::master::call::Type;

const FILES: &str = "its log, `/master/log`, if that goes to a file (`log.file`)";
const LEVEL: &str = "1 is debug, from 2 on trace, of what is Headroom's own; for a day at most; not below `log.level`";
const METRICS: &str = "those named below";
const VOLUMES: &str = "volumes keep their size; destroy one and create a larger one";
const MACHINES: &str = "a machine named by hostname or ip alone is every agent that has it";

/// All calls.
pub(super) const CALLS: [(Type, Support); 39] = [
    (Type::GetHealth, Yes),
    (Type::GetFlags, But("the settings of this allocator that have a name in Mesos")),
    (Type::GetVersion, But("1.11.0, the version of the API")),
    (Type::GetMetrics, But(METRICS)),
    (Type::GetLoggingLevel, Yes),
    (Type::SetLoggingLevel, But(LEVEL)),
    (Type::ListFiles, But(FILES)),
    (Type::ReadFile, But(FILES)),
    (Type::GetState, Yes),
    (Type::GetAgents, But("without the estimated time of draining")),
    (Type::GetFrameworks, Yes),
    (Type::GetExecutors, But("without their `data`")),
    (Type::GetOperations, But("those that are done and not acknowledged")),
    (Type::GetTasks, Yes),
    (Type::GetRoles, Yes),
    (Type::GetWeights, Yes),
    (Type::UpdateWeights, Yes),
    (Type::GetMaster, Yes),
    (Type::Subscribe, But("a reader that falls 1,024 events behind is cut off")),
    (Type::ReserveResources, But("without `source`: unreserve first")),
    (Type::UnreserveResources, Yes),
    (Type::CreateVolumes, But("on the agent's own disk")),
    (Type::DestroyVolumes, Yes),
    (Type::GrowVolume, NotYet(VOLUMES)),
    (Type::ShrinkVolume, NotYet(VOLUMES)),
    (Type::GetMaintenanceStatus, Yes),
    (Type::GetMaintenanceSchedule, Yes),
    (Type::UpdateMaintenanceSchedule, But(MACHINES)),
    (Type::StartMaintenance, But("its agents end all tasks, and ask until the machine is up")),
    (Type::StopMaintenance, Yes),
    (Type::DrainAgent, But("executors are ended too, once their tasks are")),
    (Type::DeactivateAgent, Yes),
    (Type::ReactivateAgent, Yes),
    (Type::GetQuota, Yes),
    (Type::UpdateQuota, But("`force` changes nothing: what the cluster has is not compared")),
    (Type::SetQuota, Yes),
    (Type::RemoveQuota, Yes),
    (Type::Teardown, Yes),
    (Type::MarkAgentGone, But("its agent ends all its tasks, and asks again in vain")),
];

/// The old paths, each also behind `/master`, with any method.
pub(super) const PATHS: [(&str, Support); 27] = [
    ("/state", Yes),
    ("/state-summary", Yes),
    ("/slaves", But("`/slaves/ID` and `?slave_id=` tell of that agent alone")),
    ("/frameworks", Yes),
    ("/tasks", Yes),
    ("/roles", Yes),
    ("/weights", But("GET and PUT")),
    ("/quota", But("GET, POST and DELETE `/quota/ROLE`")),
    ("/version", But("1.11.0, the version of the API")),
    ("/metrics/snapshot", But(METRICS)),
    ("/redirect", But("to the allocator itself: there is one")),
    ("/health", Yes),
    ("/flags", But("the settings of this allocator that have a name in Mesos")),
    ("/teardown", Yes),
    ("/reserve", But("without `source`: unreserve first")),
    ("/unreserve", Yes),
    ("/create-volumes", But("on the agent's own disk")),
    ("/destroy-volumes", Yes),
    ("/maintenance/schedule", But("GET and POST")),
    ("/maintenance/status", Yes),
    ("/machine/down", Yes),
    ("/machine/up", Yes),
    ("/files/browse", But(FILES)),
    ("/files/read", But(FILES)),
    ("/files/download", But(FILES)),
    ("/files/debug", But(FILES)),
    ("/logging/toggle", But(LEVEL)),
];

/// Why a call is refused, if it is.
pub(super) fn refusal(call: Type) -> Option<(StatusCode, &'static str)> {
    match CALLS.iter().find(|(known, _)| *known == call) {
        Some((_, Yes | But(_))) => None,
        Some((_, NotYet(why))) => Some((StatusCode::NOT_IMPLEMENTED, why)),
        None => Some((StatusCode::NOT_IMPLEMENTED, "no such call is known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesos::support::rows;

    #[test]
    fn the_documentation_has_the_same_tables() {
        let page = include_str!("../../../../docs/mesos.md");
        let calls = rows("501", CALLS.iter().map(|(call, support)| (call.as_str_name(), *support)));
        let paths = rows("501", PATHS.iter().map(|(path, support)| (*path, *support)));
        for table in [calls, paths] {
            assert!(page.contains(&table), "docs/mesos.md lacks these rows:\n{table}");
        }
    }

    #[test]
    fn every_call_has_its_row() {
        for number in 1..100 {
            let Ok(call) = Type::try_from(number) else { continue };
            let rows = CALLS.iter().filter(|(known, _)| *known == call).count();
            assert_eq!(rows, 1, "{}", call.as_str_name());
        }
    }
}
