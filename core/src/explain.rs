//! Why no offer? Answered from the state alone, agent by agent.

use crate::{
    admission::Barrier,
    agents::Agent,
    capability::Lack,
    frameworks::{Framework, Wanted},
    ids::AgentId,
    machine::Machine,
    operate::Lot,
    quota::HeldBackBy,
    resources::{Amounts, Resources},
    seat::{Seat, SeatSlot},
    tasks::TaskState,
    time::Time,
    wants::Wants,
};

/// What stands between a framework or a task and its resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// One line for a person.
    pub summary: String,
    /// Agent, its node's name, and why not there; at most [`MAX_AGENTS_NAMED`].
    pub agents: Vec<(AgentId, String, String)>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// Whether it waits at all.
    pub waiting: bool,
    /// No node could ever satisfy it.
    pub impossible: bool,
}

/// So many agents are named one by one.
pub const MAX_AGENTS_NAMED: usize = 50;

impl Agent {
    /// Why nothing of it is given to anybody; `None`: it may be.
    fn refusal(&self) -> Option<String> {
        if !self.connected {
            return Some("it does not answer".to_owned());
        }
        let says = &self.report.refusing_work;
        let by_itself = || (!says.is_empty()).then(|| format!("it takes no new work: {says}"));
        self.set_aside().or_else(by_itself)
    }
}

/// What is wrong with what is free on an agent.
fn shortage(agent: &Agent, role: &str, revocable: bool, free: &Resources) -> String {
    if revocable && !agent.report.lending && agent.reported.is_some() {
        return format!("it does not lend: {}", agent.report.lending_reason);
    }
    if revocable {
        return format!("to lend: {free}");
    }
    let idle = agent.kept.idle();
    let others = idle.minus(&idle.for_role(role));
    if others.is_empty() {
        return format!("free: {free}");
    }
    format!("free: {free}; reserved: {others}")
}

