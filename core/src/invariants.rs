//! What must hold after every command; checked in debug builds, tests and simulation.

use crate::{
    ids::{AgentId, FrameworkId, OfferId, TaskHandle},
    machine::Machine,
    reservation::Parts,
    resources::{Amounts, Resources},
    time::Time,
};
use std::collections::BTreeMap;
use thiserror::Error;

/// What is broken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Violation {
    /// Guaranteed offers on an agent pass what is not held.
    #[error("agent {0}: offers pass capacity less guaranteed holdings")]
    Oversold(AgentId),
    /// More of an agent's reservations is held or offered than there is.
    #[error("agent {0}: more is held or offered of what is reserved than there is")]
    Reserved(AgentId),
    /// An agent's ledger is not the sum of its tasks and offers.
    #[error("agent {0}: the {1} ledger is not the sum of its parts")]
    AgentLedger(AgentId, &'static str),
    /// A framework's ledger is not the sum of its tasks and offers.
    #[error("framework {0}: the ledger is not the sum of its parts")]
    FrameworkLedger(FrameworkId),
    /// A role's ledger is not the sum of its parts.
    #[error("role {0}: the ledger is not the sum of its parts")]
    RoleLedger(String),
    /// An offer stands that should not.
    #[error("offer {0}: {1}")]
    Offer(OfferId, &'static str),
    /// A task is not where the tables say.
    #[error("task {0}: {1}")]
    Task(TaskHandle, &'static str),
    /// The set of hungry frameworks is wrong about one.
    #[error("framework {0}: hunger is not up to date")]
    Hunger(FrameworkId),
}

#[derive(Default)]
struct Sums {
    held: BTreeMap<AgentId, Resources>,
    offered: BTreeMap<AgentId, Resources>,
    lent: BTreeMap<AgentId, Amounts>,
    lent_offered: BTreeMap<AgentId, Amounts>,
    kept_held: BTreeMap<AgentId, Parts>,
    kept_offered: BTreeMap<AgentId, Parts>,
    frameworks: BTreeMap<FrameworkId, Amounts>,
    roles: BTreeMap<String, Amounts>,
}

impl Machine {
    /// Checks all invariants.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self, now: Time) -> Result<(), Violation> {
        let mut sums = Sums::default();
        self.check_tasks(&mut sums)?;
        self.check_offers(now, &mut sums)?;
        self.check_agents(&sums)?;
        self.check_frameworks(&sums)
    }

    fn check_tasks(&self, sums: &mut Sums) -> Result<(), Violation> {
        for (handle, task) in &self.state.tasks.by_handle {
            let agent = self.state.agents.get(task.agent);
            if !agent.is_some_and(|agent| agent.tasks.contains(handle)) {
                return Err(Violation::Task(*handle, "its agent does not know it"));
            }
            if let Some(framework) = self.state.frameworks.get(&task.framework)
                && framework.tasks.get(&task.name) != Some(handle)
            {
                return Err(Violation::Task(*handle, "its framework does not know it"));
            }
            if task.state.is_terminal() {
                continue;
            }
            let amounts = task.request.amounts;
            if task.revocable {
                add(&mut sums.lent, task.agent, amounts);
            } else {
                let held = sums.held.entry(task.agent).or_default();
                *held = held.plus(&task.request);
                add_parts(&mut sums.kept_held, task.agent, &task.reserved);
            }
            if self.state.frameworks.contains_key(&task.framework) {
                add(&mut sums.frameworks, task.framework, amounts);
            }
            add(&mut sums.roles, self.state.roles.get(task.role).name.clone(), amounts);
        }
        Ok(())
    }

    fn check_offers(&self, now: Time, sums: &mut Sums) -> Result<(), Violation> {
        for offer in self.state.offers.iter() {
            let fault = |what| Err(Violation::Offer(offer.id, what));
            let Some(framework) = self.state.frameworks.get(&offer.framework) else {
                return fault("its framework is gone");
            };
            let Some(agent) = self.state.agents.get(offer.agent) else {
                return fault("its agent is gone");
            };
            if !framework.offers.contains(&offer.id) || !agent.offers.contains(&offer.id) {
                return fault("its framework or agent does not know it");
            }
            if !framework.connected || framework.suppressed || !agent.takes_work() {
                return fault("its framework wants none, or its agent gives none");
            }
            if offer.expires <= now {
                return fault("it is over");
            }
            let amounts = offer.resources.amounts;
            if offer.revocable {
                add(&mut sums.lent_offered, offer.agent, amounts);
            } else {
                let offered = sums.offered.entry(offer.agent).or_default();
                let Some(sum) = offered.checked_plus(&offer.resources) else {
                    return fault("it has a port of another offer");
                };
                *offered = sum;
                add_parts(&mut sums.kept_offered, offer.agent, &offer.reserved);
            }
            if offer.reserved.iter().any(|(tag, _)| !tag.is_for(&framework.info.role)) {
                return fault("it has what is reserved for another role");
            }
            if !offer.reserved.sum().fits_in(&offer.resources) {
                return fault("it has more reserved than there is in it");
            }
            let barrier = framework.barrier(agent, self.settings.domain.as_ref());
            if barrier.is_some() || !framework.is_enough(amounts) {
                return fault("its framework is not to be offered that agent, or so little");
            }
            add(&mut sums.frameworks, offer.framework, amounts);
            add(&mut sums.roles, self.state.roles.get(framework.role).name.clone(), amounts);
        }
        Ok(())
    }

    fn check_agents(&self, sums: &Sums) -> Result<(), Violation> {
        let none = Resources::default();
        for agent in self.state.agents.iter() {
            let fault = |ledger| Err(Violation::AgentLedger(agent.id, ledger));
            if agent.held != *sums.held.get(&agent.id).unwrap_or(&none) {
                return fault("guaranteed");
            }
            if agent.offered != *sums.offered.get(&agent.id).unwrap_or(&none) {
                return fault("offered");
            }
            if agent.lent != of(&sums.lent, &agent.id) {
                return fault("lent");
            }
            if agent.lent_offered != of(&sums.lent_offered, &agent.id) {
                return fault("lent and offered");
            }
            let (kept, no_parts) = (&agent.kept, Parts::default());
            if kept.held() != sums.kept_held.get(&agent.id).unwrap_or(&no_parts)
                || kept.offered() != sums.kept_offered.get(&agent.id).unwrap_or(&no_parts)
            {
                return fault("reserved");
            }
            if !kept.is_sound() {
                return Err(Violation::Reserved(agent.id));
            }
            // Invariant 1, and 2: the right side knows nothing of what is lent.
            if !agent.offered.fits_in(&agent.total.minus(&agent.held)) {
                return Err(Violation::Oversold(agent.id));
            }
            // No resource is in two offers: what is offered as lent is not offered as promised.
            let lent_offers_stand_on = agent.lendable.minus(agent.lent);
            if !agent.lent_offered.fits_in(lent_offers_stand_on) {
                return fault("lendable");
            }
        }
        Ok(())
    }

    fn check_frameworks(&self, sums: &Sums) -> Result<(), Violation> {
        for framework in self.state.frameworks.values() {
            if framework.held != of(&sums.frameworks, &framework.id) {
                return Err(Violation::FrameworkLedger(framework.id));
            }
            if framework.is_hungry() != self.hungry.contains(&framework.id) {
                return Err(Violation::Hunger(framework.id));
            }
        }
        for (_, role) in self.state.roles.iter() {
            if role.held != of(&sums.roles, &role.name) {
                return Err(Violation::RoleLedger(role.name.clone()));
            }
        }
        Ok(())
    }
}

fn add_parts(sums: &mut BTreeMap<AgentId, Parts>, agent: AgentId, parts: &Parts) {
    if !parts.is_empty() {
        let sum = sums.entry(agent).or_default();
        *sum = sum.plus(parts);
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Amounts>, key: K, amounts: Amounts) {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(amounts);
}

fn of<K: Ord>(sums: &BTreeMap<K, Amounts>, key: &K) -> Amounts {
    sums.get(key).copied().unwrap_or_default()
}
