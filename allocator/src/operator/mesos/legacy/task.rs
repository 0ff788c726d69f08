//! Tasks and executors as the old endpoints tell them.

use super::{
    bag::Bag,
    shown::Shown,
    status::{Label, Status, as_json, labels},
};
use crate::{
    about,
    operator::mesos::{
        answers::executor_type,
        snapshot::{Snapshot, TaskSeen},
    },
};
use headroom_core::ids::{AgentId, FrameworkId, TaskHandle};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashMap;

#[derive(Serialize)]
pub(super) struct Task<'a> {
    id: &'a str,
    name: String,
    framework_id: Shown<FrameworkId>,
    /// Empty for those that have a container of their own.
    executor_id: &'a str,
    slave_id: Shown<AgentId>,
    state: &'static str,
    resources: Bag,
    role: &'a str,
    statuses: Vec<Status>,
    #[serde(flatten)]
    about: AboutTask,
}

/// What its framework says of it.
#[derive(Serialize)]
struct AboutTask {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<Label>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discovery: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check: Option<Box<RawValue>>,
}

impl<'a> Task<'a> {
    pub(super) fn of(task: &'a TaskSeen, executors: &HashMap<TaskHandle, &'a TaskSeen>) -> Self {
        let about = about::task(task.about());
        Self {
            id: &task.name,
            name: if about.name.is_empty() { task.name.to_string() } else { about.name },
            framework_id: Shown(task.framework),
            executor_id: task.executor_id(executors).unwrap_or_default(),
            slave_id: Shown(task.agent),
            state: task.wire_state().as_str_name(),
            resources: holding(task),
            role: &task.role,
            statuses: task.statuses().iter().map(Status::of).collect(),
            about: AboutTask {
                user: about.user,
                labels: about.labels.map(labels),
                discovery: about.discovery.as_ref().and_then(as_json),
                container: about.container.as_ref().and_then(as_json),
                health_check: about.health_check.as_ref().and_then(as_json),
            },
        }
    }
}

#[derive(Serialize)]
pub(super) struct Executor<'a> {
    executor_id: &'a str,
    name: String,
    source: String,
    framework_id: Shown<FrameworkId>,
    slave_id: Shown<AgentId>,
    role: &'a str,
    resources: Bag,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<Label>>,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> Executor<'a> {
    pub(super) fn of(executor: &'a TaskSeen) -> Self {
        let about = about::executor(executor.about());
        Self {
            executor_id: &executor.name,
            name: about.name.clone().unwrap_or_default(),
            source: about.source.clone().unwrap_or_default(),
            framework_id: Shown(executor.framework),
            slave_id: Shown(executor.agent),
            role: &executor.role,
            resources: holding(executor),
            command: about.command.as_ref().and_then(as_json),
            container: about.container.as_ref().and_then(as_json),
            kind: executor_type(executor.kind).as_str_name(),
            labels: about.labels.map(labels),
        }
    }
}

pub(super) fn holding(task: &TaskSeen) -> Bag {
    let mut bag = Bag::default();
    bag.add(&task.request, task.revocable);
    bag
}

/// `/tasks`: so many, unless asked otherwise.
const DEFAULT_LIMIT: usize = 100;

/// What of all tasks is wanted.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Wanted {
    limit: Option<usize>,
    offset: Option<usize>,
    order: Option<String>,
    task_id: Option<String>,
    framework_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Tasks<'a> {
    tasks: Vec<Task<'a>>,
}

impl<'a> Tasks<'a> {
    /// The newest first, unless `order=asc`.
    pub(super) fn of(snapshot: &'a Snapshot, wanted: &Wanted) -> Self {
        let is_wanted = |task: &&TaskSeen| {
            let id = wanted.task_id.as_deref().filter(|id| !id.is_empty());
            let framework = wanted.framework_id.as_deref().filter(|id| !id.is_empty());
            id.is_none_or(|id| *task.name == *id)
                && framework.is_none_or(|id| task.framework.to_string() == id)
        };
        let all = snapshot.proper().chain(&snapshot.ended);
        let mut found: Vec<_> = all.filter(is_wanted).collect();
        found.sort_by_key(|task| (task.since, task.task.handle));
        if wanted.order.as_deref() != Some("asc") {
            found.reverse();
        }
        let executors = snapshot.executors();
        let found = found.into_iter().skip(wanted.offset.unwrap_or(0));
        let found = found.take(wanted.limit.unwrap_or(DEFAULT_LIMIT));
        Self { tasks: found.map(|task| Task::of(task, &executors)).collect() }
    }
}
