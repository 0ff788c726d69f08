//! Who holds what: the one place where the ledgers of agent, framework and role change, together.

use crate::{
    ids::{AgentId, FrameworkId},
    machine::Machine,
    reservation::Parts,
    resources::Resources,
    roles::RoleSlot,
};

/// As what resources are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// In an outstanding offer.
    Offer,
    /// By a task.
    Task,
}

/// Resources of one agent, counted for one framework and role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding<'a> {
    pub(crate) framework: FrameworkId,
    pub(crate) role: RoleSlot,
    pub(crate) agent: AgentId,
    pub(crate) resources: &'a Resources,
    /// The reserved part of those.
    pub(crate) reserved: &'a Parts,
    pub(crate) revocable: bool,
}

impl Machine {
    /// Enters a holding in all three ledgers.
    pub(crate) fn hold(&mut self, holding: Holding<'_>, held_as: As) {
        let Holding { framework, role, agent, resources, reserved, revocable } = holding;
        let amounts = resources.amounts;
        self.state.agents.update(agent, |agent| {
            agent.kept.hold(reserved, held_as);
            match (revocable, held_as) {
                (false, As::Offer) => agent.offered = agent.offered.plus(resources),
                (false, As::Task) => agent.held = agent.held.plus(resources),
                (true, As::Offer) => agent.lent_offered = agent.lent_offered.plus(amounts),
                (true, As::Task) => agent.lent = agent.lent.plus(amounts),
            }
        });
        if let Some(framework) = self.state.frameworks.get_mut(&framework) {
            framework.held = framework.held.plus(amounts);
        }
        let role = self.state.roles.get_mut(role);
        role.held = role.held.plus(amounts);
    }

    /// Takes a holding out of all three ledgers.
    pub(crate) fn release(&mut self, holding: Holding<'_>, held_as: As) {
        let Holding { framework, role, agent, resources, reserved, revocable } = holding;
        let amounts = resources.amounts;
        self.state.agents.update(agent, |agent| {
            agent.kept.release(reserved, held_as);
            match (revocable, held_as) {
                (false, As::Offer) => agent.offered = agent.offered.minus(resources),
                (false, As::Task) => agent.held = agent.held.minus(resources),
                (true, As::Offer) => agent.lent_offered = agent.lent_offered.minus(amounts),
                (true, As::Task) => agent.lent = agent.lent.minus(amounts),
            }
        });
        if let Some(framework) = self.state.frameworks.get_mut(&framework) {
            framework.held = framework.held.minus(amounts);
        }
        let role = self.state.roles.get_mut(role);
        role.held = role.held.minus(amounts);
    }
}
