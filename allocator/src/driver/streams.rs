//! Which streams stand, and handing effects to them.

use super::{
    feed::{Ended, Outlet},
    news::Herald,
};
use crate::metrics::DriverMetrics;
use headroom_core::{
    command::{Caller, Command},
    effect::Effect,
    ids::{AgentId, FrameworkId},
};
use std::{collections::BTreeMap, sync::Arc};
use tracing::{debug, warn};

struct AgentStream {
    number: u64,
    outlet: Outlet,
}

struct FrameworkStream {
    session: u64,
    outlet: Outlet,
}

/// All streams. One is arriving from the decision that let it in until the effect that opens it.
pub(super) struct Streams {
    agents: BTreeMap<AgentId, AgentStream>,
    arriving_agents: BTreeMap<AgentId, AgentStream>,
    /// The newest stream of each agent, arriving ones included: what older ones send is void.
    newest: BTreeMap<AgentId, u64>,
    frameworks: BTreeMap<FrameworkId, FrameworkStream>,
    arriving_frameworks: BTreeMap<FrameworkId, FrameworkStream>,
    numbers: u64,
    /// What the core has to be told of streams that were dropped here.
    gone: Vec<Command>,
    metrics: Arc<DriverMetrics>,
    herald: Herald,
}

impl Streams {
    pub(super) const fn new(metrics: Arc<DriverMetrics>, herald: Herald) -> Self {
        Self {
            agents: BTreeMap::new(),
            arriving_agents: BTreeMap::new(),
            newest: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            arriving_frameworks: BTreeMap::new(),
            numbers: 0,
            gone: Vec::new(),
            metrics,
            herald,
        }
    }

    pub(super) fn agent_arrives(&mut self, agent: AgentId, outlet: Outlet) -> u64 {
        self.numbers += 1;
        let number = self.numbers;
        self.newest.insert(agent, number);
        if let Some(older) = self.arriving_agents.insert(agent, AgentStream { number, outlet }) {
            older.outlet.end(Ended::Replaced);
        }
        number
    }

    pub(super) fn is_newest(&self, agent: AgentId, number: u64) -> bool {
        self.newest.get(&agent) == Some(&number)
    }

    pub(super) fn agent_left(&mut self, agent: AgentId, number: u64) {
        if self.newest.get(&agent) == Some(&number) {
            self.newest.remove(&agent);
        }
        if self.agents.get(&agent).is_some_and(|stream| stream.number == number) {
            self.agents.remove(&agent);
        }
    }

    pub(super) fn framework_arrives(&mut self, id: FrameworkId, session: u64, outlet: Outlet) {
        let stream = FrameworkStream { session, outlet };
        if let Some(older) = self.arriving_frameworks.insert(id, stream) {
            older.outlet.end(Ended::Replaced);
        }
    }

    /// Forgets a subscription that is undone before it was opened.
    pub(super) fn framework_turned_away(&mut self, id: FrameworkId) {
        self.arriving_frameworks.remove(&id);
    }

    pub(super) fn framework_left(&mut self, caller: Caller) {
        if self.frameworks.get(&caller.framework).is_some_and(|s| s.session == caller.session) {
            self.frameworks.remove(&caller.framework);
        }
    }

