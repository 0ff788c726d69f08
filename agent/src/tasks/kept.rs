//! One task: its container, and what is still to be told of it.

use super::told::{Kill, Told};
use crate::{
    checkpoint::{self, CheckpointError, Update, Updates},
    containers::Container,
    order::Order,
    supervisor::Checked,
};
use headroom_proto::v1 as wire;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use tracing::{error, warn};

/// So many updates may wait before what checks find is kept back.
const MAX_CHECKS_WAITING: usize = 8;
/// Beside the container's other documents: why it was ended.
const KILL_REASON_FILE: &str = "kill_reason.json";

pub(super) struct Kept {
    pub(super) container: Container,
    pub(super) order: Order,
    pub(super) kill: Option<Kill>,
    pub(super) has_ended: bool,
    updates: Updates,
    /// Could not be written down yet: the disk is full. At most a task's few states.
    unsaved: VecDeque<Update>,
    told_at: Option<Instant>,
    pub(super) state: wire::TaskState,
    /// How its checks stand, as far as that was told.
    checked: Option<Checked>,
    /// What was told last, acknowledged or not.
    pub(super) newest: Option<Told>,
}

impl Kept {
    pub(super) fn open(container: Container, order: Order) -> Result<Self, CheckpointError> {
        let updates = Updates::open(container.dir())?;
        let kill = checkpoint::load(&container.dir().join(KILL_REASON_FILE))?;
        let newest: Option<Told> =
            updates.newest().and_then(|update| serde_json::from_str(&update.payload).ok());
        let untold = container.is_starting() || container.has_just_started();
        let quiet = if untold { wire::TaskState::Staging } else { wire::TaskState::Running };
        let state = newest.as_ref().map_or(quiet, Told::state);
        let has_ended = !matches!(state, wire::TaskState::Staging | wire::TaskState::Running);
        let unsaved = VecDeque::new();
        Ok(Self {
            container,
            order,
            kill,
            has_ended,
            updates,
            unsaved,
            told_at: None,
            state,
            checked: None,
            newest,
        })
    }

    /// Queues what its checks have found, if that is news. While many updates wait it waits too: what
    /// counts is how they stand.
    pub(super) fn push_checks(&mut self) -> bool {
        let is_running = self.state == wire::TaskState::Running;
        if !is_running || self.updates.len() + self.unsaved.len() >= MAX_CHECKS_WAITING {
            return false;
        }
        let Some(checked) = self.container.checked() else { return false };
        if self.checked.as_ref().is_some_and(|told| told.sequence >= checked.sequence) {
            return false;
        }
        let told = Told::checked(&checked);
        self.checked = Some(checked);
        self.push(told);
        true
    }

    /// Queues what is to be told.
    pub(super) fn push(&mut self, told: Told) {
        let told = told.with_checks(self.checked.as_ref());
        self.state = told.state();
        self.newest = Some(told.clone());
        let payload = serde_json::to_string(&told).unwrap_or_default();
        self.unsaved.push_back(Update {
            uuid: uuid::Uuid::new_v4().to_string(),
            state: told.state().as_str_name().to_owned(),
            message: told.message,
            timestamp_unix_ms: 0,
            payload,
        });
        self.save_late();
    }

    /// Queues that it runs, once: not before it does, and not if it was asked to end meanwhile.
    pub(super) fn push_start(&mut self) -> bool {
        let is_news = self.state == wire::TaskState::Staging && !self.container.is_starting();
        if is_news {
            self.push(Told::running());
            if self.unsaved.is_empty() {
                self.container.note_start();
            }
        }
        is_news
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

    pub(super) fn note_kill(&mut self, reason: wire::Reason, why: &str) {
        let kill = Kill { reason: reason.into(), why: why.to_owned() };
        let path = self.container.dir().join(KILL_REASON_FILE);
        if let Err(fault) = checkpoint::save(&path, &kill) {
            warn!("the reason for ending a task is not durable: {fault}");
        }
        self.kill = Some(kill);
        self.state = wire::TaskState::Killing;
    }

    pub(super) fn is_all_told(&self) -> bool {
        self.updates.is_empty() && self.unsaved.is_empty()
    }

    /// Whether something was told `after` ago or longer and not acknowledged.
    pub(super) fn is_due(&self, after: Duration) -> bool {
        !self.is_all_told() && self.told_at.is_none_or(|at| at.elapsed() >= after)
    }

    pub(super) fn next_to_tell(&mut self) -> Option<wire::StatusUpdate> {
        let update = self.updates.head().or(self.unsaved.front())?;
        let told: Told = serde_json::from_str(&update.payload).ok()?;
        let uuid = uuid::Uuid::parse_str(&update.uuid).ok()?;
        let spec = self.container.spec();
        self.told_at = Some(Instant::now());
        Some(wire::StatusUpdate {
            handle: self.order.handle,
            framework_id: spec.framework.clone(),
            status: Some(told.status(&spec.task, uuid.as_bytes().to_vec())),
        })
    }

    /// Takes the oldest update out; says whether the next one may be told now. One that can't be
    /// written down stays, and is told again with the others that wait: not at once, for ever.
    pub(super) fn acknowledge(&mut self, uuid: &[u8]) -> bool {
        let Ok(uuid) = uuid::Uuid::from_slice(uuid) else { return false };
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
