//! Offers: one agent, one framework in one role, one kind of resources, for a bounded time; how they end.
//! Making them is in [`crate::offering`].

use crate::{
    deadline::Deadline,
    effect::Effect,
    filter::MAX_REFUSAL,
    holdings::{As, Holding},
    ids::{AgentId, FrameworkId, OfferId},
    machine::{DEFAULT_REFUSAL, Machine},
    reservation::Parts,
    resources::{Amounts, Resources},
    seat::SeatSlot,
    table::Table,
    time::Time,
};
use std::{sync::Arc, time::Duration};

/// An outstanding offer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// To whom.
    pub framework: FrameworkId,
    /// In which of its roles.
    pub seat: SeatSlot,
    /// Of whom.
    pub agent: AgentId,
    pub(crate) agent_slot: usize,
    /// What.
    pub resources: Resources,
    /// The reserved part of that.
    pub reserved: Parts,
    /// Whether it is lent.
    pub revocable: bool,
    /// When it ends by itself.
    pub expires: Time,
    /// The names of what it has room for, where the framework said what it wants.
    pub wants: Vec<Arc<str>>,
}

/// All outstanding offers. Each stands equally long, so the oldest is the next to end.
#[derive(Clone, Debug, Default)]
pub struct Offers(Table<OfferId, Offer>);

impl Offers {
    pub(crate) fn insert(&mut self, offer: Offer) {
        self.0.insert(offer.id, offer);
    }

    pub(crate) fn remove(&mut self, id: OfferId) -> Option<Offer> {
        self.0.remove(id).map(|(_, offer)| offer)
    }

    /// An offer that still stands.
    #[must_use]
    pub fn get(&self, id: OfferId) -> Option<&Offer> {
        self.0.get(id)
    }

    /// All that stand.
    pub fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.0.values()
    }

    /// How many stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none stands.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The next to end, and when.
    #[must_use]
    pub fn next_expiry(&self) -> Option<(Time, OfferId)> {
        self.0.first().map(|(id, offer)| (offer.expires, id))
    }
}

/// Less than this of either is not worth an offer to a framework that has not said what it wants
/// (Mesos: `cpus:0.01|mem:32`, of which one is enough; but nothing runs without both).
pub const SMALLEST: Amounts = Amounts::of(10, 32_000);
/// An offer has room for at most so many wanted things.
pub const MAX_WANTS_AN_OFFER: usize = 1_000;

impl Machine {
    /// Takes an offer out of all tables; its wants have none any more.
    pub(crate) fn withdraw(&mut self, id: OfferId) -> Option<Offer> {
        let offer = self.state.offers.remove(id)?;
        let (slot, agent, revocable) = (offer.seat, offer.agent_slot, offer.revocable);
        if let Some(of) = self.state.agents.at_mut(agent) {
            of.offer_is_gone(id);
        }
        if let Some(seat) = self.state.seats.at_mut(slot) {
            seat.offer_is_gone(id);
            let role = seat.role;
            let mut waits = false;
            if let Some(wanted) = &mut seat.wanted {
                offer.wants.iter().for_each(|name| waits |= wanted.withdraw(name, id));
            }
            let (resources, reserved) = (&offer.resources, &offer.reserved);
            let seat = Some(slot);
            let holding = Holding { seat, role, agent, resources, reserved, revocable };
            self.release(holding, As::Offer);
            if waits {
                self.unplaced.insert(slot.at());
                self.refresh_hunger_at(slot);
            }
        }
        Some(offer)
    }

    /// Takes offers back and tells their frameworks why.
    pub(crate) fn rescind(&mut self, ids: &[OfferId], why: &str, effects: &mut Vec<Effect>) {
        for id in ids {
            if let Some(offer) = self.withdraw(*id) {
                effects.push(Effect::Rescind(offer.framework, offer.id, why.to_owned()));
            }
        }
    }

    /// Ends offers whose time is over; their frameworks are not offered the same for a while.
    pub(crate) fn expire_offers(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((when, id)) = self.state.offers.next_expiry()
            && when <= now
        {
            let Some(offer) = self.withdraw(id) else { break };
            self.refuse(now, &offer, offer.resources.amounts, DEFAULT_REFUSAL);
            effects.push(Effect::Rescind(offer.framework, id, "the offer has expired".to_owned()));
        }
    }

    /// Hides offers of this agent and kind, up to `declined`, from the seat for `refusal`.
    pub(crate) fn refuse(
        &mut self,
        now: Time,
        offer: &Offer,
        declined: Amounts,
        refusal: Duration,
    ) {
        if refusal.is_zero() || declined.is_zero() {
            return;
        }
        let until = now + refusal.min(MAX_REFUSAL);
        let Offer { seat: slot, agent, agent_slot, revocable, .. } = *offer;
        let (Some(seat), Some(filters)) =
            (self.state.seats.at_mut(slot), self.state.agents.filters_mut(agent_slot, revocable))
        else {
            return;
        };
        seat.filters += usize::from(filters.add(slot, declined, until));
        if let Some(later) = filters.wake_at(until) {
            let what = Deadline::Filters(agent, revocable);
            later.into_iter().for_each(|later| self.deadlines.remove(later, what));
            self.deadlines.add(until, what);
        }
    }

    /// Ends the filters on an agent's offers whose time has come.
    pub(crate) fn filters_due(&mut self, now: Time, agent: AgentId, revocable: bool) {
        let Some(slot) = self.state.agents.slot(agent) else { return };
        let Some(filters) = self.state.agents.filters_mut(slot, revocable) else { return };
        let mut over = Vec::new();
        if let Some(next) = filters.expire(now, |seat| over.push(seat)) {
            self.deadlines.add(next, Deadline::Filters(agent, revocable));
        }
        for seat in &over {
            if let Some(seat) = self.state.seats.at_mut(*seat) {
                seat.filters -= 1;
            }
        }
        if !over.is_empty() {
            self.state.agents.to_look_at.insert(slot);
        }
    }

    /// Ends all filters of a seat.
    pub(crate) fn clear_filters(&mut self, slot: SeatSlot) {
        let Some(seat) = self.state.seats.at_mut(slot) else { return };
        if std::mem::take(&mut seat.filters) > 0 {
            self.state.agents.clear_filters(slot);
        }
    }
}
