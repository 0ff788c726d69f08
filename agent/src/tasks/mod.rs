//! Keeps the node's tasks: starts them, ends them, and tells how they are until somebody took note.
//!
//! One thread owns all of it; what may take long (starting a process, writing to disk) happens here,
//! away from measuring and from the link. It measures nothing.

mod following;
mod groups;
mod hosting;
mod inside;
mod inventory;
mod kept;
mod promotion;
mod recovery;
mod telling;
mod told;
mod view;

pub use told::Told;
pub use view::{MAX_ENDED, TaskView, View};

use crate::{
    cgroup::Class,
    config::Config,
    containers::{
        Container, ContainerError, ContainerSpec, ProcessContainerizer, destroy_volume, docker,
    },
    environment::Place,
    executors,
    meter::{self, Metered},
    order::{self, Order},
};
use groups::Groups;
use headroom_proto::v1::{self as wire, launch::Kind};
use hosting::Hosting;
use kept::Kept;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::{error, info, warn};

/// At most so many orders wait; a link that brings more is cut.
pub const MAX_ORDERS: usize = 8_192;
/// At most so many messages of executors wait for the link; more are refused.
pub const MAX_MESSAGES: usize = 1_024;
/// An update that nobody acknowledges is told again after so long (Mesos: 10 s).
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// How often it is looked whether a task runs already: a start takes some milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How often to look for updates to tell again.
const TICK: Duration = Duration::from_secs(2);

/// What may be asked of the keeper.
#[derive(Debug)]
pub enum Message {
    /// Start a task.
    Launch(Box<wire::Launch>),
    /// Start tasks that run together.
    LaunchGroup(wire::LaunchGroup),
    /// End a task.
    Kill(wire::KillTask),
    /// The allocator does not want this agent any more: end all tasks.
    EndAll,
    /// An update was taken note of.
    Acknowledge(wire::AcknowledgeStatus),
    /// A lent task holds a promise from now on.
    Promote(wire::PromoteTask),
    /// End a volume and all that is in it.
    DestroyVolume(wire::DestroyVolume),
    /// A framework has something to say to an executor.
    ToExecutor(wire::ExecutorMessage),
    /// An executor calls.
    Executor(Box<executors::Call>),
    /// An executor had its time to end by itself.
    GraceOver(u64),
    /// A lent task gives way.
    Preempt(u64, &'static str),
    /// A task executes its own program.
    Started(u64),
    /// A task's checks have found something new.
    Checked(u64),
    /// A supervisor has ended.
    Ended(u64),
    /// What is here? Answered for a hello.
    Inventory(oneshot::Sender<Vec<wire::HeldTask>>),
    /// What is here? Answered for the agent's pages.
    Look(oneshot::Sender<View>),
    /// The link stands, the agent is known under this id: tell what was not acknowledged.
    Linked(String),
}

/// Where the keeper sends.
#[derive(Debug)]
pub struct Ways {
    /// To what measures.
    pub meter: mpsc::Sender<meter::Message>,
    /// Updates, to the allocator.
    pub statuses: mpsc::Sender<wire::StatusUpdate>,
    /// What executors say to their frameworks, to the allocator.
    pub messages: mpsc::Sender<wire::ExecutorMessage>,
    /// To itself.
    pub inbox: mpsc::WeakSender<Message>,
}

/// The agent, as executors are told of it.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Its id; empty before the first welcome.
    pub agent_id: String,
    /// Where its HTTP server listens, if it has one.
    pub address: Option<SocketAddr>,
}

/// Owns the tasks.
pub struct Keeper {
    pids_limit: u32,
    place: Place,
    containerizer: ProcessContainerizer,
    docker_leftovers: docker::Sweeper,
    tasks: BTreeMap<u64, Kept>,
    hosting: Hosting,
    groups: Groups,
    ended: view::Ended,
    meter: mpsc::Sender<meter::Message>,
    statuses: mpsc::Sender<wire::StatusUpdate>,
    inbox: mpsc::WeakSender<Message>,
}

impl Keeper {
    /// A keeper of what an earlier agent left in the state directory; `endpoint`: `host:port` of the
    /// agent's HTTP server, or empty.
    ///
    /// # Errors
    /// The state directory can't be read.
    pub fn recover(
        config: &Config,
        containerizer: ProcessContainerizer,
        own: &Own,
        ways: Ways,
    ) -> Result<Self, ContainerError> {
        let Ways { meter, statuses, messages, inbox } = ways;
        let hosting = Hosting::new(config, own, messages);
        let pids_limit = config.pids_limit;
        let endpoint = own.address.map(|address| address.to_string()).unwrap_or_default();
        let place = Place { endpoint, agent_id: own.agent_id.clone() };
        let (tasks, groups, ended) = Default::default();
        let docker_leftovers = containerizer.sweeper();
        let mut keeper = Self {
            pids_limit,
            place,
            containerizer,
            docker_leftovers,
            tasks,
            hosting,
            groups,
            ended,
            meter,
            statuses,
            inbox,
        };
        keeper.take_over(config.recover)?;
        Ok(keeper)
    }

