//! How tasks are, as operators are told: in all states that Mesos has.

use super::snapshot::{Snapshot, TaskSeen};
use crate::frameworks::mesos::status::{Traits, state_out, status_out};
use headroom_core::{
    executor::Kind,
    ids::TaskHandle,
    tasks::{Reason, TaskStatus},
};
use headroom_proto::mesos::v1;
use std::collections::HashMap;

/// An operator knows of everything.
const TRAITS: Traits = Traits::all();

/// A status as operators are told it.
pub(super) fn told(status: TaskStatus) -> v1::TaskStatus {
    status_out(status, &TRAITS)
}

impl TaskSeen {
    pub(super) fn wire_state(&self) -> v1::TaskState {
        match &self.status {
            // Its executor may have said it in other words.
            Some(status) if self.state.is_terminal() || self.state == status.state => {
                told(status.clone()).state()
            }
            _ => state_out(self.state, Reason::None, &TRAITS),
        }
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

    /// Tasks proper that are over.
    pub(super) fn completed(&self) -> impl Iterator<Item = &TaskSeen> {
        self.ended.iter().filter(|task| !task.kind.is_executor())
    }
}
