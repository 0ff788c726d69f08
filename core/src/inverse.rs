//! Inverse offers: frameworks are asked to be off an agent by the time its machine is unavailable.
//!
//! A framework that holds something there is asked once, and again when the time that its answer
//! names is over. The answer binds nobody: operators read it before they take the machine down.

use crate::{
    agents::Node,
    command::Caller,
    deadline::Deadline,
    effect::Effect,
    filter::MAX_REFUSAL,
    ids::{AgentId, FrameworkId, InverseOfferId},
    invariants::Violation,
    machine::{Machine, Refusal, Reply},
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Answers of frameworks that hold nothing on the agent any more: at most so many are kept.
pub const MAX_KEPT_ANSWERS: usize = 100_000;

/// What a framework is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InverseOffer {
    /// Its id.
    pub id: InverseOfferId,
    /// All that it holds of this agent is asked for.
    pub agent: AgentId,
    /// That node, and when it is unavailable.
    pub node: Arc<Node>,
}

/// What a framework said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It will be off by then.
    Accepted,
    /// It will not.
    Declined,
}

/// How it stands between an agent that is to be unavailable and a framework that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summons {
    asked: Option<InverseOfferId>,
    /// The newest answer, and when it came.
    pub answer: Option<(Answer, Time)>,
    /// Not asked again before.
    quiet_until: Option<Time>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct InverseOffers {
    pairs: BTreeMap<(AgentId, FrameworkId), Summons>,
    asked: BTreeMap<InverseOfferId, (AgentId, FrameworkId)>,
}

impl InverseOffers {
    /// What frameworks have answered about an agent, and that they were asked.
    pub fn of(&self, agent: AgentId) -> impl Iterator<Item = (FrameworkId, &Summons)> {
        let first = FrameworkId::from_number(0);
        let last = FrameworkId::from_number(u64::MAX);
        let pairs = self.pairs.range((agent, first)..=(agent, last));
        pairs.map(|((_, framework), summons)| (*framework, summons))
    }

    /// Takes a pair out; gives back what was asked and not answered.
    fn remove(&mut self, pair: (AgentId, FrameworkId)) -> Option<InverseOfferId> {
        let asked = self.pairs.remove(&pair)?.asked?;
        self.asked.remove(&asked);
        Some(asked)
    }

    /// Whom an inverse offer that stands was made to, about which agent.
    #[must_use]
    pub fn get(&self, id: InverseOfferId) -> Option<(AgentId, FrameworkId)> {
        self.asked.get(&id).copied()
    }
}

impl Machine {
    /// Has it looked at anew who is to be asked about an agent.
    pub(crate) fn summon_later(&mut self, id: AgentId) {
        let known = self.state.agents.get(id);
        if known.is_some_and(|agent| agent.node.unavailability.is_some()) {
            self.summoning.insert(id);
        }
    }

    /// The same for all agents on which a framework has something.
    pub(crate) fn summon_framework(&mut self, id: FrameworkId) {
        if self.state.maintenance.windows().is_empty() {
            return;
        }
        let framework = self.state.frameworks.get(&id);
        let handles = framework.into_iter().flat_map(|framework| framework.launches());
        let tasks = handles.filter_map(|handle| self.state.tasks.by_handle.get(handle));
        for agent in tasks.map(|task| task.agent).collect::<BTreeSet<_>>() {
            self.summon_later(agent);
        }
    }

    /// Asks whom it has to, and takes back what is not to be asked any more.
    pub(crate) fn make_inverse_offers(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let mut made: BTreeMap<FrameworkId, Vec<InverseOffer>> = BTreeMap::new();
        while let Some(id) = self.summoning.pop_first() {
            self.summon(now, id, &mut made, effects);
        }
        effects.extend(made.into_iter().map(|(id, made)| Effect::InverseOffers(id, made)));
    }

    fn summon(
        &mut self,
        now: Time,
        id: AgentId,
        made: &mut BTreeMap<FrameworkId, Vec<InverseOffer>>,
        effects: &mut Vec<Effect>,
    ) {
        let there = self.to_be_asked(id);
        let node = self.state.agents.get(id).map(|agent| Arc::clone(&agent.node));
        let inverse = &mut self.state.inverse;
        let known: Vec<_> =
            inverse.of(id).map(|(framework, summons)| (framework, *summons)).collect();
        for (framework, summons) in known {
            if there.contains(&framework) {
                continue;
            }
            if let Some(asked) = inverse.remove((id, framework)) {
                effects.push(Effect::RescindInverse(framework, asked));
            }
            let is_there = self.state.frameworks.contains_key(&framework)
                && node.as_ref().is_some_and(|node| node.unavailability.is_some());
            if summons.answer.is_some() && is_there && inverse.pairs.len() < MAX_KEPT_ANSWERS {
                inverse.pairs.insert((id, framework), Summons { asked: None, ..summons });
            }
        }
        let Some(node) = node else { return };
        for framework in there {
            let summons = inverse.pairs.entry((id, framework)).or_default();
            let is_quiet = summons.quiet_until.is_some_and(|until| until > now);
            if summons.asked.is_some() || is_quiet {
                continue;
            }
            let asked = InverseOfferId::from_number(self.ids.give());
            summons.asked = Some(asked);
            inverse.asked.insert(asked, (id, framework));
            let offer = InverseOffer { id: asked, agent: id, node: Arc::clone(&node) };
            made.entry(framework).or_default().push(offer);
        }
    }

