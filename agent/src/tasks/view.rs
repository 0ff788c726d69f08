//! What the keeper knows of its tasks, as the agent's pages show it.

use super::{Keeper, Told, kept::Kept};
use crate::{
    cgroup::{Class, ContainerCgroup},
    containers::Command,
    reserved,
};
use headroom_proto::v1 as wire;
use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
};

/// Ended tasks are shown on until so many others have ended (Mesos: 200 of an executor).
pub const MAX_ENDED: usize = 200;

/// All tasks at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// This agent's id; empty before its first link.
    pub agent_id: String,
    /// Those that are not over, or whose end nobody has taken note of yet.
    pub tasks: Vec<TaskView>,
    /// The last that are over, oldest first.
    pub ended: Vec<TaskView>,
    /// How many ended in which state since the agent started.
    pub ends: BTreeMap<wire::TaskState, u64>,
}

/// One task.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// Its framework's id.
    pub framework: String,
    /// Its own.
    pub task: String,
    /// Of its executor; its own where it has none.
    pub executor: String,
    /// Of its container.
    pub container: String,
    /// The container that this is in: of a task of a group.
    pub outer: Option<String>,
    /// Others are in it, and it runs nothing itself.
    pub is_outer: bool,
    /// Its working directory.
    pub sandbox: PathBuf,
    /// Where its figures are, if it has a cgroup.
    pub cgroup: Option<ContainerCgroup>,
    /// Promised or lent.
    pub class: Class,
    /// The role it counts for.
    pub role: String,
    /// Who it runs as, if that was said.
    pub user: Option<String>,
    /// What it runs.
    pub command: Command,
    /// What it holds.
    pub resources: wire::Resources,
    /// The reserved part of that.
    pub reserved: Vec<wire::Reserved>,
    /// The CPUs it may never pass.
    pub limit_cpus: Option<f64>,
    /// The memory it may never pass.
    pub limit_memory_bytes: u64,
    /// How far it is.
    pub state: wire::TaskState,
    /// What was told of it last.
    pub told: Option<wire::TaskStatus>,
}

/// The last tasks that are over.
#[derive(Debug, Default)]
pub(super) struct Ended {
    last: VecDeque<TaskView>,
    counts: BTreeMap<wire::TaskState, u64>,
}

impl Ended {
    /// Takes note of the end of a task.
    pub(super) fn note(&mut self, kept: &Kept) {
        *self.counts.entry(kept.state).or_default() += 1;
        if self.last.len() >= MAX_ENDED {
            self.last.pop_front();
        }
        self.last.push_back(TaskView { cgroup: None, ..of(kept) });
    }
}

impl Keeper {
    pub(super) fn view(&self) -> View {
        View {
            agent_id: self.place.agent_id.clone(),
            tasks: self.tasks.values().map(|kept| self.seen(kept)).collect(),
            ended: self.ended.last.iter().cloned().collect(),
            ends: self.ended.counts.clone(),
        }
    }

    fn seen(&self, kept: &Kept) -> TaskView {
        if !kept.container.spec().is_outer() {
            return of(kept);
        }
        let (_, limit_memory_bytes) = self.limits_of_outer(kept);
        TaskView { limit_memory_bytes, ..of(kept) }
    }
}

fn of(kept: &Kept) -> TaskView {
    let spec = kept.container.spec();
    TaskView {
        framework: spec.framework.clone(),
        task: spec.task.clone(),
        executor: kept.order.executor.clone().unwrap_or_else(|| spec.executor().to_owned()),
        container: spec.id.clone(),
        outer: spec.outer().map(|outer| outer.container.clone()),
        is_outer: spec.is_outer(),
        sandbox: kept.container.sandbox().to_owned(),
        cgroup: kept.container.cgroup().cloned(),
        class: spec.class,
        role: kept.order.role.clone(),
        user: spec.user.clone(),
        command: spec.command.clone(),
        resources: kept.order.resources(),
        reserved: reserved::told(&kept.order.reserved),
        limit_cpus: spec.limit_cpus,
        limit_memory_bytes: spec.memory_bytes,
        state: kept.state,
        told: kept.newest.as_ref().map(|told: &Told| told.status(&spec.task, Vec::new())),
    }
}
