//! What was: when agents and frameworks came, what was told of each task, what is over. Nobody decides
//! by it, so the core knows none of it. It is filled from effects, on the owner's thread, with the time
//! on the wall's clock.

mod counts;
mod offers;
mod over;
mod story;

pub(crate) use counts::Counts;
pub(crate) use offers::Offers;
pub(crate) use over::Gone;
pub(crate) use story::Story;

use headroom_core::{
    command::{Command, FrameworkInfo},
    effect::{Effect, Record},
    ids::{AgentId, FrameworkId, TaskHandle},
    machine::Machine,
    roles::RoleSlot,
    tasks::{EndedTask, Reason, Task},
};
use offers::Answer;
use over::Over;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// How much is kept of what is over, unless the operator says (as in Mesos).
pub const DEFAULT_BOUNDS: Bounds = Bounds { frameworks: 50, tasks_a_framework: 1_000 };
/// More tasks that are over are kept of all frameworks together in no case; the oldest go first.
pub const MAX_OVER: usize = 50_000;

/// How much is kept of what is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Frameworks.
    pub frameworks: usize,
    /// Tasks of each framework.
    pub tasks_a_framework: usize,
}

/// When an agent or a framework came: milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// The first time; none: not since this allocator started.
    pub(crate) registered_ms: Option<u64>,
    /// The last time it came back.
    pub(crate) reregistered_ms: Option<u64>,
    /// When it ended.
    pub(crate) unregistered_ms: Option<u64>,
}

impl Times {
    fn come(&mut self, now_ms: u64) {
        match self.registered_ms {
            None => self.registered_ms = Some(now_ms),
            Some(_) => self.reregistered_ms = Some(now_ms),
        }
    }
}

/// A framework, as far as it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) info: Arc<FrameworkInfo>,
    pub(crate) times: Times,
}

/// A task that is over.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) task: Arc<Task>,
    pub(crate) role: Arc<str>,
    pub(crate) story: Arc<Story>,
}

/// What is counted of a command once it is known whether it was done.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    answer: Option<(FrameworkId, Answer)>,
    is_to_executor: bool,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct History {
    tasks: BTreeMap<TaskHandle, Arc<Story>>,
    agents: BTreeMap<AgentId, Times>,
    frameworks: BTreeMap<FrameworkId, Known>,
    gone: VecDeque<Gone>,
    over: Over,
    /// Ended, and still in the core's tables until that is acknowledged.
    ending: BTreeMap<TaskHandle, Ended>,
    bounds: Bounds,
    /// How often what happened.
    pub(crate) counts: Counts,
    /// Of frameworks that were offered something.
    offers: BTreeMap<FrameworkId, Offers>,
}

