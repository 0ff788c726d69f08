//! Offers are accepted or declined.

use crate::{
    command::{Caller, Launch, TaskUsage},
    effect::{Effect, LaunchOrder},
    executor::Kind,
    frameworks::MAX_TASKS,
    holdings::{As, Holding},
    ids::{FrameworkId, OfferId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    offer::Offer,
    operate::{Deeds, Lot},
    reservation::Parts,
    seat::SeatSlot,
    tasks::{Reason, Task, TaskState, TaskStatus},
    time::Time,
};
use std::{sync::Arc, time::Duration};

impl Machine {
    pub(crate) fn accept(
        &mut self,
        now: Time,
        caller: Caller,
        offers: &[OfferId],
        deeds: Deeds,
        refusal: Duration,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        self.caller(caller)?;
        let fault = self.offers_fault(caller, offers);
        let own: Vec<_> = offers.iter().filter(|id| self.is_own(caller, **id)).copied().collect();
        let there = own.iter().filter_map(|id| self.state.offers.get(*id));
        let there: Vec<_> = if fault.is_none() { there.collect() } else { Vec::new() };
        let (all, mut rest) = self.operated(&there, &deeds.operations)?;
        let taken: Vec<_> = own.iter().filter_map(|id| self.withdraw(*id)).collect();
        if let Some(fault) = fault {
            for (launch, _) in &deeds.launches {
                let status =
                    TaskStatus::of(&launch.name, None, TaskState::Lost, Reason::InvalidOffers);
                effects.push(Effect::Update(caller.framework, status.saying(fault.clone())));
            }
            return Ok(Reply::Done);
        }
        let Some(first) = taken.first() else { return Ok(Reply::Done) };
        if !deeds.operations.is_empty() {
            self.rearrange(first.made.agent, &all, effects);
        }
        for (launch, reserved) in deeds.launches {
            match self.draw(now, first, &launch, reserved.as_ref(), &mut rest, effects) {
                Err(fault) => {
                    let (state, reason) = (TaskState::Error, Reason::InvalidTask);
                    let status =
                        TaskStatus::of(&launch.name, Some(first.made.agent), state, reason);
                    effects.push(Effect::Update(caller.framework, status.saying(fault)));
                }
                Ok((reserved, kind)) => self.launch(now, first, launch, reserved, kind, effects),
            }
        }
        if !self.says_wants(first.seat) {
            self.refuse(now, first, rest.resources.amounts, refusal);
        }
        let (agent, seat) = (first.made.agent, first.seat);
        self.refresh_hunger_at(seat);
        self.lending_changed(now, agent, effects);
        Ok(Reply::Done)
    }

    /// Whether what an offer leaves is of no further use to its framework, as that said what it wants.
    pub(crate) fn says_wants(&self, seat: SeatSlot) -> bool {
        self.state.seats.at(seat).is_some_and(|seat| seat.wanted.is_some())
    }

    pub(crate) fn is_own(&self, caller: Caller, id: OfferId) -> bool {
        self.state.offers.get(id).is_some_and(|offer| offer.framework == caller.framework)
    }

    /// Why these offers can't be used together.
    pub(crate) fn offers_fault(&self, caller: Caller, ids: &[OfferId]) -> Option<String> {
        let Some(first) = ids.first() else { return Some("no offer was named".to_owned()) };
        let first = self.state.offers.get(*first);
        for (at, id) in ids.iter().enumerate() {
            let (Some(first), Some(offer)) = (first, self.state.offers.get(*id)) else {
                return Some(format!("offer {id} does not stand any more"));
            };
            if !self.is_own(caller, *id) {
                return Some(format!("offer {id} was made to another framework"));
            }
            if ids[..at].contains(id) {
                return Some(format!("offer {id} was named twice"));
            }
            let of = |offer: &Offer| (offer.made.agent, offer.seat, offer.revocable);
            if of(offer) != of(first) {
                return Some(format!(
                    "offers {} and {id} are of different agents, roles or kinds",
                    first.made.offer
                ));
            }
        }
        None
    }

    /// Takes what a launch holds out of `rest`, and what its executor holds if that is new there; or
    /// says why it can't be launched.
    fn draw(
        &mut self,
        now: Time,
        offer: &Offer,
        launch: &Launch,
        reserved: Option<&Parts>,
        rest: &mut Lot,
        effects: &mut Vec<Effect>,
    ) -> Result<(Parts, Kind), String> {
        if let Some(fault) = self.launch_fault(offer.framework, launch) {
            return Err(fault);
        }
        let kind = match &launch.executor {
            None => Kind::Alone,
            Some(executor) => {
                let request = &launch.request;
                let handle = self.executor_for(now, offer, executor, rest, request, effects)?;
                Kind::In(handle)
            }
        };
        Ok((rest.take(&launch.request, reserved)?, kind))
    }

    fn launch_fault(&self, framework: FrameworkId, launch: &Launch) -> Option<String> {
        if launch.fault.is_some() {
            return launch.fault.clone();
        }
        let framework = self.state.frameworks.get(&framework)?;
        if framework.tasks.contains_key(&*launch.name) {
            return Some("the framework already has an active task of this id".to_owned());
        }
        if framework.tasks.len() >= MAX_TASKS {
            return Some(format!("a framework has at most {MAX_TASKS} active tasks"));
        }
        if launch.request.amounts.is_zero() {
            return Some("the task asks for nothing".to_owned());
        }
        (!launch.request.amounts.has_whole_gpus())
            .then(|| "the task asks for a part of a GPU; GPUs are given whole".to_owned())
    }

    fn launch(
        &mut self,
        now: Time,
        offer: &Offer,
        launch: Launch,
        reserved: Parts,
        kind: Kind,
        effects: &mut Vec<Effect>,
    ) {
        let handle = TaskHandle::from_number(self.ids.give());
        let steps = self.state.ledger.steps;
        let Offer { framework, seat: slot, agent_slot, revocable, .. } = *offer;
        let (agent, agent_slot) = (offer.made.agent, agent_slot as usize);
        let Some(seat) = self.state.seats.at_mut(slot) else { return };
        let Some(owner) = self.state.frameworks.at_mut(seat.framework_slot) else { return };
        let name: Arc<str> = launch.name.into();
        owner.tasks.insert(Arc::clone(&name), handle);
        let (role, user) = (seat.role, owner.info.user.clone());
        let want = seat.wanted.as_mut().and_then(|wanted| wanted.remove(&name));
        if let Some(want) = want {
            self.state.ledger.placed(steps.saturating_sub(want.since_step));
        }
        let holding = Holding {
            seat: Some(slot),
            role,
            agent: agent_slot,
            resources: &launch.request,
            reserved: &reserved,
            revocable,
        };
        self.hold(holding, As::Task);
        if let Some(agent) = self.state.agents.at_mut(agent_slot) {
            agent.tasks.insert(handle);
        }
        let task = Task {
            handle,
            framework,
            name,
            agent,
            role,
            request: launch.request,
            reserved: reserved.clone(),
            revocable,
            kind,
            state: TaskState::Staging,
            since: now,
            usage: TaskUsage::default(),
            unacknowledged: None,
        };
        self.state.tasks.by_handle.insert(handle, Box::new(task));
        let payload = launch.payload;
        let role = self.state.roles.get(role).name.to_string();
        let said = Vec::new();
        let order =
            LaunchOrder { handle, framework, user, role, revocable, reserved, kind, payload, said };
        effects.push(Effect::Launch(agent, Box::new(order)));
    }

    pub(crate) fn decline(
        &mut self,
        now: Time,
        caller: Caller,
        offers: &[OfferId],
        refusal: Duration,
    ) -> Result<Reply, Refusal> {
        self.caller(caller)?;
        for id in offers {
            if self.is_own(caller, *id)
                && let Some(offer) = self.withdraw(*id)
            {
                self.refuse(now, &offer, offer.made.resources.amounts, refusal);
            }
        }
        Ok(Reply::Done)
    }
}
