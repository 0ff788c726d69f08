//! How tasks are, in Mesos' states, reasons and sources.

use super::check;
pub(crate) use super::framework::Traits;
use crate::convert::task::container_status;
use headroom_core::tasks::{Reason, TaskState, TaskStatus};
use headroom_proto::mesos::v1::{
    self, AgentId, ExecutorId, NetworkInfo, TaskId,
    network_info::{IpAddress, Protocol},
    task_status::{Reason as WireReason, Source},
};
use prost::Message as _;

/// The status as a framework of these traits is told it.
pub(crate) fn status_out(status: &TaskStatus, traits: &Traits) -> v1::TaskStatus {
    let base = said(status, traits);
    v1::TaskStatus {
        task_id: TaskId { value: status.name.clone() },
        agent_id: status.agent.map(|agent| AgentId { value: agent.to_string() }),
        uuid: status.uuid.map(|uuid| uuid.to_vec().into()),
        timestamp: Some(seconds(status.timestamp_ms)),
        ..contained(base, status.container.as_deref())
    }
}

/// The same with what the agent says of the container, where the executor has not.
fn contained(base: v1::TaskStatus, container: Option<&[u8]>) -> v1::TaskStatus {
    let Some(container) = container_status(container) else { return base };
    let of_agent = container_out(&container);
    let id = Some(container.executor_id).filter(|id| !id.is_empty());
    let container_status = match base.container_status {
        None => of_agent,
        Some(own) => v1::ContainerStatus {
            container_id: own.container_id.or(of_agent.container_id),
            network_infos: match own.network_infos.is_empty() {
                true => of_agent.network_infos,
                false => own.network_infos,
            },
            ..own
        },
    };
    v1::TaskStatus {
        container_status: Some(container_status),
        executor_id: base.executor_id.or_else(|| id.map(|value| ExecutorId { value })),
        ..base
    }
}

fn container_out(container: &headroom_proto::v1::ContainerStatus) -> v1::ContainerStatus {
    let address = |address: &String| IpAddress {
        protocol: Some(protocol(address).into()),
        ip_address: Some(address.clone()),
    };
    let ip_addresses: Vec<_> = container.ip_addresses.iter().map(address).collect();
    let network = NetworkInfo { ip_addresses, ..NetworkInfo::default() };
    let id = |value: &String, parent| v1::ContainerId { value: value.clone(), parent };
    let parent = Some(&container.parent_id).filter(|parent| !parent.is_empty());
    let parent = parent.map(|parent| Box::new(id(parent, None)));
    v1::ContainerStatus {
        container_id: Some(id(&container.container_id, parent)),
        network_infos: vec![network],
        ..v1::ContainerStatus::default()
    }
}

/// Of which kind an address is.
pub(crate) fn protocol(address: &str) -> Protocol {
    if address.contains(':') { Protocol::IPv6 } else { Protocol::IPv4 }
}

/// What an executor said itself, or what Mesos' own parts would say.
fn said(status: &TaskStatus, traits: &Traits) -> v1::TaskStatus {
    if !status.payload.is_empty()
        && let Ok(own) = v1::TaskStatus::decode(status.payload.as_slice())
    {
        let by_operator = [Reason::AgentDraining, Reason::AgentGone].contains(&status.reason);
        return if by_operator { drained(status, own, traits) } else { own };
    }
    let (source, reason) = origin(status);
    let is_text_for_people = !status.message.is_empty();
    v1::TaskStatus {
        state: state_out(status.state, status.reason, traits).into(),
        source: Some(source.into()),
        reason: reason.map(Into::into),
        message: is_text_for_people.then(|| status.message.clone()),
        healthy: status.healthy,
        check_status: status.check.map(check::status_out),
        ..v1::TaskStatus::default()
    }
}

/// What an executor said of a task that ends because its agent is drained.
fn drained(status: &TaskStatus, own: v1::TaskStatus, traits: &Traits) -> v1::TaskStatus {
    let has_ended = own.state() == v1::TaskState::TaskKilled;
    let state = match has_ended && status.reason == Reason::AgentGone {
        true => state_out(status.state, status.reason, traits).into(),
        false => own.state,
    };
    let reason = origin(status).1.map(Into::into);
    v1::TaskStatus { state, reason, ..own }
}

fn seconds(timestamp_ms: u64) -> f64 {
    if timestamp_ms == 0 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        return since.unwrap_or_default().as_secs_f64();
    }
    timestamp_ms as f64 / 1_000.0
}

