//! The only place where state changes: `apply(now, command, effects)`.

use crate::{
    agents::{Agent, Agents},
    command::Command,
    deadline::{Deadline, Deadlines},
    effect::{Effect, Record},
    frameworks::Framework,
    ids::{AgentId, FrameworkId, Ids},
    ledger::Ledger,
    offer::Offers,
    overcommit::STALE_STEPS,
    questions::Questions,
    roles::Roles,
    tasks::Tasks,
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use thiserror::Error;

/// How long a declined or expired offer is not made again, unless the framework says (Mesos: 5 s).
pub const DEFAULT_REFUSAL: Duration = Duration::from_secs(5);

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
    pub(crate) deadlines: Deadlines,
    /// The frameworks that an offer could be of use to.
    pub(crate) hungry: BTreeSet<FrameworkId>,
    pub(crate) questions: Questions,
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
        Self {
            settings,
            state,
            ids: Ids::new(epoch),
            deadlines: Deadlines::default(),
            hungry: BTreeSet::new(),
            questions: Questions::default(),
        }
    }

    /// Takes back what a former allocator made durable; before the first command.
    ///
    /// Frameworks and agents count as broken off at `now`: their timeouts start anew.
    pub fn restore(&mut self, now: Time, records: impl IntoIterator<Item = Record>) {
        for record in records {
            match record {
                Record::Role(name, weight_milli, opportunistic) => {
                    self.restore_role(&name, weight_milli, opportunistic);
                }
                Record::Framework(id, info) => self.restore_framework(now, id, info),
                Record::Agent(id, hostname) => self.restore_agent(now, id, hostname),
                Record::FrameworkRemoved(_) | Record::AgentRemoved(_) | Record::RoleReset(_) => {}
            }
        }
    }

    /// Changes the state by `command` and appends what has to be done to `effects`, in order.
    ///
    /// # Errors
    /// The command was refused; beyond what was due anyway, state and effects are as before.
    pub fn apply(
        &mut self,
        now: Time,
        command: Command,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        self.run_deadlines(now, effects);
        let reply = self.dispatch(now, command, effects);
        #[cfg(debug_assertions)]
        if let Err(violation) = self.check(now) {
            panic!("an invariant is broken: {violation}");
        }
        reply
    }

    fn dispatch(
        &mut self,
        now: Time,
        command: Command,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        match command {
            Command::AgentHello(hello) => self.agent_hello(now, &hello, effects),
            Command::AgentReport(id, report) => self.agent_report(now, id, *report, effects),
            Command::AgentLending(id, on, why) => self.agent_lending(now, id, on, why, effects),
            Command::AgentGone(id) => self.agent_gone(now, id, effects),
            Command::Status(agent, task, status) => self.status(now, agent, task, *status, effects),
            Command::Subscribe(id, info, session) => {
                self.subscribe(now, id, info, session, effects)
            }
            Command::FrameworkGone(caller) => self.framework_gone(now, caller, effects),
            Command::Teardown(id) => self.teardown(now, id, effects),
            Command::Want(caller, wants) => self.want(now, caller, wants, effects),
            Command::Accept(caller, offers, launches, refusal) => {
                self.accept(now, caller, &offers, launches, refusal, effects)
            }
            Command::Promote(caller, offers, promotion, refusal) => {
                self.promote(now, caller, &offers, promotion, refusal, effects)
            }
            Command::Decline(caller, offers, refusal) => {
                self.decline(now, caller, &offers, refusal, effects)
            }
            Command::Revive(caller) => self.revive(now, caller, effects),
            Command::Suppress(caller) => self.suppress(now, caller, effects),
            Command::Kill(caller, name, grace) => self.kill(caller, &name, grace, effects),
            Command::Acknowledge(caller, name, uuid) => {
                self.acknowledge(caller, &name, uuid, effects)
            }
            Command::Reconcile(caller, names) => self.reconcile(caller, names, effects),
            Command::OperatorKill(task, grace) => self.operator_kill(task, grace, effects),
            Command::SetRole(name, weight, opportunistic) => {
                self.set_role(now, &name, weight, opportunistic, effects)
            }
            Command::ResetRole(name) => self.reset_role(now, &name, effects),
            Command::Step => self.step(now, effects),
            Command::Wake => Ok(Reply::Done),
        }
    }

    fn run_deadlines(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.expire_offers(now, effects);
        let mut unfiltered = Vec::new();
        while let Some(due) = self.deadlines.pop_due(now) {
            match due {
                Deadline::Filter(framework, agent, revocable) => {
                    let of = self.state.frameworks.get_mut(&framework);
                    if of.is_some_and(|of| of.filters.expire(agent, revocable, now)) {
                        unfiltered.push(agent);
                    }
                }
                Deadline::Framework(id) => self.framework_overdue(now, id, effects),
                Deadline::Agent(id) => self.agent_overdue(now, id, effects),
            }
        }
        self.offer_agents(now, &unfiltered, effects);
    }

    fn teardown(
        &mut self,
        now: Time,
        id: FrameworkId,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if !self.state.frameworks.contains_key(&id) {
            return Err(Refusal::UnknownFramework(id));
        }
        self.end_framework(now, id, "it was torn down", effects);
        Ok(Reply::Done)
    }

    fn step(&mut self, now: Time, effects: &mut Vec<Effect>) -> Result<Reply, Refusal> {
        self.account();
        let step = self.settings.step;
        let stale = |agent: &Agent| {
            let late = agent.reported.is_some_and(|at| now.since(at) > step * STALE_STEPS);
            late && !agent.lendable.is_zero()
        };
        let late: Vec<_> =
            self.state.agents.iter().filter(|agent| stale(agent)).map(|agent| agent.id).collect();
        for agent in late {
            self.lending_changed(now, agent, false, effects);
        }
        Ok(Reply::Done)
    }

    /// When [`Command::Wake`] is due, if nothing else comes before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let offers = self.state.offers.next_expiry().map(|(when, _)| when);
        offers.into_iter().chain(self.deadlines.next()).min()
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
