//! The only place where state changes: `apply(now, command, effects)`.

use crate::{
    agents::Agents,
    command::Command,
    deadline::{Deadline, Deadlines},
    domain::Domain,
    effect::{Effect, Record},
    fairness::Orders,
    frameworks::Frameworks,
    ids::{AgentId, FrameworkId, Ids},
    inverse::InverseOffers,
    ledger::Ledger,
    maintenance::Maintenance,
    offer::Offers,
    offering::{Outbox, Picks},
    overcommit::STALE_STEPS,
    questions::Questions,
    reservation::{Fault, Parts},
    resources::Amounts,
    roles::Roles,
    seat::Seats,
    slots::SlotSet,
    standing::Standing,
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
/// So many agents are looked at anew in each step, in turn: should an event ever have been missed,
/// what it left lying is offered after as many steps as that takes.
pub const LOOKED_AT_A_STEP: usize = 16;

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
    /// Where the allocator is; agents in other regions are for frameworks that know of regions.
    pub domain: Option<Domain>,
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
            domain: None,
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
    /// An operator has declared the agent gone.
    #[error(
        "an operator has declared agent {0} gone; to use its node again start its agent with a new state directory"
    )]
    AgentGone(AgentId),
    /// An operator has taken the agent's machine down.
    #[error("an operator has taken machine {0} down; its agent is let in again when it is up")]
    MachineDown(String),
    /// A field is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Resources can't be kept for whom it was asked.
    #[error("agent {0}: {1}")]
    Reservation(AgentId, Fault),
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
    pub frameworks: Frameworks,
    /// The same in each of their roles.
    pub seats: Seats,
    /// Roles.
    pub roles: Roles,
    /// Tasks.
    pub tasks: Tasks,
    /// Outstanding offers.
    pub offers: Offers,
    /// The time-step sums.
    pub ledger: Ledger,
    /// What was reserved of agents that were given up, should they come back.
    pub abandoned: BTreeMap<AgentId, Parts>,
    /// What operators have decided about agents that are not here: given up, or gone.
    pub absent: BTreeMap<AgentId, Standing>,
    /// When which machines are to be unavailable.
    pub maintenance: Maintenance,
    /// What frameworks are asked for that.
    pub inverse: InverseOffers,
    /// Where the allocator is.
    pub domain: Option<Domain>,
}

/// The core: state, and the one way to change it.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) settings: Settings,
    pub(crate) state: State,
    pub(crate) ids: Ids,
    pub(crate) deadlines: Deadlines,
    /// Whose turn it is, for promised and for lent resources.
    pub(crate) orders: Orders,
    /// Seats with wants that no agent was looked for yet.
    pub(crate) unplaced: SlotSet,
    /// Agents of which guarantees kept something back, and the least that was to spare then.
    pub(crate) kept_back: SlotSet,
    pub(crate) kept_back_at: Amounts,
    pub(crate) outbox: Outbox,
    pub(crate) picks: Picks,
    pub(crate) questions: Questions,
    /// Draining agents on which something has ended.
    pub(crate) ebbing: BTreeSet<AgentId>,
    /// Agents that are to be unavailable, and of which it is to be looked at who has to be asked.
    pub(crate) summoning: BTreeSet<AgentId>,
    /// Where the looking anew goes on in the next step.
    next_look: usize,
}

