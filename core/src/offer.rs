//! Offers: one agent, one framework, one kind of resources, for a bounded time.

use crate::{
    agents::Agent,
    deadline::Deadline,
    effect::{Effect, OfferMade},
    filter::MAX_REFUSAL,
    fit,
    frameworks::Wanted,
    holdings::{As, Holding},
    ids::{AgentId, FrameworkId, OfferId},
    machine::{DEFAULT_REFUSAL, Machine},
    operate::Lot,
    reservation::Parts,
    resources::{Amounts, Resources},
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// An outstanding offer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// To whom.
    pub framework: FrameworkId,
    /// Of whom.
    pub agent: AgentId,
    /// What.
    pub resources: Resources,
    /// The reserved part of that.
    pub reserved: Parts,
    /// Whether it is lent.
    pub revocable: bool,
    /// When it ends by itself.
    pub expires: Time,
    /// The names of what it has room for, where the framework said what it wants.
    pub wants: Vec<String>,
}

/// All outstanding offers, also by when they end.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    by_id: BTreeMap<OfferId, Offer>,
    by_expiry: BTreeSet<(Time, OfferId)>,
}

impl Offers {
    pub(crate) fn insert(&mut self, offer: Offer) {
        self.by_expiry.insert((offer.expires, offer.id));
        self.by_id.insert(offer.id, offer);
    }

    pub(crate) fn remove(&mut self, id: OfferId) -> Option<Offer> {
        let offer = self.by_id.remove(&id)?;
        self.by_expiry.remove(&(offer.expires, id));
        Some(offer)
    }

    /// An offer that still stands.
    #[must_use]
    pub fn get(&self, id: OfferId) -> Option<&Offer> {
        self.by_id.get(&id)
    }

    /// All that stand.
    pub fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.by_id.values()
    }

    /// How many stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none stands.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The next to end, and when.
    #[must_use]
    pub fn next_expiry(&self) -> Option<(Time, OfferId)> {
        self.by_expiry.first().copied()
    }
}

/// Less than this of either is not worth an offer to a framework that has not said what it wants
/// (Mesos: `cpus:0.01|mem:32`, of which one is enough; but nothing runs without both).
pub const SMALLEST: Amounts = Amounts::of(10, 32_000);
/// An offer has room for at most so many wanted things.
pub const MAX_WANTS_AN_OFFER: usize = 1_000;

impl Machine {
    /// Offers what these agents have free, to whoever is most entitled and could use it.
    pub(crate) fn offer_agents(
        &mut self,
        now: Time,
        agents: &[AgentId],
        effects: &mut Vec<Effect>,
    ) {
        let mut made = BTreeMap::new();
        for agent in agents {
            for revocable in [false, true] {
                if self.hungry.is_empty() || !self.has_free(*agent, revocable) {
                    continue;
                }
                for framework in self.hungry_in_order(revocable) {
                    if !self.has_free(*agent, revocable) {
                        break;
                    }
                    self.offer(now, framework, *agent, revocable, &mut made);
                }
            }
        }
        send(made, effects);
    }

    /// Offers to these frameworks what is free anywhere: promised resources first, then lent ones.
    pub(crate) fn offer_frameworks(
        &mut self,
        now: Time,
        frameworks: &[FrameworkId],
        effects: &mut Vec<Effect>,
    ) {
        let mut order: Vec<_> = frameworks
            .iter()
            .filter(|id| self.hungry.contains(id))
            .map(|id| self.state.place(*id))
            .collect();
        order.sort_unstable();
        let mut made = BTreeMap::new();
        for (_, _, framework) in order {
            for revocable in [false, true] {
                match self.state.frameworks.get(&framework) {
                    Some(wants) if wants.wanted.is_some() => {
                        self.offer_wanted(now, framework, revocable, &mut made);
                    }
                    _ => self.offer_everywhere(now, framework, revocable, &mut made),
                }
            }
        }
        send(made, effects);
    }