    /// What the core has to be told of streams dropped since the last call.
    pub(super) fn take_gone(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.gone)
    }

    /// Drops the streams that nobody reads any more; once a step, for readers that went unnoticed.
    pub(super) fn sweep(&mut self) {
        let agents = self.agents.iter().filter(|(_, stream)| stream.outlet.is_unread());
        for agent in agents.map(|(agent, _)| *agent).collect::<Vec<_>>() {
            self.drop_agent(agent);
        }
        let frameworks = self.frameworks.iter().filter(|(_, stream)| stream.outlet.is_unread());
        for framework in frameworks.map(|(framework, _)| *framework).collect::<Vec<_>>() {
            self.drop_framework(framework);
        }
    }

    pub(super) fn end_all(&mut self) {
        for (_, stream) in std::mem::take(&mut self.agents) {
            stream.outlet.end(Ended::Stopping);
        }
        for (_, stream) in std::mem::take(&mut self.frameworks) {
            stream.outlet.end(Ended::Stopping);
        }
    }

    /// Hands one effect to the stream it is for; without one it is dropped: who comes back is told
    /// anew how things are.
    pub(super) fn dispatch(&mut self, effect: Effect) {
        self.metrics.count(&effect);
        self.herald.tell(&effect);
        match &effect {
            Effect::Persist(_) => {}
            Effect::Dismiss(agent, _) => self.dismiss(*agent, effect),
            Effect::Welcome(agent)
            | Effect::Launch(agent, _)
            | Effect::LaunchGroup(agent, _)
            | Effect::Promote(agent, ..)
            | Effect::Kill(agent, ..)
            | Effect::ToExecutor(agent, ..)
            | Effect::DestroyVolume(agent, ..)
            | Effect::Acknowledge(agent, ..) => self.order(*agent, effect),
            Effect::EndStream(framework, session, _) => {
                self.end_framework(*framework, *session, effect);
            }
            Effect::Subscribed(framework, _)
            | Effect::Offers(framework, _)
            | Effect::Rescind(framework, ..)
            | Effect::InverseOffers(framework, _)
            | Effect::RescindInverse(framework, _)
            | Effect::Update(framework, _)
            | Effect::Operation(framework, _)
            | Effect::ExecutorEnded(framework, ..)
            | Effect::FromExecutor(framework, ..)
            | Effect::AgentLost(framework, ..) => self.tell(*framework, effect),
        }
    }

    fn order(&mut self, agent: AgentId, effect: Effect) {
        if matches!(effect, Effect::Welcome(_))
            && let Some(stream) = self.arriving_agents.remove(&agent)
            && let Some(older) = self.agents.insert(agent, stream)
        {
            older.outlet.end(Ended::Replaced);
        }
        let Some(stream) = self.agents.get(&agent) else {
            return debug!(%agent, "dropped an order: no stream stands");
        };
        if !stream.outlet.push(effect) {
            self.drop_agent(agent);
        }
    }

    /// Ends the stream of an agent that is not wanted any more, with a last word.
    fn dismiss(&mut self, agent: AgentId, effect: Effect) {
        self.newest.remove(&agent);
        if let Some(stream) = self.agents.remove(&agent) {
            stream.outlet.push(effect);
            stream.outlet.end(Ended::Told);
        }
    }

    fn drop_agent(&mut self, agent: AgentId) {
        let Some(stream) = self.agents.remove(&agent) else { return };
        warn!(%agent, "ended the stream of an agent that does not read");
        self.metrics.streams_dropped.inc();
        if self.is_newest(agent, stream.number) {
            self.newest.remove(&agent);
            self.gone.push(Command::AgentGone(agent));
        }
    }

    fn tell(&mut self, framework: FrameworkId, effect: Effect) {
        if matches!(effect, Effect::Subscribed(..))
            && let Some(stream) = self.arriving_frameworks.remove(&framework)
            && let Some(older) = self.frameworks.insert(framework, stream)
        {
            older.outlet.end(Ended::Replaced);
        }
        let Some(stream) = self.frameworks.get(&framework) else {
            return debug!(%framework, "dropped an event: no stream stands");
        };
        if !stream.outlet.push(effect) {
            self.drop_framework(framework);
        }
    }

    fn drop_framework(&mut self, framework: FrameworkId) {
        let Some(stream) = self.frameworks.remove(&framework) else { return };
        warn!(%framework, "ended the stream of a framework that does not read");
        self.metrics.streams_dropped.inc();
        let session = stream.session;
        self.gone.push(Command::FrameworkGone(Caller { framework, session }));
    }

    fn end_framework(&mut self, framework: FrameworkId, session: u64, effect: Effect) {
        if self.frameworks.get(&framework).is_some_and(|stream| stream.session == session)
            && let Some(stream) = self.frameworks.remove(&framework)
        {
            stream.outlet.push(effect);
            stream.outlet.end(Ended::Told);
        }
    }
}
