//! Tasks that run together, as Mesos' default executor runs them.
//!
//! The agent is that executor: its container runs nothing, and each task is one like any other, with a supervisor of its
//! own, in that container. What the executor would decide is decided here: when one of a group fails or is ended, the
//! others are ended; with its last task the executor ends.

use super::{Keeper, Told, hosting::LEAST_MEMORY_BYTES, kept::Kept};
use crate::{
    containers::{Command, ContainerSpec, Nesting, Outer, Shared},
    order::{self, Group, Order},
};
use headroom_proto::v1::{self as wire, launch::Kind};
use std::collections::{BTreeMap, BTreeSet};
use tracing::{error, info, warn};

/// Which tasks are in which executor's container.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_executor: BTreeMap<u64, BTreeSet<(u64, u64)>>,
}

impl Groups {
    pub(super) fn enter(&mut self, group: Group, handle: u64) {
        self.by_executor.entry(group.executor).or_default().insert((group.first, handle));
    }

    pub(super) fn leave(&mut self, group: Group, handle: u64) {
        if let Some(tasks) = self.by_executor.get_mut(&group.executor) {
            tasks.remove(&(group.first, handle));
            if tasks.is_empty() {
                self.by_executor.remove(&group.executor);
            }
        }
    }

    /// Whether any are remembered, running or not.
    pub(super) fn any_in(&self, executor: u64) -> bool {
        self.by_executor.contains_key(&executor)
    }

    fn of(&self, group: Group) -> Vec<u64> {
        self.all_in(group.executor).filter(|(first, _)| *first == group.first).map(second).collect()
    }

    fn all_in(&self, executor: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_executor.get(&executor).into_iter().flatten().copied()
    }
}

fn second((_, handle): (u64, u64)) -> u64 {
    handle
}

impl Keeper {
    /// Starts the container of an executor that the agent plays itself.
    pub(super) fn launch_outer(&mut self, mut launch: wire::Launch) -> Result<(), String> {
        let handle = launch.handle;
        if let Some(task) = &mut launch.task {
            task.command.get_or_insert_default();
        }
        let spec = order::spec(launch, &self.place.agent_id, self.pids_limit);
        let mut spec = spec.map_err(|fault| fault.to_string())?;
        let mut order = Order::of(&spec).map_err(|fault| fault.to_string())?;
        order.executor = Some(spec.task.clone());
        spec = ContainerSpec {
            command: Command::Argv(Vec::new()),
            nesting: Nesting::Outer,
            memory_bytes: spec.memory_bytes.max(LEAST_MEMORY_BYTES),
            pids_limit: None,
            payload: order.document(),
            ..spec
        };
        self.start(handle, &spec).map_err(|told| told.message)?;
        if let Some(kept) = self.tasks.get_mut(&handle) {
            kept.push(Told::running());
        }
        self.tell(handle);
        Ok(())
    }

    /// Starts tasks that run together, and first their executor if it is new.
    pub(super) fn launch_group(&mut self, launches: Vec<wire::Launch>) {
        let is_inside = |one: &wire::Launch| matches!(one.kind, Some(Kind::ExecutorHandle(_)));
        let (tasks, executors): (Vec<_>, Vec<_>) = launches.into_iter().partition(is_inside);
        executors.into_iter().for_each(|executor| self.launch(executor));
        let Some(first) = tasks.first().map(|task| task.handle) else { return };
        let Some(Kind::ExecutorHandle(executor)) = tasks.first().and_then(|task| task.kind) else {
            return error!("a group without an executor is left out");
        };
        if self.hosts(executor) {
            return self.launch_group_inside(executor, &tasks);
        }
        let group = Group { executor, first };
        self.launch_nested(group, tasks);
        self.resize_outer(executor, 0);
        self.end_if_empty(executor);
    }

