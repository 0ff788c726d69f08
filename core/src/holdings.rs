//! Who holds what: the one place where the ledgers of agent, seat and role change, together.

use crate::{
    machine::Machine, overcommit::Peaks, reservation::Parts, resources::Resources, roles::RoleSlot,
    seat::SeatSlot,
};

/// As what resources are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// In an outstanding offer.
    Offer,
    /// By a task.
    Task,
}

/// Resources of one agent, counted for a role and a framework in it, if that still has the role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding<'a> {
    pub(crate) seat: Option<SeatSlot>,
    pub(crate) role: RoleSlot,
    pub(crate) agent: usize,
    pub(crate) resources: &'a Resources,
    /// The reserved part of those; nothing of what is lent.
    pub(crate) reserved: &'a Parts,
    pub(crate) revocable: bool,
    /// Of a task's: its predicted peak.
    pub(crate) peaks: Peaks,
}

impl Machine {
    /// Enters a holding in all three ledgers.
    pub(crate) fn hold(&mut self, holding: Holding<'_>, held_as: As) {
        let Holding { seat, role, agent, resources, reserved, revocable, peaks } = holding;
        let amounts = resources.amounts;
        if reserved.is_empty() && held_as == As::Offer {
            self.state.agents.offer(agent, resources, revocable);
        } else {
            self.state.agents.update_at(agent, |agent| {
                agent.kept.hold(reserved, held_as);
                match (revocable, held_as) {
                    (false, As::Offer) => agent.offered = agent.offered.plus(resources),
                    (false, As::Task) => {
                        agent.held = agent.held.plus(resources);
                        agent.peaks = agent.peaks.plus(peaks);
                    }
                    (true, As::Offer) => agent.lent_offered = agent.lent_offered.plus(amounts),
                    (true, As::Task) => agent.lent = agent.lent.plus(amounts),
                }
                if !resources.ports.is_empty() {
                    agent.derive();
                }
            });
        }
        if let Some(seat) = seat.and_then(|at| self.state.seats.at_mut(at)) {
            seat.held = seat.held.plus(amounts);
        }
        self.state.roles.hold(role, amounts, reserved, revocable);
        self.orders.holdings_changed(seat, role, &self.state.roles);
    }

    /// Takes a holding out of all three ledgers.
    pub(crate) fn release(&mut self, holding: Holding<'_>, held_as: As) {
        let Holding { seat, role, agent, resources, reserved, revocable, peaks } = holding;
        let amounts = resources.amounts;
        if reserved.is_empty() && held_as == As::Offer {
            self.state.agents.withdraw(agent, resources, revocable);
        } else {
            self.state.agents.update_at(agent, |agent| {
                agent.kept.release(reserved, held_as);
                match (revocable, held_as) {
                    (false, As::Offer) => agent.offered = agent.offered.minus(resources),
                    (false, As::Task) => {
                        agent.held = agent.held.minus(resources);
                        agent.peaks = agent.peaks.minus(peaks);
                    }
                    (true, As::Offer) => agent.lent_offered = agent.lent_offered.minus(amounts),
                    (true, As::Task) => agent.lent = agent.lent.minus(amounts),
                }
                if !resources.ports.is_empty() {
                    agent.derive();
                }
            });
        }
        if let Some(seat) = seat.and_then(|at| self.state.seats.at_mut(at)) {
            seat.held = seat.held.minus(amounts);
        }
        let let_go = self.state.roles.release(role, amounts, reserved, revocable);
        self.let_go(let_go);
        self.orders.holdings_changed(seat, role, &self.state.roles);
    }
}
