//! Tasks and executors as the old endpoints tell them.

use super::{bag::Bag, shown::Shown};
use crate::operator::mesos::{
    answers::executor_type,
    snapshot::{Snapshot, TaskSeen},
};
use headroom_core::ids::{AgentId, FrameworkId, TaskHandle};
use serde::Serialize;
use std::collections::HashMap;

#[derive(Serialize)]
pub(super) struct Task<'a> {
    id: &'a str,
    name: &'a str,
    framework_id: Shown<FrameworkId>,
    /// Empty for those that have a container of their own.
    executor_id: &'a str,
    slave_id: Shown<AgentId>,
    state: &'static str,
    resources: Bag,
    role: &'a str,
    statuses: Vec<Status>,
}

/// The updates that are still kept: none, or the newest.
#[derive(Serialize)]
struct Status {
    state: &'static str,
    timestamp: f64,
}

impl<'a> Task<'a> {
    pub(super) fn of(task: &'a TaskSeen, executors: &HashMap<TaskHandle, &'a TaskSeen>) -> Self {
        let state = task.wire_state().as_str_name();
        let status = task.status.as_ref().filter(|status| status.timestamp_ms > 0);
        let timestamp = status.map(|status| status.timestamp_ms as f64 / 1_000.0);
        Self {
            id: &task.name,
            name: &task.name,
            framework_id: Shown(task.framework),
            executor_id: task.executor_id(executors).unwrap_or_default(),
            slave_id: Shown(task.agent),
            state,
            resources: holding(task),
            role: &task.role,
            statuses: timestamp.into_iter().map(|timestamp| Status { state, timestamp }).collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Executor<'a> {
    executor_id: &'a str,
    name: &'a str,
    framework_id: Shown<FrameworkId>,
    slave_id: Shown<AgentId>,
    resources: Bag,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> Executor<'a> {
    pub(super) fn of(executor: &'a TaskSeen) -> Self {
        Self {
            executor_id: &executor.name,
            name: &executor.name,
            framework_id: Shown(executor.framework),
            slave_id: Shown(executor.agent),
            resources: holding(executor),
            kind: executor_type(executor.kind).as_str_name(),
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
        let all = snapshot.proper().chain(snapshot.completed());
        let mut found: Vec<_> = all.filter(is_wanted).collect();
        found.sort_by_key(|task| (task.since, task.handle));
        if wanted.order.as_deref() != Some("asc") {
            found.reverse();
        }
        let executors = snapshot.executors();
        let found = found.into_iter().skip(wanted.offset.unwrap_or(0));
        let found = found.take(wanted.limit.unwrap_or(DEFAULT_LIMIT));
        Self { tasks: found.map(|task| Task::of(task, &executors)).collect() }
    }
}
