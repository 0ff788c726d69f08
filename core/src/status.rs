//! How tasks are: updates in order, one at a time, until they are acknowledged.

use crate::{
    command::Caller,
    effect::Effect,
    ids::{AgentId, FrameworkId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    questions::Question,
    standing::Standing,
    tasks::{EndedTask, Reason, Task, TaskState, TaskStatus},
    time::Time,
};
use std::time::Duration;

impl Machine {
    pub(crate) fn status(
        &mut self,
        now: Time,
        agent: AgentId,
        handle: TaskHandle,
        mut status: TaskStatus,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        self.state.agents.get(agent).ok_or(Refusal::UnknownAgent(agent))?;
        let known = self.state.tasks.by_handle.get(&handle).filter(|task| task.agent == agent);
        let Some(task) = known else {
            // Its framework is gone or was told that it is lost: nobody waits for this.
            effects.extend(status.uuid.map(|uuid| Effect::Acknowledge(agent, handle, uuid)));
            return Ok(Reply::Done);
        };
        status.name = task.name.as_ref().to_owned();
        status.agent = Some(agent);
        self.note_drain(agent, &mut status);
        self.settle(now, handle, &status, effects);
        Ok(Reply::Done)
    }

    /// Whatever an agent or executor says of it, a task that ends while its agent drains ends for that.
    fn note_drain(&self, agent: AgentId, status: &mut TaskStatus) {
        let drain = self.state.agents.get(agent).and_then(|agent| agent.standing.drain());
        if let Some(drain) = drain
            && matches!(status.state, TaskState::Killing | TaskState::Killed)
        {
            let gone = drain.mark_gone;
            status.reason = if gone { Reason::AgentGone } else { Reason::AgentDraining };
        }
    }

    /// Takes note of a status: frees what an ended task held, tells the framework, forgets the task
    /// once nobody needs it.
    pub(crate) fn settle(
        &mut self,
        now: Time,
        handle: TaskHandle,
        status: &TaskStatus,
        effects: &mut Vec<Effect>,
    ) {
        let Some(task) = self.state.tasks.by_handle.get_mut(&handle) else { return };
        let (framework, agent) = (task.framework, task.agent);
        let is_executor = task.kind.is_executor();
        let ends = status.state.is_terminal() && !task.state.is_terminal();
        // Also of a task that had ended before this allocator knew it.
        let end_is_news = status.state.is_terminal()
            && !task.unacknowledged.as_ref().is_some_and(|told| told.state.is_terminal());
        let stays_killing = task.state == TaskState::Killing && !status.state.is_terminal();
        if !task.state.is_terminal() && !stays_killing {
            task.state = status.state;
        }
        task.unacknowledged = status.uuid.map(|_| status.clone());
        let slot = self.state.agents.slot(agent);
        if ends {
            let (used, held) = (task.used(), task.without_update());
            task.usage = Default::default();
            if !used.is_zero() {
                let slot = slot.unwrap_or(usize::MAX);
                self.state.agents.update_at(slot, |agent| agent.used = agent.used.minus(used));
            }
            self.release_of_task(&held);
            self.summon_later(agent);
        }
        if is_executor {
            self.settle_executor(handle, status, effects);
            if let Some(slot) = slot.filter(|_| ends) {
                self.lending_changed(now, slot, effects);
            }
            return;
        }
        let owner = self.state.frameworks.get(&framework);
        let owner_name = owner.map(|owner| owner.info.name.clone());
        if owner_name.is_some() {
            effects.push(Effect::Update(framework, status.clone()));
        } else {
            effects.extend(status.uuid.map(|uuid| Effect::Acknowledge(agent, handle, uuid)));
        }
        if end_is_news {
            self.remember(handle, owner_name.as_deref().unwrap_or("?"), status);
        }
        if status.state.is_terminal() && (status.uuid.is_none() || owner_name.is_none()) {
            self.forget(handle);
        }
        if let Some(slot) = slot.filter(|_| ends) {
            self.lending_changed(now, slot, effects);
        }
    }

    fn remember(&mut self, handle: TaskHandle, framework_name: &str, status: &TaskStatus) {
        if let Some(task) = self.state.tasks.by_handle.get(&handle) {
            let (task, status) = (task.without_update(), status.clone());
            let framework_name = framework_name.to_owned();
            self.state.tasks.remember(EndedTask { task, framework_name, status });
        }
    }

    /// Takes an ended task out of all tables.
    pub(crate) fn forget(&mut self, handle: TaskHandle) {
        let Some(task) = self.state.tasks.by_handle.remove(&handle) else { return };
        let at = self.state.agents.slot(task.agent);
        if let Some(agent) = at.and_then(|slot| self.state.agents.at_mut(slot)) {
            agent.tasks.remove(&handle);
            if matches!(agent.standing, Standing::Draining(_)) {
                self.ebbing.insert(task.agent);
            }
        }
        if let Some(framework) = self.state.frameworks.get_mut(&task.framework) {
            if task.kind.is_executor() {
                framework.executors.remove(&(task.agent, task.revocable, task.name));
            } else {
                framework.tasks.remove(&task.name);
            }
        }
    }

    pub(crate) fn acknowledge(
        &mut self,
        caller: Caller,
        name: &str,
        uuid: [u8; 16],
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let framework = self.caller(caller)?;
        // A second acknowledgement of the same update finds nothing, and that is well.
        let Some(handle) = framework.tasks.get(name).copied() else { return Ok(Reply::Done) };
        let Some(task) = self.state.tasks.by_handle.get_mut(&handle) else {
            return Ok(Reply::Done);
        };
        if task.unacknowledged.as_ref().is_some_and(|status| status.uuid == Some(uuid)) {
            let told = task.unacknowledged.take().map(|status| status.state);
            effects.push(Effect::Acknowledge(task.agent, handle, uuid));
            if told.is_some_and(TaskState::is_terminal) {
                self.forget(handle);
            }
        }
        Ok(Reply::Done)
    }

    pub(crate) fn kill(
        &mut self,
        caller: Caller,
        name: &str,
        grace: Option<Duration>,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let framework = self.caller(caller)?;
        match framework.tasks.get(name).copied() {
            Some(handle) => self.end_task(handle, grace, Reason::KilledByFramework, effects),
            None => {
                let status = self.unknown_task(caller.framework, name, Question::End(grace));
                effects.push(Effect::Update(caller.framework, status));
            }
        }
        Ok(Reply::Done)
    }

    /// Orders the end of a task; ordered again, the newer grace counts.
    pub(crate) fn end_task(
        &mut self,
        handle: TaskHandle,
        grace: Option<Duration>,
        reason: Reason,
        effects: &mut Vec<Effect>,
    ) {
        let task = self.state.tasks.by_handle.get_mut(&handle);
        if let Some(task) = task.filter(|task| !task.state.is_terminal()) {
            task.state = TaskState::Killing;
            effects.push(Effect::Kill(task.agent, handle, grace, reason));
        }
    }

    pub(crate) fn operator_kill(
        &mut self,
        handle: TaskHandle,
        grace: Option<Duration>,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if !self.state.tasks.by_handle.contains_key(&handle) {
            return Err(Refusal::UnknownTask(handle.to_string()));
        }
        self.end_task(handle, grace, Reason::KilledByOperator, effects);
        Ok(Reply::Done)
    }

    pub(crate) fn reconcile(
        &mut self,
        caller: Caller,
        names: Vec<String>,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let framework = self.caller(caller)?;
        let all = || framework.tasks.keys().map(|name| name.as_ref().to_owned()).collect();
        let names = if names.is_empty() { all() } else { names };
        for name in names {
            let status = self.reconciled(caller.framework, &name);
            effects.extend(status.map(|status| Effect::Update(caller.framework, status)));
        }
        Ok(Reply::Done)
    }

    /// How a framework's task is, as far as it is known. Of one that has ended, the agent's own word
    /// is told, with its exit code; nothing, while that is on its way.
    pub(crate) fn reconciled(&mut self, framework: FrameworkId, name: &str) -> Option<TaskStatus> {
        let owner = self.state.frameworks.get(&framework);
        let handle = owner.and_then(|owner| owner.tasks.get(name));
        match handle.and_then(|handle| self.state.tasks.by_handle.get(handle)) {
            Some(task) if task.state.is_terminal() => task.unacknowledged.clone(),
            Some(task) => {
                let state = self.told_state(task);
                Some(TaskStatus::of(name, Some(task.agent), state, Reason::Reconciliation))
            }
            None => Some(self.unknown_task(framework, name, Question::State)),
        }
    }

    fn told_state(&self, task: &Task) -> TaskState {
        let reachable = self.state.agents.get(task.agent).is_some_and(|agent| agent.connected);
        if reachable || task.state.is_terminal() { task.state } else { TaskState::Unreachable }
    }
}
