//! Frameworks subscribe, say what they want, break off, come back, end.

use crate::{
    command::{Caller, FrameworkInfo, Want},
    deadline::Deadline,
    effect::{Effect, Record},
    frameworks::{Framework, MAX_FRAMEWORKS, MAX_WANTED, Wanted},
    ids::{FrameworkId, OfferId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    seat::SeatSlot,
    tasks::{Reason, TaskState},
    time::Time,
};
use std::{collections::BTreeMap, time::Duration};

/// After a restart of the allocator a framework has at least so long to come back.
pub(crate) const RESTORED_TIMEOUT: Duration = Duration::from_secs(60);

/// What a stream is told that a newer one of its framework takes the place of.
pub const ELSEWHERE: &str = "the framework has subscribed elsewhere";
/// What a stream is told whose framework was torn down, by itself or by an operator.
pub const TORN_DOWN: &str = "it was torn down";

impl Machine {
    pub(crate) fn subscribe(
        &mut self,
        id: Option<FrameworkId>,
        info: FrameworkInfo,
        suppressed: &[String],
        session: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let roles = self.roles_of(&info, suppressed)?;
        let id = match id {
            Some(id) if self.state.frameworks.contains_key(&id) => {
                self.resubscribe(id, info.clone(), session, effects);
                id
            }
            // One of this epoch that is not here has ended, and its tasks with it.
            Some(ended) if ended.epoch() == self.ids.epoch() => {
                return Err(Refusal::UnknownFramework(ended));
            }
            // As Mesos does: an id of an older time is taken, its framework outlived a registry.
            given => {
                let id = given.unwrap_or_else(|| FrameworkId::from_number(self.ids.give()));
                self.add_framework(id, info.clone(), session)?;
                id
            }
        };
        // All there is, is looked at for it as for a new one; its tasks keep the roles they were
        // launched in.
        self.seat_anew(id, &roles, suppressed);
        effects.push(Effect::Persist(Record::Framework(id, info)));
        effects.push(Effect::Subscribed(id, session));
        self.repeat_unacknowledged(id, effects);
        self.repeat_operations(id, effects);
        self.summon_framework(id);
        self.refresh_hunger(id);
        Ok(Reply::Framework(id))
    }

    pub(crate) fn restore_framework(&mut self, now: Time, id: FrameworkId, info: FrameworkInfo) {
        let Ok(roles) = self.roles_of(&info, &[]) else { return };
        let timeout = info.failover_timeout;
        // No session has this number: its own was lost with the former allocator.
        if self.add_framework(id, info, 0).is_ok()
            && let Some(framework) = self.state.frameworks.get_mut(&id)
        {
            framework.connected = false;
            framework.gone_since = Some(now);
            self.seat_anew(id, &roles, &[]);
            self.deadlines.add(now + timeout.max(RESTORED_TIMEOUT), Deadline::Framework(id));
        }
    }

    fn add_framework(
        &mut self,
        id: FrameworkId,
        info: FrameworkInfo,
        session: u64,
    ) -> Result<(), Refusal> {
        let hint = "end some (`headroom teardown`)";
        let bound = Refusal::Bound { what: "frameworks", bound: MAX_FRAMEWORKS, hint };
        let framework = Framework::new(id, info, session);
        self.state.frameworks.insert(framework).map(|_| ()).ok_or(bound)
    }

    fn resubscribe(
        &mut self,
        id: FrameworkId,
        info: FrameworkInfo,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        let offers = self.offers_of(id);
        self.rescind(&offers, "the framework has subscribed anew", effects);
        self.unask(id, effects);
        let Some(framework) = self.state.frameworks.get_mut(&id) else { return };
        if framework.connected {
            let why = ELSEWHERE.to_owned();
            effects.push(Effect::EndStream(id, framework.session, why));
        }
        framework.info = info;
        framework.session = session;
        framework.connected = true;
        framework.gone_since = None;
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

    /// The outstanding offers of a framework.
    fn offers_of(&self, id: FrameworkId) -> Vec<OfferId> {
        let framework = self.state.frameworks.get(&id);
        framework.map(|framework| self.state.seats.offers_of(framework)).unwrap_or_default()
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
        let id = caller.framework;
        self.summon_framework(id);
        self.offers_of(id).into_iter().for_each(|offer| drop(self.withdraw(offer)));
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
        self.offers_of(id).into_iter().for_each(|offer| drop(self.withdraw(offer)));
        self.seat_anew(id, &[], &[]);
        self.forget_answers(id);
        let Some(framework) = self.state.frameworks.remove(id) else { return };
        for handle in framework.launches() {
            self.orphan(*handle, effects);
        }
        effects.push(Effect::Persist(Record::FrameworkRemoved(id)));
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
        self.caller(caller)?;
        for (slot, wants) in self.by_seat(caller.framework, wants)? {
            let Some(seat) = self.state.seats.at_mut(slot) else { continue };
            let wanted = seat.wanted.get_or_insert_default();
            wanted.replace(wants.into_iter().map(|Want { name, request, .. }| {
                (name, Wanted { request, since_step, since: now, offered: None })
            }));
            self.refresh_hunger_at(slot);
            // Agents are looked for anew for all that it wants.
            self.unplaced.insert(slot.at());
        }
        Ok(Reply::Done)
    }

    /// What a framework wants in each of its roles; in some it may be nothing.
    fn by_seat(
        &self,
        id: FrameworkId,
        wants: Vec<Want>,
    ) -> Result<BTreeMap<SeatSlot, Vec<Want>>, Refusal> {
        let mut seats: BTreeMap<_, _> =
            self.seats_of(id).into_iter().map(|slot| (slot, Vec::new())).collect();
        let only = seats.keys().next().copied().filter(|_| seats.len() == 1);
        for want in wants {
            let named = want.role.as_deref();
            let seat = named.map_or(only, |role| self.seat_in(id, self.state.roles.find(role)?));
            let of = seat.and_then(|seat| seats.get_mut(&seat));
            of.ok_or_else(|| no_seat(&want))?.push(want);
        }
        Ok(seats)
    }
}

fn no_seat(want: &Want) -> Refusal {
    let name = &want.name;
    Refusal::Invalid(match &want.role {
        Some(role) => format!("wanted {name:?}: {role:?} is not one of the framework's roles"),
        None => format!("wanted {name:?}: say for which role: the framework has several"),
    })
}
