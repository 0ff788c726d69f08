//! Tasks: what a framework wants to run, and how it is.

use super::{
    MAX_LABELS, MAX_NAME_BYTES, Wrong, amounts, at_most, check, container::container_in, cut,
    plain, uuid, wrong,
};
use headroom_core::{
    command::Launch,
    ids::AgentId,
    resources::{Amounts, Resources},
    tasks::{Reason, TaskState, TaskStatus},
};
use headroom_proto::v1;
use prost::Message as _;
use std::{fmt::Display, time::Duration};

/// Between asking a task to end and forcing it: at most.
pub(crate) const MAX_GRACE: Duration = Duration::from_secs(24 * 3_600);
/// Variables of a task's environment: at most.
pub(crate) const MAX_VARIABLES: usize = 1_024;
/// Arguments of a task's command: at most.
pub(crate) const MAX_ARGUMENTS: usize = 1_024;
/// Files that a command has fetched: at most.
pub(crate) const MAX_URIS: usize = 128;
/// A task's command line, environment included: at most so many bytes.
pub(crate) const MAX_COMMAND_BYTES: usize = 128 << 10;

/// Mesos' rules for names: 1 to 255 bytes, not `.` or `..`, no control characters or slashes.
pub(crate) fn task_name(field: impl Display, name: String) -> Result<String, Wrong> {
    if name.is_empty() {
        return Err(wrong(field, "is empty"));
    }
    if name == "." || name == ".." || name.contains(['/', '\\']) {
        return Err(wrong(
            field,
            format_args!("{name:?} may not be \".\", \"..\" or have slashes"),
        ));
    }
    plain(field, name, MAX_NAME_BYTES)
}

/// A task that can be launched; the core sees its name and what it holds, the agent all of it.
pub(crate) fn launch_in(at: usize, mut info: v1::TaskInfo) -> Result<Launch, Wrong> {
    let name = task_name(format_args!("tasks[{at}].task_id"), std::mem::take(&mut info.task_id))?;
    info.task_id.clone_from(&name);
    let field = |part: &str| format!("task {name:?}, {part}");
    let request = amounts::resources_in(field("resources"), info.resources.as_ref())?;
    limits(&field, &request, &info)?;
    grace_in(&field("kill_grace_ms"), info.kill_grace_ms)?;
    let command = info.command.as_ref().ok_or_else(|| wrong(field("command"), "is missing"))?;
    command_in(&field, command, info.container.is_some())?;
    if let Some(container) = &info.container {
        container_in(&field, &request, container)?;
    }
    if info.max_completion_ms == Some(0) {
        return Err(wrong(field("max_completion_ms"), "is 0: it could not run at all"));
    }
    if let Some(health) = &info.health_check {
        check::health_in(&field, health)?;
    }
    if let Some(given) = &info.check {
        check::check_in(&field, "check", given)?;
    }
    at_most(field("labels"), info.labels.len(), MAX_LABELS)?;
    for (key, value) in &info.labels {
        plain(field("labels"), key.clone(), MAX_NAME_BYTES)?;
        plain(field("labels"), value.clone(), MAX_NAME_BYTES)?;
    }
    Ok(Launch { name, request, payload: info.encode_to_vec(), ..Launch::default() })
}

fn limits(
    field: &dyn Fn(&str) -> String,
    request: &Resources,
    info: &v1::TaskInfo,
) -> Result<(), Wrong> {
    if request.is_empty() {
        return Err(wrong(field("resources"), "ask for something"));
    }
    // Without a limit of its own a task's memory may not pass its request.
    if request.amounts.memory_milli_mib() == 0 && info.limit_memory_mib.is_none() {
        return Err(wrong(field("resources.memory_mib"), "is 0: the task could not hold a byte"));
    }
    let units = [info.limit_cpus.unwrap_or(0.0), info.limit_memory_mib.unwrap_or(0.0), 0.0, 0.0];
    let limit = Amounts::from_units(units).map_err(|problem| wrong(field("limits"), problem))?;
    let below = "is less than the request";
    if info.limit_cpus.is_some() && limit.cpus_milli() < request.amounts.cpus_milli() {
        return Err(wrong(field("limit_cpus"), below));
    }
    let memory = request.amounts.memory_milli_mib();
    if info.limit_memory_mib.is_some() && limit.memory_milli_mib() < memory {
        return Err(wrong(field("limit_memory_mib"), below));
    }
    Ok(())
}