    /// The frameworks that are connected and hold something on an agent that is to be unavailable.
    fn to_be_asked(&self, id: AgentId) -> BTreeSet<FrameworkId> {
        let agent = self.state.agents.get(id);
        let agent = agent.filter(|agent| agent.connected && agent.node.unavailability.is_some());
        let handles = agent.into_iter().flat_map(|agent| &agent.tasks);
        let tasks = handles.filter_map(|handle| self.state.tasks.by_handle.get(handle));
        let held = tasks.filter(|task| !task.state.is_terminal()).map(|task| task.framework);
        let connected =
            |id: &FrameworkId| self.state.frameworks.get(id).is_some_and(|of| of.connected);
        held.filter(connected).collect()
    }

    /// A framework has a new stream: what it was asked by the old one, it is asked anew.
    pub(crate) fn unask(&mut self, id: FrameworkId, effects: &mut Vec<Effect>) {
        let inverse = &mut self.state.inverse;
        let asked = inverse.asked.iter().filter(|(_, pair)| pair.1 == id);
        for (asked, pair) in asked.map(|(asked, pair)| (*asked, *pair)).collect::<Vec<_>>() {
            inverse.asked.remove(&asked);
            if let Some(summons) = inverse.pairs.get_mut(&pair) {
                summons.asked = None;
            }
            effects.push(Effect::RescindInverse(id, asked));
        }
    }

    /// A framework has ended, and all that it answered with it.
    pub(crate) fn forget_answers(&mut self, id: FrameworkId) {
        let inverse = &mut self.state.inverse;
        inverse.pairs.retain(|pair, _| pair.1 != id);
        inverse.asked.retain(|_, pair| pair.1 != id);
    }

    /// All about an agent is void.
    pub(crate) fn forget_inverse_offers(&mut self, id: AgentId, effects: &mut Vec<Effect>) {
        let known: Vec<_> = self.state.inverse.of(id).map(|(framework, _)| framework).collect();
        for framework in known {
            if let Some(asked) = self.state.inverse.remove((id, framework)) {
                effects.push(Effect::RescindInverse(framework, asked));
            }
        }
    }

    /// A framework answers. One that stands no more is passed over, as in Mesos.
    pub(crate) fn answer_inverse(
        &mut self,
        now: Time,
        caller: Caller,
        ids: &[InverseOfferId],
        answer: Answer,
        refusal: Duration,
    ) -> Result<Reply, Refusal> {
        self.caller(caller)?;
        // Not at once: who answers by itself would be asked without end.
        let until = now + refusal.clamp(self.settings.step, MAX_REFUSAL);
        for id in ids {
            let Some(pair) = self.state.inverse.get(*id).filter(|pair| pair.1 == caller.framework)
            else {
                continue;
            };
            let inverse = &mut self.state.inverse;
            inverse.asked.remove(id);
            if let Some(summons) = inverse.pairs.get_mut(&pair) {
                let quiet_until = Some(until);
                *summons = Summons { asked: None, answer: Some((answer, now)), quiet_until };
                self.deadlines.add(until, Deadline::Summons(pair.0));
            }
        }
        Ok(Reply::Done)
    }

    /// Who is to be asked has been, and nobody else; both tables agree.
    pub(crate) fn check_inverse(&self, now: Time) -> Result<(), Violation> {
        let inverse = &self.state.inverse;
        let asked = inverse.pairs.iter().filter_map(|(pair, of)| Some((of.asked?, *pair)));
        if inverse.asked != asked.collect() {
            return Err(Violation::Derived("the table of inverse offers"));
        }
        if !self.summoning.is_empty() {
            return Ok(());
        }
        let maintained =
            self.state.agents.iter().filter(|agent| agent.node.unavailability.is_some());
        let mut asked = 0;
        for agent in maintained {
            for framework in self.to_be_asked(agent.id) {
                let summons = inverse.pairs.get(&(agent.id, framework));
                let is_quiet = |summons: &Summons| summons.quiet_until.is_some_and(|at| at > now);
                if !summons.is_some_and(|of| of.asked.is_some() || is_quiet(of)) {
                    return Err(Violation::Unasked(agent.id, framework));
                }
                asked += usize::from(summons.is_some_and(|summons| summons.asked.is_some()));
            }
        }
        if asked == inverse.asked.len() {
            Ok(())
        } else {
            Err(Violation::Derived("the number of inverse offers"))
        }
    }
}