    fn offer_everywhere(
        &mut self,
        now: Time,
        framework: FrameworkId,
        revocable: bool,
        made: &mut BTreeMap<FrameworkId, Vec<OfferMade>>,
    ) {
        let agents: Vec<_> = self.state.agents.iter().map(|agent| agent.id).collect();
        for agent in agents {
            self.offer(now, framework, agent, revocable, made);
        }
    }

    /// Finds the best agent for each thing the framework wants and has no offer for yet.
    fn offer_wanted(
        &mut self,
        now: Time,
        id: FrameworkId,
        revocable: bool,
        made: &mut BTreeMap<FrameworkId, Vec<OfferMade>>,
    ) {
        let mut too_large: Option<Amounts> = None;
        for _ in 0..MAX_WANTS_AN_OFFER {
            let Some(framework) = self.state.frameworks.get(&id) else { return };
            let Some(wanted) = &framework.wanted else { return };
            let next = wanted.values().find(|want| {
                want.offered.is_none()
                    && too_large.is_none_or(|large| !large.fits_in(want.request.amounts))
            });
            let Some(request) = next.map(|want| want.request.amounts) else { return };
            let agents = &self.state.agents;
            let own = self.settings.domain.as_ref();
            let may = |agent: &Agent| {
                framework.barrier(agent, own).is_none()
                    && !framework.filters.hides(agent.id, revocable, request, now)
            };
            let reserved = (!revocable).then(|| {
                agents.with_reservations().find(|agent| {
                    let there = agent.free_reserved(&framework.info.role).without_volumes();
                    let enough = request.fits_in(agent.free().plus(&there.sum()).amounts);
                    !there.is_empty() && enough && may(agent)
                })
            });
            let agent = reserved.flatten().or_else(|| {
                let slot = fit::best(agents.column(revocable), request, agents.total(), |slot| {
                    agents.at(slot).is_some_and(may)
                });
                slot.and_then(|slot| agents.at(slot))
            });
            let agent = agent.map(|agent| agent.id);
            if !agent.is_some_and(|agent| self.offer(now, id, agent, revocable, made)) {
                too_large = Some(request);
            }
        }
    }

    fn has_free(&self, agent: AgentId, revocable: bool) -> bool {
        let agents = &self.state.agents;
        let free = agents.slot(agent).map(|at| agents.column(revocable)[at]);
        free.is_some_and(|free| free.cpus_milli() > 0 || free.memory_milli_mib() > 0)
            || !revocable && agents.keeps(agent)
    }

    /// Offers one agent's free resources of one kind to one framework, if it may have them and
    /// could use them; says whether it did.
    fn offer(
        &mut self,
        now: Time,
        framework: FrameworkId,
        agent: AgentId,
        revocable: bool,
        made: &mut BTreeMap<FrameworkId, Vec<OfferMade>>,
    ) -> bool {
        let Some((lot, wants)) = self.useful(now, framework, agent, revocable) else {
            return false;
        };
        let Lot { resources, reserved } = lot;
        let id = OfferId::from_number(self.ids.give());
        let (Some(to), Some(of)) =
            (self.state.frameworks.get_mut(&framework), self.state.agents.get(agent))
        else {
            return false;
        };
        to.offers.insert(id);
        for name in &wants {
            if let Some(want) = to.wanted.as_mut().and_then(|wanted| wanted.get_mut(name)) {
                want.offered = Some(id);
            }
        }
        let role = to.role;
        made.entry(framework).or_default().push(OfferMade {
            offer: id,
            agent,
            hostname: of.hostname.clone(),
            attributes: of.attributes.clone(),
            domain: of.domain.clone(),
            role: to.info.role.clone(),
            resources: resources.clone(),
            reserved: reserved.clone(),
            revocable: revocable && (to.info.accepts_revocable || to.info.only_revocable),
            expires_in: self.settings.offer_timeout,
        });
        let (what, parts) = (&resources, &reserved);
        let holding =
            Holding { framework, role, agent, resources: what, reserved: parts, revocable };
        self.hold(holding, As::Offer);
        self.state.agents.update(agent, |agent| agent.offers.insert(id));
        let expires = now + self.settings.offer_timeout;
        self.state.offers.insert(Offer {
            id,
            framework,
            agent,
            resources,
            reserved,
            revocable,
            expires,
            wants,
        });
        self.refresh_hunger(framework);
        true
    }