impl History {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            tasks: BTreeMap::new(),
            agents: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            gone: VecDeque::new(),
            over: Over::new(bounds.tasks_a_framework),
            ending: BTreeMap::new(),
            bounds,
            counts: Counts::default(),
            offers: BTreeMap::new(),
        }
    }

    /// Takes note of what a former allocator knew.
    pub(crate) fn restore<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) {
        for record in records {
            if let Record::Framework(id, info) = record {
                self.frameworks.entry(*id).or_default().info = Arc::new(info.clone());
            }
        }
    }

    /// An agent says what a task is that it had before.
    pub(crate) fn retold(&mut self, handle: TaskHandle, about: Arc<[u8]>) {
        let story = Arc::make_mut(self.tasks.entry(handle).or_default());
        story.about.get_or_insert(about);
    }

    /// Takes note of what is about to be decided on.
    pub(crate) fn asked(&mut self, machine: &Machine, command: &Command) -> Asked {
        self.counts.command(machine, command);
        Asked {
            answer: Answer::of(machine, command),
            is_to_executor: matches!(command, Command::ToExecutor(..)),
        }
    }

    /// Takes note of whether it was done.
    pub(crate) fn decided(&mut self, asked: Asked, done: bool) {
        if let Some((framework, answer)) = asked.answer.filter(|_| done) {
            self.offers.entry(framework).or_default().answered(answer);
        }
        if asked.is_to_executor {
            self.counts.told_executor(done);
        }
    }

    /// Takes note of what is about to be carried out, and fills in what is known better here.
    pub(crate) fn observe(&mut self, machine: &Machine, effect: &mut Effect, now_ms: u64) {
        self.counts.effect(effect);
        match effect {
            Effect::Offers(id, offers) => {
                self.offers.entry(*id).or_default().sent += offers.len() as u64;
            }
            Effect::Rescind(id, ..) => self.offers.entry(*id).or_default().rescinded += 1,
            Effect::Launch(_, order) => {
                if let Some(about) = crate::about::within(&order.payload) {
                    self.retold(order.handle, about);
                }
            }
            Effect::Update(_, status) => {
                if status.timestamp_ms == 0 {
                    status.timestamp_ms = now_ms;
                }
                let Some(handle) = status.handle else { return };
                if status.reason == Reason::Reconciliation {
                    self.tasks.get(&handle).into_iter().for_each(|story| story.complete(status));
                } else {
                    Arc::make_mut(self.tasks.entry(handle).or_default()).add(status);
                }
            }
            Effect::Ended(ended) => self.ends(machine, ended),
            Effect::Forgotten(handle) => {
                self.tasks.remove(handle);
                if let Some(ended) = self.ending.remove(handle)
                    && self.is_told_of(ended.task.framework)
                {
                    self.over.add(ended);
                }
            }
            Effect::Welcome(agent) => self.agents.entry(*agent).or_default().come(now_ms),
            Effect::Subscribed(id, _) => {
                self.frameworks.entry(*id).or_default().times.come(now_ms);
            }
            Effect::Persist(Record::Framework(id, info)) => {
                self.frameworks.entry(*id).or_default().info = Arc::new(info.clone());
            }
            Effect::Persist(Record::FrameworkRemoved(id)) => self.framework_ends(*id, now_ms),
            Effect::Persist(Record::AgentRemoved(id)) => _ = self.agents.remove(id),
            _ => {}
        }
    }

    fn ends(&mut self, machine: &Machine, ended: &Arc<EndedTask>) {
        let handle = ended.task.handle;
        let (task, story) = (Arc::clone(&ended.task), self.story(handle));
        let role = role_name(machine, ended.task.role);
        self.ending.insert(handle, Ended { task, role, story });
    }

    fn framework_ends(&mut self, id: FrameworkId, now_ms: u64) {
        self.offers.remove(&id);
        let Some(mut known) = self.frameworks.remove(&id) else { return };
        known.times.unregistered_ms = Some(now_ms);
        self.gone.push_back(Gone { id, known });
        if self.gone.len() > self.bounds.frameworks
            && let Some(oldest) = self.gone.pop_front()
        {
            self.over.forget(oldest.id);
        }
    }

    fn is_told_of(&self, id: FrameworkId) -> bool {
        self.frameworks.contains_key(&id) || self.gone.iter().any(|gone| gone.id == id)
    }

    fn story(&self, handle: TaskHandle) -> Arc<Story> {
        self.tasks.get(&handle).cloned().unwrap_or_default()
    }

    /// What is told of tasks, in the order of their handles.
    pub(crate) const fn stories(&self) -> &BTreeMap<TaskHandle, Arc<Story>> {
        &self.tasks
    }

    /// What became of the offers that a framework was made.
    pub(crate) fn offers(&self, id: FrameworkId) -> Offers {
        self.offers.get(&id).copied().unwrap_or_default()
    }

    pub(crate) fn framework(&self, id: FrameworkId) -> Option<&Known> {
        self.frameworks.get(&id)
    }

    /// What a framework is called, be it over.
    pub(crate) fn framework_name(&self, id: FrameworkId) -> String {
        let gone = || self.gone.iter().find(|gone| gone.id == id).map(|gone| &gone.known);
        let known = self.framework(id).or_else(gone);
        known.map_or_else(|| "?".to_owned(), |known| known.info.name.clone())
    }

    /// Frameworks that are over, the oldest first.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &Gone> {
        self.gone.iter()
    }

    pub(crate) fn agent(&self, id: AgentId) -> Times {
        self.agents.get(&id).copied().unwrap_or_default()
    }

    /// Tasks that are over, the oldest first.
    pub(crate) fn over(&self) -> impl DoubleEndedIterator<Item = &Ended> {
        self.over.all()
    }

    /// One that has just ended, or is over.
    pub(crate) fn find_ended(&self, handle: TaskHandle) -> Option<&Ended> {
        let over = || self.over.all().rev().find(|ended| ended.task.handle == handle);
        self.ending.get(&handle).or_else(over)
    }
}

pub(crate) fn role_name(machine: &Machine, slot: RoleSlot) -> Arc<str> {
    Arc::clone(&machine.state().roles.get(slot).name)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
