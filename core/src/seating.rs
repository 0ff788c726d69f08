//! Frameworks take and give up roles, want offers in them or not.

use crate::{
    command::{Caller, FrameworkInfo},
    effect::{Effect, Record},
    frameworks::Framework,
    ids::{FrameworkId, OfferId},
    machine::{Machine, Refusal, Reply, State},
    resources::Amounts,
    roles::{MAX_DEPTH, MAX_ROLES, RoleSlot, is_role_name},
    seat::{MAX_ROLES_A_FRAMEWORK, MAX_SEATS, Seat, SeatSlot},
};
use std::collections::BTreeSet;

impl Machine {
    /// The roles that a framework names, if it may be in them as it says.
    pub(crate) fn roles_of(
        &mut self,
        info: &FrameworkInfo,
        suppressed: &[String],
    ) -> Result<Vec<RoleSlot>, Refusal> {
        if let Some(name) = info.roles.iter().find(|name| !is_role_name(name)) {
            return Err(Refusal::Invalid(format!(
                "role {name:?}: a role is up to {MAX_DEPTH} names between slashes, none empty or with \
                 white space or a leading dash, at most 255 bytes in all"
            )));
        }
        let named: BTreeSet<_> = info.roles.iter().collect();
        if named.len() < info.roles.len() || named.is_empty() {
            let fault = "a framework has at least one role, and none twice";
            return Err(Refusal::Invalid(fault.to_owned()));
        }
        let stray = info.constraints.keys().chain(info.minimums.keys()).chain(suppressed);
        if let Some(stray) = stray.into_iter().find(|name| !named.contains(name)) {
            return Err(Refusal::Invalid(format!("{stray:?} is not one of the framework's roles")));
        }
        if named.len() > MAX_ROLES_A_FRAMEWORK {
            let (what, bound) = ("roles a framework", MAX_ROLES_A_FRAMEWORK);
            return Err(Refusal::Bound { what, bound, hint: "use several frameworks" });
        }
        if self.state.seats.len() + named.len() > MAX_SEATS {
            let (what, bound) = ("roles of all frameworks", MAX_SEATS);
            return Err(Refusal::Bound { what, bound, hint: "give some up" });
        }
        let slots: Option<_> = info.roles.iter().map(|name| self.state.roles.entry(name)).collect();
        let hint = "use one that exists";
        slots.ok_or(Refusal::Bound { what: "roles", bound: MAX_ROLES, hint })
    }

    /// The slots of a framework's seats.
    pub(crate) fn seats_of(&self, id: FrameworkId) -> Vec<SeatSlot> {
        let framework = self.state.frameworks.get(&id);
        framework.into_iter().flat_map(|framework| framework.seats.values().copied()).collect()
    }

    /// Where a framework sits in a role, if it does.
    pub(crate) fn seat_in(&self, id: FrameworkId, role: RoleSlot) -> Option<SeatSlot> {
        self.state.frameworks.get(&id)?.seats.get(&role).copied()
    }

    /// Gives a framework a seat in a role; what its tasks hold there counts for it from now on.
    pub(crate) fn take_seat(&mut self, id: FrameworkId, role: RoleSlot) {
        let Some(slot) = self.state.frameworks.slot(id) else { return };
        let Some(framework) = self.state.frameworks.at(slot) else { return };
        let tasks = framework.launches();
        let tasks = tasks.filter_map(|handle| self.state.tasks.by_handle.get(handle));
        let active = tasks.filter(|task| task.role == role && !task.state.is_terminal());
        let held = active.map(|task| task.request.amounts).fold(Amounts::ZERO, Amounts::plus);
        let name = &self.state.roles.get(role).name;
        let says_wants = self.state.seats.of(framework).any(|seat| seat.wanted.is_some());
        let mut seat = Seat { held, ..Seat::new((id, slot), role, name, &framework.info) };
        if says_wants {
            seat.wanted.get_or_insert_default();
        }
        let seat = self.state.seats.insert(seat);
        self.state.roles.get_mut(role).frameworks.insert(id);
        if let Some(framework) = self.state.frameworks.at_mut(slot) {
            framework.seats.insert(role, seat);
        }
    }

    /// Takes a seat away: nothing may be left in its slot, which will be another's. Its offers are
    /// gone already; what tasks hold still counts for the role.
    pub(crate) fn give_up_seat(&mut self, id: FrameworkId, role: RoleSlot) {
        let Some(framework) = self.state.frameworks.get_mut(&id) else { return };
        let Some(slot) = framework.seats.remove(&role) else { return };
        self.clear_filters(slot);
        self.forget_hunger(slot);
        self.state.seats.remove(id, role);
        self.state.roles.get_mut(role).frameworks.remove(&id);
    }

    fn set_suppressed(&mut self, id: FrameworkId, suppressed: &[String]) {
        for slot in self.seats_of(id) {
            if let Some(seat) = self.state.seats.at_mut(slot) {
                let name = &self.state.roles.get(seat.role).name;
                seat.suppressed = suppressed.iter().any(|one| **one == **name);
            }
        }
    }