/// Frameworks that do not know of partitions are told LOST for all that cannot be told better.
pub(crate) fn state_out(state: TaskState, reason: Reason, traits: &Traits) -> v1::TaskState {
    use v1::TaskState as Wire;
    let aware = |state| if traits.partition_aware { state } else { Wire::TaskLost };
    match (state, reason) {
        (TaskState::Killed, Reason::Preempted) => aware(Wire::TaskGone),
        // Those who do not know of it are told of a drained agent's tasks as of any that were killed.
        (TaskState::Killed, Reason::AgentGone) if traits.partition_aware => {
            Wire::TaskGoneByOperator
        }
        (TaskState::Lost, Reason::AgentGone) => aware(Wire::TaskGoneByOperator),
        (TaskState::Staging, _) => Wire::TaskStaging,
        (TaskState::Running, _) => Wire::TaskRunning,
        (TaskState::Killing, _) if traits.task_killing => Wire::TaskKilling,
        (TaskState::Killing, _) => Wire::TaskRunning,
        (TaskState::Finished, _) => Wire::TaskFinished,
        (TaskState::Failed, _) => Wire::TaskFailed,
        (TaskState::Killed, _) => Wire::TaskKilled,
        (TaskState::Error, _) => Wire::TaskError,
        (TaskState::Unreachable, _) => aware(Wire::TaskUnreachable),
        // It was never started.
        (TaskState::Lost, Reason::InvalidOffers | Reason::ExecutorEnded) => {
            aware(Wire::TaskDropped)
        }
        (TaskState::Lost, Reason::Reconciliation) => aware(Wire::TaskUnknown),
        (TaskState::Lost, _) => aware(Wire::TaskGone),
    }
}