impl Machine {
    /// An empty cluster. `epoch` is larger than any before it on the same registry.
    #[must_use]
    pub fn new(settings: Settings, epoch: u32) -> Self {
        let state = State {
            agents: Agents::default(),
            frameworks: Frameworks::default(),
            seats: Seats::default(),
            roles: Roles::default(),
            tasks: Tasks::default(),
            offers: Offers::default(),
            ledger: Ledger::default(),
            abandoned: BTreeMap::new(),
            absent: BTreeMap::new(),
            maintenance: Maintenance::default(),
            inverse: InverseOffers::default(),
            domain: settings.domain.clone(),
        };
        Self {
            settings,
            state,
            ids: Ids::new(epoch),
            deadlines: Deadlines::default(),
            orders: Orders::default(),
            unplaced: SlotSet::default(),
            kept_back: SlotSet::default(),
            kept_back_at: Amounts::ZERO,
            outbox: Outbox::default(),
            picks: Picks::default(),
            questions: Questions::default(),
            ebbing: BTreeSet::new(),
            summoning: BTreeSet::new(),
            next_look: 0,
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
                Record::Quota(name, quota) => self.restore_quota(&name, quota),
                Record::Framework(id, info) => self.restore_framework(now, id, info),
                Record::Agent(id, hostname) => self.restore_agent(now, id, hostname),
                Record::Reservations(id, parts) => self.restore_reservations(id, parts),
                Record::Maintenance(maintenance) => self.restore_maintenance(maintenance),
                Record::Standing(id, standing) => self.restore_standing(id, standing),
                Record::FrameworkRemoved(_)
                | Record::AgentRemoved(_)
                | Record::QuotaRemoved(_)
                | Record::RoleReset(_) => {}
            }
        }
    }

    /// Changes the state by `command`, makes the offers that are possible now, and appends what has
    /// to be done to `effects`, in order.
    ///
    /// # Errors
    /// The command was refused; beyond what was due anyway, state and effects are as before.
    pub fn apply(
        &mut self,
        now: Time,
        command: Command,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let reply = self.decide(now, command, effects);
        self.make_offers(now, effects);
        reply
    }

    /// The same without offers: for batches, after which [`Machine::make_offers`] weighs all that
    /// they freed and asked for together.
    ///
    /// # Errors
    /// As [`Machine::apply`].
    pub fn decide(
        &mut self,
        now: Time,
        command: Command,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        self.run_deadlines(now, effects);
        let reply = self.dispatch(now, command, effects);
        self.end_drains(now, effects);
        self.make_inverse_offers(now, effects);
        self.assert_invariants(now);
        reply
    }

    /// In debug builds, everywhere the core runs.
    pub(crate) fn assert_invariants(&self, now: Time) {
        if cfg!(debug_assertions)
            && let Err(violation) = self.check(now)
        {
            panic!("an invariant is broken: {violation}");
        }
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
            Command::Subscribe(id, info, suppressed, session) => {
                self.subscribe(id, info, &suppressed, session, effects)
            }
            Command::UpdateFramework(caller, info, suppressed) => {
                self.update_framework(caller, info, &suppressed, effects)
            }
            Command::FrameworkGone(caller) => self.framework_gone(now, caller, effects),
            Command::Teardown(id) => self.teardown(id, effects),
            Command::Want(caller, wants) => self.want(now, caller, wants),
            Command::Accept(caller, offers, launches, refusal) => {
                self.accept(now, caller, &offers, launches.into(), refusal, effects)
            }
            Command::Operate(caller, offers, deeds, refusal) => {
                self.accept(now, caller, &offers, deeds, refusal, effects)
            }
            Command::Promote(caller, offers, promotion, refusal) => {
                self.promote(now, caller, &offers, promotion, refusal, effects)
            }
            Command::Decline(caller, offers, refusal) => {
                self.decline(now, caller, &offers, refusal)
            }
            Command::Revive(caller, roles) => self.revive(caller, &roles),
            Command::Suppress(caller, roles) => self.suppress(caller, &roles, effects),
            Command::Kill(caller, name, grace) => self.kill(caller, &name, grace, effects),
            Command::Acknowledge(caller, name, uuid) => {
                self.acknowledge(caller, &name, uuid, effects)
            }
            Command::Reconcile(caller, names) => self.reconcile(caller, names, effects),
            Command::AcknowledgeOperation(caller, id, uuid) => {
                self.acknowledge_operation(caller, &id, uuid)
            }
            Command::ReconcileOperations(caller, named) => {
                self.reconcile_operations(caller, &named, effects)
            }
            Command::ToExecutor(caller, agent, id, data) => {
                self.tell_executor(caller, agent, &id, &data, effects)
            }
            Command::FromExecutor(agent, executor, data) => {
                self.executor_says(agent, executor, data, effects)
            }
            Command::EndExecutor(caller, agent, id) => {
                self.end_executor(caller, agent, &id, effects)
            }
            Command::OperatorKill(task, grace) => self.operator_kill(task, grace, effects),
            Command::SetRole(name, weight, opportunistic) => {
                self.set_role(&name, weight, opportunistic, effects)
            }
            Command::ResetRole(name) => self.reset_role(&name, effects),
            Command::SetQuota(name, quota) => self.set_quota(&name, quota, effects),
            Command::Reserve(agent, operation) => self.reserve(agent, &operation, effects),
            Command::Deactivate(agent) => self.deactivate(now, agent, effects),
            Command::Drain(agent, drain) => self.drain(now, agent, drain, effects),
            Command::Reactivate(agent) => self.reactivate(now, agent, effects),
            Command::MarkGone(agent) => self.mark_gone(now, agent, effects),
            Command::SetSchedule(windows) => self.set_schedule(windows, effects),
            Command::StartMaintenance(machines) => self.start_maintenance(now, &machines, effects),
            Command::StopMaintenance(machines) => self.stop_maintenance(&machines, effects),
            Command::AnswerInverse(caller, ids, answer, refusal) => {
                self.answer_inverse(now, caller, &ids, answer, refusal)
            }
            Command::Step => self.step(now, effects),
            Command::Wake => Ok(Reply::Done),
        }
    }

    fn run_deadlines(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.expire_offers(now, effects);
        while let Some(due) = self.deadlines.pop_due(now) {
            match due {
                Deadline::Filters(agent, revocable) => self.filters_due(now, agent, revocable),
                Deadline::Framework(id) => self.framework_overdue(now, id, effects),
                Deadline::Agent(id) => self.agent_overdue(now, id, effects),
                Deadline::Feedback(id) => self.feedback_due(now, id, effects),
                Deadline::Summons(id) => self.summon_later(id),
                Deadline::Drain(id) => self.go_on_draining(now, id, effects),
            }
        }
    }

    fn teardown(&mut self, id: FrameworkId, effects: &mut Vec<Effect>) -> Result<Reply, Refusal> {
        if !self.state.frameworks.contains_key(&id) {
            return Err(Refusal::UnknownFramework(id));
        }
        self.end_framework(id, crate::subscription::TORN_DOWN, effects);
        Ok(Reply::Done)
    }

    fn step(&mut self, now: Time, effects: &mut Vec<Effect>) -> Result<Reply, Refusal> {
        self.account();
        let fresh = u64::try_from((self.settings.step * STALE_STEPS).as_nanos());
        let oldest = now.as_nanos().saturating_sub(fresh.unwrap_or(u64::MAX));
        for agent in self.state.agents.lending_on_old_reports(Time::from_nanos(oldest)) {
            self.lending_changed(now, agent, effects);
        }
        self.next_look = self.state.agents.look_at_some(self.next_look, LOOKED_AT_A_STEP);
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