    /// Serves until all senders of the inbox are gone.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        self.docker_leftovers.start();
        for handle in self.tasks.keys().copied().collect::<Vec<_>>() {
            self.watch(handle);
        }
        self.go_on_with_outers();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.handle(message),
                    None => return,
                },
                _ = tick.tick() => {
                    self.promote_late();
                    self.tell_again(TELL_AGAIN);
                    self.end_the_silent();
                }
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Launch(launch) => self.launch(*launch),
            Message::LaunchGroup(group) => self.launch_group(group.launches),
            Message::Kill(kill) => {
                let reason = wire::Reason::try_from(kill.reason).unwrap_or_default();
                let own = || self.own_grace_ms(kill.handle);
                let most = kill.max_grace_ms.filter(|most| own().is_none_or(|own| own > *most));
                self.kill(kill.handle, kill.grace_ms.or(most), reason, "");
            }
            Message::EndAll => self.end_all(),
            Message::Acknowledge(acknowledged) => self.acknowledged(&acknowledged),
            Message::DestroyVolume(order) => self.destroy_volume(&order),
            Message::ToExecutor(said) => self.say_to_executor(said),
            Message::Executor(call) => self.executor_calls(*call),
            Message::GraceOver(handle) => self.grace_over(handle),
            Message::Promote(order) => self.promote(order),
            Message::Preempt(handle, why) => self.preempt(handle, why),
            Message::Started(handle) => self.started(handle),
            Message::Checked(handle) => self.checked(handle),
            Message::Ended(handle) => self.ended(handle),
            Message::Inventory(answer) => {
                let _ = answer.send(self.inventory());
            }
            Message::Look(answer) => {
                let _ = answer.send(self.view());
            }
            Message::Linked(agent_id) => {
                self.place.agent_id.clone_from(&agent_id);
                self.hosting.is_known_as(agent_id);
                self.tell_again(Duration::ZERO);
            }
        }
    }

    fn launch(&mut self, launch: wire::Launch) {
        let (handle, framework) = (launch.handle, launch.framework_id.clone());
        if self.tasks.contains_key(&handle) || self.hosting.inside.contains_key(&handle) {
            return;
        }
        match launch.kind {
            Some(Kind::IsExecutor(true) | Kind::IsDefaultExecutor(true)) => {
                return self.launch_executor(launch);
            }
            Some(Kind::ExecutorHandle(executor)) => return self.launch_inside(executor, &launch),
            _ => {}
        }
        let name = launch.task.as_ref().map(|task| task.task_id.clone()).unwrap_or_default();
        let role = launch.role.clone();
        let spec = match order::spec(launch, &self.place.agent_id, self.pids_limit) {
            Ok(mut spec) => {
                self.place.tell(&mut spec, self.containerizer.layout(), &role);
                spec
            }
            Err(fault) => {
                let told = Told::failed(wire::Reason::LaunchFailed, fault.to_string());
                return self.tell_unkept(handle, framework, &name, &told);
            }
        };
        if let Err(told) = self.start(handle, &spec) {
            self.tell_unkept(handle, framework, &name, &told);
        }
    }

    /// Runs a container and keeps it, or says what is to be told of its task.
    fn start(&mut self, handle: u64, spec: &ContainerSpec) -> Result<(), Told> {
        let (task, framework) = (&spec.task, &spec.framework);
        match self.containerizer.launch(spec) {
            Ok(container) => {
                info!(task, framework, container = spec.id, "started");
                self.keep(handle, container);
                Ok(())
            }
            Err(fault) => {
                error!(task, framework, "not started: {fault}");
                let reason = match fault {
                    ContainerError::StateDirFull { .. } => wire::Reason::StateDirectoryFull,
                    _ => wire::Reason::LaunchFailed,
                };
                Err(Told::failed(reason, fault.to_string()))
            }
        }
    }

    fn destroy_volume(&self, wire::DestroyVolume { role, volume_id, .. }: &wire::DestroyVolume) {
        match destroy_volume(self.containerizer.layout(), role, volume_id) {
            Ok(()) => info!(role, volume = volume_id, "destroyed"),
            Err(fault) => error!(role, volume = volume_id, "a volume is not gone: {fault}"),
        }
    }

    fn keep(&mut self, handle: u64, container: Container) {
        let Ok(order) = Order::of(container.spec()) else { return };
        let kept = match Kept::open(container, order) {
            Ok(kept) => kept,
            Err(fault) => return error!("updates can't be kept: {fault}"),
        };
        if let Some(group) = kept.order.group {
            self.groups.enter(group, handle);
        }
        self.measure(&kept);
        self.tasks.insert(handle, kept);
        self.watch(handle);
    }

    /// Hands a container to the meter.
    fn measure(&self, kept: &Kept) {
        let spec: &ContainerSpec = kept.container.spec();
        // All that runs in it is measured by itself.
        if spec.is_outer() {
            return;
        }
        let metered = Metered {
            handle: kept.order.handle,
            class: spec.class,
            cgroup: kept.container.cgroup().cloned(),
            name: spec.task.clone(),
            nests: spec.docker.is_some(),
            request: self.hosting.held_by(kept),
        };
        if self.meter.try_send(meter::Message::Add(Box::new(metered))).is_err() {
            warn!(task = spec.task, "is not measured: the meter does not keep up");
        }
    }

    /// Sends [`Message::Started`] when a task executes its own program, and [`Message::Ended`] when
    /// its supervisor ends.
    fn watch(&self, handle: u64) {
        let Some(kept) = self.tasks.get(&handle) else { return };
        if kept.container.spec().is_outer() {
            return;
        }
        let inbox = self.inbox.clone();
        let pidfd = kept.container.supervisor().and_then(|supervisor| {
            let pidfd = supervisor.pidfd().as_fd().try_clone_to_owned().ok()?;
            // SAFETY: the descriptor is owned by what is made here, and stays open as long as it.
            unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.ok()
        });
        let staging = kept.state == wire::TaskState::Staging;
        let starting = staging.then(|| kept.container.starting_file());
        let checks = kept.container.checks_file();
        tokio::spawn(async move {
            if let Some(pidfd) = pidfd {
                if let Some(starting) = starting
                    && starts(&pidfd, &starting).await
                    && let Some(inbox) = inbox.upgrade()
                {
                    let _ = inbox.send(Message::Started(handle)).await;
                }
                if let Some(checks) = checks {
                    following::checks(&pidfd, &checks, handle, &inbox).await;
                }
                let _ = pidfd.readable().await;
            }
            if let Some(inbox) = inbox.upgrade() {
                let _ = inbox.send(Message::Ended(handle)).await;
            }
        });
    }

    /// The time from asking a task to end to forcing it, as the task itself says.
    fn own_grace_ms(&self, handle: u64) -> Option<u64> {
        let alone = self.tasks.get(&handle).map(|kept| kept.container.spec().grace_ms);
        alone.or_else(|| self.grace_inside_ms(handle))
    }

    /// Ends all that runs; what runs in executors ends with them.
    fn end_all(&mut self) {
        for handle in self.tasks.keys().copied().collect::<Vec<_>>() {
            self.kill(handle, None, wire::Reason::AgentGone, "");
        }
    }

    fn kill(&mut self, handle: u64, grace_ms: Option<u64>, reason: wire::Reason, why: &str) {
        if self.kill_inside(handle, grace_ms) || self.kill_outer(handle, grace_ms, reason, why) {
            return;
        }
        let Some(kept) = self.tasks.get_mut(&handle) else { return };
        if kept.has_ended {
            return;
        }
        info!(task = kept.container.spec().task, reason = reason.as_str_name(), "ends");
        kept.note_kill(reason, why);
        let at_once = [wire::Reason::Preempted, wire::Reason::ExecutorSilent].contains(&reason);
        let grace = grace_ms.unwrap_or(kept.container.spec().grace_ms);
        if !at_once && self.shut_down(handle, grace) {
            return;
        }
        let Some(kept) = self.tasks.get(&handle) else { return };
        if let Err(fault) = kept.container.kill(grace_ms) {
            error!("{fault}");
        }
    }

    /// Lent work gives way; what was promoted meanwhile is not lent any more.
    fn preempt(&mut self, handle: u64, why: &str) {
        let kept = self.tasks.get(&handle);
        if kept.is_some_and(|kept| kept.container.spec().class == Class::Revocable) {
            for handle in self.with_its_group(handle) {
                self.kill(handle, None, wire::Reason::Preempted, why);
            }
        }
    }

    /// A task has begun to run.
    fn started(&mut self, handle: u64) {
        let Some(kept) = self.tasks.get_mut(&handle).filter(|kept| !kept.has_ended) else { return };
        let promotion = kept.promotion.take();
        if kept.push_start() {
            self.tell(handle);
        }
        if let Some(order) = promotion {
            self.promote(order);
        }
    }

    /// A task's checks have found something new.
    fn checked(&mut self, handle: u64) {
        let Some(kept) = self.tasks.get_mut(&handle).filter(|kept| !kept.has_ended) else { return };
        let is_next = kept.telling.is_all_told();
        if kept.push_checks() && is_next {
            self.tell(handle);
        }
    }

    /// A supervisor has ended: reads how, clears the container up, tells.
    fn ended(&mut self, handle: u64) {
        let Some(kept) = self.tasks.get_mut(&handle).filter(|kept| !kept.has_ended) else { return };
        let _ = self.meter.try_send(meter::Message::Remove(handle));
        let exit = kept.container.exit();
        let told = match &exit {
            Ok(Some(exit)) => Told::exit(exit, kept.kill.as_ref()),
            Ok(None) => Told::lost("its supervisor ended without a word"),
            Err(fault) => Told::lost(&fault.to_string()),
        };
        if let Err(fault) = kept.container.cleanup() {
            error!("{fault}");
        }
        info!(task = kept.container.spec().task, state = ?told.state(), "ended: {}", told.message);
        if kept.container.spec().docker.is_some() {
            self.docker_leftovers.start();
        }
        kept.has_ended = true;
        let group = kept.order.group;
        // Before its end is durable, so that it is done again if the agent ends meanwhile.
        self.end_others(group, &told);
        let Some(kept) = self.tasks.get_mut(&handle) else { return };
        // What was told before is on its way: the next one follows its acknowledgement.
        let is_next = kept.telling.is_all_told();
        kept.push_start();
        kept.push_checks();
        kept.push(told);
        let kill = kept.kill.clone();
        if is_next {
            self.tell(handle);
        }
        self.host_ended(handle, exit.ok().flatten().as_ref(), kill.as_ref());
        if let Some(group) = group {
            self.resize_outer(group.executor, 0);
            self.end_if_empty(group.executor);
        }
    }

    /// Tells the oldest unacknowledged update of a task.
    fn tell(&mut self, handle: u64) {
        let Some(kept) = self.tasks.get_mut(&handle) else { return };
        if let Some(status) = kept.next_to_tell() {
            // A full queue is a link that is down: it is told again later.
            let _ = self.statuses.try_send(status);
        }
    }

    fn tell_again(&mut self, after: Duration) {
        for task in self.hosting.inside.values_mut() {
            task.telling.save_late();
            if task.telling.is_due(after)
                && let Some(status) = task.next_to_tell()
                && self.statuses.try_send(status).is_err()
            {
                return;
            }
        }
        for kept in self.tasks.values_mut() {
            kept.telling.save_late();
            kept.push_checks();
            if kept.telling.is_due(after)
                && let Some(status) = kept.next_to_tell()
                && self.statuses.try_send(status).is_err()
            {
                return;
            }
        }
    }

    /// Tells of a task that never came to be; once, as there is nothing to remember it by.
    fn tell_unkept(&self, handle: u64, framework: String, name: &str, told: &Told) {
        let status = wire::StatusUpdate {
            handle,
            framework_id: framework,
            status: Some(told.status(name, Vec::new())),
        };
        let _ = self.statuses.try_send(status);
    }

    fn acknowledged(&mut self, acknowledged: &wire::AcknowledgeStatus) {
        if self.acknowledged_inside(acknowledged.handle, &acknowledged.uuid) {
            return;
        }
        let Some(kept) = self.tasks.get_mut(&acknowledged.handle) else { return };
        if !kept.telling.acknowledge(&acknowledged.uuid) {
            return;
        }
        if kept.has_ended && kept.telling.is_all_told() {
            self.forget_if_over(acknowledged.handle);
        } else {
            self.tell(acknowledged.handle);
        }
    }

    /// Forgets a container that has ended, once nothing is to be told of it and of what ran in it.
    fn forget_if_over(&mut self, handle: u64) {
        let over = |kept: &Kept| kept.has_ended && kept.telling.is_all_told();
        if self.tasks.get(&handle).is_some_and(over)
            && !self.is_remembered(handle)
            && !self.groups.any_in(handle)
            && let Some(kept) = self.tasks.remove(&handle)
        {
            self.ended.note(&kept);
            let group = kept.order.group;
            if let Err(fault) = kept.container.forget() {
                warn!("{fault}");
            }
            if let Some(group) = group {
                self.groups.leave(group, handle);
                self.forget_if_over(group.executor);
            }
        }
    }
}

/// Waits until a task executes its own program; false if its supervisor ends before that is seen. It
/// may take long: lent work gets no CPU while its owner needs all.
async fn starts(supervisor: &AsyncFd<OwnedFd>, starting: &Path) -> bool {
    let mut pause = FIRST_PAUSE;
    while starting.exists() {
        tokio::select! {
            _ = supervisor.readable() => return false,
            () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
    true
}
