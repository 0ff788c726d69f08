//! Agents come, report, go silent and are given up.

use crate::{
    agents::{Agent, MAX_AGENTS},
    command::{AgentHello, AgentReport, HeldTask, TaskUsage, Usage},
    deadline::Deadline,
    effect::{Effect, Record},
    executor::Kind,
    holdings::{As, Holding},
    ids::{AgentId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    overcommit::Peaks,
    reservation::Parts,
    resources::Amounts,
    roles::{RoleSlot, is_role_name},
    seat::SeatSlot,
    standing::Standing,
    tasks::{Reason, Task, TaskState, TaskStatus},
    time::Time,
};
use std::{collections::BTreeSet, sync::Arc};

impl Machine {
    pub(crate) fn agent_hello(
        &mut self,
        now: Time,
        hello: &AgentHello,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if let Some(id) = hello.agent
            && self.state.absent.get(&id) == Some(&Standing::Gone)
        {
            return Err(Refusal::AgentGone(id));
        }
        self.check_is_up(hello)?;
        let known = hello.agent.filter(|id| self.state.agents.get(*id).is_some());
        let id = match known {
            Some(id) => {
                self.return_agent(id, hello, effects);
                id
            }
            None => self.add_agent(hello, effects)?,
        };
        effects.push(Effect::Welcome(id));
        for task in &hello.tasks {
            self.relearn(now, id, task, known.is_some(), effects);
        }
        let has: BTreeSet<_> = hello.tasks.iter().map(|task| task.handle).collect();
        self.settle_missing(now, id, &has, effects);
        for task in &hello.tasks {
            self.answer(task.framework, &task.name, effects);
        }
        self.seen(id, effects);
        // Its machine may be another one now.
        self.summoning.insert(id);
        self.go_on_draining(now, id, effects);
        // Draining may have shown that nothing is left, and ended it.
        self.state.agents.slot(id).into_iter().for_each(|slot| self.refresh_lending(now, slot));
        // What it is may have changed even if no more of it is free.
        self.state.agents.look_at(id);
        Ok(Reply::Agent(id))
    }

    fn add_agent(
        &mut self,
        hello: &AgentHello,
        effects: &mut Vec<Effect>,
    ) -> Result<AgentId, Refusal> {
        let id = AgentId::from_number(self.ids.give());
        let kept = self.kept_of(hello, effects);
        let (all, dynamic) = (kept.all().clone(), kept.dynamic());
        let standing = self.take_standing(hello.agent, id, effects);
        let agent = Agent {
            node: Arc::new(self.node(hello)),
            total: hello.total.clone(),
            kept,
            connected: true,
            standing,
            ..Agent::unseen(id, String::new())
        };
        self.state.agents.insert(agent).ok_or(Refusal::Bound {
            what: "agents",
            bound: MAX_AGENTS,
            hint: "run a second cluster",
        })?;
        self.kept_changed(&Parts::default(), &all);
        effects.push(Effect::Persist(Record::Agent(id, hello.hostname.clone())));
        if !dynamic.is_empty() {
            effects.push(Effect::Persist(Record::Reservations(id, dynamic)));
        }
        Ok(id)
    }

    pub(crate) fn restore_agent(&mut self, now: Time, id: AgentId, hostname: String) {
        let agent = Agent { gone_since: Some(now), ..Agent::unseen(id, hostname) };
        if self.state.agents.insert(agent).is_some() {
            self.questions.unseen.insert(id);
            self.deadlines.add(now + self.settings.agent_timeout, Deadline::Agent(id));
        }
    }

    fn return_agent(&mut self, id: AgentId, hello: &AgentHello, effects: &mut Vec<Effect>) {
        let offers: Vec<_> =
            self.state.agents.get(id).into_iter().flat_map(|agent| agent.offers.clone()).collect();
        self.rescind(&offers, "the agent has started anew", effects);
        let node = Arc::new(self.node(hello));
        self.state.agents.update(id, |agent| {
            agent.connected = true;
            agent.gone_since = None;
            agent.node = node;
            agent.total = hello.total.clone();
            agent.report = AgentReport::default();
            agent.reported = None;
            agent.derive();
        });
        self.change_kept(id, |kept| kept.configure(&hello.reserved));
    }

    /// Takes note of a task that an agent already has: one that this allocator launched, or one of
    /// an allocator before it. A task of nobody, or of an agent that was given up, is ended.
    fn relearn(
        &mut self,
        now: Time,
        id: AgentId,
        held: &HeldTask,
        agent_was_known: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(task) = self.state.tasks.by_handle.get_mut(&held.handle) {
            // An end is told by the agent's own status update, never by its inventory.
            if !task.state.is_terminal() && !held.state.is_terminal() {
                if task.state == TaskState::Killing {
                    let by_framework =
                        Effect::Kill(id, held.handle, None, Reason::KilledByFramework);
                    effects.push(self.drain_order(id, held.handle).unwrap_or(by_framework));
                } else {
                    task.state = held.state;
                    // Its promotion was lost with the stream.
                    if held.revocable && !task.revocable {
                        let (request, reserved) = (task.request.clone(), task.reserved.clone());
                        effects.push(Effect::Promote(id, held.handle, request, reserved));
                    }
                }
            }
            return;
        }
        let framework = self.state.frameworks.get(&held.framework);
        let free_name = framework.is_some_and(|f| !f.knows(id, held));
        match framework {
            Some(_) if agent_was_known && free_name => self.adopt(now, id, held),
            _ if held.state.is_terminal() => {}
            Some(_) => effects.push(Effect::Kill(id, held.handle, None, Reason::AgentLost)),
            None => effects.push(Effect::Kill(id, held.handle, None, Reason::FrameworkRemoved)),
        }
    }

    fn adopt(&mut self, now: Time, agent: AgentId, held: &HeldTask) {
        let HeldTask { handle, framework, revocable, .. } = *held;
        let Some(role) = self.role_of_held(held) else { return };
        let Some(owner) = self.state.frameworks.get_mut(&framework) else { return };
        let name: Arc<str> = held.name.as_str().into();
        if held.kind.is_executor() {
            owner.executors.insert((agent, revocable, Arc::clone(&name)), handle);
        } else {
            owner.tasks.insert(Arc::clone(&name), handle);
        }
        let reserved = self.reserved_of(agent, held);
        let task = Task {
            handle,
            framework,
            name,
            agent,
            role,
            request: held.request.clone(),
            reserved,
            revocable,
            kind: held.kind,
            state: held.state,
            since: now,
            usage: TaskUsage::default(),
            unacknowledged: None,
        };
        if !held.state.is_terminal() {
            self.hold_for_task(&task);
        }
        self.state.tasks.by_handle.insert(handle, Box::new(task));
        let at = self.state.agents.slot(agent).and_then(|slot| self.state.agents.at_mut(slot));
        at.into_iter().for_each(|agent| _ = agent.tasks.insert(handle));
    }

    /// The role that a task counts for which its agent already has: the one it was launched in, be it
    /// none of its framework's any more; one that is no name, of an older agent, is the first.
    fn role_of_held(&mut self, held: &HeldTask) -> Option<RoleSlot> {
        let named = is_role_name(&held.role).then(|| self.state.roles.entry(&held.role)).flatten();
        named.or_else(|| {
            let first = self.state.frameworks.get(&held.framework)?.info.roles.first()?;
            self.state.roles.find(first)
        })
    }

    /// Ends the tasks that should be on the agent and are not.
    fn settle_missing(
        &mut self,
        now: Time,
        id: AgentId,
        has: &BTreeSet<TaskHandle>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(agent) = self.state.agents.get(id) else { return };
        let missing: Vec<_> = agent.tasks.difference(has).copied().collect();
        for handle in missing {
            let why = "the agent came back without this task";
            self.lose(now, handle, Reason::AgentRestarted, why, effects);
        }
    }

    pub(crate) fn hold_for_task(&mut self, task: &Task) {
        let Some(holding) = self.holding_of(task) else { return };
        self.hold(holding, As::Task);
    }

    pub(crate) fn release_of_task(&mut self, task: &Task) {
        let Some(holding) = self.holding_of(task) else { return };
        self.release(holding, As::Task);
    }

    fn holding_of<'a>(&self, task: &'a Task) -> Option<Holding<'a>> {
        let (seat, agent) =
            (self.seat_in(task.framework, task.role), self.state.agents.slot(task.agent)?);
        let Task { role, revocable, ref request, ref reserved, .. } = *task;
        let peaks = task.peaks();
        Some(Holding { seat, role, agent, resources: request, reserved, revocable, peaks })
    }

    pub(crate) fn agent_report(
        &mut self,
        now: Time,
        id: AgentId,
        mut report: AgentReport,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let agent = self.state.agents.get(id).ok_or(Refusal::UnknownAgent(id))?;
        let tasks = &mut self.state.tasks.by_handle;
        for handle in &agent.tasks {
            if let Some(task) = tasks.get_mut(handle) {
                task.usage = TaskUsage::default();
            }
        }
        let (mut used, mut peaks) =
            (Amounts::ZERO, Peaks::of(agent.held.amounts, Usage::default()));
        for (handle, usage) in std::mem::take(&mut report.tasks) {
            if let Some(task) = tasks.get_mut(&handle).filter(|task| task.agent == id) {
                if !task.state.is_terminal() {
                    used = used.minus(task.used()).plus(usage.usage.or(Amounts::ZERO));
                }
                let before = task.guaranteed_peaks();
                task.usage = usage;
                peaks = peaks.minus(before).plus(task.guaranteed_peaks());
            }
        }
        // What an executor is expected to use is for all that runs in it and is not measured by itself.
        for handle in &agent.tasks {
            let Some(Kind::In(executor)) = tasks.get(handle).map(|task| task.kind) else {
                continue;
            };
            let of = tasks.get(&executor).map_or(Usage::default(), |host| host.usage.forecast);
            let Some(task) = tasks.get_mut(handle) else { continue };
            if task.usage != TaskUsage::default() {
                continue;
            }
            let before = task.guaranteed_peaks();
            task.usage.forecast.cpus_milli = of.cpus_milli.map(|_| 0);
            task.usage.forecast.memory_milli_mib = of.memory_milli_mib.map(|_| 0);
            peaks = peaks.minus(before).plus(task.guaranteed_peaks());
        }
        self.state.agents.update(id, |agent| {
            agent.report = report;
            agent.reported = Some(now);
            agent.used = used;
            agent.peaks = peaks;
            agent.derive();
        });
        if self.state.agents.get(id).is_some_and(|agent| !agent.takes_work()) {
            self.rescind_all(id, "the agent takes no new work", effects);
        }
        self.state
            .agents
            .slot(id)
            .into_iter()
            .for_each(|at| self.lending_changed(now, at, effects));
        Ok(Reply::Done)
    }

    pub(crate) fn agent_lending(
        &mut self,
        now: Time,
        id: AgentId,
        lending: bool,
        reason: String,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        self.state
            .agents
            .update(id, |agent| {
                agent.report.lending = lending;
                agent.report.lending_reason = reason;
            })
            .ok_or(Refusal::UnknownAgent(id))?;
        self.state
            .agents
            .slot(id)
            .into_iter()
            .for_each(|at| self.lending_changed(now, at, effects));
        Ok(Reply::Done)
    }

    /// Brings an agent's lending up to date: takes offers back that stand on nothing now.
    pub(crate) fn lending_changed(&mut self, now: Time, agent: usize, effects: &mut Vec<Effect>) {
        self.refresh_lending(now, agent);
        let Some(agent) = self.state.agents.at(agent) else { return };
        let overdrawn = self.overdrawn_offers(agent);
        self.rescind(&overdrawn, "the owner of these resources needs them", effects);
    }

    pub(crate) fn rescind_all(&mut self, id: AgentId, why: &str, effects: &mut Vec<Effect>) {
        let offers: Vec<_> =
            self.state.agents.get(id).into_iter().flat_map(|agent| agent.offers.clone()).collect();
        self.rescind(&offers, why, effects);
    }

    pub(crate) fn agent_gone(
        &mut self,
        now: Time,
        id: AgentId,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let was = self.state.agents.update(id, |agent| {
            agent.gone_since = Some(now);
            std::mem::replace(&mut agent.connected, false)
        });
        if was.ok_or(Refusal::UnknownAgent(id))? {
            self.rescind_all(id, "the agent does not answer", effects);
            self.summon_later(id);
            self.state.agents.slot(id).into_iter().for_each(|at| self.refresh_lending(now, at));
            self.deadlines.add(now + self.settings.agent_timeout, Deadline::Agent(id));
        }
        Ok(Reply::Done)
    }

    /// Gives up an agent that has been silent for the agent timeout.
    pub(crate) fn agent_overdue(&mut self, now: Time, id: AgentId, effects: &mut Vec<Effect>) {
        let Some(agent) = self.state.agents.get(id) else { return };
        let overdue =
            agent.gone_since.is_some_and(|at| now.since(at) >= self.settings.agent_timeout);
        if agent.connected || !overdue {
            return;
        }
        let why = format!("agent {id} on {} has not answered for too long", agent.node.hostname);
        self.give_up(now, id, Reason::AgentLost, &why, effects);
    }

    /// Forgets an agent; all that it had is lost, and its frameworks are told why.
    pub(crate) fn give_up(
        &mut self,
        now: Time,
        id: AgentId,
        reason: Reason,
        why: &str,
        effects: &mut Vec<Effect>,
    ) {
        let Some(agent) = self.state.agents.get(id) else { return };
        let tasks: Vec<_> = agent.tasks.iter().copied().collect();
        let mut told = BTreeSet::new();
        for handle in tasks {
            if let Some(task) = self.state.tasks.by_handle.get(&handle) {
                told.insert(task.framework);
            }
            self.lose(now, handle, reason, why, effects);
        }
        self.rescind_all(id, why, effects);
        effects.extend(told.into_iter().map(|fw| Effect::AgentLost(fw, id, why.to_owned())));
        self.remove_agent(id, effects);
        effects.push(Effect::Persist(Record::AgentRemoved(id)));
        self.seen(id, effects);
    }

    fn remove_agent(&mut self, id: AgentId, effects: &mut Vec<Effect>) {
        let Some(agent) = self.state.agents.remove(id) else { return };
        self.forget_inverse_offers(id, effects);
        self.kept_changed(agent.kept.all(), &Parts::default());
        self.abandon(&agent.kept, id, effects);
        self.keep_standing(&agent, effects);
        if let Some(again) = agent.drain_again {
            self.deadlines.remove(again, Deadline::Drain(id));
        }
        for revocable in [false, true] {
            let filters = agent.filters(revocable);
            for seat in filters.seats().iter() {
                if let Some(seat) = self.state.seats.at_mut(SeatSlot(seat as u32)) {
                    seat.filters -= 1;
                }
            }
            if let Some(wake) = filters.wake() {
                self.deadlines.remove(wake, Deadline::Filters(id, revocable));
            }
        }
    }

    /// Ends a task that nobody can tell the end of.
    fn lose(
        &mut self,
        now: Time,
        handle: TaskHandle,
        reason: Reason,
        why: &str,
        effects: &mut Vec<Effect>,
    ) {
        let Some(task) = self.state.tasks.by_handle.get(&handle) else { return };
        let status =
            TaskStatus::of(&task.name, Some(task.agent), TaskState::Lost, reason).saying(why);
        self.settle(now, handle, &status, effects);
    }
}
