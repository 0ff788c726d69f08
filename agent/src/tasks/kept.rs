//! One task: its container, and what is still to be told of it.

use super::{
    telling::Telling,
    told::{Kill, Told},
};
use crate::{
    checkpoint::{self, CheckpointError},
    containers::{Container, docker::Network},
    order::Order,
    supervisor::Checked,
};
use headroom_proto::v1 as wire;
use tracing::warn;
use uuid::Uuid;

/// So many updates may wait before what checks find is kept back.
const MAX_CHECKS_WAITING: usize = 8;
/// Beside the container's other documents: why it was ended.
const KILL_REASON_FILE: &str = "kill_reason.json";

pub(super) struct Kept {
    pub(super) container: Container,
    pub(super) order: Order,
    pub(super) kill: Option<Kill>,
    pub(super) has_ended: bool,
    pub(super) telling: Telling,
    /// Not carried out yet.
    pub(super) promotion: Option<wire::PromoteTask>,
    pub(super) state: wire::TaskState,
    /// How its checks stand, as far as that was told.
    checked: Option<Checked>,
    /// What was told last, acknowledged or not.
    pub(super) newest: Option<Told>,
}

impl Kept {
    pub(super) fn open(container: Container, order: Order) -> Result<Self, CheckpointError> {
        let telling = Telling::open(container.dir())?;
        let kill = checkpoint::load(&container.dir().join(KILL_REASON_FILE))?;
        let newest = telling.newest();
        let untold = container.is_starting() || container.has_just_started();
        let quiet = if untold { wire::TaskState::Staging } else { wire::TaskState::Running };
        let state = newest.as_ref().map_or(quiet, Told::state);
        let has_ended = !matches!(state, wire::TaskState::Staging | wire::TaskState::Running);
        Ok(Self {
            container,
            order,
            kill,
            has_ended,
            telling,
            promotion: None,
            state,
            checked: None,
            newest,
        })
    }

    /// Queues what its checks have found, if that is news. While many updates wait it waits too: what
    /// counts is how they stand.
    pub(super) fn push_checks(&mut self) -> bool {
        let is_running = self.state == wire::TaskState::Running;
        if !is_running || self.telling.len() >= MAX_CHECKS_WAITING {
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

    /// Queues what is to be told; says whether it is durable.
    pub(super) fn push(&mut self, told: Told) -> bool {
        let told = told.with_checks(self.checked.as_ref());
        self.state = told.state();
        self.newest = Some(told.clone());
        self.telling.push(told, Uuid::new_v4())
    }

    /// Queues that it runs, once: not before it does, and not if it was asked to end meanwhile.
    pub(super) fn push_start(&mut self) -> bool {
        let is_news = self.state == wire::TaskState::Staging && !self.container.is_starting();
        if is_news && self.push(Told::running()) {
            self.container.note_start();
        }
        is_news
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

    /// `node`: the node's address.
    pub(super) fn next_to_tell(&mut self, node: Option<&str>) -> Option<wire::StatusUpdate> {
        let container = Some(self.container_status(node));
        let spec = self.container.spec();
        let status = self.telling.next_to_tell(&spec.task)?;
        Some(wire::StatusUpdate {
            handle: self.order.handle,
            framework_id: spec.framework.clone(),
            status: Some(wire::TaskStatus { container, ..status }),
        })
    }

    /// Its container, as frameworks are told of it.
    pub(super) fn container_status(&self, node: Option<&str>) -> wire::ContainerStatus {
        let spec = self.container.spec();
        let shares_node = spec.docker.as_ref().is_none_or(|docker| docker.network == Network::Host);
        let ip_addresses = if shares_node {
            node.map(str::to_owned).into_iter().collect()
        } else {
            self.container.addresses().unwrap_or_default().ip_addresses
        };
        wire::ContainerStatus {
            container_id: spec.id.clone(),
            ip_addresses,
            executor_id: spec.executor().to_owned(),
            parent_id: spec.outer().map(|outer| outer.container.clone()).unwrap_or_default(),
        }
    }
}
