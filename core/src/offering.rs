//! Making offers: who gets what is free.
//!
//! Nothing is searched for. What becomes free marks its agent, what becomes wanted marks its
//! framework, and after each command, or batch of commands, the marked are looked at: a framework
//! that said what it wants is given the best-fitting agents, and an agent's resources go to the
//! most entitled that they could be of use to. What nobody could use stays unmarked until
//! something changes: more of it is free, a filter ends, somebody becomes hungry, a limit or a
//! guarantee leaves room.

use crate::{
    effect::{Effect, OfferMade},
    eligibility::{Ask, Useful},
    fairness::Order,
    frameworks::FrameworkSlot,
    holdings::{As, Holding},
    ids::FrameworkId,
    machine::Machine,
    offer::{Offer, SMALLEST},
    operate::Lot,
    quota::HeldBackBy,
    resources::{Amounts, Resources},
    roles::RoleSlot,
    seat::SeatSlot,
    slots::SlotSet,
    time::Time,
};
use std::{ops::ControlFlow, sync::Arc};

/// Up to so many frameworks are put in order by themselves; for more, all are walked over in order.
const FEW: usize = 32;

/// Offers made and not sent yet, in the order they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    made: Vec<(FrameworkSlot, Arc<OfferMade>)>,
    /// How many to each framework, by slot, and who has any.
    counts: Vec<u32>,
    to: Vec<(FrameworkId, FrameworkSlot)>,
}

impl Outbox {
    fn add(&mut self, id: FrameworkId, slot: FrameworkSlot, offer: Arc<OfferMade>) {
        if self.counts.len() <= slot.at() {
            self.counts.resize(slot.at() + 1, 0);
        }
        let count = &mut self.counts[slot.at()];
        if *count == 0 {
            self.to.push((id, slot));
        }
        *count += 1;
        self.made.push((slot, offer));
    }

    /// One effect a framework.
    fn send(&mut self, effects: &mut Vec<Effect>) {
        self.to.sort_unstable();
        let mut boxes: Vec<_> = Vec::with_capacity(self.to.len());
        for (at, (id, slot)) in self.to.drain(..).enumerate() {
            let count = std::mem::replace(&mut self.counts[slot.at()], at as u32);
            boxes.push((id, slot, Vec::with_capacity(count as usize)));
        }
        for (slot, offer) in self.made.drain(..) {
            boxes[self.counts[slot.at()] as usize].2.push(offer);
        }
        effects.extend(boxes.into_iter().map(|(id, slot, offers)| {
            self.counts[slot.at()] = 0;
            Effect::Offers(id, offers)
        }));
    }
}

/// What an agent's free resources of one kind shall go to; kept for the room it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picks {
    picked: Vec<(SeatSlot, Useful)>,
    /// The roles of those who were offered less than there is, or nothing.
    held_back: Vec<RoleSlot>,
    /// Guarantees kept something back.
    kept_back: bool,
}

impl Machine {
    /// Makes every offer that can be made.
    ///
    /// [`Machine::apply`] does so by itself; after [`Machine::decide`] it is left to the caller, so
    /// that a batch of commands is weighed together.
    pub fn make_offers(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.look_at_kept_back();
        if self.unplaced.is_empty() && self.state.agents.to_look_at.is_empty() {
            return;
        }
        self.place_wants(now);
        self.look_at_agents(now);
        self.outbox.send(effects);
        self.assert_invariants(now);
    }

    /// What guarantees kept back is looked at again when they leave more.
    fn look_at_kept_back(&mut self) {
        if !self.kept_back.is_empty() && !self.state.spare().fits_in(self.kept_back_at) {
            self.state.agents.to_look_at.add_all(&self.kept_back);
            self.kept_back.clear();
        }
    }

    /// Finds places for what frameworks said they want, the most entitled first.
    fn place_wants(&mut self, now: Time) {
        if self.unplaced.is_empty() {
            return;
        }
        self.state.agents.rescale();
        let mut seats: Vec<_> = self.unplaced.iter().map(|at| SeatSlot(at as u32)).collect();
        self.unplaced.clear();
        if seats.len() > 1 {
            let orders = &mut self.orders;
            orders.of_mut(false).refresh(&self.state);
            orders.of_mut(true).refresh(&self.state);
            let place = |revocable, slot| orders.of(revocable).place(slot, &self.state.roles);
            seats.sort_by_cached_key(|slot| place(false, *slot).or_else(|| place(true, *slot)));
        }
        for seat in seats {
            self.place_wants_of(now, seat, false);
            self.place_wants_of(now, seat, true);
        }
    }

