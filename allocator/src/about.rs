//! What people and their tools are told of tasks and executors, and nobody decides about: names,
//! labels, containers. As bytes it goes to the agent with the launch, which says it again in its hello:
//! so it outlives the allocator.

use headroom_proto::{mesos::v1 as mesos, v1};
use prost::Message;
use std::sync::Arc;

/// Of one task or executor so many bytes are kept. Of one that has more, only name and source are.
pub(crate) const MAX_ABOUT_BYTES: usize = 8 << 10;

/// The bytes of a task; none: there is nothing to tell but its id.
pub(crate) fn of_task(id: &str, task: &mesos::Task) -> Vec<u8> {
    let name = task.name.clone();
    if *task == (mesos::Task { name: name.clone(), ..mesos::Task::default() }) && name == id {
        return Vec::new();
    }
    let bytes = task.encode_to_vec();
    if bytes.len() <= MAX_ABOUT_BYTES {
        return bytes;
    }
    mesos::Task { name, ..mesos::Task::default() }.encode_to_vec()
}

/// What a Mesos framework says of a task.
pub(crate) fn of_mesos_task(info: &mesos::TaskInfo) -> Vec<u8> {
    let task = mesos::Task {
        name: cut(&info.name),
        labels: info.labels.clone(),
        discovery: info.discovery.clone(),
        container: info.container.clone(),
        health_check: info.health_check.clone(),
        kill_policy: info.kill_policy,
        limits: info.limits.clone(),
        user: info.command.as_ref().and_then(|command| command.user.clone()),
        ..mesos::Task::default()
    };
    of_task(&info.task_id.value, &task)
}

/// What is said of a task by gRPC.
pub(crate) fn of_plain_task(info: &v1::TaskInfo) -> Vec<u8> {
    let label = |(key, value): (&String, &String)| mesos::Label {
        key: key.clone(),
        value: Some(value.clone()),
    };
    let labels: Vec<_> = info.labels.iter().map(label).collect();
    let name = if info.name.is_empty() { &info.task_id } else { &info.name };
    let user = info.command.as_ref().map(|command| command.user.clone());
    let task = mesos::Task {
        name: name.clone(),
        labels: (!labels.is_empty()).then_some(mesos::Labels { labels }),
        container: info.container.as_ref().and_then(container),
        user: user.filter(|user| !user.is_empty()),
        ..mesos::Task::default()
    };
    of_task(&info.task_id, &task)
}

fn container(given: &v1::Container) -> Option<mesos::ContainerInfo> {
    use mesos::container_info::{DockerInfo, Type, docker_info::Network};
    let Some(v1::container::Kind::Docker(docker)) = &given.kind else { return None };
    let network = match docker.network() {
        v1::DockerNetwork::Bridge => Network::Bridge,
        v1::DockerNetwork::None => Network::None,
        _ => Network::Host,
    };
    Some(mesos::ContainerInfo {
        r#type: Type::Docker.into(),
        docker: Some(DockerInfo {
            image: docker.image.clone(),
            network: Some(network.into()),
            privileged: Some(docker.privileged),
            force_pull_image: Some(docker.force_pull),
            ..DockerInfo::default()
        }),
        ..mesos::ContainerInfo::default()
    })
}

/// What a Mesos framework says of an executor, without its data.
pub(crate) fn of_executor(info: &mesos::ExecutorInfo) -> Vec<u8> {
    let about = mesos::ExecutorInfo { data: None, ..info.clone() };
    let bytes = about.encode_to_vec();
    if bytes.len() <= MAX_ABOUT_BYTES {
        return bytes;
    }
    let little = mesos::ExecutorInfo {
        r#type: info.r#type,
        executor_id: info.executor_id.clone(),
        name: info.name.as_deref().map(cut),
        source: info.source.as_deref().map(cut),
        ..mesos::ExecutorInfo::default()
    };
    little.encode_to_vec()
}

fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(crate::convert::MAX_TEXT_BYTES / 2)].to_owned()
}

/// The part of a `headroom.v1.TaskInfo` that is read here.
#[derive(Clone, PartialEq, Message)]
struct Carrier {
    #[prost(bytes = "vec", tag = "41")]
    about: Vec<u8>,
}

/// The part of a `mesos.v1.Task` that `ps` shows.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

/// The bytes in a launch that this allocator wrote.
pub(crate) fn within(payload: &[u8]) -> Option<Arc<[u8]>> {
    let carrier = Carrier::decode(payload).ok()?;
    (!carrier.about.is_empty()).then(|| carrier.about.into())
}

/// The bytes as an agent says them again; those that no allocator wrote are none.
pub(crate) fn retold(about: Vec<u8>) -> Option<Arc<[u8]>> {
    (!about.is_empty() && about.len() <= MAX_ABOUT_BYTES).then(|| about.into())
}

/// A task's name, if it has one beside its id.
pub(crate) fn name(about: Option<&[u8]>) -> Option<String> {
    Some(Named::decode(about?).ok()?.name).filter(|name| !name.is_empty())
}

/// All that is known of a task.
pub(crate) fn task(about: Option<&[u8]>) -> mesos::Task {
    about.and_then(|about| mesos::Task::decode(about).ok()).unwrap_or_default()
}

/// All that is known of an executor.
pub(crate) fn executor(about: Option<&[u8]>) -> mesos::ExecutorInfo {
    about.and_then(|about| mesos::ExecutorInfo::decode(about).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, label: &str) -> mesos::TaskInfo {
        let label = mesos::Label { key: "k".into(), value: Some(label.into()) };
        mesos::TaskInfo {
            name: name.into(),
            task_id: mesos::TaskId { value: "t".into() },
            labels: Some(mesos::Labels { labels: vec![label] }),
            ..mesos::TaskInfo::default()
        }
    }

    #[test]
    fn it_is_found_in_a_launch_again() {
        let about = of_mesos_task(&info("web", "v"));
        let launch = v1::TaskInfo { about, task_id: "t".into(), ..v1::TaskInfo::default() };
        let found = within(&launch.encode_to_vec()).unwrap();
        assert_eq!(name(Some(&found)).as_deref(), Some("web"));
        let task = task(Some(&found));
        assert_eq!(task.labels.unwrap().labels[0].value.as_deref(), Some("v"));
    }

    #[test]
    fn nothing_is_kept_of_one_with_an_id_only_and_little_of_one_that_says_much() {
        let alone = mesos::TaskInfo { labels: None, ..info("t", "") };
        assert!(of_mesos_task(&alone).is_empty());
        let about = of_mesos_task(&info("web", &"v".repeat(MAX_ABOUT_BYTES)));
        assert!(about.len() < 100);
        assert_eq!(task(Some(&about)).name, "web");
    }
}
