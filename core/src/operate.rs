//! Reservations and volumes change: by a framework on what it is offered, by an operator on what is
//! free.

use crate::{
    agents::Agent,
    command::{AgentHello, HeldTask, Launch},
    effect::{Effect, Record},
    feedback::Wish,
    ids::{AgentId, OfferId},
    kept::Kept,
    machine::{Machine, Refusal, Reply},
    offer::Offer,
    reservation::{Fault, Operation, Parts, Tag},
    resources::Resources,
};

/// The reservations of at most so many agents that were given up are kept; then the oldest go.
pub const MAX_ABANDONED: usize = 10_000;
/// Operations in one call: at most.
pub const MAX_OPERATIONS: usize = 1_000;

/// What a framework does with offers: operations first, then launches on what is left, those that are
/// no groups first.
#[derive(Clone, Debug, Default)]
pub struct Deeds {
    /// All or none of them are done.
    pub operations: Vec<Operation>,
    /// What is launched.
    pub launches: Vec<Placed>,
    /// Launches for one executor each: of a group all are launched, or none.
    pub groups: Vec<Vec<Placed>>,
    /// The operations whose end the framework wants to know.
    pub wishes: Vec<Wish>,
    /// Why operations were left out of this; `wishes` are theirs.
    pub left_out: Option<String>,
}

/// A launch, and on which reserved parts (`None`: see [`Parts::draw`]).
pub type Placed = (Launch, Option<Parts>);

impl From<Vec<Launch>> for Deeds {
    fn from(launches: Vec<Launch>) -> Self {
        let launches = launches.into_iter().map(|launch| (launch, None)).collect();
        Self { launches, ..Self::default() }
    }
}

/// Reserved parts and all else, as operations see an agent or an offer.
pub(crate) fn whole(resources: &Resources, reserved: &Parts) -> Parts {
    let mut parts = reserved.clone();
    parts.add(Tag::default(), &resources.minus(&reserved.sum()));
    parts
}

/// Resources, and the reserved part of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lot {
    pub(crate) resources: Resources,
    pub(crate) reserved: Parts,
}

impl From<Resources> for Lot {
    fn from(resources: Resources) -> Self {
        Self { resources, reserved: Parts::default() }
    }
}

impl Lot {
    /// What an agent has free for `role`.
    pub(crate) fn free(agent: &Agent, role: &str, revocable: bool) -> Self {
        if revocable {
            return Resources::from(agent.free_revocable()).into();
        }
        let (resources, reserved) = (agent.free(), agent.free_reserved(role));
        if reserved.is_empty() {
            return Self { resources, reserved };
        }
        Self { resources: resources.plus(&reserved.sum()), reserved }
    }

    pub(crate) fn without_volumes(self) -> Self {
        if self.reserved.is_empty() {
            return self;
        }
        let reserved = self.reserved.without_volumes();
        let volumes = self.reserved.minus(&reserved).sum();
        Self { resources: self.resources.minus(&volumes), reserved }
    }

    pub(crate) fn of<'a>(offers: impl IntoIterator<Item = &'a Offer>) -> Self {
        let mut lot = Self::default();
        for offer in offers {
            lot.resources = lot.resources.plus(&offer.made.resources);
            if !offer.made.reserved.is_empty() {
                lot.reserved = lot.reserved.plus(&offer.made.reserved);
            }
        }
        lot
    }

    /// Takes `request` out, of the reserved parts those that are `named`; gives back the reserved
    /// parts that were taken. `None`: it does not fit, and nothing is taken.
    pub(crate) fn take(&mut self, request: &Resources, named: Option<&Parts>) -> Option<Parts> {
        let reserved = if self.reserved.is_empty() && named.is_none() {
            request.fits_in(&self.resources).then(Parts::default)
        } else {
            let there = whole(&self.resources, &self.reserved);
            let portion = match named {
                None => there.draw(request),
                Some(named) => Some(whole(request, named)).filter(|named| there.contains(named)),
            };
            portion.map(|portion| portion.reserved())
        };
        let reserved = reserved?;
        self.resources = self.resources.minus(request);
        if !reserved.is_empty() {
            self.reserved = self.reserved.minus(&reserved);
        }
        Some(reserved)
    }
}

impl Machine {
    /// What `operations` make of the agent's reservations and of what was offered; nothing is
    /// changed yet.
    pub(crate) fn operated(
        &self,
        offers: &[&Offer],
        operations: &[Operation],
    ) -> Result<(Parts, Lot), Refusal> {
        let mut lot = Lot::of(offers.iter().copied());
        let agent = offers.first().and_then(|offer| self.state.agents.get(offer.made.agent));
        let (Some(first), Some(agent), false) = (offers.first(), agent, operations.is_empty())
        else {
            return Ok((Parts::default(), lot));
        };
        if operations.len() > MAX_OPERATIONS {
            let hint = "use several calls";
            return Err(Refusal::Bound { what: "operations", bound: MAX_OPERATIONS, hint });
        }
        if first.revocable {
            return Err(Refusal::Invalid("what is lent can't be reserved".to_owned()));
        }
        let mut all = whole(&agent.total, agent.kept.all());
        let mut free = whole(&lot.resources, &lot.reserved);
        let role = self.state.seats.at(first.seat).map(|seat| self.state.roles.get(seat.role));
        let role = role.map(|role| &*role.name);
        for operation in operations {
            if let Some(other) = operation.roles().find(|named| Some(*named) != role) {
                return Err(Refusal::Invalid(format!(
                    "on an offer a framework can {} only for the role that was offered it, not for {other}",
                    operation.name()
                )));
            }
            let wrong = |fault| Refusal::Reservation(first.made.agent, fault);
            operation.apply(&mut all, &mut free).map_err(wrong)?;
        }
        lot.reserved = free.reserved();
        Ok((all, lot))
    }