    /// Starts the tasks of a group: when one can't be started, the others end.
    fn launch_nested(&mut self, group: Group, tasks: Vec<wire::Launch>) {
        let known = |task: &wire::Launch| self.tasks.contains_key(&task.handle);
        if tasks.iter().any(known) {
            return;
        }
        let outer = self.tasks.get(&group.executor).filter(|kept| is_open(kept));
        let outer = outer
            .map(|kept| (kept.container.spec().id.clone(), kept.container.spec().task.clone()));
        let of = |task: &wire::Launch| {
            let name = task.task.as_ref().map(|task| task.task_id.clone()).unwrap_or_default();
            (task.handle, task.framework_id.clone(), name)
        };
        let mut refused = outer.is_none().then(Told::dropped);
        let more: f64 = tasks.iter().filter_map(|task| task.task.as_ref()).map(memory_mib).sum();
        self.resize_outer(group.executor, (more * f64::from(1 << 20)) as u64);
        for task in tasks {
            let (handle, framework, name) = of(&task);
            if let Some(told) = &refused {
                self.tell_unkept(handle, framework, &name, told);
                continue;
            }
            let (container, executor) = outer.clone().unwrap_or_default();
            let started = self.nested_spec(task, group, executor, container);
            let started = started.and_then(|spec| self.start(handle, &spec));
            if let Err(told) = started {
                warn!(task = name, framework, "not launched: {}", told.message);
                self.tell_unkept(handle, framework, &name, &told);
                self.end_others(Some(group), &told);
                refused = Some(Told::with_its_group());
            }
        }
    }

    fn nested_spec(
        &self,
        mut launch: wire::Launch,
        group: Group,
        executor: String,
        container: String,
    ) -> Result<ContainerSpec, Told> {
        let role = launch.role.clone();
        let shares_limits = launch.task.as_ref().is_some_and(|task| task.shares_limits);
        let shared = launch.task.as_mut().map(|task| std::mem::take(&mut task.shared_directories));
        let shared = shared.unwrap_or_default().into_iter();
        let shared = shared
            .map(|wire::SharedDirectory { name, container_path }| Shared { name, container_path });
        let shared = shared.collect();
        let failed = |fault: String| Told::failed(wire::Reason::LaunchFailed, fault);
        let spec = order::spec(launch, &self.place.agent_id, self.pids_limit);
        let mut spec = spec.map_err(|fault| failed(fault.to_string()))?;
        let order = Order::of(&spec).map_err(|fault| failed(fault.to_string()))?;
        spec.payload = Order { group: Some(group), ..order }.document();
        if let Some(docker) = &mut spec.docker {
            docker.grows = shares_limits;
        }
        spec.nesting = Nesting::Inner(Outer { executor, container, shares_limits, shared });
        self.place.tell(&mut spec, self.containerizer.layout(), &role);
        Ok(spec)
    }

    /// Gives an outer container what it and those in it hold together, and `more_bytes` for those that come.
    pub(super) fn resize_outer(&self, executor: u64, more_bytes: u64) {
        let Some(kept) = self.tasks.get(&executor).filter(|kept| is_open(kept)) else { return };
        let Some(cgroup) = kept.container.cgroup() else { return };
        let (cpus, bytes) = self.limits_of_outer(kept);
        let bytes = bytes.saturating_add(more_bytes);
        let set = cgroup.set_cpu_weight(cpus).and_then(|()| cgroup.set_memory_limit(bytes));
        if let Err(fault) = set {
            // Less than it has in use can't be had back; the next change tries again.
            tracing::debug!("the limits of an executor stay: {fault}");
        }
    }

    /// The CPUs and bytes of memory of a container and those in it.
    pub(super) fn limits_of_outer(&self, outer: &Kept) -> (f64, u64) {
        let own = outer.container.spec();
        let inner = self.groups.all_in(outer.order.handle);
        let inner = inner.filter_map(|(_, handle)| self.tasks.get(&handle));
        let inner = inner.filter(|kept| !kept.has_ended).map(|kept| kept.container.spec());
        inner.fold((own.request_cpus, own.memory_bytes), |(cpus, bytes), spec| {
            (cpus + spec.request_cpus, bytes.saturating_add(spec.memory_bytes))
        })
    }

