//! Task groups: tasks that one executor runs together. All of a group are launched, or none; the rules are those of
//! Mesos (src/master/validation.cpp).

use super::task::{agent_of, command_task, executor_in, inside};
use crate::{
    convert::{
        amounts,
        task::{launch_in as checked_launch, task_name},
    },
    mesos::resources::{Asked, resources_in},
};
use headroom_core::{command::Launch, executor::Executor, ids::FrameworkId, operate::Placed};
use headroom_proto::{
    mesos::v1::{
        ContainerInfo, ExecutorInfo, TaskInfo, Volume, container_info, executor_info::Type,
        offer::operation::LaunchGroup, volume, volume::source::sandbox_path,
    },
    v1,
};
use prost::Message as _;
use std::sync::Arc;

/// Tasks in one group: at most.
pub(super) const MAX_GROUP: usize = 1_000;
/// Directories that a task shares with others of its executor: at most.
const MAX_SHARED: usize = 64;
/// The least that an executor of a group holds, in thousandths (Mesos: MIN_CPUS, MIN_MEM).
const LEAST_CPUS_MILLI: u64 = 10;
const LEAST_MEMORY_MILLI_MIB: u64 = 32_000;
/// From SIGTERM to SIGKILL unless a task says (Mesos: src/launcher/default_executor.cpp).
const DEFAULT_GRACE_MS: u64 = 3_000;

/// What is to be launched together; if any of it is wrong, all are told so.
pub(super) fn group_in(framework: FrameworkId, group: &LaunchGroup) -> Vec<Placed> {
    let tasks = &group.task_group.tasks;
    match try_group(framework, &group.executor, tasks) {
        Ok(placed) => placed,
        Err(fault) => {
            let refused = |task: &TaskInfo| {
                let (name, fault) = (task.task_id.value.clone(), Some(fault.clone()));
                (Launch { name, fault, ..Launch::default() }, None)
            };
            tasks.iter().map(refused).collect()
        }
    }
}

fn try_group(
    framework: FrameworkId,
    info: &ExecutorInfo,
    tasks: &[TaskInfo],
) -> Result<Vec<Placed>, String> {
    let executor = Arc::new(executor_of_group(framework, info)?);
    let shares = tasks.first().is_none_or(shares_limits);
    let each = tasks.iter().map(|task| {
        let placed = try_task(task, info, &executor).and_then(|placed| {
            let same = shares_limits(task) == shares;
            let fault = "'share_cgroups' must be the same for all tasks of a group".to_owned();
            if same { Ok(placed) } else { Err(fault) }
        });
        placed.map_err(|fault| format!("Task {:?} is invalid: {fault}", task.task_id.value))
    });
    each.collect()
}

fn try_task(
    task: &TaskInfo,
    info: &ExecutorInfo,
    executor: &Arc<Executor>,
) -> Result<Placed, String> {
    if task.executor.as_ref().is_some_and(|own| own != info) {
        return Err("its `ExecutorInfo` is different from that of its group".to_owned());
    }
    if task.container.as_ref().is_some_and(is_docker) {
        return Err("Docker ContainerInfo is not supported on the task".to_owned());
    }
    if !task.limits.is_empty() && shares_limits(task) {
        return Err("resource limits may only be set for tasks within a task group when the \
                    'share_cgroups' field is set to 'false'"
            .to_owned());
    }
    let name = task_name("task_id", task.task_id.value.clone()).map_err(|w| w.to_string())?;
    let Asked { resources: request, parts } = resources_in(&task.resources)?;
    let launch = match info.r#type() {
        Type::Default => {
            let command = task.command.clone().unwrap_or_default();
            let (task, shared_directories) = without_shared(task)?;
            let given = command_task(&task, &name, &request, &command)?;
            let kill_grace_ms = given.kill_grace_ms.or(Some(DEFAULT_GRACE_MS));
            let shares_limits = shares_limits(&task);
            let given = v1::TaskInfo { kill_grace_ms, shares_limits, shared_directories, ..given };
            let launch = checked_launch(0, given).map_err(|wrong| wrong.to_string())?;
            Launch { executor: Some(Arc::clone(executor)), ..launch }
        }
        _ => {
            let task = TaskInfo { executor: Some(info.clone()), ..task.clone() };
            inside(&task, name, request, Arc::clone(executor))
        }
    };
    Ok((Launch { agent: Some(agent_of(task)), ..launch }, Some(parts.reserved())))
}