    /// What the agent of a hello keeps: what its configuration says, and what was reserved since,
    /// also by an earlier name of an agent that was given up.
    pub(crate) fn kept_of(&mut self, hello: &AgentHello, effects: &mut Vec<Effect>) -> Kept {
        let mut kept = Kept::default();
        let since = hello.agent.and_then(|id| {
            let since = self.state.abandoned.remove(&id)?;
            effects.push(Effect::Persist(Record::Reservations(id, Parts::default())));
            Some(since)
        });
        kept.remember(&hello.reserved, &since.unwrap_or_default());
        kept
    }

    pub(crate) fn restore_reservations(&mut self, id: AgentId, parts: Parts) {
        let known = self.change_kept(id, |kept| kept.remember(&Parts::default(), &parts));
        if known.is_none() && self.state.abandoned.len() < MAX_ABANDONED {
            self.state.abandoned.insert(id, parts);
        }
    }

    /// An agent was given up. What was reserved of it waits, should it ever come back: there may be
    /// data in its volumes.
    pub(crate) fn abandon(&mut self, kept: &Kept, id: AgentId, effects: &mut Vec<Effect>) {
        let dynamic = kept.dynamic();
        if dynamic.is_empty() {
            return;
        }
        if self.state.abandoned.len() >= MAX_ABANDONED
            && let Some((oldest, _)) = self.state.abandoned.pop_first()
        {
            effects.push(Effect::Persist(Record::Reservations(oldest, Parts::default())));
        }
        self.state.abandoned.insert(id, dynamic);
    }

    /// The reserved part of what a task holds that its agent already has; nothing, if that is not
    /// reserved any more.
    pub(crate) fn reserved_of(&self, id: AgentId, held: &HeldTask) -> Parts {
        let agent = self.state.agents.get(id);
        let there = agent.is_some_and(|agent| agent.kept.idle().contains(&held.reserved));
        let fits = held.reserved.sum().fits_in(&held.request) && !held.revocable;
        if there && fits { held.reserved.clone() } else { Parts::default() }
    }

    /// Changes what an agent keeps, and with it what roles consume; gives back what it kept before.
    pub(crate) fn change_kept(
        &mut self,
        id: AgentId,
        change: impl FnOnce(&mut Kept),
    ) -> Option<Parts> {
        let (before, after) = self.state.agents.update(id, |agent| {
            let before = agent.kept.all().clone();
            change(&mut agent.kept);
            (before, agent.kept.all().clone())
        })?;
        self.kept_changed(&before, &after);
        Some(before)
    }

    /// Makes what operations have left the agent's own, durable, and tells it which volumes end.
    pub(crate) fn rearrange(&mut self, id: AgentId, all: &Parts, effects: &mut Vec<Effect>) {
        let Some(before) = self.change_kept(id, |kept| kept.replace(all)) else { return };
        let dynamic = self.state.agents.get(id).map(|agent| agent.kept.dynamic());
        effects.push(Effect::Persist(Record::Reservations(id, dynamic.unwrap_or_default())));
        for (tag, _) in before.iter() {
            let (Some(volume), Some(role)) = (&tag.volume, tag.role()) else { continue };
            if all.volume(role, &volume.id).is_none() {
                effects.push(Effect::DestroyVolume(id, role.to_owned(), volume.id.clone()));
            }
        }
    }

    /// An operator changes what an agent keeps; its offers are taken back first.
    pub(crate) fn reserve(
        &mut self,
        id: AgentId,
        operation: &Operation,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let agent = self.state.agents.get(id).ok_or(Refusal::UnknownAgent(id))?;
        if !agent.connected {
            return Err(Refusal::Invalid(format!("agent {id} is not connected")));
        }
        let wrong = |fault: Fault| Refusal::Reservation(id, fault);
        let mut all = whole(&agent.total, agent.kept.all());
        // What tasks hold stays; what is offered is taken back, but only if that helps.
        let held = whole(&agent.held, agent.kept.held());
        let mut free = all.minus(&held);
        operation.apply(&mut all, &mut free).map_err(wrong)?;
        let promised =
            |offer: &OfferId| self.state.offers.get(*offer).is_some_and(|o| !o.revocable);
        let offers: Vec<_> = agent.offers.iter().copied().filter(promised).collect();
        self.rescind(&offers, "an operator changes what this agent keeps for whom", effects);
        self.rearrange(id, &all, effects);
        self.state.agents.look_at(id);
        Ok(Reply::Done)
    }
}