/// `has_own`: the task's image brings a command.
pub(super) fn command_in(
    field: &dyn Fn(&str) -> String,
    command: &v1::Command,
    has_own: bool,
) -> Result<(), Wrong> {
    let what = field("command");
    match (command.shell.is_empty(), command.argv.is_empty()) {
        (true, true) if !has_own => return Err(wrong(what, "give shell or argv")),
        (false, false) => return Err(wrong(what, "give shell or argv, not both")),
        (true, false) if command.argv[0].is_empty() && !has_own => {
            return Err(wrong(what, "argv[0] is empty"));
        }
        _ => {}
    }
    at_most(field("command.argv"), command.argv.len(), MAX_ARGUMENTS)?;
    at_most(field("command.environment"), command.environment.len(), MAX_VARIABLES)?;
    if command.encoded_len() > MAX_COMMAND_BYTES {
        return Err(wrong(what, format_args!("has more than {MAX_COMMAND_BYTES} bytes")));
    }
    for name in command.environment.keys() {
        if name.is_empty() || name.contains('=') {
            let problem = format_args!("{name:?} is no name for a variable");
            return Err(wrong(field("command.environment"), problem));
        }
    }
    let environment = command.environment.iter().flat_map(|(name, value)| [name, value]);
    if environment.chain(&command.argv).chain([&command.shell]).any(|text| text.contains('\0')) {
        return Err(wrong(what, "has a NUL character"));
    }
    plain(field("command.user"), command.user.clone(), MAX_NAME_BYTES)?;
    at_most(field("command.uris"), command.uris.len(), MAX_URIS)?;
    command.uris.iter().try_for_each(|uri| uri_in(field, uri))
}

/// What can be told without the node: the rest comes back as the task's failure.
fn uri_in(field: &dyn Fn(&str) -> String, uri: &v1::Uri) -> Result<(), Wrong> {
    let what = field("command.uris");
    if uri.value.trim().is_empty() || uri.value.contains('\0') {
        return Err(wrong(what, format_args!("{:?} is no URI", uri.value)));
    }
    let name = &uri.output_file;
    let is_inside = !name.starts_with('/') && name.split('/').all(|step| step != "..");
    if !is_inside || name.contains('\0') {
        let problem = format_args!("output_file {name:?} is no path inside of the sandbox");
        return Err(wrong(what, problem));
    }
    Ok(())
}

pub(crate) fn grace_in(field: &str, grace_ms: Option<u64>) -> Result<Option<Duration>, Wrong> {
    let grace = grace_ms.map(Duration::from_millis);
    if grace.is_some_and(|grace| grace > MAX_GRACE) {
        return Err(wrong(field, "is more than a day"));
    }
    Ok(grace)
}

pub(crate) fn state_in(field: &str, state: i32) -> Result<TaskState, Wrong> {
    use v1::TaskState as Wire;
    Ok(match Wire::try_from(state) {
        Ok(Wire::Staging) => TaskState::Staging,
        Ok(Wire::Running) => TaskState::Running,
        Ok(Wire::Killing) => TaskState::Killing,
        Ok(Wire::Finished) => TaskState::Finished,
        Ok(Wire::Failed) => TaskState::Failed,
        Ok(Wire::Killed) => TaskState::Killed,
        Ok(Wire::Lost) => TaskState::Lost,
        Ok(Wire::Error) => TaskState::Error,
        Ok(Wire::Unreachable) => TaskState::Unreachable,
        Ok(Wire::Unspecified) | Err(_) => {
            return Err(wrong(field, format_args!("{state} is no state of a task")));
        }
    })
}

pub(crate) const fn state_out(state: TaskState) -> v1::TaskState {
    match state {
        TaskState::Staging => v1::TaskState::Staging,
        TaskState::Running => v1::TaskState::Running,
        TaskState::Killing => v1::TaskState::Killing,
        TaskState::Finished => v1::TaskState::Finished,
        TaskState::Failed => v1::TaskState::Failed,
        TaskState::Killed => v1::TaskState::Killed,
        TaskState::Lost => v1::TaskState::Lost,
        TaskState::Error => v1::TaskState::Error,
        TaskState::Unreachable => v1::TaskState::Unreachable,
    }
}