    fn place_wants_of(&mut self, now: Time, slot: SeatSlot, revocable: bool) {
        let (mut after, mut too_large): (Option<Arc<str>>, Option<Amounts>) = (None, None);
        while self.orders.of(revocable).wanting().contains(slot.at()) {
            let seat = self.state.seats.at(slot);
            let Some(wants) = seat.and_then(|seat| seat.wanted.as_ref()) else {
                return;
            };
            let next = wants.waiting_after(after.as_ref()).find(|(_, want)| {
                too_large.is_none_or(|large| !large.fits_in(want.request.amounts))
            });
            let Some((name, want)) = next else { return };
            let (name, request) = (Arc::clone(name), want.request.clone());
            let (placed, hidden) = self.place_want(now, slot, revocable, &name, &request);
            if !placed && !hidden {
                too_large = Some(request.amounts);
            }
            after = Some(name);
        }
    }

    /// Offers the best agent for one wanted thing, with room for more of them if there is; says
    /// whether there was one, and whether one was left out that had room.
    fn place_want(
        &mut self,
        now: Time,
        seat: SeatSlot,
        revocable: bool,
        name: &str,
        request: &Resources,
    ) -> (bool, bool) {
        if !revocable && let Some((ask, useful)) = self.kept_for_want(seat, name) {
            self.offer(now, ask, useful);
            return (true, false);
        }
        let (mut left_out, mut tried) = (false, SlotSet::default());
        loop {
            let state = &self.state;
            let best = state.agents.columns(revocable).best(request.amounts, |agent| {
                let ask = Ask { seat, agent, revocable };
                if state.agents.to_look_at.contains(agent) {
                    // Its turn comes when all that are hungry have been asked.
                    return false;
                }
                let may = !tried.contains(agent)
                    && state.has_ports(agent, request)
                    && state.may_have(ask)
                    && !state.hides(ask, request.amounts);
                left_out |= !may;
                may
            });
            let Some(agent) = best else { return (false, left_out) };
            let ask = Ask { seat, agent, revocable };
            let (useful, by) = self.state.useful(ask, Some(name));
            if by.is_some() {
                let role = self.state.seats.at(seat).map(|of| of.role);
                role.into_iter().for_each(|role| self.state.roles.note_held_back(role));
                // Guarantees are the same everywhere: what they leave later may fit on any agent.
                self.note_kept_back(agent);
                self.kept_back.add_all(self.state.agents.columns(false).some());
            }
            if let Some(useful) = useful {
                self.offer(now, ask, useful);
                return (true, left_out);
            }
            left_out = true;
            if by.is_some() {
                // Limits and guarantees are the same everywhere.
                return (false, left_out);
            }
            tried.insert(agent);
        }
    }

    /// What an agent keeps for the seat's role and would do for what it wants.
    fn kept_for_want(&self, seat: SeatSlot, name: &str) -> Option<(Ask, Useful)> {
        let agents = &self.state.agents;
        // The turn of those marked comes when all that are hungry have been asked.
        let mut keeping = agents.keeping().iter().filter(|at| !agents.to_look_at.contains(*at));
        keeping.find_map(|agent| {
            let ask = Ask { seat, agent, revocable: false };
            let useful = self.state.useful_kept(ask, Some(name))?;
            useful.1.iter().any(|placed| &**placed == name).then_some((ask, useful))
        })
    }

    /// Offers what the marked agents have free.
    fn look_at_agents(&mut self, now: Time) {
        let mut from = 0;
        while let Some(agent) = self.state.agents.to_look_at.next(from) {
            if self.orders.of(false).is_empty() && self.orders.of(true).is_empty() {
                self.state.agents.to_look_at.clear();
                return;
            }
            self.state.agents.to_look_at.remove(agent);
            from = agent;
            self.offer_kept(now, agent);
            self.offer_agent(now, agent, false);
            self.offer_agent(now, agent, true);
        }
    }

