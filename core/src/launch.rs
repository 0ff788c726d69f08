//! Offers are accepted or declined.

use crate::{
    command::Caller,
    effect::Effect,
    ids::OfferId,
    machine::{Machine, Refusal, Reply},
    offer::Offer,
    operate::Deeds,
    seat::SeatSlot,
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use std::time::Duration;

impl Machine {
    pub(crate) fn accept(
        &mut self,
        now: Time,
        caller: Caller,
        offers: &[OfferId],
        deeds: Deeds,
        refusal: Duration,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if deeds.left_out.is_none() {
            self.check_wishes(caller, &deeds.wishes)?;
        }
        let fault = self.offers_fault(caller, offers);
        let own: Vec<_> = offers.iter().filter(|id| self.is_own(caller, **id)).copied().collect();
        let there = own.iter().filter_map(|id| self.state.offers.get(*id));
        let there: Vec<_> = if fault.is_none() { there.collect() } else { Vec::new() };
        let (all, mut rest) = self.operated(&there, &deeds.operations)?;
        let taken: Vec<_> = own.iter().filter_map(|id| self.withdraw(*id)).collect();
        if let Some(why) = deeds.left_out.as_ref().or(fault.as_ref()) {
            Self::tell_undone(caller.framework, &deeds.wishes, why, effects);
        }
        if let Some(fault) = fault {
            for (launch, _) in deeds.launches.iter().chain(deeds.groups.iter().flatten()) {
                let status =
                    TaskStatus::of(&launch.name, None, TaskState::Lost, Reason::InvalidOffers);
                effects.push(Effect::Update(caller.framework, status.saying(fault.clone())));
            }
            return Ok(Reply::Done);
        }
        let Some(first) = taken.first() else { return Ok(Reply::Done) };
        if !deeds.operations.is_empty() {
            self.rearrange(first.made.agent, &all, effects);
            let agent = first.made.agent;
            self.tell_done(now, caller.framework, agent, deeds.wishes, effects);
        }
        for launch in deeds.launches {
            self.launch_together(now, first, vec![launch], &mut rest, false, effects);
        }
        for group in deeds.groups {
            self.launch_together(now, first, group, &mut rest, true, effects);
        }
        if !self.says_wants(first.seat) {
            self.refuse(now, first, rest.resources.amounts, refusal);
        }
        let (agent, seat) = (first.agent_slot as usize, first.seat);
        self.refresh_hunger_at(seat);
        self.lending_changed(now, agent, effects);
        Ok(Reply::Done)
    }

    /// Whether what an offer leaves is of no further use to its framework, as that said what it wants.
    pub(crate) fn says_wants(&self, seat: SeatSlot) -> bool {
        self.state.seats.at(seat).is_some_and(|seat| seat.wanted.is_some())
    }

    pub(crate) fn is_own(&self, caller: Caller, id: OfferId) -> bool {
        self.state.offers.get(id).is_some_and(|offer| offer.framework == caller.framework)
    }

    /// Why these offers can't be used together.
    pub(crate) fn offers_fault(&self, caller: Caller, ids: &[OfferId]) -> Option<String> {
        let Some(first) = ids.first() else { return Some("no offer was named".to_owned()) };
        let first = self.state.offers.get(*first);
        for (at, id) in ids.iter().enumerate() {
            let (Some(first), Some(offer)) = (first, self.state.offers.get(*id)) else {
                return Some(format!("offer {id} does not stand any more"));
            };
            if !self.is_own(caller, *id) {
                return Some(format!("offer {id} was made to another framework"));
            }
            if ids[..at].contains(id) {
                return Some(format!("offer {id} was named twice"));
            }
            let of = |offer: &Offer| (offer.made.agent, offer.seat, offer.revocable);
            if of(offer) != of(first) {
                return Some(format!(
                    "offers {} and {id} are of different agents, roles or kinds",
                    first.made.offer
                ));
            }
        }
        None
    }

    pub(crate) fn decline(
        &mut self,
        now: Time,
        caller: Caller,
        offers: &[OfferId],
        refusal: Duration,
    ) -> Result<Reply, Refusal> {
        self.caller(caller)?;
        for id in offers {
            if self.is_own(caller, *id)
                && let Some(offer) = self.withdraw(*id)
            {
                self.refuse(now, &offer, offer.made.resources.amounts, refusal);
                self.state.offers.keep(offer.made);
            }
        }
        Ok(Reply::Done)
    }
}
