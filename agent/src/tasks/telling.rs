//! What is still to be told of one task: durable, in order, one at a time until acknowledged.

use super::told::Told;
use crate::checkpoint::{CheckpointError, Update, Updates};
use headroom_proto::v1 as wire;
use std::{
    collections::VecDeque,
    path::Path,
    time::{Duration, Instant},
};
use tracing::{error, warn};
use uuid::Uuid;

pub(super) struct Telling {
    updates: Updates,
    /// Could not be written down yet: the disk is full. At most a task's few states.
    unsaved: VecDeque<Update>,
    told_at: Option<Instant>,
}

impl Telling {
    /// What was kept in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, CheckpointError> {
        let updates = Updates::open(dir)?;
        Ok(Self { updates, unsaved: VecDeque::new(), told_at: None })
    }

    /// What will be told last.
    pub(super) fn newest(&self) -> Option<Told> {
        serde_json::from_str(&self.updates.newest()?.payload).ok()
    }

    /// Whether an update of this name waits already.
    pub(super) fn has(&self, uuid: Uuid) -> bool {
        let uuid = uuid.to_string();
        self.updates.iter().chain(&self.unsaved).any(|update| update.uuid == uuid)
    }

    /// Queues what is to be told; says whether it is durable.
    pub(super) fn push(&mut self, told: Told, uuid: Uuid) -> bool {
        let payload = serde_json::to_string(&told).unwrap_or_default();
        self.unsaved.push_back(Update {
            uuid: uuid.to_string(),
            state: told.state().as_str_name().to_owned(),
            message: told.message,
            timestamp_unix_ms: 0,
            payload,
        });
        self.save_late();
        self.unsaved.is_empty()
    }

    /// Writes down what could not be written before.
    pub(super) fn save_late(&mut self) {
        while let Some(update) = self.unsaved.front() {
            if let Err(fault) = self.updates.push(update.clone()) {
                return warn!("an update is kept in memory only: {fault}");
            }
            self.unsaved.pop_front();
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.updates.len() + self.unsaved.len()
    }

    pub(super) fn is_all_told(&self) -> bool {
        self.len() == 0
    }

    /// Whether something was told `after` ago or longer and not acknowledged.
    pub(super) fn is_due(&self, after: Duration) -> bool {
        !self.is_all_told() && self.told_at.is_none_or(|at| at.elapsed() >= after)
    }

    /// The oldest, as the status of the task of that name.
    pub(super) fn next_to_tell(&mut self, task: &str) -> Option<wire::TaskStatus> {
        let update = self.updates.head().or(self.unsaved.front())?;
        let told: Told = serde_json::from_str(&update.payload).ok()?;
        let uuid = Uuid::parse_str(&update.uuid).ok()?;
        self.told_at = Some(Instant::now());
        Some(told.status(task, uuid.as_bytes().to_vec()))
    }

    /// Takes the oldest update out; says whether the next one may be told now. One that can't be
    /// written down stays, and is told again with the others that wait: not at once, for ever.
    pub(super) fn acknowledge(&mut self, uuid: &[u8]) -> bool {
        let Ok(uuid) = Uuid::from_slice(uuid) else { return false };
        match self.updates.ack(&uuid.to_string()) {
            Ok(_) => true,
            // An acknowledgement that comes twice is harmless.
            Err(CheckpointError::NotHead { .. }) => false,
            Err(fault) => {
                error!("an acknowledgement could not be written down: {fault}");
                false
            }
        }
    }
}
