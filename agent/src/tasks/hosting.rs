//! Executors and the tasks in them: launched (`handover`), told apart, ended together.

mod handover;

use super::{
    Keeper, Message, Own,
    inside::Inside,
    kept::Kept,
    told::{Kill, Told},
};
use crate::{
    checkpoint::MAX_UPDATES,
    config::Config,
    containers::Container,
    executors::{Call, CallError, Host, LENT_ENDING, Node, What},
    meter, node,
    supervisor::Exit,
};
use headroom_core::resources::Amounts;
use headroom_proto::{
    mesos::v1::{self as mesos, ExecutorInfo, FrameworkInfo, TaskInfo, TaskStatus},
    v1 as wire,
};
use prost::Message as _;
use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};
use tokio::{sync::mpsc, time::sleep};
use tracing::{error, info, warn};
use uuid::Uuid;

/// At most so many tasks run in one executor.
pub(super) const MAX_INSIDE: usize = 20_000;
/// Beside the container's other documents: what its framework said of the executor, and of itself.
const INFO_FILE: &str = "executor_info";
const FRAMEWORK_FILE: &str = "framework_info";
/// No container gets less memory, whatever its executor asks for (Mesos: 32 MB).
pub(super) const LEAST_MEMORY_BYTES: u64 = 32 << 20;

/// All executors here, and all tasks in them.
pub(super) struct Hosting {
    hosts: BTreeMap<u64, Host>,
    pub(super) inside: BTreeMap<u64, Inside>,
    /// By executor and task id.
    names: BTreeMap<(u64, String), u64>,
    node: Node,
    patience: Duration,
    messages: mpsc::Sender<wire::ExecutorMessage>,
}

impl Hosting {
    pub(super) fn new(
        config: &Config,
        own: &Own,
        messages: mpsc::Sender<wire::ExecutorMessage>,
    ) -> Self {
        let address = own.address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let (agent_id, hostname) = (own.agent_id.clone(), node::hostname(config));
        Self {
            hosts: BTreeMap::new(),
            inside: BTreeMap::new(),
            names: BTreeMap::new(),
            node: Node { agent_id, hostname, port: address.port() },
            patience: Duration::from_secs(config.executor_registration_timeout_s),
            messages,
        }
    }

    /// The agent is known under this id.
    pub(super) fn is_known_as(&mut self, agent_id: String) {
        self.node.agent_id = agent_id;
    }

    /// What a container holds: an executor's, with the tasks in it.
    pub(super) fn held_by(&self, kept: &Kept) -> Amounts {
        let inside = self.of(kept.order.handle).filter(|task| !task.has_ended());
        inside.map(|task| task.order.amounts()).fold(kept.order.amounts(), Amounts::plus)
    }

    fn of(&self, executor: u64) -> impl Iterator<Item = &Inside> {
        let names = self.names.range((executor, String::new())..(executor + 1, String::new()));
        names.filter_map(|(_, handle)| self.inside.get(handle))
    }

    fn enter(&mut self, task: Inside) {
        self.names.insert((task.executor, task.name.clone()), task.order.handle);
        self.inside.insert(task.order.handle, task);
    }

    fn handles(&self, executor: u64) -> Vec<u64> {
        self.of(executor).map(|task| task.order.handle).collect()
    }
}

impl Keeper {
    /// Gives an executor's container what it and its tasks hold together.
    fn resize(&self, executor: u64) {
        let Some(kept) = self.tasks.get(&executor) else { return };
        let Some(cgroup) = kept.container.cgroup() else { return };
        let request = self.hosting.held_by(kept);
        let [cpus, memory_mib, ..] = request.units();
        let bytes = ((memory_mib * f64::from(1 << 20)) as u64).max(LEAST_MEMORY_BYTES);
        let set = cgroup.set_cpu_weight(cpus).and_then(|()| cgroup.set_memory_limit(bytes));
        if self.meter.try_send(meter::Message::Resize(executor, request)).is_err() {
            warn!("the meter does not keep up: an executor counts with what it held before");
        }
        if let Err(fault) = set {
            // Less than it has in use can't be had back; the next change tries again.
            tracing::debug!("the limits of an executor stay: {fault}");
        }
    }

    pub(super) fn executor_calls(&mut self, call: Call) {
        let Call { framework_id, executor_id, what, answer } = call;
        let answered = self.heed(&framework_id, &executor_id, what);
        // Who asked may have gone meanwhile.
        let _ = answer.send(answered);
    }