/// The task, and apart from it the directories of its executor's sandbox that it asks for (volumes with source
/// SANDBOX_PATH, of type PARENT).
fn without_shared(task: &TaskInfo) -> Result<(TaskInfo, Vec<v1::SharedDirectory>), String> {
    let mut task = task.clone();
    let Some(container) = &mut task.container else { return Ok((task, Vec::new())) };
    let has_root = container.mesos.as_ref().is_some_and(|mesos| mesos.image.is_some());
    let of_parent = |volume: &Volume| {
        let path = volume.source.as_ref().and_then(|source| source.sandbox_path.as_ref());
        path.filter(|path| path.r#type() == sandbox_path::Type::Parent)
            .map(|path| path.path.clone())
    };
    let (shared, others) = std::mem::take(&mut container.volumes)
        .into_iter()
        .partition::<Vec<_>, _>(|volume| of_parent(volume).is_some());
    container.volumes = others;
    if shared.len() > MAX_SHARED {
        return Err(format!("container.volumes: at most {MAX_SHARED} are taken"));
    }
    let each = shared.iter().map(|volume| {
        let name = of_parent(volume).unwrap_or_default();
        let container_path = volume.container_path.clone();
        let wrong = |why| Err(format!("container.volumes: {container_path:?} {why}"));
        if volume.mode() != volume::Mode::Rw {
            return wrong("is read-only, which is not supported for SANDBOX_PATH");
        }
        if name.contains('/') || ["", ".", "..", "containers", "tasks"].contains(&&*name) {
            return wrong("has a `path` that is no plain name of a directory");
        }
        if container_path.starts_with('/') && !has_root {
            return wrong("is absolute, which needs an image");
        }
        Ok(v1::SharedDirectory { name, container_path })
    });
    let shared = each.collect::<Result<_, String>>()?;
    Ok((task, shared))
}

/// Whether a task may use what its group holds together: it has no limits of its own then.
pub(super) fn shares_limits(task: &TaskInfo) -> bool {
    let linux = task.container.as_ref().and_then(|container| container.linux_info.as_ref());
    linux.and_then(|linux| linux.share_cgroups).unwrap_or(true)
}

fn is_docker(container: &ContainerInfo) -> bool {
    container.r#type() == container_info::Type::Docker
}

fn executor_of_group(framework: FrameworkId, info: &ExecutorInfo) -> Result<Executor, String> {
    let of_framework = info.framework_id.as_ref().map(|id| &id.value);
    match of_framework {
        None => return Err("'ExecutorInfo.framework_id' must be set".to_owned()),
        Some(id) if *id != framework.to_string() => {
            return Err(format!(
                "ExecutorInfo has an invalid FrameworkID: {id} instead of {framework}"
            ));
        }
        Some(_) => {}
    }
    if info.container.as_ref().is_some_and(is_docker) {
        return Err("Docker ContainerInfo is not supported on the executor".to_owned());
    }
    let executor = match (info.r#type, info.r#type()) {
        (None, _) => return Err("'ExecutorInfo.type' must be set".to_owned()),
        (_, Type::Default) => default_executor(info)?,
        (_, Type::Custom) => executor_in(info)?,
        (_, Type::Unknown) => return Err("Unknown executor type".to_owned()),
    };
    // Mesos wants some disk as well; what is lent has none.
    let [cpus, memory, ..] = executor.request.amounts.0;
    if cpus < LEAST_CPUS_MILLI || memory < LEAST_MEMORY_MILLI_MIB {
        return Err(format!(
            "executor {:?} needs at least 0.01 CPUs and 32 MB of memory",
            executor.id
        ));
    }
    Ok(executor)
}

/// Mesos' own executor. The agent runs the tasks itself, so it is no program here.
fn default_executor(info: &ExecutorInfo) -> Result<Executor, String> {
    let id = info.executor_id.value.clone();
    let id = task_name("executor_id", id).map_err(|wrong| wrong.to_string())?;
    if info.command.is_some() {
        return Err("'ExecutorInfo.command' must not be set for 'DEFAULT' executor".to_owned());
    }
    if let Some(container) = &info.container {
        plain_container(container)?;
    }
    let request = resources_in(&info.resources)?.resources;
    let grace = info.shutdown_grace_period.as_ref();
    let task = v1::TaskInfo {
        task_id: id.clone(),
        resources: Some(amounts::resources_out(&request)),
        kill_grace_ms: grace.map(|grace| super::task::grace_ms(grace.nanoseconds)),
        about: crate::about::of_executor(info),
        mesos: Some(v1::Mesos { executor_info: info.encode_to_vec(), ..v1::Mesos::default() }),
        ..v1::TaskInfo::default()
    };
    Ok(Executor { id, request, is_default: true, payload: task.encode_to_vec() })
}

/// Refuses what an executor's container can ask for and does not get.
fn plain_container(container: &ContainerInfo) -> Result<(), String> {
    let linux = container.linux_info.as_ref();
    if linux.is_some_and(|linux| linux.share_cgroups == Some(true)) {
        return Err("'share_cgroups' cannot be set to 'true' on executor containers".to_owned());
    }
    if container.mesos.as_ref().is_some_and(|mesos| mesos.image.is_some()) {
        let why = "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor";
        return Err(why.to_owned());
    }
    if !container.volumes.is_empty() {
        return Err("executor.container.volumes is not supported".to_owned());
    }
    super::container::container_in(container)
        .map(|_| ())
        .map_err(|fault| format!("executor: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_proto::mesos::v1::{
        CommandInfo, ContainerInfo, ExecutorId, FrameworkId as Id, LinuxInfo, NetworkInfo,
        Resource, TaskGroupInfo, TaskId, Volume, value::Scalar, volume::Source,
        volume::source::SandboxPath,
    };

    fn scalar(name: &str, value: f64) -> Resource {
        Resource { name: name.into(), scalar: Some(Scalar { value }), ..Resource::default() }
    }

    fn framework() -> FrameworkId {
        FrameworkId::from_number(7)
    }

    fn executor() -> ExecutorInfo {
        ExecutorInfo {
            r#type: Some(Type::Default.into()),
            executor_id: ExecutorId { value: "e".into() },
            framework_id: Some(Id { value: framework().to_string() }),
            resources: vec![scalar("cpus", 0.1), scalar("mem", 32.0)],
            ..ExecutorInfo::default()
        }
    }

    fn task(name: &str) -> TaskInfo {
        TaskInfo {
            task_id: TaskId { value: name.into() },
            command: Some(CommandInfo { value: Some("true".into()), ..CommandInfo::default() }),
            resources: vec![scalar("cpus", 0.1), scalar("mem", 32.0)],
            ..TaskInfo::default()
        }
    }

    fn contained(name: &str, container: ContainerInfo) -> TaskInfo {
        let container = ContainerInfo { r#type: container_info::Type::Mesos.into(), ..container };
        TaskInfo { container: Some(container), ..task(name) }
    }

    fn apart(name: &str) -> TaskInfo {
        let linux = LinuxInfo { share_cgroups: Some(false), ..LinuxInfo::default() };
        contained(name, ContainerInfo { linux_info: Some(linux), ..ContainerInfo::default() })
    }

    fn sharing(path: &str, container_path: &str) -> TaskInfo {
        let source = Source {
            sandbox_path: Some(SandboxPath {
                r#type: Some(sandbox_path::Type::Parent.into()),
                path: path.into(),
            }),
            ..Source::default()
        };
        let volume = Volume {
            mode: volume::Mode::Rw.into(),
            container_path: container_path.into(),
            source: Some(source),
            ..Volume::default()
        };
        contained("s", ContainerInfo { volumes: vec![volume], ..ContainerInfo::default() })
    }

    fn networked() -> ContainerInfo {
        let network = NetworkInfo { name: Some("net".into()), ..NetworkInfo::default() };
        ContainerInfo {
            r#type: container_info::Type::Mesos.into(),
            network_infos: vec![network],
            ..ContainerInfo::default()
        }
    }

    fn placed(executor: ExecutorInfo, tasks: Vec<TaskInfo>) -> Vec<Placed> {
        let task_group = TaskGroupInfo { tasks };
        group_in(framework(), &LaunchGroup { executor, task_group })
    }

    fn given(launch: &Launch) -> v1::TaskInfo {
        v1::TaskInfo::decode(launch.payload.as_slice()).unwrap()
    }

    #[test]
    fn tasks_of_a_group_share_an_executor_and_their_limits() {
        let group = placed(executor(), vec![task("a"), sharing("common", "data")]);
        let [(one, _), (two, _)] = &group[..] else { panic!("{group:?}") };
        assert!(one.fault.is_none() && two.fault.is_none(), "{group:?}");
        let executor = one.executor.as_ref().unwrap();
        assert!(executor.is_default && Arc::ptr_eq(executor, two.executor.as_ref().unwrap()));
        let (one, two) = (given(one), given(two));
        assert!(one.shares_limits && one.kill_grace_ms == Some(DEFAULT_GRACE_MS));
        let shared = &two.shared_directories[0];
        assert_eq!((shared.name.as_str(), shared.container_path.as_str()), ("common", "data"));
    }

    #[test]
    fn what_is_wrong_with_one_is_told_to_all() {
        let id = |value: &str| Some(Id { value: value.into() });
        let command = task("x").command;
        let with = |change: fn(&mut TaskInfo)| {
            let mut task = task("b");
            change(&mut task);
            task
        };
        for (executor, second, words) in [
            (ExecutorInfo { framework_id: None, ..executor() }, task("b"), "must be set"),
            (ExecutorInfo { framework_id: id("F1-1"), ..executor() }, task("b"), "FrameworkID"),
            (ExecutorInfo { r#type: None, ..executor() }, task("b"), "type"),
            (ExecutorInfo { command, ..executor() }, task("b"), "must not be set"),
            (ExecutorInfo { resources: vec![], ..executor() }, task("b"), "32 MB"),
            (
                ExecutorInfo { container: Some(networked()), ..executor() },
                task("b"),
                "network_infos",
            ),
            (executor(), with(|task| task.command = None), "nothing to run"),
            (executor(), with(|task| task.resources.clear()), "resources"),
            (executor(), with(|task| task.executor = Some(ExecutorInfo::default())), "different"),
            (
                executor(),
                with(|task| _ = task.limits.insert("mem".into(), Scalar { value: 64.0 })),
                "share_cgroups",
            ),
            (executor(), apart("b"), "must be the same"),
            (executor(), sharing("a/b", "data"), "plain name"),
            (executor(), sharing("..", "data"), "plain name"),
            (executor(), sharing("tasks", "data"), "plain name"),
            (executor(), sharing("common", "/data"), "needs an image"),
        ] {
            let group = placed(executor, vec![task("a"), second]);
            let faults = group.iter().map(|(launch, _)| launch.fault.clone().unwrap_or_default());
            let faults: Vec<_> = faults.collect();
            assert_eq!(faults[0], faults[1]);
            assert!(faults[0].contains(words), "{words}: {faults:?}");
        }
        let group = placed(executor(), vec![apart("a"), apart("b")]);
        assert!(group.iter().all(|(launch, _)| launch.fault.is_none()), "{group:?}");
        assert!(!given(&group[0].0).shares_limits);
    }
}
