//! Tasks as Mesos frameworks describe them, as launches.

use super::{
    check::{check_in, health_in},
    container::container_in,
    group::shares_limits,
};
use crate::convert::{
    amounts,
    container::container_in as checked_container,
    task::{launch_in as checked_launch, task_name},
};
use crate::mesos::resources::{Asked, resources_in};
use headroom_core::{
    command::Launch, executor::Executor, ids::AgentId, operate::Placed, resources::Resources,
};
use headroom_proto::{
    mesos::v1::{
        CommandInfo, ContainerInfo, ExecutorInfo, TaskInfo, container_info, environment::variable,
        executor_info,
    },
    v1,
};
use prost::Message as _;
use std::{collections::BTreeMap, sync::Arc};

/// What is to be launched; one that can't be says why, and is told so in its own update.
pub(super) fn launch_in(info: &TaskInfo) -> Placed {
    let name = info.task_id.value.clone();
    match try_launch(info) {
        Ok((launch, parts)) => (Launch { agent: Some(agent_of(info)), ..launch }, parts),
        Err(fault) => (Launch { name, fault: Some(fault), ..Launch::default() }, None),
    }
}

/// Where its framework expects it; an id that is none of ours stands for an agent that is nowhere.
pub(super) fn agent_of(info: &TaskInfo) -> AgentId {
    info.agent_id.value.parse().unwrap_or(AgentId::from_number(0))
}

fn try_launch(info: &TaskInfo) -> Result<Placed, String> {
    let name = task_name("task_id", info.task_id.value.clone()).map_err(|w| w.to_string())?;
    let Asked { resources: request, parts } = resources_in(&info.resources)?;
    if request.is_empty() {
        return Err("the task uses no resources".to_owned());
    }
    let parts = Some(parts.reserved());
    if !shares_limits(info) {
        return Err("only tasks in a task group may have 'share_cgroups' set to 'false'".to_owned());
    }
    match (&info.executor, &info.command) {
        (Some(_), Some(_)) | (None, None) => {
            Err("a task has a command or an executor, and not both".to_owned())
        }
        (None, Some(command)) => {
            let task = command_task(info, &name, &request, command)?;
            Ok((checked_launch(0, task).map_err(|wrong| wrong.to_string())?, parts))
        }
        (Some(executor), None) => {
            let executor = Arc::new(executor_in(executor)?);
            Ok((inside(info, name, request, executor), parts))
        }
    }
}

/// A task that an executor of its framework's own runs.
pub(super) fn inside(
    info: &TaskInfo,
    name: String,
    request: Resources,
    executor: Arc<Executor>,
) -> Launch {
    let task = v1::TaskInfo {
        task_id: name.clone(),
        resources: Some(amounts::resources_out(&request)),
        command: Some(v1::Command::default()),
        mesos: Some(v1::Mesos { task_info: info.encode_to_vec(), ..v1::Mesos::default() }),
        ..v1::TaskInfo::default()
    };
    let payload = task.encode_to_vec();
    Launch { name, request, executor: Some(executor), payload, ..Launch::default() }
}

/// A task with a container of its own.
pub(super) fn command_task(
    info: &TaskInfo,
    name: &str,
    request: &Resources,
    command: &CommandInfo,
) -> Result<v1::TaskInfo, String> {
    let limit = |kind| info.limits.get(kind).map(|scalar| scalar.value).filter(|l| l.is_finite());
    let unlimited = |kind| info.limits.get(kind).is_some_and(|scalar| scalar.value.is_infinite());
    if unlimited("mem") {
        return Err("limits: memory without a limit is not supported; name a number".to_owned());
    }
    let Contained { container, command } = contained(info.container.as_ref(), command)?;
    let grace = info.kill_policy.as_ref().and_then(|policy| policy.grace_period.as_ref());
    let longest = info.max_completion_time.as_ref();
    let labels = info.labels.as_ref().map(|labels| &labels.labels[..]).unwrap_or_default();
    Ok(v1::TaskInfo {
        task_id: name.to_owned(),
        resources: Some(amounts::resources_out(request)),
        command: Some(command),
        limit_cpus: limit("cpus"),
        limit_memory_mib: limit("mem"),
        kill_grace_ms: grace.map(|grace| grace_ms(grace.nanoseconds)),
        max_completion_ms: longest.map(|longest| grace_ms(longest.nanoseconds)),
        health_check: info.health_check.as_ref().map(health_in).transpose()?,
        check: info.check.as_ref().map(check_in).transpose()?,
        labels: labels
            .iter()
            .map(|label| (label.key.clone(), label.value.clone().unwrap_or_default()))
            .collect(),
        container,
        ..v1::TaskInfo::default()
    })
}

