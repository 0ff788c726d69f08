//! What operators decide about agents: no new work, no work at all, gone for good.
//!
//! A decision is durable. It outlives the agent's silence and the allocator's restart, and ends only
//! by another one. An agent that is drained has its tasks ended, its executors after them, and is
//! told so again and again until nothing is left and all is acknowledged.

use crate::{
    agents::Agent,
    deadline::Deadline,
    effect::{Effect, Record},
    ids::{AgentId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    reservation::Parts,
    tasks::Reason,
    time::Time,
};
use std::time::Duration;

/// What was decided about at most so many agents that are not here is kept; then the oldest goes.
pub const MAX_ABSENT: usize = 100_000;
/// What is left on a draining agent is told to end so often.
pub const DRAIN_RETRY: Duration = Duration::from_secs(30);

/// How an agent is drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    /// The longest from asking a task to end to forcing it; none: as long as each task itself says.
    pub max_grace: Option<Duration>,
    /// At the end the agent is gone for good.
    pub mark_gone: bool,
}

/// How an agent stands by its operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was decided.
    #[default]
    Active,
    /// Nothing of it is offered or lent; what runs there runs on.
    Deactivated,
    /// As deactivated, and what runs there is ended.
    Draining(Drain),
    /// All that ran there has ended.
    Drained(Drain),
    /// It is never let in again.
    Gone,
}

impl Standing {
    /// Whether work may be given to it.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }

    /// How it is or was drained.
    #[must_use]
    pub const fn drain(self) -> Option<Drain> {
        match self {
            Self::Draining(drain) | Self::Drained(drain) => Some(drain),
            Self::Active | Self::Deactivated | Self::Gone => None,
        }
    }
}

impl Agent {
    /// Whether it waits for an operator to let it have work again.
    #[must_use]
    pub const fn can_be_reactivated(&self) -> bool {
        matches!(self.standing, Standing::Deactivated | Standing::Drained(_))
    }

    /// Why operators let it have no new work, for people.
    #[must_use]
    pub fn set_aside(&self) -> Option<String> {
        Some(match self.standing {
            Standing::Active => return None,
            Standing::Deactivated => "an operator has deactivated it".to_owned(),
            Standing::Draining(_) => {
                format!("an operator is draining it, {} tasks are left", self.tasks.len())
            }
            Standing::Drained(_) => "an operator has drained it".to_owned(),
            Standing::Gone => "an operator has declared it gone".to_owned(),
        })
    }
}

impl Machine {
    pub(crate) fn restore_standing(&mut self, id: AgentId, standing: Standing) {
        let known = self.state.agents.update(id, |agent| {
            agent.standing = standing;
            agent.derive();
        });
        if known.is_none() && self.state.absent.len() < MAX_ABSENT {
            self.state.absent.insert(id, standing);
        }
    }

    /// How an agent stands that is known, or was before it was given up.
    fn standing_of(&self, id: AgentId) -> Result<Standing, Refusal> {
        let known = self.state.agents.get(id).map(|agent| agent.standing);
        let known = known.or_else(|| self.state.absent.get(&id).copied());
        known.filter(|standing| *standing != Standing::Gone).ok_or(Refusal::UnknownAgent(id))
    }

    fn set_standing(
        &mut self,
        now: Time,
        id: AgentId,
        standing: Standing,
        effects: &mut Vec<Effect>,
    ) {
        let slot = self.state.agents.slot(id);
        let Some(slot) = slot.filter(|_| standing != Standing::Gone) else {
            return self.note_absent(id, standing, effects);
        };
        effects.push(Effect::Persist(Record::Standing(id, standing)));
        self.state.agents.update_at(slot, |agent| {
            agent.standing = standing;
            agent.derive();
        });
        if !standing.is_active() {
            self.rescind_all(id, "an operator lets this agent have no new work", effects);
        }
        self.lending_changed(now, slot, effects);
        self.state.agents.look_at(id);
    }

    fn note_absent(&mut self, id: AgentId, standing: Standing, effects: &mut Vec<Effect>) {
        let absent = &mut self.state.absent;
        effects.push(Effect::Persist(Record::Standing(id, standing)));
        if standing.is_active() {
            absent.remove(&id);
            return;
        }
        if absent.len() >= MAX_ABSENT
            && !absent.contains_key(&id)
            && let Some((oldest, _)) = absent.pop_first()
        {
            effects.push(Effect::Persist(Record::Standing(oldest, Standing::Active)));
        }
        absent.insert(id, standing);
    }

    /// An agent is given up: what was decided about it waits, should it come back.
    pub(crate) fn keep_standing(&mut self, agent: &Agent, effects: &mut Vec<Effect>) {
        if !agent.standing.is_active() {
            self.note_absent(agent.id, agent.standing, effects);
        }
    }

    /// How an agent stands that says hello under a new id, as it did under its old one.
    pub(crate) fn take_standing(
        &mut self,
        old: Option<AgentId>,
        new: AgentId,
        effects: &mut Vec<Effect>,
    ) -> Standing {
        let Some((old, standing)) =
            old.and_then(|old| Some((old, self.state.absent.remove(&old)?)))
        else {
            return Standing::Active;
        };
        effects.push(Effect::Persist(Record::Standing(old, Standing::Active)));
        effects.push(Effect::Persist(Record::Standing(new, standing)));
        standing
    }