    fn heed(&mut self, framework: &str, told_id: &str, what: What) -> Result<(), CallError> {
        let found = self.hosting.hosts.iter().find(|(handle, host)| {
            let kept = self.tasks.get(handle).filter(|kept| !kept.has_ended);
            host.told_id == told_id
                && kept.is_some_and(|kept| kept.container.spec().framework == framework)
        });
        let Some((handle, _)) = found else {
            let why = format!("Executor {told_id:?} of framework {framework:?} cannot be found");
            return Err(CallError::Wrong(why));
        };
        let handle = *handle;
        let is_there = self.hosting.hosts.get(&handle).is_some_and(Host::is_there);
        match what {
            What::Subscribe { unacknowledged_tasks, unacknowledged_updates, events } => {
                self.subscribe(handle, &unacknowledged_tasks, events);
                unacknowledged_updates
                    .into_iter()
                    .try_for_each(|update| self.update(handle, update))
            }
            _ if !is_there => Err(CallError::NotSubscribed),
            What::Update(status) => self.update(handle, *status),
            What::Message(data) => {
                let message = wire::ExecutorMessage { handle, data };
                let full = |_| CallError::Busy("too many messages wait for the allocator");
                self.hosting.messages.try_send(message).map_err(full)
            }
            What::Heartbeat => Ok(()),
        }
    }

    /// An executor registers, or comes back. What it was to run and does not know of is told anew.
    fn subscribe(
        &mut self,
        handle: u64,
        knows: &[TaskInfo],
        events: mpsc::Sender<mesos::executor::Event>,
    ) {
        let Some(kept) = self.tasks.get(&handle) else { return };
        let spec = kept.container.spec();
        info!(executor = spec.task, framework = spec.framework, "registered");
        let Some(host) = self.hosting.hosts.get_mut(&handle) else { return };
        let waited = host.waiting_launches();
        host.subscribe(&spec.framework, &self.hosting.node, events);
        let knows = |name: &str| knows.iter().any(|task| task.task_id.value == name);
        let names = self.hosting.names.range((handle, String::new())..(handle + 1, String::new()));
        let mut groups: BTreeMap<u64, Vec<TaskInfo>> = BTreeMap::new();
        for ((_, name), task) in names {
            let Some(task) = self.hosting.inside.get(task) else { continue };
            let untold = task.state == wire::TaskState::Staging && task.telling.is_all_told();
            if !untold || waited.contains(name) || knows(name) {
                continue;
            }
            match task.info().map(|info| TaskInfo::decode(&info[..])) {
                Ok(Ok(info)) => match task.order.group {
                    Some(group) => groups.entry(group.first).or_default().push(info),
                    None => host.launch(info),
                },
                Ok(Err(fault)) => error!(task = name, "its description is damaged: {fault}"),
                Err(fault) => error!(task = name, "its description can't be read: {fault}"),
            }
        }
        groups.into_values().for_each(|tasks| host.launch_group(tasks));
    }

    /// An executor tells how a task of its own is.
    fn update(&mut self, executor: u64, mut status: TaskStatus) -> Result<(), CallError> {
        let name = status.task_id.value.clone();
        let bytes = status.uuid.take().unwrap_or_default();
        let uuid = Uuid::from_slice(&bytes);
        let uuid = uuid.map_err(|_| CallError::Wrong("Not a valid UUID".to_owned()))?;
        let handle = self.hosting.names.get(&(executor, name.clone())).copied();
        let task = handle.and_then(|handle| self.hosting.inside.get_mut(&handle));
        let Some(host) = self.hosting.hosts.get_mut(&executor) else {
            return Err(CallError::NotSubscribed);
        };
        let Some(task) = task else {
            warn!(task = name, "an executor tells of a task that is none of its own");
            host.acknowledge(&name, &bytes);
            return Ok(());
        };
        if task.telling.has(uuid) || task.has_ended() {
            host.acknowledge(&name, &bytes);
            return Ok(());
        }
        if task.telling.len() >= MAX_UPDATES {
            return Err(CallError::Busy("too many updates of this task wait to be acknowledged"));
        }
        let state = state_of(status.state());
        let own = host.told_id.strip_suffix(LENT_ENDING).filter(|_| task.revocable);
        let own = own.unwrap_or(&host.told_id).to_owned();
        status.executor_id = Some(mesos::ExecutorId { value: own });
        let is_next = task.telling.is_all_told();
        task.set_state(state);
        if task.telling.push(Told::by_executor(state, &status.encode_to_vec()), uuid) {
            host.acknowledge(&name, &bytes);
        }
        let (handle, ended) = (task.order.handle, task.has_ended());
        if is_next {
            self.tell_inside(handle);
        }
        if ended {
            self.resize(executor);
        }
        Ok(())
    }

