//! A lent task's resources become a promise, in place: it goes on running where it is.
//!
//! Without this, work that began on lent resources stays revocable to its end, though its node may
//! have been given back long ago. Its framework takes a promised offer of the same node for it, so
//! whoever is most entitled to those resources decides (`fairness`), as for a launch.

use crate::{
    command::{Caller, Promotion, TaskUsage, Usage},
    effect::Effect,
    executor::Kind,
    holdings::{As, Holding},
    ids::{OfferId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    offer::Offer,
    operate::Lot,
    overcommit::Peaks,
    reservation::Parts,
    resources::Resources,
    tasks::TaskState,
    time::Time,
};
use std::time::Duration;

impl Machine {
    /// Refused, it changes nothing: the task stays lent and the offers stand.
    pub(crate) fn promote(
        &mut self,
        now: Time,
        caller: Caller,
        offers: &[OfferId],
        promotion: Promotion,
        refusal: Duration,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        self.caller(caller)?;
        let Promotion { name, request } = promotion;
        let handle = self.promotable(caller, offers, &name, &request).map_err(Refusal::Invalid)?;
        let taken: Vec<_> = offers.iter().filter_map(|id| self.withdraw(*id)).collect();
        let Some(first) = taken.first() else { return Ok(Reply::Done) };
        let mut rest = Lot::of(&taken);
        // It fits: that was looked at.
        let reserved = rest.take(&request, None).unwrap_or_default();
        self.make_promised(first, handle, &request, &reserved);
        effects.push(Effect::Promote(first.made.agent, handle, request.clone(), reserved));
        if !self.says_wants(first.seat) {
            self.refuse(now, first, rest.resources.amounts, refusal);
        }
        self.refresh_hunger_at(first.seat);
        self.lending_changed(now, first.agent_slot as usize, effects);
        Ok(Reply::Done)
    }

    /// The lent task of that name, if these offers can carry it where it is; or why not.
    fn promotable(
        &self,
        caller: Caller,
        offers: &[OfferId],
        name: &str,
        request: &Resources,
    ) -> Result<TaskHandle, String> {
        if let Some(fault) = self.offers_fault(caller, offers) {
            return Err(fault);
        }
        let standing = offers.iter().filter_map(|id| self.state.offers.get(*id));
        let standing: Vec<_> = standing.collect();
        let owner = self.state.frameworks.get(&caller.framework);
        let handle = owner.and_then(|owner| owner.tasks.get(name));
        let task = handle.and_then(|handle| self.state.tasks.by_handle.get(handle));
        let Some(task) = task else { return Err(format!("there is no task {name:?}")) };
        if !task.revocable {
            return Err(format!("task {name:?} does not run on lent resources"));
        }
        if task.kind != Kind::Alone {
            return Err(format!("task {name:?} runs in an executor, which stays what it is"));
        }
        if task.state == TaskState::Killing || task.state.is_terminal() {
            return Err(format!("task {name:?} is ending"));
        }
        if standing.iter().any(|offer| offer.made.agent != task.agent || offer.revocable) {
            return Err(format!("task {name:?} can only hold promised resources of its own agent"));
        }
        let seat = self.seat_in(task.framework, task.role);
        if standing.iter().any(|offer| Some(offer.seat) != seat) {
            let role = &self.state.roles.get(task.role).name;
            return Err(format!("task {name:?} can only hold what is offered to its role, {role}"));
        }
        if request.amounts.is_zero() {
            return Err(format!("task {name:?} asks for nothing"));
        }
        let mut offered = Lot::of(standing);
        if offered.take(request, None).is_none() {
            let all = offered.resources;
            return Err(format!("task {name:?}: it asks for {request}, the offers have {all}"));
        }
        Ok(task.handle)
    }

    /// Moves the holding from what is lent to what is promised. What was measured of it was measured
    /// behind its owners' backs: until the next report it counts with its full request.
    fn make_promised(
        &mut self,
        offer: &Offer,
        handle: TaskHandle,
        request: &Resources,
        reserved: &Parts,
    ) {
        let Some(task) = self.state.tasks.by_handle.get_mut(&handle) else { return };
        let role = task.role;
        let (seat, agent) = (Some(offer.seat), offer.agent_slot as usize);
        let lent = std::mem::replace(&mut task.request, request.clone());
        task.revocable = false;
        task.reserved.clone_from(reserved);
        task.usage = TaskUsage { forecast: Default::default(), ..task.usage };
        let (none, peaks) = (Parts::default(), Peaks::of(request.amounts, Usage::default()));
        let lent = Holding {
            seat,
            role,
            agent,
            resources: &lent,
            reserved: &none,
            revocable: true,
            peaks,
        };
        self.release(lent, As::Task);
        let promised = Holding { resources: request, reserved, revocable: false, ..lent };
        self.hold(promised, As::Task);
    }
}