    /// A task, and those that end with it.
    pub(super) fn with_its_group(&self, handle: u64) -> Vec<u64> {
        let group = self.tasks.get(&handle).and_then(|kept| kept.order.group);
        group.map_or_else(|| vec![handle], |group| self.groups.of(group))
    }

    /// One of a group has ended: unless it ended well the others are ended, each within its own grace.
    pub(super) fn end_others(&mut self, group: Option<Group>, told: &Told) {
        let Some(group) = group.filter(|_| told.state() != wire::TaskState::Finished) else {
            return;
        };
        for handle in self.groups.of(group) {
            let runs = |kept: &&Kept| !kept.has_ended && kept.kill.is_none();
            if self.tasks.get(&handle).filter(runs).is_some() {
                let why = "another task of its group ended without success";
                self.kill(handle, None, wire::Reason::GroupEnded, why);
            }
        }
    }

    /// Ends an executor that the agent plays, with all in it; false: it is none.
    pub(super) fn kill_outer(
        &mut self,
        handle: u64,
        grace_ms: Option<u64>,
        reason: wire::Reason,
        why: &str,
    ) -> bool {
        let Some(kept) = self.tasks.get_mut(&handle) else { return false };
        if !kept.container.spec().is_outer() {
            return false;
        }
        if kept.has_ended {
            return true;
        }
        info!(executor = kept.container.spec().task, reason = reason.as_str_name(), "ends");
        kept.note_kill(reason, why);
        let most_ms = grace_ms.unwrap_or(kept.container.spec().grace_ms);
        for inner in self.groups.all_in(handle).map(second).collect::<Vec<_>>() {
            let own_ms = self.tasks.get(&inner).map(|kept| kept.container.spec().grace_ms);
            self.kill(inner, own_ms.map(|own_ms| own_ms.min(most_ms)), reason, why);
        }
        self.end_if_empty(handle);
        true
    }

    /// An executor that the agent plays ends with the last task in it.
    pub(super) fn end_if_empty(&mut self, executor: u64) {
        let runs = |(_, handle)| self.tasks.get(&handle).is_some_and(|kept| !kept.has_ended);
        if self.groups.all_in(executor).any(runs) {
            return;
        }
        let Some(kept) = self.tasks.get_mut(&executor) else { return };
        if kept.has_ended || !kept.container.spec().is_outer() {
            return;
        }
        if let Err(fault) = kept.container.cleanup() {
            error!("{fault}");
        }
        info!(executor = kept.container.spec().task, "ended with its last task");
        kept.has_ended = true;
        let is_next = kept.telling.is_all_told();
        kept.push(Told::finished());
        if is_next {
            self.tell(executor);
        }
    }

    /// What an earlier agent was about to do, and what is to be done for tasks whose end nobody saw.
    pub(super) fn go_on_with_outers(&mut self) {
        let ended = self.tasks.values().filter(|kept| kept.has_ended);
        let ended = ended.filter_map(|kept| Some((kept.order.group?, kept.newest.clone()?)));
        for (group, told) in ended.collect::<Vec<_>>() {
            self.end_others(Some(group), &told);
        }
        let outers = self.tasks.iter().filter(|(_, kept)| kept.container.spec().is_outer());
        let outers: Vec<_> = outers
            .map(|(handle, kept)| (*handle, kept.kill.clone().filter(|_| !kept.has_ended)))
            .collect();
        for (handle, kill) in outers {
            if let Some(kill) = kill {
                let reason = wire::Reason::try_from(kill.reason).unwrap_or_default();
                self.kill(handle, None, reason, &kill.why);
            }
            self.end_if_empty(handle);
        }
    }
}

/// Whether tasks can be started in it.
fn is_open(kept: &Kept) -> bool {
    kept.container.spec().is_outer() && !kept.has_ended && kept.kill.is_none()
}

fn memory_mib(task: &wire::TaskInfo) -> f64 {
    let request = task.resources.as_ref().map_or(0.0, |resources| resources.memory_mib);
    task.limit_memory_mib.unwrap_or(request)
}