/// A reason this allocator does not know counts as none: newer agents may have more.
fn reason_in(reason: i32) -> Reason {
    use v1::Reason as Wire;
    match Wire::try_from(reason) {
        Ok(Wire::Unspecified) | Err(_) => Reason::None,
        Ok(Wire::CommandFailed) => Reason::CommandFailed,
        Ok(Wire::MemoryLimit) => Reason::MemoryLimit,
        Ok(Wire::Preempted) => Reason::Preempted,
        Ok(Wire::LaunchFailed) => Reason::LaunchFailed,
        Ok(Wire::InvalidTask) => Reason::InvalidTask,
        Ok(Wire::InvalidGroup) => Reason::InvalidGroup,
        Ok(Wire::GroupEnded) => Reason::GroupEnded,
        Ok(Wire::InvalidOffers) => Reason::InvalidOffers,
        Ok(Wire::KilledByFramework) => Reason::KilledByFramework,
        Ok(Wire::KilledByOperator) => Reason::KilledByOperator,
        Ok(Wire::FrameworkRemoved) => Reason::FrameworkRemoved,
        Ok(Wire::AgentLost) => Reason::AgentLost,
        Ok(Wire::AgentRestarted) => Reason::AgentRestarted,
        Ok(Wire::Reconciliation) => Reason::Reconciliation,
        Ok(Wire::StateDirectoryFull) => Reason::StateDirectoryFull,
        Ok(Wire::ExecutorEnded) => Reason::ExecutorEnded,
        Ok(Wire::ExecutorSilent) => Reason::ExecutorSilent,
        Ok(Wire::MaxCompletionTime) => Reason::MaxCompletionTime,
        Ok(Wire::HealthCheck) => Reason::HealthCheck,
        Ok(Wire::Check) => Reason::Check,
        Ok(Wire::AgentDraining) => Reason::AgentDraining,
        Ok(Wire::AgentGone) => Reason::AgentGone,
    }
}

pub(crate) const fn reason_out(reason: Reason) -> v1::Reason {
    match reason {
        Reason::None => v1::Reason::Unspecified,
        Reason::CommandFailed => v1::Reason::CommandFailed,
        Reason::MemoryLimit => v1::Reason::MemoryLimit,
        Reason::Preempted => v1::Reason::Preempted,
        Reason::LaunchFailed => v1::Reason::LaunchFailed,
        Reason::InvalidTask => v1::Reason::InvalidTask,
        Reason::InvalidGroup => v1::Reason::InvalidGroup,
        Reason::GroupEnded => v1::Reason::GroupEnded,
        Reason::InvalidOffers => v1::Reason::InvalidOffers,
        Reason::KilledByFramework => v1::Reason::KilledByFramework,
        Reason::KilledByOperator => v1::Reason::KilledByOperator,
        Reason::FrameworkRemoved => v1::Reason::FrameworkRemoved,
        Reason::AgentLost => v1::Reason::AgentLost,
        Reason::AgentRestarted => v1::Reason::AgentRestarted,
        Reason::Reconciliation => v1::Reason::Reconciliation,
        Reason::StateDirectoryFull => v1::Reason::StateDirectoryFull,
        Reason::ExecutorEnded => v1::Reason::ExecutorEnded,
        Reason::ExecutorSilent => v1::Reason::ExecutorSilent,
        Reason::MaxCompletionTime => v1::Reason::MaxCompletionTime,
        Reason::HealthCheck => v1::Reason::HealthCheck,
        Reason::Check => v1::Reason::Check,
        Reason::AgentDraining => v1::Reason::AgentDraining,
        Reason::AgentGone => v1::Reason::AgentGone,
    }
}

pub(crate) fn status_in(agent: AgentId, status: v1::TaskStatus) -> Result<TaskStatus, Wrong> {
    Ok(TaskStatus {
        name: task_name("status.task_id", status.task_id)?,
        agent: Some(agent),
        state: state_in("status.state", status.state)?,
        reason: reason_in(status.reason),
        message: cut(status.message),
        exit_code: status.exit_code,
        signal: status.signal,
        uuid: uuid("status.uuid", &status.uuid)?,
        timestamp_ms: status.timestamp_ms,
        payload: status.mesos,
        healthy: status.healthy,
        check: status.check.and_then(check::result_in),
    })
}

pub(crate) fn status_out(status: TaskStatus) -> v1::TaskStatus {
    v1::TaskStatus {
        task_id: status.name,
        agent_id: status.agent.map(|agent| agent.to_string()).unwrap_or_default(),
        state: state_out(status.state).into(),
        reason: reason_out(status.reason).into(),
        message: status.message,
        exit_code: status.exit_code,
        signal: status.signal,
        uuid: status.uuid.map(|uuid| uuid.to_vec()).unwrap_or_default(),
        timestamp_ms: status.timestamp_ms,
        mesos: status.payload,
        healthy: status.healthy,
        check: status.check.map(check::result_out),
    }
}