    pub(crate) fn deactivate(
        &mut self,
        now: Time,
        id: AgentId,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if self.standing_of(id)?.is_active() {
            self.set_standing(now, id, Standing::Deactivated, effects);
        }
        Ok(Reply::Done)
    }

    pub(crate) fn reactivate(
        &mut self,
        now: Time,
        id: AgentId,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        match self.standing_of(id)? {
            Standing::Active => {
                Err(Refusal::Invalid(format!("agent {id} is active: it was not deactivated")))
            }
            Standing::Draining(_) => Err(Refusal::Invalid(format!(
                "agent {id} is still draining; it can be reactivated once it is drained"
            ))),
            _ => {
                self.set_standing(now, id, Standing::Active, effects);
                Ok(Reply::Done)
            }
        }
    }

    pub(crate) fn drain(
        &mut self,
        now: Time,
        id: AgentId,
        drain: Drain,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        self.standing_of(id)?;
        let node = self.state.agents.get(id).map(|agent| &agent.node);
        if let Some(machine) = node.and_then(|node| self.state.maintenance.machine(node)) {
            return Err(Refusal::Invalid(format!(
                "agent {id} is part of a maintenance schedule, as machine {machine}"
            )));
        }
        self.set_standing(now, id, Standing::Draining(drain), effects);
        self.go_on_draining(now, id, effects);
        Ok(Reply::Done)
    }

    pub(crate) fn mark_gone(
        &mut self,
        now: Time,
        id: AgentId,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if self.state.absent.get(&id) == Some(&Standing::Gone) {
            return Ok(Reply::Done);
        }
        self.standing_of(id)?;
        self.make_gone(now, id, effects);
        Ok(Reply::Done)
    }

    fn make_gone(&mut self, now: Time, id: AgentId, effects: &mut Vec<Effect>) {
        let why = format!("an operator has declared agent {id} gone");
        self.give_up(now, id, Reason::AgentGone, &why, effects);
        effects.push(Effect::Dismiss(id, why));
        // Nobody will ever ask for its volumes.
        if self.state.abandoned.remove(&id).is_some() {
            effects.push(Effect::Persist(Record::Reservations(id, Parts::default())));
        }
        self.set_standing(now, id, Standing::Gone, effects);
    }

    /// What a task on a draining agent is told to end with; `None`: the agent is not draining.
    pub(crate) fn drain_order(&self, id: AgentId, handle: TaskHandle) -> Option<Effect> {
        let Standing::Draining(drain) = self.state.agents.get(id)?.standing else { return None };
        Some(Effect::Kill(id, handle, drain.max_grace, Reason::AgentDraining))
    }

    /// Tells all that is left on a draining agent to end, and again after [`DRAIN_RETRY`].
    pub(crate) fn go_on_draining(&mut self, now: Time, id: AgentId, effects: &mut Vec<Effect>) {
        let Some(agent) = self.state.agents.get(id) else { return };
        let Standing::Draining(drain) = agent.standing else { return };
        let again = now + DRAIN_RETRY;
        let before = self.state.agents.update(id, |agent| agent.drain_again.replace(again));
        if let Some(before) = before.flatten() {
            self.deadlines.remove(before, Deadline::Drain(id));
        }
        self.deadlines.add(again, Deadline::Drain(id));
        for handle in self.to_end(id) {
            self.end_task(handle, drain.max_grace, Reason::AgentDraining, effects);
        }
        self.ebbing.insert(id);
        self.end_drains(now, effects);
    }

    /// What has to end next on an agent: its tasks, or, when they have, its executors.
    fn to_end(&self, id: AgentId) -> Vec<TaskHandle> {
        let Some(agent) = self.state.agents.get(id) else { return Vec::new() };
        let tasks = agent.tasks.iter().filter_map(|handle| self.state.tasks.by_handle.get(handle));
        let left = tasks.filter(|task| !task.state.is_terminal());
        let (executors, proper): (Vec<_>, Vec<_>) = left.partition(|task| task.kind.is_executor());
        let next = if proper.is_empty() { executors } else { proper };
        next.into_iter().map(|task| task.handle).collect()
    }

    /// Goes on with the draining agents on which something has ended.
    pub(crate) fn end_drains(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some(id) = self.ebbing.pop_first() {
            let Some(agent) = self.state.agents.get(id).filter(|agent| agent.connected) else {
                continue;
            };
            let Standing::Draining(drain) = agent.standing else { continue };
            if agent.tasks.is_empty() {
                self.drained(now, id, drain, effects);
            } else if self.has_only_executors(agent) {
                for handle in self.to_end(id) {
                    self.end_task(handle, drain.max_grace, Reason::AgentDraining, effects);
                }
            }
        }
    }

    /// Whether executors run there and nothing else; none of them has been told to end.
    fn has_only_executors(&self, agent: &Agent) -> bool {
        agent.tasks.iter().all(|handle| {
            self.state.tasks.by_handle.get(handle).is_some_and(|task| {
                task.kind.is_executor() && task.state != crate::tasks::TaskState::Killing
            })
        })
    }

    fn drained(&mut self, now: Time, id: AgentId, drain: Drain, effects: &mut Vec<Effect>) {
        if drain.mark_gone {
            self.make_gone(now, id, effects);
        } else {
            self.set_standing(now, id, Standing::Drained(drain), effects);
        }
    }
}