    /// Tells the oldest unacknowledged update of a task in an executor.
    pub(super) fn tell_inside(&mut self, handle: u64) {
        let Some(task) = self.hosting.inside.get_mut(&handle) else { return };
        let Some(host) = self.tasks.get(&task.executor) else { return };
        if let Some(status) = task.next_to_tell(host.container_status(self.place.ip())) {
            let _ = self.statuses.try_send(status);
        }
    }

    /// Asks for the end of a task in an executor; false: there is no such task.
    pub(super) fn kill_inside(&mut self, handle: u64, grace_ms: Option<u64>) -> bool {
        let Some(task) = self.hosting.inside.get_mut(&handle) else { return false };
        if task.has_ended() {
            return true;
        }
        let Some(host) = self.hosting.hosts.get_mut(&task.executor) else { return true };
        let executor = task.executor;
        let untold = host.take_back(&task.name);
        if !untold.is_empty() {
            let message = "it was killed before its executor was told of it";
            let reason = wire::Reason::KilledByFramework;
            let told = Told::with_executor(wire::TaskState::Killed, reason, message);
            for name in untold {
                let other = self.hosting.names.get(&(executor, name)).copied().unwrap_or(handle);
                self.end_inside(other, &told);
            }
            return true;
        }
        task.state = match task.state {
            wire::TaskState::Staging => wire::TaskState::Staging,
            _ => wire::TaskState::Killing,
        };
        host.kill(&task.name, grace_ms);
        true
    }

    /// The grace that the framework gave a task in an executor, if any.
    pub(super) fn grace_inside_ms(&self, handle: u64) -> Option<u64> {
        let said = self.hosting.inside.get(&handle)?.info().ok()?;
        let policy = TaskInfo::decode(&said[..]).ok()?.kill_policy?;
        let nanoseconds = policy.grace_period?.nanoseconds;
        Some(u64::try_from(nanoseconds).unwrap_or(0) / 1_000_000)
    }

    fn end_inside(&mut self, handle: u64, told: &Told) {
        let Some(task) = self.hosting.inside.get_mut(&handle) else { return };
        let is_next = task.telling.is_all_told();
        task.state = told.state();
        task.telling.push(told.clone(), Uuid::new_v4());
        let executor = task.executor;
        if is_next {
            self.tell_inside(handle);
        }
        self.resize(executor);
    }

    /// Asks an executor to end by itself, and comes back to it after its grace; false: it is none, or
    /// is not there to be asked.
    pub(super) fn shut_down(&mut self, handle: u64, grace_ms: u64) -> bool {
        let told = self.hosting.hosts.get_mut(&handle).is_some_and(Host::shut_down);
        if told {
            let inbox = self.inbox.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(grace_ms)).await;
                if let Some(inbox) = inbox.upgrade() {
                    let _ = inbox.send(Message::GraceOver(handle)).await;
                }
            });
        }
        told
    }

    /// An executor had its time to end by itself.
    pub(super) fn grace_over(&self, handle: u64) {
        let Some(kept) = self.tasks.get(&handle).filter(|kept| !kept.has_ended) else { return };
        if let Err(fault) = kept.container.kill(None) {
            error!("{fault}");
        }
    }

    /// An executor has ended, and what ran in it.
    pub(super) fn host_ended(&mut self, executor: u64, exit: Option<&Exit>, kill: Option<&Kill>) {
        if self.hosting.hosts.remove(&executor).is_none() {
            return;
        }
        let told = with_executor(exit, kill);
        for handle in self.hosting.handles(executor) {
            if self.hosting.inside.get(&handle).is_some_and(|task| !task.has_ended()) {
                self.end_inside(handle, &told);
            }
        }
    }

    /// Takes note of an acknowledgement; false: it is of no task in an executor.
    pub(super) fn acknowledged_inside(&mut self, handle: u64, uuid: &[u8]) -> bool {
        let Some(task) = self.hosting.inside.get_mut(&handle) else { return false };
        if !task.telling.acknowledge(uuid) {
            return true;
        }
        if !(task.has_ended() && task.telling.is_all_told()) {
            self.tell_inside(handle);
            return true;
        }
        if let Some(task) = self.hosting.inside.remove(&handle) {
            let executor = task.executor;
            self.hosting.names.remove(&(executor, task.name.clone()));
            if let Err(fault) = task.forget() {
                warn!("the documents of a task stay: {fault}");
            }
            self.forget_if_over(executor);
        }
        true
    }

    /// Whether it is an executor that is spoken to.
    pub(super) fn hosts(&self, executor: u64) -> bool {
        self.hosting.hosts.contains_key(&executor)
    }

    /// Whether tasks in it have something to tell yet.
    pub(super) fn is_remembered(&self, executor: u64) -> bool {
        self.hosting.of(executor).next().is_some()
    }

    /// Ends executors that did not register in time.
    pub(super) fn end_the_silent(&mut self) {
        let overdue = self.hosting.hosts.iter().filter(|(_, host)| host.is_overdue());
        for handle in overdue.map(|(handle, _)| *handle).collect::<Vec<_>>() {
            let why = "the executor did not register in time";
            self.kill(handle, Some(0), wire::Reason::ExecutorSilent, why);
        }
    }

    pub(super) fn say_to_executor(&mut self, said: wire::ExecutorMessage) {
        if let Some(host) = self.hosting.hosts.get_mut(&said.handle) {
            host.message(said.data);
        }
    }

    /// Takes over an executor that an earlier agent left; it registers anew.
    pub(super) fn adopt_executor(&mut self, kept: &Kept) -> Result<(), String> {
        let Some(told_id) = kept.order.executor.clone() else { return Ok(()) };
        if kept.container.spec().is_outer() {
            return Ok(());
        }
        let (handle, container) = (kept.order.handle, &kept.container);
        for task in Inside::recover(container.dir(), handle) {
            match task {
                Ok(task) => self.hosting.enter(task),
                Err(fault) => error!("a task of executor {told_id}: {fault}"),
            }
        }
        let host = recovered(told_id, container, self.hosting.patience)?;
        self.hosting.hosts.insert(handle, host);
        Ok(())
    }
}

