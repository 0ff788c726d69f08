//! Tasks and executors enter: those that are launched together all, or none of them.

use crate::{
    command::{Launch, TaskUsage, Usage},
    effect::{Effect, LaunchOrder},
    executor::{Executor, Host, Kind},
    frameworks::{Framework, MAX_TASKS},
    holdings::{As, Holding},
    ids::TaskHandle,
    machine::Machine,
    offer::Offer,
    operate::{Lot, Placed},
    overcommit::Peaks,
    reservation::Parts,
    resources::Resources,
    seat::SeatSlot,
    tasks::{Reason, Task, TaskState, TaskStatus},
    time::Time,
};
use std::{collections::BTreeSet, sync::Arc};

/// What launches that enter together take; nothing is entered yet.
struct Drawn {
    host: Option<Host>,
    of_executor: Parts,
    /// Of each, in order.
    parts: Vec<Parts>,
}

/// A task or an executor, as it is entered.
struct Entry {
    name: Arc<str>,
    request: Resources,
    reserved: Parts,
    kind: Kind,
    payload: Vec<u8>,
}

impl Machine {
    /// Launches all of them or none, and then each is told why.
    pub(crate) fn launch_together(
        &mut self,
        now: Time,
        offer: &Offer,
        placed: Vec<Placed>,
        rest: &mut Lot,
        is_group: bool,
        effects: &mut Vec<Effect>,
    ) {
        let agent = offer.made.agent;
        let orders = match self.draw(offer, &placed, rest) {
            Ok(drawn) => self.launch_all(now, offer, placed, drawn),
            Err(fault) => {
                let reason = if is_group { Reason::InvalidGroup } else { Reason::InvalidTask };
                for (launch, _) in placed {
                    let status =
                        TaskStatus::of(&launch.name, Some(agent), TaskState::Error, reason);
                    effects.push(Effect::Update(offer.framework, status.saying(fault.clone())));
                }
                return;
            }
        };
        if is_group {
            effects.push(Effect::LaunchGroup(agent, orders));
        } else {
            let single = |order| Effect::Launch(agent, Box::new(order));
            effects.extend(orders.into_iter().map(single));
        }
    }

    /// Takes what launches hold together out of `rest`, with what their executor holds if that is new
    /// there; or says why they can't be launched, and takes nothing.
    fn draw(&self, offer: &Offer, placed: &[Placed], rest: &mut Lot) -> Result<Drawn, String> {
        self.launches_fault(offer, placed)?;
        let executor = placed.first().and_then(|(launch, _)| launch.executor.as_ref());
        let host = executor.map(|executor| self.host_for(offer, executor)).transpose()?;
        let new = executor.filter(|_| matches!(host, Some(Host::New(_))));
        let before = (placed.len() > 1 || new.is_some()).then(|| rest.clone());
        let of_executor = match new {
            None => Some(Parts::default()),
            Some(executor) => rest.take(&executor.request, None),
        };
        let mut parts = Vec::with_capacity(placed.len());
        if of_executor.is_some() {
            let taken = |(launch, named): &Placed| rest.take(&launch.request, named.as_ref());
            parts.extend(placed.iter().map_while(taken));
        }
        if let Some(of_executor) = of_executor
            && parts.len() == placed.len()
        {
            return Ok(Drawn { host, of_executor, parts });
        }
        if let Some(before) = before {
            *rest = before;
        }
        Err(format!("{}, the offers have {}", asks(placed, parts.len(), new), rest.resources))
    }

    /// Why these can't be launched there, whatever they ask for.
    fn launches_fault(&self, offer: &Offer, placed: &[Placed]) -> Result<(), String> {
        let framework = self.state.frameworks.get(&offer.framework);
        let framework = framework.ok_or("its framework is gone")?;
        if framework.tasks.len() + placed.len() > MAX_TASKS {
            return Err(format!("a framework has at most {MAX_TASKS} active tasks"));
        }
        let mut names = BTreeSet::new();
        let executor = placed.first().and_then(|(launch, _)| launch.executor.as_ref());
        for (launch, named) in placed {
            let fault = launch_fault(framework, offer, launch).or_else(|| {
                if named.as_ref().is_some_and(|named| !named.sum().fits_in(&launch.request)) {
                    return Some("it names more reserved parts than it asks for".to_owned());
                }
                if launch.executor.as_ref() != executor {
                    return Some("it names another executor than its group".to_owned());
                }
                let again = !names.insert(&launch.name);
                again.then(|| "there are two of this id".to_owned())
            });
            if let Some(fault) = fault {
                // Who took it in has named the task already.
                let named = launch.fault.is_some();
                return Err(if named { fault } else { of_several(placed, launch, fault) });
            }
        }
        Ok(())
    }