    /// Offers what an agent keeps for roles, with what is free for everybody, to the most entitled.
    fn offer_kept(&mut self, now: Time, agent: usize) {
        while self.state.agents.keeping().contains(agent) && !self.orders.of(false).is_empty() {
            self.orders.of_mut(false).refresh(&self.state);
            let (state, mut found) = (&self.state, None);
            self.orders.of(false).walk(|seat| {
                let ask = Ask { seat, agent, revocable: false };
                found = state.useful_kept(ask, None).map(|useful| (ask, useful));
                if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let Some((ask, useful)) = found else { return };
            self.offer(now, ask, useful);
        }
    }

    fn offer_agent(&mut self, now: Time, agent: usize, revocable: bool) {
        while self.state.agents.columns(revocable).some().contains(agent)
            && !self.orders.of(revocable).is_empty()
        {
            self.orders.of_mut(revocable).refresh(&self.state);
            let mut picks = self.pick(agent, revocable);
            picks.held_back.drain(..).for_each(|role| self.state.roles.note_held_back(role));
            if std::mem::take(&mut picks.kept_back) {
                self.note_kept_back(agent);
            }
            let done = picks.picked.is_empty() || !self.one_at_a_time(revocable);
            for (seat, useful) in picks.picked.drain(..) {
                self.offer(now, Ask { seat, agent, revocable }, useful);
            }
            self.picks = picks;
            if done {
                break;
            }
        }
    }

    /// Whether an offer may change what the next may be offered beyond what it takes itself.
    fn one_at_a_time(&self, revocable: bool) -> bool {
        !revocable && self.state.roles.with_quota > 0
    }

    /// Remembers that guarantees kept an offer small, so that it is looked at again when they do not.
    fn note_kept_back(&mut self, agent: usize) {
        let spare = self.state.spare();
        let first = self.kept_back.is_empty();
        self.kept_back_at = if first { spare } else { self.kept_back_at.min(spare) };
        self.kept_back.insert(agent);
    }

    /// Decides who gets an agent's free resources of one kind.
    fn pick(&mut self, agent: usize, revocable: bool) -> Picks {
        let picks = std::mem::take(&mut self.picks);
        let (order, state) = (self.orders.of(revocable), &self.state);
        let amounts = state.agents.columns(revocable).free(agent);
        let mut pick = Picking { machine: self, agent, revocable, amounts, free: None, picks };
        let Some(of) = state.agents.at(agent) else { return pick.picks };
        let nobody = SlotSet::default();
        let open = if SMALLEST.fits_in(amounts) { order.open() } else { &nobody };
        if open.is_empty() && order.wanting().is_empty() {
            return pick.picks;
        }
        let filters = of.filters(revocable);
        if !filters.is_empty() && filters.all_hide(amounts) {
            let hidden = filters.seats();
            let some = open.either_without(order.wanting(), hidden);
            let mut few: Vec<_> = some.take(FEW + 1).map(|at| SeatSlot(at as u32)).collect();
            if few.len() <= FEW {
                few.sort_by_cached_key(|slot| order.place(*slot, &state.roles));
                few.retain(|slot| order.place(*slot, &state.roles).is_some());
                let _ = few.into_iter().try_for_each(|slot| pick.look(order, slot));
                return pick.picks;
            }
            order.walk_without(hidden, |slot| pick.look(order, slot));
        } else {
            order.walk(|slot| pick.look(order, slot));
        }
        pick.picks
    }

    /// Makes one offer.
    fn offer(&mut self, now: Time, ask: Ask, (lot, wants): Useful) {
        let Lot { resources, reserved } = lot;
        let Ask { seat: slot, agent, revocable } = ask;
        let id = self.ids.give_offer();
        let expires = now + self.settings.offer_timeout;
        let (Some(to), Some(of)) = (self.state.seats.at_mut(slot), self.state.agents.at_mut(agent))
        else {
            return;
        };
        to.offers.push_back(id);
        of.offers.push(id);
        if let Some(wanted) = &mut to.wanted {
            wants.iter().for_each(|name| wanted.offer(name, id));
        }
        let (framework, framework_slot, role) = (to.framework, to.framework_slot, to.role);
        let agent_id = of.id;
        let says_wants = to.wanted.is_some();
        let asked_to_be_told = self.state.frameworks.at(framework_slot).filter(|_| revocable);
        let made = Arc::new(OfferMade {
            offer: id,
            agent: agent_id,
            node: Arc::clone(&of.node),
            role: Arc::clone(&self.state.roles.get(role).name),
            resources,
            reserved,
            revocable: asked_to_be_told
                .is_some_and(|of| of.info.accepts_revocable || of.info.only_revocable),
            expires_in: self.settings.offer_timeout,
        });
        self.outbox.add(framework, framework_slot, Arc::clone(&made));
        let holding = Holding {
            seat: Some(slot),
            role,
            agent,
            resources: &made.resources,
            reserved: &made.reserved,
            revocable,
        };
        self.hold(holding, As::Offer);
        self.state.offers.insert(Offer {
            made,
            framework,
            seat: slot,
            agent_slot: agent as u32,
            revocable,
            expires,
            wants,
        });
        if says_wants {
            self.refresh_hunger_at(slot);
        }
    }

    /// An agent and seat that an offer could be made of and to; there is none after
    /// [`Machine::make_offers`].
    pub(crate) fn missed_offer(&self) -> Option<(usize, SeatSlot)> {
        [false, true].into_iter().find_map(|revocable| {
            let hungry = self.state.sorted(self.orders.of(revocable));
            self.state.agents.taken().find_map(|agent| {
                let could = |slot: &&SeatSlot| {
                    let ask = Ask { seat: **slot, agent, revocable };
                    self.state.useful(ask, None).0.is_some()
                        || !revocable && self.state.useful_kept(ask, None).is_some()
                };
                hungry.iter().find(could).map(|slot| (agent, *slot))
            })
        })
    }
}

/// The walk over those who are hungry, for one agent.
struct Picking<'a> {
    machine: &'a Machine,
    agent: usize,
    revocable: bool,
    /// What is left; `free` is the same with ports, once somebody wants it.
    amounts: Amounts,
    free: Option<Resources>,
    picks: Picks,
}

impl Picking<'_> {
    fn look(&mut self, order: &Order, seat: SeatSlot) -> ControlFlow<()> {
        let state = &self.machine.state;
        let ask = Ask { seat, agent: self.agent, revocable: self.revocable };
        let (room, by) = state.room(ask, self.amounts);
        if by.is_some()
            && let Some(of) = state.seats.at(seat)
        {
            // A guarantee can only have kept something back if this does not hold.
            self.picks.kept_back |= !self.amounts.fits_in(state.spare());
            if self.picks.held_back.last() != Some(&of.role) {
                self.picks.held_back.push(of.role);
            }
        }
        let Some(room) = room else {
            let over = by == Some(HeldBackBy::Guarantees) && self.is_over(order, seat);
            return if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        };
        let agent = state.agents.at(self.agent);
        let whole = self.free.get_or_insert_with(|| {
            agent.map(|agent| agent.free_of(ask.revocable)).unwrap_or_default()
        });
        let useful = if order.open().contains(seat.at()) {
            let enough = state.seats.at(seat).is_some_and(|seat| seat.is_enough(room));
            // All there is room for, and all ports.
            enough.then(|| (whole.take_some(room), Vec::new()))
        } else {
            let cut = Resources { amounts: room, ports: whole.ports.clone() };
            let useful = state.fill(ask, &cut, None);
            if let Some((resources, _)) = &useful {
                *whole = whole.minus(resources);
            }
            useful
        };
        let Some((resources, names)) = useful else { return ControlFlow::Continue(()) };
        self.amounts = whole.amounts;
        self.picks.picked.push((seat, (resources.into(), names)));
        let none = self.amounts.cpus_milli() == 0 && self.amounts.memory_milli_mib() == 0;
        if none || self.machine.one_at_a_time(self.revocable) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Whether guarantees keep everything from this seat and all after it: those whose own
    /// guarantee is not met come first.
    fn is_over(&self, order: &Order, seat: SeatSlot) -> bool {
        let state = &self.machine.state;
        let Some(seat) = state.seats.at(seat) else { return false };
        let top = state.roles.upwards(seat.role).last();
        let spare = state.spare();
        let nothing = if order.wanting().is_empty() {
            !SMALLEST.fits_in(spare)
        } else {
            spare.cpus_milli() == 0 && spare.memory_milli_mib() == 0
        };
        nothing && top.is_some_and(|(slot, _)| state.roles.is_met(slot))
    }
}