fn recovered(told_id: String, container: &Container, patience: Duration) -> Result<Host, String> {
    let read = |name: &str| -> Result<Vec<u8>, String> {
        let path = container.dir().join(name);
        fs::read(&path).map_err(|fault: io::Error| say(&path, &fault))
    };
    let spoken = decode(&read(INFO_FILE)?, &read(FRAMEWORK_FILE)?)?;
    Ok(Host::new(told_id, spoken, container.spec().id.clone(), patience))
}

fn say(path: &Path, fault: &io::Error) -> String {
    format!("{}: {fault}", path.display())
}

fn decode(executor: &[u8], framework: &[u8]) -> Result<(ExecutorInfo, FrameworkInfo), String> {
    let not = |fault: prost::DecodeError| format!("its description is damaged: {fault}");
    let executor = ExecutorInfo::decode(executor).map_err(not)?;
    Ok((executor, FrameworkInfo::decode(framework).map_err(not)?))
}

/// What is told of tasks whose executor ended before them.
fn with_executor(exit: Option<&Exit>, kill: Option<&Kill>) -> Told {
    use wire::{Reason, TaskState};
    if exit.is_some_and(|exit| exit.oom) {
        let message = "the kernel killed its executor for passing its memory limit";
        return Told::with_executor(TaskState::Failed, Reason::MemoryLimit, message);
    }
    let reason = kill.and_then(|kill| Reason::try_from(kill.reason).ok());
    match reason {
        Some(reason @ (Reason::Preempted | Reason::FrameworkRemoved)) => {
            Told::with_executor(TaskState::Killed, reason, "")
        }
        Some(Reason::ExecutorSilent) => {
            let message = "the executor did not register in time";
            Told::with_executor(TaskState::Failed, Reason::ExecutorSilent, message)
        }
        _ => Told::with_executor(TaskState::Failed, Reason::ExecutorEnded, "its executor ended"),
    }
}

fn state_of(state: mesos::TaskState) -> wire::TaskState {
    use mesos::TaskState as Mesos;
    match state {
        Mesos::TaskStaging | Mesos::TaskStarting => wire::TaskState::Staging,
        Mesos::TaskRunning => wire::TaskState::Running,
        Mesos::TaskKilling => wire::TaskState::Killing,
        Mesos::TaskFinished => wire::TaskState::Finished,
        Mesos::TaskFailed => wire::TaskState::Failed,
        Mesos::TaskKilled => wire::TaskState::Killed,
        Mesos::TaskError => wire::TaskState::Error,
        Mesos::TaskLost
        | Mesos::TaskDropped
        | Mesos::TaskUnreachable
        | Mesos::TaskGone
        | Mesos::TaskGoneByOperator
        | Mesos::TaskUnknown => wire::TaskState::Lost,
    }
}
