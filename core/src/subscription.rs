//! Frameworks subscribe, say what they want, break off, come back, end.

use crate::{
    command::{Caller, FrameworkInfo, Want},
    deadline::Deadline,
    effect::{Effect, Record},
    frameworks::{Framework, FrameworkSlot, MAX_FRAMEWORKS, MAX_WANTED, Wanted},
    ids::{FrameworkId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    roles::{MAX_DEPTH, MAX_ROLES, RoleSlot, is_role_name},
    tasks::{Reason, TaskState},
    time::Time,
};
use std::time::Duration;

/// After a restart of the allocator a framework has at least so long to come back.
pub(crate) const RESTORED_TIMEOUT: Duration = Duration::from_secs(60);

impl Machine {
    pub(crate) fn subscribe(
        &mut self,
        id: Option<FrameworkId>,
        info: FrameworkInfo,
        session: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let role = self.role_of(&info)?;
        let id = match id {
            Some(id) if self.state.frameworks.contains_key(&id) => {
                self.resubscribe(id, info.clone(), role, session, effects);
                id
            }
            // One of this epoch that is not here has ended, and its tasks with it.
            Some(ended) if ended.epoch() == self.ids.epoch() => {
                return Err(Refusal::UnknownFramework(ended));
            }
            // As Mesos does: an id of an older time is taken, its framework outlived a registry.
            given => {
                let id = given.unwrap_or_else(|| FrameworkId::from_number(self.ids.give()));
                self.add_framework(id, info.clone(), role, session)?;
                id
            }
        };
        effects.push(Effect::Persist(Record::Framework(id, info)));
        effects.push(Effect::Subscribed(id, session));
        self.repeat_unacknowledged(id, effects);
        self.refresh_hunger(id);
        Ok(Reply::Framework(id))
    }

    pub(crate) fn restore_framework(&mut self, now: Time, id: FrameworkId, info: FrameworkInfo) {
        let Some(role) = self.state.roles.entry(&info.role) else { return };
        let timeout = info.failover_timeout;
        // No session has this number: its own was lost with the former allocator.
        if self.add_framework(id, info, role, 0).is_ok()
            && let Some(framework) = self.state.frameworks.get_mut(&id)
        {
            framework.connected = false;
            framework.gone_since = Some(now);
            self.deadlines.add(now + timeout.max(RESTORED_TIMEOUT), Deadline::Framework(id));
        }
    }

    fn role_of(&mut self, info: &FrameworkInfo) -> Result<RoleSlot, Refusal> {
        if !is_role_name(&info.role) {
            return Err(Refusal::Invalid(format!(
                "role {:?}: a role is up to {MAX_DEPTH} names between slashes, none empty or with \
                 white space or a leading dash, at most 255 bytes in all",
                info.role
            )));
        }
        let bound = Refusal::Bound { what: "roles", bound: MAX_ROLES, hint: "use one that exists" };
        self.state.roles.entry(&info.role).ok_or(bound)
    }

    fn add_framework(
        &mut self,
        id: FrameworkId,
        info: FrameworkInfo,
        role: RoleSlot,
        session: u64,
    ) -> Result<(), Refusal> {
        let hint = "end some (`headroom teardown`)";
        let bound = Refusal::Bound { what: "frameworks", bound: MAX_FRAMEWORKS, hint };
        let framework = Framework::new(id, info, role, session);
        self.state.frameworks.insert(framework).ok_or(bound)?;
        self.state.roles.get_mut(role).frameworks.insert(id);
        Ok(())
    }

    fn resubscribe(
        &mut self,
        id: FrameworkId,
        info: FrameworkInfo,
        role: RoleSlot,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        self.rescind_of(id, "the framework has subscribed anew", effects);
        let Some(slot) = self.state.frameworks.slot(id) else { return };
        self.clear_filters(slot);
        // All there is, is looked at for it as for a new one.
        self.forget_hunger(slot);
        let Some(framework) = self.state.frameworks.at_mut(slot) else { return };
        if framework.connected {
            let why = "the framework has subscribed elsewhere".to_owned();
            effects.push(Effect::EndStream(id, framework.session, why));
        }
        framework.wanted = info.says_wants.then(Default::default);
        framework.info = info;
        framework.session = session;
        framework.connected = true;
        framework.gone_since = None;
        framework.suppressed = false;
        // Its tasks keep the role they were launched in; what it holds in offers is nothing now.
        let old = std::mem::replace(&mut framework.role, role);
        self.state.roles.get_mut(old).frameworks.remove(&id);
        self.state.roles.get_mut(role).frameworks.insert(id);
    }

    fn repeat_unacknowledged(&self, id: FrameworkId, effects: &mut Vec<Effect>) {
        let Some(framework) = self.state.frameworks.get(&id) else { return };
        for handle in framework.tasks.values() {
            let task = self.state.tasks.by_handle.get(handle);
            if let Some(status) = task.and_then(|task| task.unacknowledged.clone()) {
                effects.push(Effect::Update(id, status));
            }
        }
    }

    pub(crate) fn rescind_of(&mut self, id: FrameworkId, why: &str, effects: &mut Vec<Effect>) {
        let offers: Vec<_> =
            self.state.frameworks.get(&id).into_iter().flat_map(|f| f.offers.clone()).collect();
        self.rescind(&offers, why, effects);
    }

    /// The caller's framework, if the session is its newest.
    pub(crate) fn caller(&mut self, caller: Caller) -> Result<&mut Framework, Refusal> {
        let Caller { framework: id, session } = caller;
        let framework = self.state.frameworks.get_mut(&id).ok_or(Refusal::UnknownFramework(id))?;
        if framework.session == session { Ok(framework) } else { Err(Refusal::WrongSession(id)) }
    }

    pub(crate) fn framework_gone(
        &mut self,
        now: Time,
        caller: Caller,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let framework = self.caller(caller)?;
        framework.connected = false;
        framework.gone_since = Some(now);
        let timeout = framework.info.failover_timeout;
        let freed: Vec<_> = framework.offers.iter().copied().collect();
        let id = caller.framework;
        freed.iter().for_each(|offer| drop(self.withdraw(*offer)));
        self.refresh_hunger(id);
        if timeout.is_zero() {
            self.end_framework(id, "its stream broke and it has no failover timeout", effects);
        } else {
            self.deadlines.add(now + timeout, Deadline::Framework(id));
        }
        Ok(Reply::Done)
    }

    pub(crate) fn framework_overdue(
        &mut self,
        now: Time,
        id: FrameworkId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(framework) = self.state.frameworks.get(&id) else { return };
        let timeout = framework.info.failover_timeout;
        if framework.gone_since.is_some_and(|at| !framework.connected && now.since(at) >= timeout) {
            self.end_framework(id, "its failover timeout is over", effects);
        }
    }

    /// Ends a framework: its tasks are killed, its offers go to others, it is forgotten.
    pub(crate) fn end_framework(&mut self, id: FrameworkId, why: &str, effects: &mut Vec<Effect>) {
        let Some(framework) = self.state.frameworks.get(&id) else { return };
        if framework.connected {
            effects.push(Effect::EndStream(id, framework.session, why.to_owned()));
        }
        let offers: Vec<_> = framework.offers.iter().copied().collect();
        offers.iter().for_each(|offer| drop(self.withdraw(*offer)));
        if let Some(slot) = self.state.frameworks.slot(id) {
            self.end_slot(slot);
        }
        let Some(framework) = self.state.frameworks.remove(id) else { return };
        self.state.roles.get_mut(framework.role).frameworks.remove(&id);
        // Executors first: what runs in them ends with them.
        for handle in framework.executors.values().chain(framework.tasks.values()) {
            self.orphan(*handle, effects);
        }
        effects.push(Effect::Persist(Record::FrameworkRemoved(id)));
    }

    /// A slot will be another framework's: nothing may be left in it of this one.
    fn end_slot(&mut self, slot: FrameworkSlot) {
        self.clear_filters(slot);
        self.forget_hunger(slot);
    }

    /// A task whose framework is gone: nobody will acknowledge for it any more.
    fn orphan(&mut self, handle: TaskHandle, effects: &mut Vec<Effect>) {
        let Some(task) = self.state.tasks.by_handle.get_mut(&handle) else { return };
        if let Some(uuid) = task.unacknowledged.as_ref().and_then(|status| status.uuid) {
            effects.push(Effect::Acknowledge(task.agent, handle, uuid));
        }
        if task.state.is_terminal() {
            self.forget(handle);
        } else {
            task.state = TaskState::Killing;
            effects.push(Effect::Kill(task.agent, handle, None, Reason::FrameworkRemoved));
        }
    }

    pub(crate) fn want(
        &mut self,
        now: Time,
        caller: Caller,
        wants: Vec<Want>,
    ) -> Result<Reply, Refusal> {
        if wants.len() > MAX_WANTED {
            let hint = "ask for the rest when these have a place";
            return Err(Refusal::Bound { what: "wanted tasks", bound: MAX_WANTED, hint });
        }
        if let Some(want) = wants.iter().find(|want| want.request.amounts.is_zero()) {
            return Err(Refusal::Invalid(format!("wanted {:?} asks for nothing", want.name)));
        }
        let since_step = self.state.ledger.steps;
        let framework = self.caller(caller)?;
        let wanted = framework.wanted.get_or_insert_default();
        wanted.replace(wants.into_iter().map(|want| {
            let Want { name, request } = want;
            (name, Wanted { request, since_step, since: now, offered: None })
        }));
        self.refresh_hunger(caller.framework);
        self.place_anew(caller.framework);
        Ok(Reply::Done)
    }

    /// Has agents looked for all that a framework wants.
    fn place_anew(&mut self, id: FrameworkId) {
        if let Some(slot) = self.state.frameworks.slot(id) {
            self.unplaced.insert(slot.at());
        }
    }

    pub(crate) fn revive(&mut self, caller: Caller) -> Result<Reply, Refusal> {
        self.caller(caller)?.suppressed = false;
        if let Some(slot) = self.state.frameworks.slot(caller.framework) {
            self.clear_filters(slot);
        }
        self.refresh_hunger(caller.framework);
        self.place_anew(caller.framework);
        Ok(Reply::Done)
    }

    pub(crate) fn suppress(
        &mut self,
        caller: Caller,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        self.caller(caller)?.suppressed = true;
        self.refresh_hunger(caller.framework);
        self.rescind_of(caller.framework, "the framework wants no offers", effects);
        Ok(Reply::Done)
    }
}