pub(super) fn grace_ms(nanoseconds: i64) -> u64 {
    u64::try_from(nanoseconds).unwrap_or(0) / 1_000_000
}

pub(super) fn command_in(command: &CommandInfo) -> Result<v1::Command, String> {
    let value = command.value.clone().unwrap_or_default();
    if value.is_empty() {
        return Err("command.value is empty: there is nothing to run".to_owned());
    }
    if command.shell() {
        return command_of(value, Vec::new(), command);
    }
    // Its own name for itself comes first and is the program's here.
    let arguments = command.arguments.iter().skip(1).cloned();
    command_of(String::new(), [value].into_iter().chain(arguments).collect(), command)
}

fn command_of(
    shell: String,
    argv: Vec<String>,
    command: &CommandInfo,
) -> Result<v1::Command, String> {
    let uris = command.uris.iter().map(|uri| v1::Uri {
        value: uri.value.clone(),
        extract: Some(uri.extract()),
        executable: uri.executable(),
        cache: uri.cache(),
        output_file: uri.output_file.clone().unwrap_or_default(),
    });
    Ok(v1::Command {
        shell,
        argv,
        environment: environment_in(command)?,
        user: command.user.clone().unwrap_or_default(),
        uris: uris.collect(),
    })
}

fn environment_in(command: &CommandInfo) -> Result<BTreeMap<String, String>, String> {
    let variables = command.environment.as_ref().map(|all| &all.variables[..]);
    let variables = variables.unwrap_or_default().iter().map(|variable| {
        if variable.r#type() == variable::Type::Secret {
            return Err(format!("environment {:?}: secrets are not supported", variable.name));
        }
        Ok((variable.name.clone(), variable.value.clone().unwrap_or_default()))
    });
    variables.collect()
}

/// In what a command runs, and how it is run there.
struct Contained {
    container: Option<v1::Container>,
    command: v1::Command,
}

/// With a command line of its own an image's entrypoint is passed over. Without, a Docker container has the program and
/// all arguments for the entrypoint, and one of Mesos the program instead of it.
fn contained(given: Option<&ContainerInfo>, command: &CommandInfo) -> Result<Contained, String> {
    let Some(mut docker) = given.map(container_in).transpose()?.flatten() else {
        return Ok(Contained { container: None, command: command_in(command)? });
    };
    let is_docker = given.is_some_and(|given| given.r#type() == container_info::Type::Docker);
    let command = match &command.value {
        Some(value) if is_docker && !command.shell() => {
            let words = [value].into_iter().chain(&command.arguments).cloned();
            command_of(String::new(), words.collect(), command)?
        }
        Some(value) if !command.shell() => {
            let key = "entrypoint".to_owned();
            docker.parameters.push(v1::DockerParameter { key, value: value.clone() });
            let arguments = command.arguments.iter().skip(1).cloned();
            command_of(String::new(), arguments.collect(), command)?
        }
        Some(_) => command_in(command)?,
        // What the image runs by itself, with these arguments.
        None => command_of(String::new(), command.arguments.clone(), command)?,
    };
    let kind = Some(v1::container::Kind::Docker(docker));
    Ok(Contained { container: Some(v1::Container { kind }), command })
}

pub(super) fn executor_in(info: &ExecutorInfo) -> Result<Executor, String> {
    let id = info.executor_id.value.clone();
    let id = task_name("executor_id", id).map_err(|wrong| wrong.to_string())?;
    if info.r#type() == executor_info::Type::Default {
        return Err(format!(
            "executor {id:?}: 'ExecutorInfo.type' must be 'CUSTOM'; the default executor runs task \
             groups only (LAUNCH_GROUP)"
        ));
    }
    let Some(command) = &info.command else {
        return Err(format!("executor {id:?} has no command"));
    };
    let request = resources_in(&info.resources)?.resources;
    let Contained { container, command } = contained(info.container.as_ref(), command)?;
    if let Some(container) = &container {
        let field = |part: &str| format!("executor {id:?}, {part}");
        checked_container(&field, &request, container).map_err(|wrong| wrong.to_string())?;
    }
    let grace = info.shutdown_grace_period.as_ref();
    let task = v1::TaskInfo {
        task_id: id.clone(),
        resources: Some(amounts::resources_out(&request)),
        command: Some(command),
        container,
        kill_grace_ms: grace.map(|grace| grace_ms(grace.nanoseconds)),
        mesos: Some(v1::Mesos { executor_info: info.encode_to_vec(), ..v1::Mesos::default() }),
        ..v1::TaskInfo::default()
    };
    Ok(Executor { id, request, is_default: false, payload: task.encode_to_vec() })
}