/// Who says so, and why.
fn origin(status: &TaskStatus) -> (Source, Option<WireReason>) {
    use WireReason as Why;
    match status.reason {
        // What the built-in executor of commands says.
        Reason::None | Reason::CommandFailed | Reason::KilledByFramework | Reason::GroupEnded => {
            (Source::Executor, None)
        }
        Reason::KilledByOperator => (Source::Agent, None),
        Reason::AgentDraining => (Source::Agent, Some(Why::AgentDraining)),
        Reason::AgentGone if status.state == TaskState::Lost => {
            (Source::Master, Some(Why::AgentRemovedByOperator))
        }
        Reason::AgentGone => (Source::Agent, Some(Why::AgentDraining)),
        Reason::MemoryLimit => (Source::Agent, Some(Why::ContainerLimitationMemory)),
        Reason::Preempted => (Source::Agent, Some(Why::ContainerPreempted)),
        Reason::LaunchFailed | Reason::StateDirectoryFull => {
            (Source::Agent, Some(Why::ContainerLaunchFailed))
        }
        Reason::ExecutorEnded => (Source::Agent, Some(Why::ExecutorTerminated)),
        Reason::ExecutorSilent => (Source::Agent, Some(Why::ExecutorRegistrationTimeout)),
        Reason::MaxCompletionTime => (Source::Executor, Some(Why::MaxCompletionTimeReached)),
        Reason::HealthCheck => (Source::Executor, Some(Why::TaskHealthCheckStatusUpdated)),
        Reason::Check => (Source::Executor, Some(Why::TaskCheckStatusUpdated)),
        Reason::AgentRestarted => (Source::Master, Some(Why::AgentRestarted)),
        Reason::AgentLost => (Source::Master, Some(Why::AgentRemoved)),
        Reason::FrameworkRemoved => (Source::Master, Some(Why::FrameworkRemoved)),
        Reason::InvalidTask => (Source::Master, Some(Why::TaskInvalid)),
        Reason::InvalidGroup => (Source::Master, Some(Why::TaskGroupInvalid)),
        Reason::InvalidOffers => (Source::Master, Some(Why::InvalidOffers)),
        Reason::Reconciliation => (Source::Master, Some(Why::Reconciliation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_proto::v1 as wire;
    use std::sync::Arc;

    fn told(state: TaskState, reason: Reason, aware: bool) -> (v1::TaskState, Option<WireReason>) {
        let traits = Traits { partition_aware: aware, ..Traits::default() };
        let status = status_out(&TaskStatus::of("t", None, state, reason), &traits);
        (status.state(), status.reason.map(|_| status.reason()))
    }

    #[test]
    fn preemption_is_loss_to_those_who_know_no_better() {
        let why = Some(WireReason::ContainerPreempted);
        let told = |aware| told(TaskState::Killed, Reason::Preempted, aware);
        assert_eq!(told(false), (v1::TaskState::TaskLost, why));
        assert_eq!(told(true), (v1::TaskState::TaskGone, why));
    }

    #[test]
    fn who_knows_of_partitions_is_told_that_an_operator_did_it() {
        let (gone, drained) = (v1::TaskState::TaskGoneByOperator, Some(WireReason::AgentDraining));
        let removed = Some(WireReason::AgentRemovedByOperator);
        assert_eq!(told(TaskState::Lost, Reason::AgentGone, true), (gone, removed));
        assert_eq!(
            told(TaskState::Lost, Reason::AgentGone, false),
            (v1::TaskState::TaskLost, removed)
        );
        assert_eq!(told(TaskState::Killed, Reason::AgentGone, true), (gone, drained));
        let killed = v1::TaskState::TaskKilled;
        assert_eq!(told(TaskState::Killed, Reason::AgentGone, false), (killed, drained));
        assert_eq!(told(TaskState::Killed, Reason::AgentDraining, true), (killed, drained));
    }

    #[test]
    fn what_is_not_known_is_lost_or_unknown() {
        let why = Some(WireReason::Reconciliation);
        let told = |aware| told(TaskState::Lost, Reason::Reconciliation, aware);
        assert_eq!(told(false), (v1::TaskState::TaskLost, why));
        assert_eq!(told(true), (v1::TaskState::TaskUnknown, why));
    }

    fn container() -> Option<Arc<[u8]>> {
        let container = wire::ContainerStatus {
            container_id: "c".into(),
            ip_addresses: vec!["192.0.2.7".into()],
            executor_id: "e".into(),
            parent_id: "p".into(),
        };
        Some(container.encode_to_vec().into())
    }

    #[test]
    fn where_a_task_runs_is_told_beside_how_it_is() {
        let status = TaskStatus {
            container: container(),
            ..TaskStatus::of("t", None, TaskState::Killed, Reason::Preempted)
        };
        let told = status_out(&status, &Traits::default());
        assert_eq!((told.state(), told.source()), (v1::TaskState::TaskLost, Source::Agent));
        assert_eq!(told.executor_id.map(|id| id.value).as_deref(), Some("e"));
        let said = told.container_status.unwrap();
        let id = said.container_id.unwrap();
        assert_eq!((id.value.as_str(), id.parent.unwrap().value.as_str()), ("c", "p"));
        assert_eq!(said.network_infos[0].ip_addresses[0].ip_address(), "192.0.2.7");
    }

    #[test]
    fn what_an_executor_said_of_its_container_counts_and_the_agent_adds_the_rest() {
        let own = v1::TaskStatus {
            container_status: Some(v1::ContainerStatus {
                executor_pid: Some(7),
                network_infos: vec![NetworkInfo::default()],
                ..v1::ContainerStatus::default()
            }),
            ..v1::TaskStatus::default()
        };
        let status = TaskStatus {
            payload: own.encode_to_vec(),
            container: container(),
            ..TaskStatus::of("t", None, TaskState::Running, Reason::None)
        };
        let told = status_out(&status, &Traits::default()).container_status.unwrap();
        assert_eq!(
            (told.executor_pid, told.network_infos),
            (Some(7), vec![NetworkInfo::default()])
        );
        assert_eq!(told.container_id.unwrap().value, "c");
    }

    #[test]
    fn what_an_executor_said_is_passed_on_as_it_was() {
        let own = v1::TaskStatus {
            task_id: TaskId { value: "x".into() },
            state: v1::TaskState::TaskStarting.into(),
            data: Some(vec![1, 2].into()),
            healthy: Some(true),
            source: Some(Source::Executor.into()),
            ..v1::TaskStatus::default()
        };
        let status = TaskStatus {
            payload: own.encode_to_vec(),
            uuid: Some([3; 16]),
            ..TaskStatus::of("t", None, TaskState::Staging, Reason::None)
        };
        let told = status_out(&status, &Traits::default());
        assert_eq!(told.state(), v1::TaskState::TaskStarting);
        assert_eq!((told.data, told.healthy), (Some(vec![1, 2].into()), Some(true)));
        assert_eq!((told.task_id.value.as_str(), told.uuid), ("t", Some(vec![3; 16].into())));
    }
}