    /// What of an agent's free resources to offer a framework, and for which of its wants.
    fn useful(
        &self,
        now: Time,
        framework: FrameworkId,
        agent: AgentId,
        revocable: bool,
    ) -> Option<(Lot, Vec<String>)> {
        let framework = self.state.frameworks.get(&framework)?;
        let of = self.state.agents.get(agent)?;
        let opportunistic = self.state.roles.get(framework.role).opportunistic;
        if !framework.takes(revocable, opportunistic) || !framework.is_hungry() {
            return None;
        }
        let mut free = Lot::free(of, &framework.info.role, revocable);
        if free.resources.is_empty()
            || framework.barrier(of, self.settings.domain.as_ref()).is_some()
        {
            return None;
        }
        let (lot, wants) = match &framework.wanted {
            None => (free, Vec::new()),
            Some(wanted) => {
                free = free.without_volumes();
                let (resources, wants) = pack(&free.resources, wanted);
                let reserved = free.take(&resources, None).ok()?;
                (Lot { resources, reserved }, wants)
            }
        };
        let amounts = lot.resources.amounts;
        let hidden = framework.filters.hides(agent, revocable, amounts, now);
        let of_use = !lot.resources.is_empty() && framework.is_enough(amounts) && !hidden;
        of_use.then_some((lot, wants))
    }

    /// Takes an offer out of all tables; its wants have none any more.
    pub(crate) fn withdraw(&mut self, id: OfferId) -> Option<Offer> {
        let offer = self.state.offers.remove(id)?;
        self.state.agents.update(offer.agent, |agent| agent.offers.remove(&id));
        if let Some(framework) = self.state.frameworks.get_mut(&offer.framework) {
            framework.offers.remove(&id);
            for name in &offer.wants {
                let want = framework.wanted.as_mut().and_then(|wanted| wanted.get_mut(name));
                if let Some(want) = want.filter(|want| want.offered == Some(id)) {
                    want.offered = None;
                }
            }
            let role = framework.role;
            let Offer { framework, agent, ref resources, ref reserved, revocable, .. } = offer;
            let holding = Holding { framework, role, agent, resources, reserved, revocable };
            self.release(holding, As::Offer);
            self.refresh_hunger(framework);
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
        let mut freed = Vec::new();
        while let Some((when, id)) = self.state.offers.next_expiry()
            && when <= now
        {
            let Some(offer) = self.withdraw(id) else { break };
            self.refuse(now, &offer, offer.resources.amounts, DEFAULT_REFUSAL);
            effects.push(Effect::Rescind(offer.framework, id, "the offer has expired".to_owned()));
            freed.push(offer.agent);
        }
        self.offer_agents(now, &freed, effects);
    }

    /// Hides offers of this agent and kind, up to `declined`, from the framework for `refusal`.
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
        if let Some(framework) = self.state.frameworks.get_mut(&offer.framework) {
            framework.filters.add(offer.agent, offer.revocable, declined, until);
            let what = Deadline::Filter(offer.framework, offer.agent, offer.revocable);
            self.deadlines.add(until, what);
        }
    }
}

/// As many wanted things as fit into `free` together, and their sum.
fn pack(free: &Resources, wanted: &BTreeMap<String, Wanted>) -> (Resources, Vec<String>) {
    let (mut sum, mut names) = (Resources::default(), Vec::new());
    for (name, want) in wanted.iter().filter(|(_, want)| want.offered.is_none()) {
        let Some(more) = sum.checked_plus(&want.request) else { continue };
        if more.fits_in(free) {
            sum = more;
            names.push(name.clone());
            if names.len() == MAX_WANTS_AN_OFFER {
                break;
            }
        }
    }
    (sum, names)
}

fn send(made: BTreeMap<FrameworkId, Vec<OfferMade>>, effects: &mut Vec<Effect>) {
    effects.extend(made.into_iter().map(|(framework, offers)| Effect::Offers(framework, offers)));
}
