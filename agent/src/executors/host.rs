//! One executor as the agent speaks to it: events, kept until it is there to hear them.

use headroom_proto::mesos::v1::{
    AgentId, AgentInfo, ContainerId, DurationInfo, ExecutorInfo, FrameworkInfo, KillPolicy,
    TaskGroupInfo, TaskId, TaskInfo,
    executor::{
        Event,
        event::{self, Type},
    },
};
use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// So many events are kept for an executor that is not there; then the oldest go, and it is told
/// anew what matters when it comes.
const MAX_WAITING: usize = 4_096;

/// The node, as executors are told of it.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Its agent's id.
    pub agent_id: String,
    /// Its name.
    pub hostname: String,
    /// The port of the agent's HTTP server.
    pub port: u16,
}

/// One executor.
#[derive(Debug)]
pub struct Host {
    /// What it is told as its id.
    pub told_id: String,
    info: ExecutorInfo,
    framework_info: FrameworkInfo,
    container: String,
    events: Option<mpsc::Sender<Event>>,
    waiting: VecDeque<Event>,
    /// Until when it must register; `None`: it has.
    register_by: Option<Instant>,
}

impl Host {
    /// One that has `patience` to register.
    #[must_use]
    pub fn new(
        told_id: String,
        (info, framework_info): (ExecutorInfo, FrameworkInfo),
        container: String,
        patience: Duration,
    ) -> Self {
        let (events, waiting) = (None, VecDeque::new());
        let register_by = Some(Instant::now() + patience);
        Self { told_id, info, framework_info, container, events, waiting, register_by }
    }

    /// Whether its time to register is over.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.register_by.is_some_and(|by| Instant::now() >= by)
    }

    /// Whether its stream stands.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.events.as_ref().is_some_and(|events| !events.is_closed())
    }

    /// The tasks that it has not been told of.
    #[must_use]
    pub fn waiting_launches(&self) -> BTreeSet<String> {
        let launched = self.waiting.iter().flat_map(launched_by);
        launched.map(|task| task.task_id.value.clone()).collect()
    }

    /// Its stream opens: it is told who it is, and what waited.
    pub fn subscribe(&mut self, framework_id: &str, node: &Node, events: mpsc::Sender<Event>) {
        let mut info = self.info.clone();
        info.executor_id.value.clone_from(&self.told_id);
        let mut framework_info = self.framework_info.clone();
        framework_info.id.get_or_insert_default().value = framework_id.to_owned();
        info.framework_id.clone_from(&framework_info.id);
        let subscribed = event::Subscribed {
            executor_info: info,
            framework_info,
            agent_info: AgentInfo {
                hostname: node.hostname.clone(),
                id: Some(AgentId { value: node.agent_id.clone() }),
                port: Some(node.port.into()),
                ..AgentInfo::default()
            },
            container_id: Some(ContainerId { value: self.container.clone(), parent: None }),
        };
        self.events = Some(events);
        self.register_by = None;
        self.now(Event { subscribed: Some(subscribed), ..of(Type::Subscribed) });
        for event in std::mem::take(&mut self.waiting) {
            self.tell(event);
        }
    }

    /// Says so to who is there, and keeps it otherwise.
    fn tell(&mut self, event: Event) {
        if let Some(event) = self.now(event) {
            if self.waiting.len() == MAX_WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(event);
        }
    }

    /// Says so, or gives it back.
    fn now(&mut self, event: Event) -> Option<Event> {
        let Some(events) = &self.events else { return Some(event) };
        match events.try_send(event) {
            Ok(()) => None,
            Err(
                mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event),
            ) => {
                // It reads no faster, or is gone: it comes back, or ends.
                self.events = None;
                Some(event)
            }
        }
    }

    /// A task is to be run.
    pub fn launch(&mut self, task: TaskInfo) {
        let launch = Some(event::Launch { task });
        self.tell(Event { launch, ..of(Type::Launch) });
    }

    /// Tasks are to be run together.
    pub fn launch_group(&mut self, tasks: Vec<TaskInfo>) {
        let launch_group = Some(event::LaunchGroup { task_group: TaskGroupInfo { tasks } });
        self.tell(Event { launch_group, ..of(Type::LaunchGroup) });
    }

    /// Takes a task back that was not told yet, with the others of its group; their names.
    pub fn take_back(&mut self, task: &str) -> Vec<String> {
        let has = |event: &Event| launched_by(event).iter().any(|one| one.task_id.value == task);
        let event = self.waiting.iter().position(has).and_then(|at| self.waiting.remove(at));
        let tasks = event.iter().flat_map(launched_by);
        tasks.map(|task| task.task_id.value.clone()).collect()
    }

    /// A task is to end.
    pub fn kill(&mut self, task: &str, grace_ms: Option<u64>) {
        let grace = grace_ms.map(|ms| DurationInfo {
            nanoseconds: i64::try_from(ms.saturating_mul(1_000_000)).unwrap_or(i64::MAX),
        });
        let kill = event::Kill {
            task_id: TaskId { value: task.to_owned() },
            kill_policy: grace.map(|grace| KillPolicy { grace_period: Some(grace) }),
        };
        self.tell(Event { kill: Some(kill), ..of(Type::Kill) });
    }

    /// An update is safe.
    pub fn acknowledge(&mut self, task: &str, uuid: &[u8]) {
        let task_id = TaskId { value: task.to_owned() };
        let acknowledged = event::Acknowledged { task_id, uuid: uuid.to_vec().into() };
        // One that is not there asks again by telling the update again.
        self.now(Event { acknowledged: Some(acknowledged), ..of(Type::Acknowledged) });
    }

    /// Its framework says something.
    pub fn message(&mut self, data: Vec<u8>) {
        let message = Some(event::Message { data: data.into() });
        self.tell(Event { message, ..of(Type::Message) });
    }

    /// It is to end; says whether it could be told.
    pub fn shut_down(&mut self) -> bool {
        self.now(of(Type::Shutdown)).is_none()
    }
}

/// The tasks that an event launches.
fn launched_by(event: &Event) -> &[TaskInfo] {
    match (&event.launch, &event.launch_group) {
        (Some(launch), _) => std::slice::from_ref(&launch.task),
        (None, Some(group)) => &group.task_group.tasks,
        (None, None) => &[],
    }
}

fn of(kind: Type) -> Event {
    Event { r#type: Some(kind.into()), ..Event::default() }
}