    /// Seats a framework anew in all of `roles`, as if it had never been here.
    pub(crate) fn seat_anew(&mut self, id: FrameworkId, roles: &[RoleSlot], suppressed: &[String]) {
        let framework = self.state.frameworks.get(&id);
        let before: Vec<_> = framework.into_iter().flat_map(|f| f.seats.keys().copied()).collect();
        before.into_iter().for_each(|role| self.give_up_seat(id, role));
        roles.iter().for_each(|role| self.take_seat(id, *role));
        self.set_suppressed(id, suppressed);
    }

    /// A framework says anew what it is: its session, its tasks, its filters and those of its offers
    /// that still are for it stay (Mesos' UPDATE_FRAMEWORK).
    pub(crate) fn update_framework(
        &mut self,
        caller: Caller,
        info: FrameworkInfo,
        suppressed: &[String],
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let before = &self.caller(caller)?.info;
        if before.user != info.user || before.says_wants != info.says_wants {
            let fault = "its user, and whether it says what it wants, can't be changed under a \
                framework's tasks: subscribe a new one";
            return Err(Refusal::Invalid(fault.to_owned()));
        }
        let id = caller.framework;
        let roles = self.roles_of(&info, suppressed)?;
        self.caller(caller)?.info = info.clone();
        let before = self.seats_of(id);
        for slot in before {
            let Some(seat) = self.state.seats.at_mut(slot) else { continue };
            let role = seat.role;
            if roles.contains(&role) {
                seat.inform(&self.state.roles.get(role).name, &info);
                // All there is, is looked at for it as for a new one.
                self.forget_hunger(slot);
            } else {
                self.rescind_of_seat(slot, "the framework has given up the role", effects);
                self.give_up_seat(id, role);
            }
        }
        for role in roles {
            if self.seat_in(id, role).is_none() {
                self.take_seat(id, role);
            }
        }
        self.set_suppressed(id, suppressed);
        let unfit: Vec<_> = self.unfit_offers(id);
        self.rescind(&unfit, "the framework takes no such offers any more", effects);
        effects.push(Effect::Persist(Record::Framework(id, info)));
        self.refresh_hunger(id);
        Ok(Reply::Done)
    }

    /// A framework's offers that it would not be made as it is now.
    fn unfit_offers(&self, id: FrameworkId) -> Vec<OfferId> {
        let Some(framework) = self.state.frameworks.get(&id) else { return Vec::new() };
        let offers = self.state.seats.offers_of(framework);
        let fits = |id: &OfferId| {
            let offer = self.state.offers.get(*id)?;
            let (seat, agent) =
                (self.state.seats.at(offer.seat)?, self.state.agents.get(offer.made.agent)?);
            let fits = !seat.suppressed
                && self.state.takes(seat, offer.revocable)
                && seat.is_enough(offer.made.resources.amounts)
                && seat.barrier(agent, self.settings.domain.as_ref()).is_none();
            Some(fits)
        };
        offers.into_iter().filter(|id| fits(id) != Some(true)).collect()
    }

    /// The caller's seats in the roles of these names; none named: all.
    fn named_seats(&mut self, caller: Caller, names: &[String]) -> Result<Vec<SeatSlot>, Refusal> {
        self.caller(caller)?;
        if names.is_empty() {
            return Ok(self.seats_of(caller.framework));
        }
        let seats = names.iter().map(|name| {
            let role = self.state.roles.find(name);
            let seat = role.and_then(|role| self.seat_in(caller.framework, role));
            let fault =
                || Refusal::Invalid(format!("{name:?} is not one of the framework's roles"));
            seat.ok_or_else(fault)
        });
        seats.collect()
    }

    pub(crate) fn revive(&mut self, caller: Caller, roles: &[String]) -> Result<Reply, Refusal> {
        for slot in self.named_seats(caller, roles)? {
            if let Some(seat) = self.state.seats.at_mut(slot) {
                seat.suppressed = false;
            }
            self.clear_filters(slot);
            self.refresh_hunger_at(slot);
            self.unplaced.insert(slot.at());
        }
        Ok(Reply::Done)
    }

    pub(crate) fn suppress(
        &mut self,
        caller: Caller,
        roles: &[String],
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        for slot in self.named_seats(caller, roles)? {
            if let Some(seat) = self.state.seats.at_mut(slot) {
                seat.suppressed = true;
            }
            self.refresh_hunger_at(slot);
            self.rescind_of_seat(slot, "the framework wants no offers", effects);
        }
        Ok(Reply::Done)
    }

    fn rescind_of_seat(&mut self, slot: SeatSlot, why: &str, effects: &mut Vec<Effect>) {
        let seat = self.state.seats.at(slot);
        let offers: Vec<_> = seat.into_iter().flat_map(|seat| seat.offers.clone()).collect();
        self.rescind(&offers, why, effects);
    }
}

impl State {
    /// What a framework holds or is offered in all roles, those that it has given up included.
    #[must_use]
    pub fn held_by(&self, framework: &Framework) -> Amounts {
        let elsewhere = framework.launches().filter_map(|handle| {
            let task = self.tasks.by_handle.get(handle)?;
            let counts = !task.state.is_terminal() && !framework.seats.contains_key(&task.role);
            counts.then_some(task.request.amounts)
        });
        let seated = self.seats.of(framework).map(|seat| seat.held);
        seated.chain(elsewhere).fold(Amounts::ZERO, Amounts::plus)
    }
}