    /// Enters what was drawn, and its executor first if that is new; returns the orders for it.
    fn launch_all(
        &mut self,
        now: Time,
        offer: &Offer,
        placed: Vec<Placed>,
        drawn: Drawn,
    ) -> Vec<LaunchOrder> {
        let mut orders = Vec::with_capacity(placed.len() + 1);
        let mut kind = Kind::Alone;
        match drawn.host {
            None => {}
            Some(Host::There(handle)) => kind = Kind::In(handle),
            Some(Host::New(new)) => {
                let Some(executor) = placed.first().and_then(|(launch, _)| launch.executor.clone())
                else {
                    return orders;
                };
                let entry = Entry {
                    name: executor.id.as_str().into(),
                    request: executor.request.clone(),
                    reserved: drawn.of_executor,
                    kind: new,
                    payload: executor.payload.clone(),
                };
                let Some(order) = self.enter(now, offer, entry) else { return orders };
                kind = Kind::In(order.handle);
                orders.push(order);
            }
        }
        for ((launch, _), reserved) in placed.into_iter().zip(drawn.parts) {
            let Launch { name, request, payload, .. } = launch;
            let name: Arc<str> = name.into();
            self.placed(offer.seat, &name);
            let entry = Entry { name, request, reserved, kind, payload };
            orders.extend(self.enter(now, offer, entry));
        }
        orders
    }

    /// What a framework wanted to run has its place.
    fn placed(&mut self, seat: SeatSlot, name: &str) {
        let steps = self.state.ledger.steps;
        let wanted = self.state.seats.at_mut(seat).and_then(|seat| seat.wanted.as_mut());
        if let Some(want) = wanted.and_then(|wanted| wanted.remove(name)) {
            self.state.ledger.placed(steps.saturating_sub(want.since_step));
        }
    }

    /// Enters a task or an executor with what it holds, and orders it.
    fn enter(&mut self, now: Time, offer: &Offer, entry: Entry) -> Option<LaunchOrder> {
        let Entry { name, request, reserved, kind, payload } = entry;
        let Offer { framework, seat, agent_slot, revocable, .. } = *offer;
        let (agent, agent_slot) = (offer.made.agent, agent_slot as usize);
        let role = self.state.seats.at(seat)?.role;
        let handle = TaskHandle::from_number(self.ids.give());
        let owner = self.state.frameworks.get_mut(&framework)?;
        let user = owner.info.user.clone();
        let said = if kind.is_executor() {
            owner.executors.insert((agent, revocable, Arc::clone(&name)), handle);
            owner.info.payload.clone()
        } else {
            owner.tasks.insert(Arc::clone(&name), handle);
            Vec::new()
        };
        let holding = Holding {
            seat: Some(seat),
            role,
            agent: agent_slot,
            resources: &request,
            reserved: &reserved,
            revocable,
            // Nothing is known of it yet.
            peaks: Peaks::of(request.amounts, Usage::default()),
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
            request,
            reserved: reserved.clone(),
            revocable,
            kind,
            state: TaskState::Staging,
            since: now,
            usage: TaskUsage::default(),
            unacknowledged: None,
        };
        self.state.tasks.by_handle.insert(handle, Box::new(task));
        let role = self.state.roles.get(role).name.to_string();
        self.summon_later(agent);
        Some(LaunchOrder {
            handle,
            framework,
            user,
            role,
            revocable,
            reserved,
            kind,
            payload,
            said,
        })
    }
}

/// Why a launch can't be done there, whatever it asks for.
fn launch_fault(framework: &Framework, offer: &Offer, launch: &Launch) -> Option<String> {
    if launch.fault.is_some() {
        return launch.fault.clone();
    }
    let agent = offer.made.agent;
    if let Some(other) = launch.agent.filter(|other| *other != agent) {
        return Some(format!("it is for agent {other}, and the offers are of {agent}"));
    }
    if framework.tasks.contains_key(&*launch.name) {
        return Some("the framework already has an active task of this id".to_owned());
    }
    if launch.request.amounts.is_zero() {
        return Some("the task asks for nothing".to_owned());
    }
    (!launch.request.amounts.has_whole_gpus())
        .then(|| "the task asks for a part of a GPU; GPUs are given whole".to_owned())
}

/// What launches ask for of which the one at `at` does not fit, with the executor that is new for them.
fn asks(placed: &[Placed], at: usize, new: Option<&Arc<Executor>>) -> String {
    let Some((launch, _)) = placed.get(at) else { return String::new() };
    let mut words = of_several(placed, launch, format!("it asks for {}", launch.request));
    if placed.len() > 1 {
        let all = placed.iter().map(|(launch, _)| &launch.request);
        let all = all.fold(Resources::default(), |sum, one| sum.plus(one));
        words += &format!(", its group for {all} in all");
    }
    if let Some(executor) = new {
        words += &format!(", its executor for {} besides", executor.request);
    }
    words
}

/// Says which one a fault is of, where there are several.
fn of_several(placed: &[Placed], launch: &Launch, fault: String) -> String {
    if placed.len() > 1 { format!("task {:?}: {fault}", launch.name) } else { fault }
}
