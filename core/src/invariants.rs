//! What must hold after every command; checked in debug builds, tests and simulation.

use crate::{
    feedback::MAX_UNACKNOWLEDGED,
    ids::{AgentId, FrameworkId, OfferId, TaskHandle},
    machine::Machine,
    overcommit::Peaks,
    quota::Quota,
    reservation::Parts,
    resources::{Amounts, Resources},
    roles::{Role, RoleSlot},
    seat::SeatSlot,
    time::Time,
    wants::Wants,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};
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
    /// A framework's ledger in a role is not the sum of its tasks and offers there.
    #[error("framework {0}: the ledger in role {1} is not the sum of its parts")]
    SeatLedger(FrameworkId, String),
    /// A framework does not sit where the tables say.
    #[error("framework {0}: its roles are not those it named, or a table has them otherwise")]
    Seats(FrameworkId),
    /// A role's ledger is not the sum of its parts.
    #[error("role {0}: the ledger is not the sum of its parts")]
    RoleLedger(String),
    /// An offer stands that should not.
    #[error("offer {0}: {1}")]
    Offer(OfferId, &'static str),
    /// A task is not where the tables say.
    #[error("task {0}: {1}")]
    Task(TaskHandle, &'static str),
    /// A table that is kept up as things change differs from the same made anew.
    #[error("{0} differs from the same worked out anew")]
    Derived(&'static str),
    /// An agent's filters.
    #[error("agent {0}: its filters contradict one another, or one is over")]
    Filters(AgentId),
    /// A framework is not asked to be off an agent.
    #[error("agent {0} is to be unavailable and framework {1}, which is there, was not asked")]
    Unasked(AgentId, FrameworkId),
    /// An agent has something free that a framework would be offered.
    #[error("agent {0} has something free that could be offered to framework {1}")]
    Missed(AgentId, FrameworkId),
}

#[derive(Default)]
struct Sums {
    held: BTreeMap<AgentId, Resources>,
    offered: BTreeMap<AgentId, Resources>,
    lent: BTreeMap<AgentId, Amounts>,
    lent_offered: BTreeMap<AgentId, Amounts>,
    kept_held: BTreeMap<AgentId, Parts>,
    kept_offered: BTreeMap<AgentId, Parts>,
    used: BTreeMap<AgentId, Amounts>,
    peaks: BTreeMap<AgentId, Peaks>,
    seats: BTreeMap<SeatSlot, Amounts>,
    roles: BTreeMap<RoleSlot, RoleSums>,
}

/// What a role and those under it hold, the part that is not lent, what is reserved and the part of
/// that which is held or offered; and what is its own.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct RoleSums {
    held: Amounts,
    promised: Amounts,
    reserved: Amounts,
    drawn: Amounts,
    own: Amounts,
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
        self.check_agents(&mut sums)?;
        self.check_frameworks()?;
        self.check_seats(&sums)?;
        self.check_roles(&sums)?;
        self.check_filters(now)?;
        self.check_orders()?;
        self.check_inverse(now)?;
        self.check_nothing_is_missed()
    }

    fn check_tasks(&self, sums: &mut Sums) -> Result<(), Violation> {
        for (handle, task) in &self.state.tasks.by_handle {
            let agent = self.state.agents.get(task.agent);
            if !agent.is_some_and(|agent| agent.tasks.contains(handle)) {
                return Err(Violation::Task(*handle, "its agent does not know it"));
            }
            if let Some(framework) = self.state.frameworks.get(&task.framework)
                && framework.knows_as(task) != Some(*handle)
            {
                return Err(Violation::Task(*handle, "its framework does not know it"));
            }
            if task.state.is_terminal() {
                continue;
            }
            let amounts = task.request.amounts;
            add(&mut sums.used, task.agent, task.used());
            let peaks = sums.peaks.entry(task.agent).or_default();
            *peaks = peaks.plus(task.guaranteed_peaks());
            if task.revocable {
                add(&mut sums.lent, task.agent, amounts);
            } else {
                let held = sums.held.entry(task.agent).or_default();
                *held = held.plus(&task.request);
                add_parts(&mut sums.kept_held, task.agent, &task.reserved);
            }
            if let Some(seat) = self.seat_in(task.framework, task.role) {
                add(&mut sums.seats, seat, amounts);
            }
            self.add_to_roles(sums, task.role, amounts, task.revocable);
            self.add_reserved(sums, &task.reserved, |role| &mut role.drawn);
        }
        Ok(())
    }

    fn add_to_roles(&self, sums: &mut Sums, role: RoleSlot, amounts: Amounts, revocable: bool) {
        for (slot, _) in self.state.roles.upwards(role) {
            let of = sums.roles.entry(slot).or_default();
            of.held = of.held.plus(amounts);
            of.promised = if revocable { of.promised } else { of.promised.plus(amounts) };
            of.own = if slot == role { of.own.plus(amounts) } else { of.own };
        }
    }

    fn add_reserved(
        &self,
        sums: &mut Sums,
        parts: &Parts,
        ledger: impl Fn(&mut RoleSums) -> &mut Amounts,
    ) {
        for (kept_for, amounts) in self.state.roles.kept_for(parts) {
            for (slot, _) in self.state.roles.upwards(kept_for) {
                let sum = ledger(sums.roles.entry(slot).or_default());
                *sum = sum.plus(amounts);
            }
        }
    }

    fn check_offers(&self, now: Time, sums: &mut Sums) -> Result<(), Violation> {
        for offer in self.state.offers.iter() {
            let fault = |what| Err(Violation::Offer(offer.made.offer, what));
            let Some(framework) = self.state.frameworks.get(&offer.framework) else {
                return fault("its framework is gone");
            };
            let Some(agent) = self.state.agents.get(offer.made.agent) else {
                return fault("its agent is gone");
            };
            let Some(seat) = self.state.seats.at(offer.seat) else {
                return fault("its framework has given up the role");
            };
            let is_its =
                seat.framework == offer.framework && seat.offers.contains(&offer.made.offer);
            if !is_its || !agent.offers.contains(&offer.made.offer) {
                return fault("its framework or agent does not know it");
            }
            if !framework.connected || seat.suppressed || !agent.takes_work() {
                return fault("its framework wants none, or its agent gives none");
            }
            if offer.expires <= now {
                return fault("it is over");
            }
            let amounts = offer.made.resources.amounts;
            if offer.revocable {
                add(&mut sums.lent_offered, offer.made.agent, amounts);
            } else {
                let offered = sums.offered.entry(offer.made.agent).or_default();
                let Some(sum) = offered.checked_plus(&offer.made.resources) else {
                    return fault("it has a port of another offer");
                };
                *offered = sum;
                add_parts(&mut sums.kept_offered, offer.made.agent, &offer.made.reserved);
            }
            let role = &self.state.roles.get(seat.role).name;
            if offer.made.reserved.iter().any(|(tag, _)| !tag.is_for(role)) {
                return fault("it has what is reserved for another role");
            }
            if !offer.made.reserved.sum().fits_in(&offer.made.resources) {
                return fault("it has more reserved than there is in it");
            }
            let barrier = seat.barrier(agent, self.settings.domain.as_ref());
            if barrier.is_some() || !seat.is_enough(amounts) {
                return fault("its framework is not to be offered that agent, or so little");
            }
            add(&mut sums.seats, offer.seat, amounts);
            self.add_to_roles(sums, seat.role, amounts, offer.revocable);
            self.add_reserved(sums, &offer.made.reserved, |role| &mut role.drawn);
        }
        Ok(())
    }

    fn check_agents(&self, sums: &mut Sums) -> Result<(), Violation> {
        let none = Resources::default();
        if self.state.agents.sums() != self.state.agents.sums_anew() {
            return Err(Violation::Derived("the sums over agents"));
        }
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
            self.add_reserved(sums, kept.all(), |role| &mut role.reserved);
            if !kept.is_sound() {
                return Err(Violation::Reserved(agent.id));
            }
            if agent.used != of(&sums.used, &agent.id) {
                return fault("used");
            }
            if agent.peaks != sums.peaks.get(&agent.id).copied().unwrap_or_default() {
                return fault("peaks");
            }
            if !self.state.agents.columns_are_sound(agent.id) {
                return Err(Violation::Derived("the columns of what is free"));
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

    /// Each framework has one seat in each of its roles, and the roles know it.
    fn check_frameworks(&self) -> Result<(), Violation> {
        let (mut seats, roles) = (0, &self.state.roles);
        for framework in self.state.frameworks.values() {
            let named = framework.info.roles.iter().filter_map(|name| roles.find(name));
            let named: BTreeSet<_> = named.collect();
            let sits = |role: &RoleSlot| {
                let seat = framework.seats.get(role).and_then(|slot| self.state.seats.at(*slot));
                seat.is_some_and(|seat| (seat.framework, seat.role) == (framework.id, *role))
                    && roles.get(*role).frameworks.contains(&framework.id)
            };
            if named.len() != framework.seats.len() || !named.iter().all(sits) {
                return Err(Violation::Seats(framework.id));
            }
            let waits = framework.operations.len();
            if waits > MAX_UNACKNOWLEDGED || (waits > 0 && !framework.tells_again) {
                return Err(Violation::Derived("what is told again of operations"));
            }
            seats += named.len();
        }
        let in_roles = roles.iter().map(|(_, role)| role.frameworks.len()).sum();
        if (seats, seats) != (self.state.seats.len(), in_roles) {
            return Err(Violation::Derived("the number of seats"));
        }
        Ok(())
    }

    fn check_seats(&self, sums: &Sums) -> Result<(), Violation> {
        for slot in self.state.seats.slots() {
            let Some(seat) = self.state.seats.at(slot) else { continue };
            if seat.held != of(&sums.seats, &slot) {
                let role = self.state.roles.get(seat.role).name.to_string();
                return Err(Violation::SeatLedger(seat.framework, role));
            }
            if !seat.wanted.as_ref().is_none_or(Wants::is_sound) {
                return Err(Violation::Derived("what waits"));
            }
        }
        Ok(())
    }

    fn check_roles(&self, sums: &Sums) -> Result<(), Violation> {
        let roles = &self.state.roles;
        let (mut unmet, mut with_quota) = (Amounts::ZERO, 0);
        for (slot, role) in roles.iter() {
            let Role { held, promised, reserved, drawn, own, .. } = *role;
            let kept = RoleSums { held, promised, reserved, drawn, own };
            if kept != sums.roles.get(&slot).copied().unwrap_or_default() {
                return Err(Violation::RoleLedger(role.name.to_string()));
            }
            with_quota += usize::from(role.quota != Quota::default());
            if role.parent.is_none() {
                unmet = unmet.plus(role.lacks());
            }
        }
        if (unmet, with_quota) != (roles.unmet, roles.with_quota) {
            return Err(Violation::Derived("what guarantees lack"));
        }
        Ok(())
    }

    fn check_filters(&self, now: Time) -> Result<(), Violation> {
        let mut counts = BTreeMap::<usize, usize>::new();
        for agent in self.state.agents.iter() {
            for revocable in [false, true] {
                let filters = agent.filters(revocable);
                for seat in filters.seats().iter() {
                    *counts.entry(seat).or_default() += 1;
                }
                if !filters.is_sound(now) {
                    return Err(Violation::Filters(agent.id));
                }
            }
        }
        let kept = self.state.seats.slots().filter_map(|slot| {
            let seat = self.state.seats.at(slot)?;
            (seat.filters > 0).then_some((slot.at(), seat.filters))
        });
        if counts != kept.collect() {
            return Err(Violation::Derived("the number of a seat's filters"));
        }
        Ok(())
    }

    /// The order that is kept equals the one sorted anew.
    fn check_orders(&self) -> Result<(), Violation> {
        for revocable in [false, true] {
            let mut order = self.orders.of(revocable).clone();
            order.refresh(&self.state);
            let mut kept = Vec::new();
            order.walk(|slot| {
                kept.push(slot);
                ControlFlow::Continue(())
            });
            if kept != self.state.sorted(&order) {
                return Err(Violation::Derived("the order of seats"));
            }
            let places = kept.iter().map(|slot| order.place(*slot, &self.state.roles));
            if !places.clone().all(|place| place.is_some()) || !places.is_sorted() {
                return Err(Violation::Derived("a seat's place in the order"));
            }
        }
        Ok(())
    }

    /// What is free and could be of use has been offered; unless a batch is still being decided.
    fn check_nothing_is_missed(&self) -> Result<(), Violation> {
        if !self.unplaced.is_empty() || !self.state.agents.to_look_at.is_empty() {
            return Ok(());
        }
        let missed = self.missed_offer().and_then(|(agent, seat)| {
            Some((self.state.agents.at(agent)?.id, self.state.seats.at(seat)?.framework))
        });
        missed.map_or(Ok(()), |(agent, framework)| Err(Violation::Missed(agent, framework)))
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
