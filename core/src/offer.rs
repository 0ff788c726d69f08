//! Offers: one agent, one framework in one role, one kind of resources, for a bounded time; how they end.
//! Making them is in [`crate::offering`].

use crate::{
    deadline::Deadline,
    effect::{Effect, OfferMade},
    filter::MAX_REFUSAL,
    holdings::{As, Holding},
    ids::{AgentId, FrameworkId, OfferId},
    machine::{DEFAULT_REFUSAL, Machine},
    overcommit::Peaks,
    resources::Amounts,
    seat::SeatSlot,
    time::Time,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// An outstanding offer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What its framework was told of it: its id, whose resources, which.
    pub made: Arc<OfferMade>,
    /// To whom.
    pub framework: FrameworkId,
    /// In which of its roles.
    pub seat: SeatSlot,
    pub(crate) agent_slot: u32,
    /// Whether it is lent.
    pub revocable: bool,
    /// When it ends by itself.
    pub expires: Time,
    /// The names of what it has room for, where the framework said what it wants.
    pub wants: Vec<Arc<str>>,
}

/// All outstanding offers. Ids are given out in turn, so where an offer lies stands in a queue that
/// begins with the oldest; each stands equally long, so that one is the next to end.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    slots: Vec<Option<Offer>>,
    vacant: Vec<u32>,
    /// Slots by id, [`NOWHERE`] for offers that are over.
    queue: VecDeque<u32>,
    /// The number of the id that the queue begins with.
    first: u64,
    /// What was told of offers that are over and that nobody holds any more: room for new ones. Heaps
    /// take their time over tens of thousands of small pieces given back at once.
    spare: Vec<Arc<OfferMade>>,
}

/// At most so many are kept to be used again; others are given back to the heap.
pub const MAX_SPARE: usize = 50_000;

/// In place of the slot of an offer that is over.
const NOWHERE: u32 = u32::MAX;

impl Offers {
    /// Takes in one whose id comes after all before it.
    pub(crate) fn insert(&mut self, offer: Offer) {
        let number = offer.made.offer.number();
        if self.queue.is_empty() {
            self.first = number;
        }
        debug_assert_eq!(self.first + self.queue.len() as u64, number, "an id was left out");
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.slots[slot as usize] = Some(offer);
        self.queue.push_back(slot);
    }

    /// Makes what a framework is told, in the place of what is over if there is any.
    pub(crate) fn tell(&mut self, made: OfferMade) -> Arc<OfferMade> {
        while let Some(mut spare) = self.spare.pop() {
            if let Some(old) = Arc::get_mut(&mut spare) {
                *old = made;
                return spare;
            }
        }
        Arc::new(made)
    }

    /// What was told of an offer that is over.
    pub(crate) fn keep(&mut self, made: Arc<OfferMade>) {
        if self.spare.len() < MAX_SPARE && Arc::strong_count(&made) == 1 {
            self.spare.push(made);
        }
    }

    fn at(&self, id: OfferId) -> Option<usize> {
        usize::try_from(id.number().checked_sub(self.first)?).ok()
    }

    pub(crate) fn remove(&mut self, id: OfferId) -> Option<Offer> {
        let at = self.at(id)?;
        let slot = std::mem::replace(self.queue.get_mut(at)?, NOWHERE);
        let offer = self.slots.get_mut(slot as usize)?.take()?;
        self.vacant.push(slot);
        while self.queue.front() == Some(&NOWHERE) {
            self.queue.pop_front();
            self.first += 1;
        }
        Some(offer)
    }

    /// An offer that still stands.
    #[must_use]
    pub fn get(&self, id: OfferId) -> Option<&Offer> {
        self.slots.get(*self.queue.get(self.at(id)?)? as usize)?.as_ref()
    }

    /// All that stand, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Offer> {
        let standing = self.queue.iter().filter(|slot| **slot != NOWHERE);
        standing.filter_map(|slot| self.slots[*slot as usize].as_ref())
    }

    /// How many stand.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// Whether none stands.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next to end, and when.
    #[must_use]
    pub fn next_expiry(&self) -> Option<(Time, OfferId)> {
        let oldest = self.slots.get(*self.queue.front()? as usize)?.as_ref()?;
        Some((oldest.expires, oldest.made.offer))
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
        let (slot, agent, revocable) = (offer.seat, offer.agent_slot as usize, offer.revocable);
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
            let (resources, reserved) = (&offer.made.resources, &offer.made.reserved);
            let seat = Some(slot);
            let peaks = Peaks::default();
            let holding = Holding { seat, role, agent, resources, reserved, revocable, peaks };
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
                effects.push(Effect::Rescind(offer.framework, *id, why.to_owned()));
                self.state.offers.keep(offer.made);
            }
        }
    }

    /// Ends offers whose time is over; their frameworks are not offered the same for a while.
    pub(crate) fn expire_offers(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((when, id)) = self.state.offers.next_expiry()
            && when <= now
        {
            let Some(offer) = self.withdraw(id) else { break };
            self.refuse(now, &offer, offer.made.resources.amounts, DEFAULT_REFUSAL);
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
        let Offer { seat: slot, agent_slot, revocable, .. } = *offer;
        let (agent, agent_slot) = (offer.made.agent, agent_slot as usize);
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
        if let Some(next) = filters.expire(now, |filter| over.push(filter)) {
            self.deadlines.add(next, Deadline::Filters(agent, revocable));
        }
        for filter in &over {
            if filter.was_last
                && let Some(seat) = self.state.seats.at_mut(filter.seat)
            {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::Ids, reservation::Parts, resources::Resources};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn offer(id: OfferId, until: u64) -> Offer {
        let made = OfferMade {
            offer: id,
            agent: AgentId::from_number(1),
            node: Arc::default(),
            role: "*".into(),
            resources: Resources::default(),
            reserved: Parts::default(),
            revocable: false,
            expires_in: Duration::ZERO,
        };
        Offer {
            made: Arc::new(made),
            framework: FrameworkId::from_number(1),
            seat: SeatSlot(0),
            agent_slot: 0,
            revocable: false,
            expires: Time::from_nanos(until),
            wants: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(steps in prop::collection::vec((any::<bool>(), 0usize..30), 0..200)) {
            let (mut ids, mut offers) = (Ids::new(3), Offers::default());
            let (mut plain, mut given) = (BTreeMap::new(), vec![OfferId::from_number(5)]);
            for (adds, which) in steps {
                if adds {
                    let id = ids.give_offer();
                    given.push(id);
                    plain.insert(id, id.count());
                    offers.insert(offer(id, id.count()));
                } else {
                    let id = given[given.len() - 1 - which % given.len()];
                    let removed = offers.remove(id).map(|offer| offer.made.offer);
                    prop_assert_eq!(removed, plain.remove(&id).map(|_| id));
                }
                prop_assert_eq!((offers.len(), offers.is_empty()), (plain.len(), plain.is_empty()));
                prop_assert!(offers.iter().map(|offer| offer.made.offer).eq(plain.keys().copied()));
                let next = plain.iter().next().map(|(id, at)| (Time::from_nanos(*at), *id));
                prop_assert_eq!(offers.next_expiry(), next);
                for id in &given {
                    prop_assert_eq!(offers.get(*id).is_some(), plain.contains_key(id));
                }
            }
        }
    }
}
