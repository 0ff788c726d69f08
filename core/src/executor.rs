//! Executors: containers that a framework's own program runs in, and many of its tasks (Mesos'
//! custom executors).
//!
//! An executor holds resources of its own, once on each agent however many tasks it runs, so it is
//! entered among the tasks, with a handle and a place in every ledger. A framework may have two of
//! one id on an agent: one on what is promised, one on what is lent. So all in one container is of one
//! kind, and what is lent can be taken back without touching what is not.

use crate::{
    command::{Caller, HeldTask},
    effect::Effect,
    frameworks::Framework,
    ids::{AgentId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    offer::Offer,
    resources::Resources,
    tasks::{Reason, Task, TaskState, TaskStatus},
};
use std::sync::Arc;

/// At most so many executors may a framework have.
pub const MAX_EXECUTORS: usize = 20_000;

/// Where an executor is, whether on lent resources, and its id.
pub type ExecutorKey = (AgentId, bool, Arc<str>);

/// What a framework says of an executor, with each task that is to run in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executor {
    /// Its id: one means the same on every agent.
    pub id: String,
    /// What it holds itself, beside its tasks.
    pub request: Resources,
    /// It is no program of its framework's: the agent itself runs its tasks.
    pub is_default: bool,
    /// All else about it; the core passes it on, and looks only whether it is the same.
    pub payload: Vec<u8>,
}

/// What a task has to do with executors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: it runs in a container of its own.
    #[default]
    Alone,
    /// It is one.
    Executor {
        /// Whether the agent itself runs its tasks.
        is_default: bool,
        /// What its framework said of it, as a number to compare; relearned ones have none.
        digest: Option<u64>,
    },
    /// It runs in this one.
    In(TaskHandle),
}

/// The executor that launches are for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Host {
    /// It is there.
    There(TaskHandle),
    /// It is to be launched with them, as this.
    New(Kind),
}

impl Kind {
    /// Whether it is an executor.
    #[must_use]
    pub const fn is_executor(self) -> bool {
        matches!(self, Self::Executor { .. })
    }
}

/// FNV-1a: two that differ are told apart for all that frameworks do by mistake.
fn digest(executor: &Executor) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    executor.payload.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

impl Framework {
    /// Whether it has another task, or executor, of the same name there.
    pub(crate) fn knows(&self, agent: AgentId, held: &HeldTask) -> bool {
        if held.kind.is_executor() {
            let key: ExecutorKey = (agent, held.revocable, held.name.as_str().into());
            return self.executors.contains_key(&key);
        }
        self.tasks.contains_key(&*held.name)
    }

    /// Its executors and its tasks. The first are first: what runs in them ends with them.
    pub(crate) fn launches(&self) -> impl Iterator<Item = &TaskHandle> {
        self.executors.values().chain(self.tasks.values())
    }

    /// Under what handle it knows the name of a task of its own.
    pub(crate) fn knows_as(&self, task: &Task) -> Option<TaskHandle> {
        if task.kind.is_executor() {
            let key = (task.agent, task.revocable, Arc::clone(&task.name));
            return self.executors.get(&key).copied();
        }
        self.tasks.get(&task.name).copied()
    }
}

impl Machine {
    /// Whether the executor of that description is where the offer is; or why it can't be used.
    pub(crate) fn host_for(&self, offer: &Offer, executor: &Executor) -> Result<Host, String> {
        let digest = digest(executor);
        let framework = self.state.frameworks.get(&offer.framework);
        let Some(framework) = framework else { return Err("its framework is gone".to_owned()) };
        let key: ExecutorKey = (offer.made.agent, offer.revocable, executor.id.as_str().into());
        let Some(handle) = framework.executors.get(&key) else {
            if framework.executors.len() >= MAX_EXECUTORS {
                return Err(format!("a framework has at most {MAX_EXECUTORS} executors"));
            }
            let (is_default, digest) = (executor.is_default, Some(digest));
            return Ok(Host::New(Kind::Executor { is_default, digest }));
        };
        let known = self.state.tasks.by_handle.get(handle).map(|task| (task.kind, task.state));
        match known {
            Some((Kind::Executor { digest: Some(other), .. }, _)) if other != digest => Err(
                format!("executor {:?} is there already, with another description", executor.id),
            ),
            Some((_, TaskState::Killing)) => Err(format!("executor {:?} is ending", executor.id)),
            _ => Ok(Host::There(*handle)),
        }
    }

    /// Takes note of how an executor is: its framework hears only of its end.
    pub(crate) fn settle_executor(
        &mut self,
        handle: TaskHandle,
        status: &TaskStatus,
        effects: &mut Vec<Effect>,
    ) {
        let Some(task) = self.state.tasks.by_handle.get(&handle) else { return };
        let (framework, agent, id) = (task.framework, task.agent, task.name.to_string());
        effects.extend(status.uuid.map(|uuid| Effect::Acknowledge(agent, handle, uuid)));
        if !status.state.is_terminal() {
            return;
        }
        if self.state.frameworks.contains_key(&framework) {
            let ended = wait_status(status.exit_code, status.signal);
            effects.push(Effect::ExecutorEnded(framework, agent, id, ended));
        }
        self.forget(handle);
    }

    /// The executors of that id there: none, one, or one of each kind.
    fn executors_of(
        &mut self,
        caller: Caller,
        agent: AgentId,
        id: &str,
    ) -> Result<Vec<TaskHandle>, Refusal> {
        let framework = self.caller(caller)?;
        let of = |revocable| framework.executors.get(&(agent, revocable, id.into())).copied();
        Ok([false, true].into_iter().filter_map(of).collect())
    }

    pub(crate) fn tell_executor(
        &mut self,
        caller: Caller,
        agent: AgentId,
        id: &str,
        data: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let executors = self.executors_of(caller, agent, id)?;
        let to = |handle| Effect::ToExecutor(agent, handle, data.to_vec());
        effects.extend(executors.into_iter().map(to));
        Ok(Reply::Done)
    }

    pub(crate) fn executor_says(
        &mut self,
        agent: AgentId,
        executor: TaskHandle,
        data: Vec<u8>,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let task = self.state.tasks.by_handle.get(&executor);
        // One that is not known any more has nobody to speak to.
        if let Some(task) = task.filter(|task| task.agent == agent && task.kind.is_executor()) {
            let id = task.name.to_string();
            effects.push(Effect::FromExecutor(task.framework, agent, id, data));
        }
        Ok(Reply::Done)
    }

    pub(crate) fn end_executor(
        &mut self,
        caller: Caller,
        agent: AgentId,
        id: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        for handle in self.executors_of(caller, agent, id)? {
            self.end_task(handle, None, Reason::KilledByFramework, effects);
        }
        Ok(Reply::Done)
    }
}

/// As wait(2) gives it: the exit code in the second byte, or the signal in the first.
fn wait_status(exit_code: Option<i32>, signal: Option<i32>) -> i32 {
    exit_code.map_or(signal.unwrap_or(0) & 0x7f, |code| (code & 0xff) << 8)
}
