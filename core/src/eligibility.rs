//! Whether an offer of an agent's resources could be of use to a framework, and how large it is.
//!
//! All that keeps an offer from a framework is asked here and nowhere else. It knows nothing of whose
//! turn it is.

use crate::{
    machine::State,
    offer::MAX_WANTS_AN_OFFER,
    operate::Lot,
    quota::HeldBackBy,
    resources::{Amounts, Resources},
    seat::SeatSlot,
    wants::{Wanted, Wants},
};
use std::sync::Arc;

/// An agent's resources of one kind, as a framework may be offered them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) seat: SeatSlot,
    pub(crate) agent: usize,
    pub(crate) revocable: bool,
}

/// What to offer, and for which wants.
pub(crate) type Useful = (Lot, Vec<Arc<str>>);
/// The same before it is known which part of it is reserved.
type Filling = (Resources, Vec<Arc<str>>);

impl State {
    /// Whether the framework may have resources of this agent at all, whatever is free of it.
    pub(crate) fn may_have(&self, ask: Ask) -> bool {
        if !self.agents.special().contains(ask.agent) && !self.seats.picky().contains(ask.seat.at())
        {
            return true;
        }
        let pair = self.seats.at(ask.seat).zip(self.agents.at(ask.agent));
        pair.is_some_and(|(seat, agent)| seat.barrier(agent, self.domain.as_ref()).is_none())
    }

    /// What no guarantee keeps back of all that is free.
    pub(crate) fn spare(&self) -> Amounts {
        self.agents.columns(false).total().minus(self.roles.unmet)
    }

    /// How much of `free` the framework may be offered, if that could be of use to it; and what
    /// keeps it from more. Looks at nothing of the agent but its filters.
    pub(crate) fn room(&self, ask: Ask, free: Amounts) -> (Option<Amounts>, Option<HeldBackBy>) {
        let least = self.seats.least(ask.seat);
        if !least.fits_in(free) || !self.may_have(ask) {
            return (None, None);
        }
        let (mut room, mut by) = (free, None);
        if self.roles.with_quota > 0
            && !ask.revocable
            && let Some(seat) = self.seats.at(ask.seat)
        {
            (room, by) = self.roles.room(seat.role, free, self.spare());
        }
        let Some(agent) = self.agents.at(ask.agent) else { return (None, by) };
        let hidden = || agent.filters(ask.revocable).hides(ask.seat, room);
        ((least.fits_in(room) && !hidden()).then_some(room), by)
    }

    /// What to offer the framework of `free`, cut to its room: all of it, or what it said it wants
    /// (`first` before the rest).
    pub(crate) fn fill(&self, ask: Ask, free: &Resources, first: Option<&str>) -> Option<Filling> {
        let seat = self.seats.at(ask.seat)?;
        let Some(wants) = &seat.wanted else {
            return seat.is_enough(free.amounts).then(|| (free.clone(), Vec::new()));
        };
        let filters = self.agents.at(ask.agent)?.filters(ask.revocable);
        // A filter hides each wanted thing that is no larger than what was declined.
        let (resources, names) =
            pack(free, wants, first, |want| !filters.hides(ask.seat, want.request.amounts));
        let of_use = !names.is_empty() && seat.is_enough(resources.amounts);
        of_use.then_some((resources, names))
    }

    /// All of the above: what to offer the framework of what the agent has free now.
    pub(crate) fn useful(
        &self,
        ask: Ask,
        first: Option<&str>,
    ) -> (Option<Useful>, Option<HeldBackBy>) {
        let columns = self.agents.columns(ask.revocable);
        if !columns.some().contains(ask.agent) {
            return (None, None);
        }
        let (room, by) = self.room(ask, columns.free(ask.agent));
        let useful = room.zip(self.agents.at(ask.agent)).and_then(|(room, agent)| {
            let free = Resources { amounts: room, ..agent.free_of(ask.revocable) };
            self.fill(ask, &free, first)
        });
        (useful.map(|(resources, names)| (resources.into(), names)), by)
    }

    /// What to offer the framework of what the agent keeps for its role, together with what is free
    /// for everybody; `None` if nothing of the first would be of use.
    pub(crate) fn useful_kept(&self, ask: Ask, first: Option<&str>) -> Option<Useful> {
        if !self.agents.keeping().contains(ask.agent) || !self.may_have(ask) {
            return None;
        }
        let seat = self.seats.at(ask.seat)?;
        let agent = self.agents.at(ask.agent)?;
        let reserved = agent.free_reserved(&self.roles.get(seat.role).name);
        if reserved.is_empty() {
            return None;
        }
        let free = agent.free();
        let (room, _) = self.roles.room(seat.role, free.amounts, self.spare());
        let resources = Resources { amounts: room, ..free }.plus(&reserved.sum());
        let mut lot = Lot { resources, reserved };
        if seat.wanted.is_none() {
            let hidden = self.hides(ask, lot.resources.amounts);
            let of_use = seat.is_enough(lot.resources.amounts) && !hidden;
            return of_use.then_some((lot, Vec::new()));
        }
        lot = lot.without_volumes();
        let (resources, names) = self.fill(ask, &lot.resources, first)?;
        let reserved = lot.take(&resources, None)?;
        (!reserved.is_empty()).then_some((Lot { resources, reserved }, names))
    }

    /// Whether the framework has declined as much of this agent.
    pub(crate) fn hides(&self, ask: Ask, amounts: Amounts) -> bool {
        let agent = self.agents.at(ask.agent);
        agent.is_some_and(|agent| agent.filters(ask.revocable).hides(ask.seat, amounts))
    }

    /// Whether the agent's ports hold those of a request.
    pub(crate) fn has_ports(&self, agent: usize, request: &Resources) -> bool {
        let ports = &request.ports;
        ports.is_empty()
            || self.agents.at(agent).is_some_and(|agent| {
                agent.total.ports.contains(ports)
                    && !agent.held.ports.intersects(ports)
                    && !agent.offered.ports.intersects(ports)
            })
    }
}

/// As many wanted things as fit into `free` together, and their sum.
fn pack(
    free: &Resources,
    wants: &Wants,
    first: Option<&str>,
    may: impl Fn(&Wanted) -> bool,
) -> Filling {
    let (mut sum, mut names) = (Resources::default(), Vec::new());
    let head = first.and_then(|name| wants.waiting_named(name));
    let rest = wants.waiting().filter(|(name, _)| first != Some(&***name));
    for (name, want) in head.into_iter().chain(rest) {
        // Nothing that waits asks for less than this.
        if !sum.amounts.plus(wants.least()).fits_in(free.amounts) {
            break;
        }
        if !sum.amounts.plus(want.request.amounts).fits_in(free.amounts) || !may(want) {
            continue;
        }
        let Some(more) = sum.checked_plus(&want.request) else { continue };
        if more.fits_in(free) {
            sum = more;
            names.push(Arc::clone(name));
            if names.len() == MAX_WANTS_AN_OFFER {
                break;
            }
        }
    }
    (sum, names)
}
