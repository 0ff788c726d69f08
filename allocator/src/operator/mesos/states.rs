//! How tasks are, as operators are told: in all states that Mesos has.

use super::snapshot::{Snapshot, TaskSeen};
use crate::frameworks::mesos::status::{Traits, state_out, status_out};
use headroom_core::{
    executor::Kind,
    ids::TaskHandle,
    tasks::{Reason, TaskState, TaskStatus},
};
use headroom_proto::mesos::v1;
use std::collections::HashMap;

/// An operator knows of everything.
const TRAITS: Traits = Traits::all();

/// A status as operators are told it.
pub(super) fn told(status: &TaskStatus) -> v1::TaskStatus {
    status_out(status, &TRAITS)
}

/// How a status of that kind is told.
pub(super) fn wire_state(status: &TaskStatus) -> v1::TaskState {
    state_out(status.state, status.reason, &TRAITS)
}

impl TaskSeen {
    pub(super) fn wire_state(&self) -> v1::TaskState {
        match self.status() {
            // Its executor may have said it in other words.
            Some(status) if self.state.is_terminal() || self.state == status.state => {
                told(status).state()
            }
            _ => state_out(self.state, Reason::None, &TRAITS),
        }
    }

    /// Whether it is over because its agent was given up: nobody saw it end.
    pub(super) fn is_unreachable(&self) -> bool {
        self.state == TaskState::Lost
            && self.status().is_some_and(|status| status.reason == Reason::AgentLost)
    }

    /// All updates that are known, the oldest first.
    pub(super) fn statuses(&self) -> &[TaskStatus] {
        self.story.as_ref().map_or(&[], |story| &story.statuses)
    }

    /// The same as messages.
    pub(super) fn told(&self) -> Vec<v1::TaskStatus> {
        let statuses = self.statuses().iter().map(|status| v1::TaskStatus {
            task_id: v1::TaskId { value: self.name.to_string() },
            ..told(status)
        });
        statuses.collect()
    }

    /// The id of the executor that it runs in.
    pub(super) fn executor_id<'a>(
        &self,
        executors: &HashMap<TaskHandle, &'a TaskSeen>,
    ) -> Option<&'a str> {
        let Kind::In(handle) = self.kind else { return None };
        executors.get(&handle).map(|executor| &*executor.name)
    }
}

impl Snapshot {
    /// Tasks proper, without executors.
    pub(super) fn proper(&self) -> impl Iterator<Item = &TaskSeen> {
        self.tasks.iter().filter(|task| !task.kind.is_executor())
    }

    /// Tasks that are over.
    pub(super) fn completed(&self) -> impl Iterator<Item = &TaskSeen> {
        self.ended.iter().filter(|task| !task.is_unreachable())
    }

    /// Tasks that went with their agent.
    pub(super) fn unreachable(&self) -> impl Iterator<Item = &TaskSeen> {
        self.ended.iter().filter(|task| task.is_unreachable())
    }
}