/// What can be done about a barrier.
const fn remedy(barrier: &Barrier<'_>) -> &'static str {
    match barrier {
        Barrier::Lack(Lack::Gpus) => {
            "let the framework say that it can use GPUs, or what it wants; or add a node without GPUs"
        }
        Barrier::Lack(Lack::Region) => "let the framework say that it knows of regions",
        Barrier::Constraint(_) => {
            "loosen the framework's constraints, or set that attribute on a node"
        }
    }
}

impl Why {
    fn settled(summary: String) -> Self {
        Self { summary, ..Self::default() }
    }
}

impl Machine {
    /// Explains `subject`: the name of a wanted or running task, a framework's id or name, or an
    /// agent's id or its node's name.
    /// `None`: nobody of that name.
    #[must_use]
    pub fn why(&self, now: Time, subject: &str) -> Option<Why> {
        let frameworks = &self.state.frameworks;
        let wants = frameworks.values().find_map(|framework| {
            let want = self.state.seats.wanted_by(framework).find_map(|of| of.get(subject))?;
            Some(self.why_wanted(now, framework, subject, want))
        });
        let framework = || {
            let by_id = subject.parse().ok().and_then(|id| frameworks.get(&id));
            let by_name = || frameworks.values().find(|f| f.info.name == subject);
            by_id.or_else(by_name).map(|framework| self.why_framework(now, framework))
        };
        let agent = || self.why_agent(subject);
        wants.or_else(|| self.why_task(subject)).or_else(framework).or_else(agent)
    }

    /// Why an agent has no new work, if it has none.
    fn why_agent(&self, subject: &str) -> Option<Why> {
        let by_id = subject.parse().ok().and_then(|id| self.state.agents.get(id));
        let by_name = || self.state.agents.iter().find(|agent| agent.node.hostname == subject);
        let agent = by_id.or_else(by_name)?;
        let (id, host) = (agent.id, &agent.node.hostname);
        let why = match agent.refusal() {
            Some(why) => format!("agent {id} on {host} has no new work: {why}"),
            None => format!("agent {id} on {host} takes new work"),
        };
        let hints = self.hints_to_reactivate([agent].into_iter());
        Some(Why { hints, ..Why::settled(why) })
    }

    /// How to have agents back that operators have set aside.
    fn hints_to_reactivate<'a>(&self, agents: impl Iterator<Item = &'a Agent>) -> Vec<String> {
        let mut agents = agents.filter(|agent| agent.can_be_reactivated());
        agents
            .next()
            .into_iter()
            .map(|agent| format!("`headroom reactivate {}`", agent.id))
            .collect()
    }

    fn why_task(&self, name: &str) -> Option<Why> {
        let tasks = &self.state.tasks;
        if let Some(task) = tasks.by_handle.values().find(|task| &*task.name == name) {
            let node =
                self.state.agents.get(task.agent).map_or("?", |agent| agent.node.hostname.as_str());
            let how = match (task.state, task.revocable) {
                (TaskState::Staging, _) => format!("is being started on {node}"),
                (_, true) => format!("has its place on {node}, on lent resources"),
                (_, false) => format!("has its place on {node}"),
            };
            return Some(Why::settled(format!("task {name} does not wait: it {how}")));
        }
        let ended = tasks.ended.iter().rev().find(|ended| &*ended.task.name == name)?;
        let state = format!("{:?}", ended.status.state).to_lowercase();
        let message = if ended.status.message.is_empty() {
            String::new()
        } else {
            format!(": {}", ended.status.message)
        };
        Some(Why::settled(format!("task {name} does not wait: it has ended, {state}{message}")))
    }

    fn why_framework(&self, now: Time, framework: &Framework) -> Why {
        let name = &framework.info.name;
        if !framework.connected {
            let hint = "it must subscribe again; until then nothing is offered to it".to_owned();
            let summary = format!("framework {name} is not connected");
            return Why { waiting: true, hints: vec![hint], ..Why::settled(summary) };
        }
        if self.state.seats.of(framework).all(|seat| seat.suppressed) {
            let hint = "it must revive its offers".to_owned();
            let summary = format!("framework {name} has suppressed its offers");
            return Why { hints: vec![hint], ..Why::settled(summary) };
        }
        let mut wanted = self.state.seats.wanted_by(framework).peekable();
        let says_wants = wanted.peek().is_some();
        let unplaced = says_wants.then(|| wanted.flat_map(Wants::waiting).collect::<Vec<_>>());
        let offers: usize = self.state.seats.of(framework).map(|seat| seat.offers.len()).sum();
        match unplaced.as_deref() {
            Some([]) => Why::settled(format!(
                "framework {name} does not wait: all it asked for is placed or offered to it"
            )),
            Some([(first, want), rest @ ..]) => {
                let mut why = self.why_wanted(now, framework, first, want);
                if !rest.is_empty() {
                    why.summary = format!("{} (and {} more tasks wait)", why.summary, rest.len());
                }
                why
            }
            None if offers > 0 => Why::settled(format!(
                "framework {name} has {offers} offers and has not answered them"
            )),
            None => self.why_nothing(now, framework, &Resources::default(), name),
        }
    }

    fn why_wanted(&self, now: Time, framework: &Framework, name: &str, want: &Wanted) -> Why {
        if let Some(offer) = want.offered {
            return Why::settled(format!(
                "task {name} has been offered a place ({offer}); its framework has not answered yet"
            ));
        }
        if !framework.connected || self.state.seats.of(framework).all(|seat| seat.suppressed) {
            return self.why_framework(now, framework);
        }
        let mut why = self.why_nothing(now, framework, &want.request, name);
        let waited = now.since(want.since).as_secs();
        why.summary = format!("{} (for {waited} s so far)", why.summary);
        why
    }

    /// Why no agent has `request` (nothing: anything) for the framework.
    fn why_nothing(
        &self,
        now: Time,
        framework: &Framework,
        request: &Resources,
        name: &str,
    ) -> Why {
        let agents = &self.state.agents;
        if agents.is_empty() {
            let hint = "start an agent: headroom-agent --allocator ADDRESS".to_owned();
            let summary = format!("{name} waits: there is no agent");
            return Why { waiting: true, hints: vec![hint], ..Why::settled(summary) };
        }
        let own = self.settings.domain.as_ref();
        let mut large = agents.iter().filter(|agent| request.fits_in(&agent.total)).peekable();
        let possible = large.peek().is_some();
        let seats = || self.state.seats.of(framework).filter(|seat| !seat.suppressed);
        let barrier = |agent| seats().map(|seat| seat.barrier(agent, own)).reduce(Option::and);
        let barriers: Option<Vec<_>> = large.map(|agent| barrier(agent).flatten()).collect();
        let named = agents.iter().take(MAX_AGENTS_NAMED);
        let reasons = named.map(|agent| {
            (
                agent.id,
                agent.node.hostname.clone(),
                self.why_not_here(now, framework, request, agent),
            )
        });
        let summary = if let Some(barrier) = barriers.as_ref().and_then(|all| all.first()) {
            format!("{name} waits: no agent with {request} is for it: {barrier}")
        } else if possible {
            let roles = framework.info.roles.join(" or ");
            format!("{name} waits: no agent has {request} free for role {roles}")
        } else {
            let largest = agents.iter().map(|agent| agent.total.amounts);
            let largest = largest.fold(Default::default(), Amounts::max);
            format!(
                "{name} can never start: it asks for {request}, and the most any node has is {largest}"
            )
        };
        let mut hints = self.hints(framework, possible);
        let fitting = agents.iter().filter(|agent| request.fits_in(&agent.total));
        hints.extend(self.hints_to_reactivate(fitting));
        hints.extend(barriers.iter().flatten().take(1).map(|barrier| remedy(barrier).to_owned()));
        Why { summary, agents: reasons.collect(), hints, waiting: true, impossible: !possible }
    }

    fn hints(&self, framework: &Framework, possible: bool) -> Vec<String> {
        let takes = self.state.seats.of(framework).any(|seat| self.state.takes(seat, true));
        let role = framework.info.roles.first().map_or("*", String::as_str);
        let lent = self.state.agents.iter().any(|agent| !agent.free_revocable().is_zero());
        let mut hints = Vec::new();
        if !possible {
            hints.push("ask for less, or add a larger node".to_owned());
        } else if lent && !takes {
            hints.push(format!(
                "idle resources are there to be lent: `headroom role set '{role}' --opportunistic true`, \
                 or run it with --revocable"
            ));
        }
        hints
    }

    fn why_not_here(
        &self,
        now: Time,
        framework: &Framework,
        request: &Resources,
        agent: &Agent,
    ) -> String {
        if let Some(why) = agent.refusal() {
            return why;
        }
        if !request.fits_in(&agent.total) {
            return format!("it has only {} in all", agent.total);
        }
        let hungry = framework.seats.values().filter_map(|slot| {
            let seat = self.state.seats.at(*slot).filter(|seat| !seat.suppressed)?;
            Some((*slot, seat))
        });
        let reasons = hungry.map(|(slot, seat)| {
            let reason = self.why_not_in_role(now, (slot, seat), request, agent);
            let role = &self.state.roles.get(seat.role).name;
            if framework.seats.len() > 1 { format!("role {role}: {reason}") } else { reason }
        });
        reasons.collect::<Vec<_>>().join("; ")
    }

    fn why_not_in_role(
        &self,
        now: Time,
        (slot, seat): (SeatSlot, &Seat),
        request: &Resources,
        agent: &Agent,
    ) -> String {
        if let Some(barrier) = seat.barrier(agent, self.settings.domain.as_ref()) {
            return barrier.to_string();
        }
        let role = &self.state.roles.get(seat.role).name;
        // Whether a decline hides it is asked of each wanted thing, and of all that is free otherwise.
        let says_wants = seat.wanted.is_some();
        let asked = |free: &Resources| if says_wants { request.amounts } else { free.amounts };
        let mut reasons = Vec::new();
        for revocable in [false, true] {
            if !self.state.takes(seat, revocable) {
                continue;
            }
            let free = Lot::free(agent, role, revocable).without_volumes().resources;
            if !request.fits_in(&free) || free.is_empty() {
                reasons.push(shortage(agent, role, revocable, &free));
            } else if !seat.is_enough(free.amounts) {
                let least = seat.minimum.clone().unwrap_or_default();
                reasons.push(format!("free: {free}, and its framework wants at least {least}"));
            } else if let Some(until) = agent.filters(revocable).until(slot, asked(&free)) {
                let seconds = until.since(now).as_secs();
                reasons.push(format!("its framework declined it, for {seconds} s more"));
            } else if !revocable {
                let room = self.state.roles.room(seat.role, free.amounts, self.state.spare());
                reasons.extend(room.1.map(|by| self.why_held_back(by, room.0)));
            }
        }
        if reasons.is_empty() { "it is being offered".to_owned() } else { reasons.join("; ") }
    }

    fn why_held_back(&self, by: HeldBackBy, room: Amounts) -> String {
        match by {
            HeldBackBy::Limit(role) => {
                format!("the limit of role {} leaves {room}", self.state.roles.get(role).name)
            }
            HeldBackBy::Guarantees => format!("what is guaranteed to other roles leaves {room}"),
        }
    }
}
