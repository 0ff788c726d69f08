//! The only place where state changes: `apply(now, command, effects)`.

use crate::{
    agents::Agents,
    command::Command,
    effect::{Effect, Record},
    frameworks::Framework,
    ids::{AgentId, FrameworkId, Ids},
    ledger::Ledger,
    offer::Offers,
    roles::Roles,
    tasks::Tasks,
    time::Time,
};
use std::{collections::BTreeMap, time::Duration};
use thiserror::Error;

/// What the operator sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Length of a time step.
    pub step: Duration,
    /// How long an offer stands.
    pub offer_timeout: Duration,
    /// How long an agent may be silent before its tasks are given up.
    pub agent_timeout: Duration,
    /// Part of a node's CPUs that is never lent, in thousandths.
    pub cpu_margin_milli: u64,
    /// Part of a node's memory that is never lent, in thousandths.
    pub memory_margin_milli: u64,
    /// Whether anything is lent at all.
    pub lending: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            step: Duration::from_secs(1),
            offer_timeout: Duration::from_secs(30),
            agent_timeout: Duration::from_secs(75),
            cpu_margin_milli: 50,
            memory_margin_milli: 100,
            lending: true,
        }
    }
}

/// What a command gave back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing but that it was done.
    Done,
    /// The agent of a hello.
    Agent(AgentId),
    /// The framework of a subscription.
    Framework(FrameworkId),
}

/// Why a command was refused; nothing has changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// No framework of that id.
    #[error("framework {0} is not known here; subscribe again without an id")]
    UnknownFramework(FrameworkId),
    /// No agent of that id.
    #[error("agent {0} is not known here; it must say hello again")]
    UnknownAgent(AgentId),
    /// No such task.
    #[error("no task {0:?}")]
    UnknownTask(String),
    /// The caller's session is not the framework's newest.
    #[error("framework {0} has subscribed anew since; use the newest session")]
    WrongSession(FrameworkId),
    /// A field is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A named bound is reached.
    #[error("at most {bound} {what} are taken; {hint}")]
    Bound {
        /// Of what.
        what: &'static str,
        /// How many.
        bound: usize,
        /// What to do.
        hint: &'static str,
    },
}

/// All that the allocator knows. Read it freely; only [`Machine::apply`] changes it.
#[derive(Clone, Debug)]
pub struct State {
    /// Nodes.
    pub agents: Agents,
    /// Frameworks.
    pub frameworks: BTreeMap<FrameworkId, Framework>,
    /// Roles.
    pub roles: Roles,
    /// Tasks.
    pub tasks: Tasks,
    /// Outstanding offers.
    pub offers: Offers,
    /// The time-step sums.
    pub ledger: Ledger,
}

/// The core: state, and the one way to change it.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) settings: Settings,
    pub(crate) state: State,
    pub(crate) ids: Ids,
}

impl Machine {
    /// An empty cluster. `epoch` is larger than any before it on the same registry.
    #[must_use]
    pub fn new(settings: Settings, epoch: u32) -> Self {
        let state = State {
            agents: Agents::default(),
            frameworks: BTreeMap::new(),
            roles: Roles::default(),
            tasks: Tasks::default(),
            offers: Offers::default(),
            ledger: Ledger::default(),
        };
        Self { settings, state, ids: Ids::new(epoch) }
    }

    /// Takes back what a former allocator made durable; before the first command.
    pub fn restore(&mut self, now: Time, records: impl IntoIterator<Item = Record>) {
        let _ = (now, records.into_iter().count());
    }

    /// Changes the state by `command` and appends what has to be done to `effects`, in order.
    ///
    /// # Errors
    /// The command was refused; state and effects are as before.
    pub fn apply(
        &mut self,
        now: Time,
        command: Command,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let _ = (now, command, effects);
        Ok(Reply::Done)
    }

    /// When [`Command::Wake`] is due, if nothing else comes before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.state.offers.next_expiry().map(|(when, _)| when)
    }

    /// All there is to read.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The settings it was made with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The epoch that orders to agents carry.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.ids.epoch()
    }
}
