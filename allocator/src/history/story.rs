//! What was told of one task.

use headroom_core::tasks::TaskStatus;
use headroom_proto::mesos::v1 as mesos;
use prost::Message as _;
use std::sync::Arc;

/// So many statuses of one task are kept, the newest; a task has few states.
pub(crate) const MAX_STATUSES: usize = 16;
/// What an executor said in one status is kept up to so many bytes, without its data.
const MAX_SAID_BYTES: usize = 4 << 10;

/// What was told of one task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    /// What its framework says of it ([`crate::about`]).
    pub(crate) about: Option<Arc<[u8]>>,
    /// How it was, the oldest first; of one state on end the newest only. Without names.
    pub(crate) statuses: Vec<TaskStatus>,
}

impl Story {
    /// Adds a status: as in Mesos, one of the same state as the last takes its place.
    pub(super) fn add(&mut self, status: &TaskStatus) {
        let state = status.state;
        if self.statuses.last().is_some_and(|last| last.state == state) {
            self.statuses.pop();
        } else if self.statuses.len() == MAX_STATUSES {
            self.statuses.remove(0);
        } else {
            self.statuses.reserve_exact(1);
        }
        self.statuses.push(TaskStatus {
            name: String::new(),
            payload: without_data(&status.payload),
            uuid: None,
            ..status.clone()
        });
    }

    /// Adds to the answer to a question what the task last said.
    pub(super) fn complete(&self, answer: &mut TaskStatus) {
        let Some(last) = self.statuses.last() else { return };
        answer.container.clone_from(&last.container);
        answer.healthy = last.healthy;
        answer.check = last.check;
    }
}

/// What an executor said, without the data that is for its framework alone.
fn without_data(payload: &[u8]) -> Vec<u8> {
    if payload.is_empty() {
        return Vec::new();
    }
    let Ok(said) = mesos::TaskStatus::decode(payload) else { return Vec::new() };
    let said = mesos::TaskStatus { data: None, uuid: None, ..said }.encode_to_vec();
    if said.len() > MAX_SAID_BYTES { Vec::new() } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_core::tasks::{Reason, TaskState};

    fn status(state: TaskState, timestamp_ms: u64) -> TaskStatus {
        TaskStatus { timestamp_ms, ..TaskStatus::of("t", None, state, Reason::None) }
    }

    #[test]
    fn each_state_is_kept_once_on_end_and_all_is_bounded() {
        let mut story = Story::default();
        for (state, at) in
            [(TaskState::Running, 1), (TaskState::Running, 2), (TaskState::Killed, 3)]
        {
            story.add(&status(state, at));
        }
        let told: Vec<_> = story.statuses.iter().map(|told| told.timestamp_ms).collect();
        assert_eq!(told, [2, 3]);
        for at in 0..100 {
            let state = if at % 2 == 0 { TaskState::Running } else { TaskState::Killing };
            story.add(&status(state, at));
        }
        assert_eq!(story.statuses.len(), MAX_STATUSES);
        assert_eq!(story.statuses.last().map(|told| told.timestamp_ms), Some(99));
    }

    #[test]
    fn what_is_for_the_framework_alone_is_not_kept() {
        let said = mesos::TaskStatus {
            data: Some(vec![7; 1_000].into()),
            healthy: Some(true),
            ..mesos::TaskStatus::default()
        };
        let mut story = Story::default();
        let payload = said.encode_to_vec();
        story.add(&TaskStatus { payload, ..status(TaskState::Running, 1) });
        let kept = mesos::TaskStatus::decode(&story.statuses[0].payload[..]).unwrap();
        assert_eq!((kept.data, kept.healthy), (None, Some(true)));
    }
}
