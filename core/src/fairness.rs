//! Who is next: weighted dominant-resource fairness down the tree of roles, then over frameworks
//! (Ghodsi et al., NSDI'11; weights and tree as in Mesos).
//!
//! What stands in order is a framework in one of its roles (`seat`).
//! The order is kept, not sorted: each role has the set of its hungry seats and the set of the
//! roles under it with somebody hungry, both by share. What changes marks its own place as stale;
//! the places are brought up to date when somebody next asks who comes first. Promised and lent
//! resources have an order each, as not everybody may have both.

use crate::{
    ids::FrameworkId,
    machine::{Machine, State},
    resources::{Amounts, KINDS},
    roles::{MAX_DEPTH, RoleSlot, Roles, WEIGHT_ONE},
    seat::{MAX_SEATS, Seat, SeatSlot, Seats},
    slots::SlotSet,
};
use std::{collections::BTreeSet, ops::ControlFlow};

/// A dominant share in billionths of the cluster, divided by the weight.
pub type Share = u64;

/// A whole in billionths, for a weight in thousandths.
const WHOLE: f64 = 1e9 * 1e3;
/// The order is worked out anew when the kinds' totals have moved so much against each other: as
/// long as they grow together, no share passes another.
const MAX_DRIFT: f64 = 1e-3;

/// What a share is a part of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scale {
    total: Amounts,
    /// One over the total; 0 for kinds that the cluster lacks.
    parts: [f64; KINDS],
}

impl Scale {
    pub(crate) fn of(total: Amounts) -> Self {
        let parts = total.0.map(|all| if all == 0 { 0.0 } else { 1.0 / all as f64 });
        Self { total, parts }
    }

    #[inline]
    fn share(&self, held: Amounts, weight_milli: u64) -> Share {
        let parts = held.0.iter().zip(self.parts).map(|(held, part)| *held as f64 * part);
        (parts.fold(0.0, f64::max) * WHOLE / weight_milli.max(1) as f64) as Share
    }

    /// Whether shares of `total` could stand in another order.
    pub(crate) fn has_drifted(&self, total: Amounts) -> bool {
        let growth = total.0.iter().zip(self.parts).zip(self.total.0).map(|((new, part), old)| {
            match (old, *new) {
                (0, 0) => None,
                (0, _) | (_, 0) => Some(f64::INFINITY),
                (_, new) => Some(new as f64 * part),
            }
        });
        let (least, most) = growth
            .flatten()
            .fold((f64::INFINITY, 0.0_f64), |(least, most), by| (least.min(by), most.max(by)));
        most > least * (1.0 + MAX_DRIFT) || most.is_infinite()
    }
}

/// The largest part that `held` is of `total` in any kind, over the weight (in thousandths).
#[must_use]
pub fn share(held: Amounts, total: Amounts, weight_milli: u64) -> Share {
    Scale::of(total).share(held, weight_milli)
}

/// After so many left out, those not left out are looked for by themselves.
const PATIENCE: usize = 16;

/// What is to be brought up to date, each once.
#[derive(Clone, Debug, Default)]
struct Stale {
    list: Vec<u32>,
    listed: SlotSet,
}

impl Stale {
    fn mark(&mut self, at: u32) {
        if self.listed.insert(at as usize) {
            self.list.push(at);
        }
    }

    fn take(&mut self) -> Option<u32> {
        let at = self.list.pop()?;
        self.listed.remove(at as usize);
        Some(at)
    }
}

/// A seat's share and slot as one number: sets of those are half as large, and compare at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ByShare(u64);

/// Bits of the slot; a share takes less than those above, as nobody holds more than all there is
/// promised and once more as lent.
const SLOT_BITS: u32 = 16;
const _: () = assert!(MAX_SEATS <= 1 << SLOT_BITS, "a seat's slot has 16 bits");

impl ByShare {
    fn new(share: Share, slot: u32) -> Self {
        Self(share.min(u64::MAX >> SLOT_BITS) << SLOT_BITS | u64::from(slot))
    }

    const fn slot(self) -> SeatSlot {
        SeatSlot((self.0 & ((1 << SLOT_BITS) - 1)) as u32)
    }
}

/// A role's place among its siblings: those whose guarantee is not met first, then by share.
type RoleKey = (bool, Share);

/// The order for one kind of resources.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    revocable: bool,
    scale: Scale,
    /// By role: its hungry seats, by share and slot.
    seats: Vec<BTreeSet<ByShare>>,
    /// By role, the root before them: the roles under it with somebody hungry. A role with roles
    /// under it stands among them itself, for its own seats.
    children: Vec<BTreeSet<(RoleKey, u32)>>,
    /// By seat: where it is entered.
    seat_keys: Vec<Option<(RoleSlot, Share)>>,
    /// By role: as what it is entered with the one above, and its own seats with itself.
    role_keys: Vec<[Option<RoleKey>; 2]>,
    stale_seats: Stale,
    stale_roles: Stale,
    /// Those entered that take whatever there is, and those that said what they want.
    open: SlotSet,
    wanting: SlotSet,
}

impl Order {
    fn new(revocable: bool) -> Self {
        Self {
            revocable,
            scale: Scale::default(),
            seats: Vec::new(),
            children: vec![BTreeSet::new()],
            seat_keys: Vec::new(),
            role_keys: Vec::new(),
            stale_seats: Stale::default(),
            stale_roles: Stale::default(),
            open: SlotSet::default(),
            wanting: SlotSet::default(),
        }
    }

    /// Whether nobody could have any, limits apart.
    pub(crate) const fn is_empty(&self) -> bool {
        self.open.is_empty() && self.wanting.is_empty()
    }

    pub(crate) const fn open(&self) -> &SlotSet {
        &self.open
    }

    pub(crate) const fn wanting(&self) -> &SlotSet {
        &self.wanting
    }

    /// Brings every place up to date.
    pub(crate) fn refresh(&mut self, state: &State) {
        let State { seats, roles, agents, .. } = state;
        if self.scale.total != agents.total() && self.scale.has_drifted(agents.total()) {
            self.scale = Scale::of(agents.total());
            seats.slots().for_each(|slot| self.stale_seats.mark(slot.0));
            roles.iter().for_each(|(slot, _)| self.stale_roles.mark(slot.0));
        }
        if self.seats.len() < roles.len() {
            self.seats.resize_with(roles.len(), BTreeSet::new);
            self.children.resize_with(roles.len() + 1, BTreeSet::new);
            self.role_keys.resize(roles.len(), [None; 2]);
        }
        while let Some(at) = self.stale_seats.take() {
            self.enter_seat(SeatSlot(at), seats);
        }
        while let Some(at) = self.stale_roles.take() {
            self.enter_role(RoleSlot(at), roles);
        }
    }

    fn enter_seat(&mut self, slot: SeatSlot, seats: &Seats) {
        let is_in = self.open.contains(slot.at()) || self.wanting.contains(slot.at());
        let seat = seats.at(slot).filter(|_| is_in);
        let place = seat.map(|of| (of.role, self.scale.share(of.held, WEIGHT_ONE)));
        if self.seat_keys.len() <= slot.at() {
            self.seat_keys.resize(slot.at() + 1, None);
        }
        let old = std::mem::replace(&mut self.seat_keys[slot.at()], place);
        if old == place {
            return;
        }
        if let Some((role, share)) = old {
            self.seats[role.at()].remove(&ByShare::new(share, slot.0));
            if self.seats[role.at()].is_empty() {
                self.stale_roles.mark(role.0);
            }
        }
        if let Some((role, share)) = place {
            if self.seats[role.at()].is_empty() {
                self.stale_roles.mark(role.0);
            }
            self.seats[role.at()].insert(ByShare::new(share, slot.0));
        }
    }

    fn enter_role(&mut self, slot: RoleSlot, roles: &Roles) {
        let role = roles.get(slot);
        let hungry = !self.seats[slot.at()].is_empty();
        let own =
            (role.has_children && hungry).then(|| (true, self.scale.share(role.own, WEIGHT_ONE)));
        self.stand(slot.at() + 1, slot.0, 1, own);
        let full = !self.revocable && roles.is_full(slot);
        let present = !full && (hungry || !self.children[slot.at() + 1].is_empty());
        let met = self.revocable || roles.is_met(slot);
        let key = present.then(|| (met, self.scale.share(role.held, role.weight_milli)));
        let siblings = role.parent.map_or(0, |parent| parent.at() + 1);
        let came_or_went = self.stand(siblings, slot.0, 0, key);
        // Whether the one above has somebody hungry may have changed.
        if let Some(parent) = role.parent.filter(|_| came_or_went) {
            self.stale_roles.mark(parent.0);
        }
    }

    /// Enters a role among others as the `which`th of its keys; says whether it came or went.
    fn stand(&mut self, among: usize, role: u32, which: usize, key: Option<RoleKey>) -> bool {
        let (entered, set) = (&mut self.role_keys[role as usize][which], &mut self.children[among]);
        let old = *entered;
        // One that stands alone keeps its key, however old: there is none to compare it with.
        if old == key || old.is_some() && key.is_some() && set.len() == 1 {
            return false;
        }
        *entered = key;
        if let Some(old) = old {
            set.remove(&(old, role));
        }
        if let Some(key) = key {
            set.insert((key, role));
            if old.is_none() && set.len() == 2 {
                set.iter().for_each(|(_, other)| self.stale_roles.mark(*other));
            }
        }
        old.is_some() != key.is_some()
    }

    /// Shows all who are hungry, the most entitled first, until `look` has seen enough.
    pub(crate) fn walk(&self, mut look: impl FnMut(SeatSlot) -> ControlFlow<()>) {
        let _ = self.walk_under(0, &SlotSet::NONE, &mut look);
    }

    /// The same without some.
    pub(crate) fn walk_without(
        &self,
        without: &SlotSet,
        mut look: impl FnMut(SeatSlot) -> ControlFlow<()>,
    ) {
        let _ = self.walk_under(0, without, &mut look);
    }

    fn walk_under(
        &self,
        at: usize,
        without: &SlotSet,
        look: &mut impl FnMut(SeatSlot) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for (_, role) in &self.children[at] {
            let under = *role as usize + 1;
            if under == at || self.children[under].is_empty() {
                self.walk_role(RoleSlot(*role), without, look)?;
            } else {
                self.walk_under(under, without, look)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn walk_role(
        &self,
        role: RoleSlot,
        without: &SlotSet,
        look: &mut impl FnMut(SeatSlot) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut left_out = 0;
        for seat in &self.seats[role.at()] {
            if !without.contains(seat.slot().at()) {
                look(seat.slot())?;
                continue;
            }
            left_out += 1;
            let most = self.seats[role.at()].len() * 2 > self.open.len() + self.wanting.len();
            if left_out == PATIENCE && most {
                return self.walk_few(role, *seat, without, look);
            }
        }
        ControlFlow::Continue(())
    }

    /// Goes on after `last`, through those of the role that are not left out, not through all.
    fn walk_few(
        &self,
        role: RoleSlot,
        last: ByShare,
        without: &SlotSet,
        look: &mut impl FnMut(SeatSlot) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let after = |last: ByShare| {
            let some = self.open.either_without(&self.wanting, without).filter_map(move |at| {
                let (of, share) = (*self.seat_keys.get(at)?)?;
                (of == role).then(|| ByShare::new(share, at as u32))
            });
            some.filter(move |seat| *seat > last)
        };
        // Mostly the first takes all there is.
        let Some(first) = after(last).min() else { return ControlFlow::Continue(()) };
        look(first.slot())?;
        let mut rest: Vec<_> = after(first).collect();
        rest.sort_unstable();
        rest.into_iter().try_for_each(|seat| look(seat.slot()))
    }

    /// A seat's place: where two differ first, there the lesser comes first. `None`: it has none,
    /// because it may have nothing or its role is full.
    pub(crate) fn place(&self, slot: SeatSlot, roles: &Roles) -> Option<Place> {
        let (role, share) = (*self.seat_keys.get(slot.at())?)?;
        let mut place = [((false, 0), 0); MAX_DEPTH + 2];
        let mut depth = 0;
        place[depth] = ((false, share), slot.0);
        if let Some(own) = self.role_keys[role.at()][1] {
            depth += 1;
            place[depth] = (own, role.0);
        }
        for (at, _) in roles.upwards(role) {
            depth += 1;
            place[depth] = (self.role_keys[at.at()][0]?, at.0);
        }
        place[..=depth].reverse();
        Some(place)
    }
}

/// From the root down: a role's key and slot at each step, the seat's last.
pub(crate) type Place = [(RoleKey, u32); MAX_DEPTH + 2];

/// The orders for promised and for lent resources.
#[derive(Clone, Debug)]
pub(crate) struct Orders([Order; 2]);

impl Default for Orders {
    fn default() -> Self {
        Self([Order::new(false), Order::new(true)])
    }
}

impl Orders {
    pub(crate) fn of(&self, revocable: bool) -> &Order {
        &self.0[usize::from(revocable)]
    }

    pub(crate) fn of_mut(&mut self, revocable: bool) -> &mut Order {
        &mut self.0[usize::from(revocable)]
    }

    /// What a seat and its role hold has changed.
    pub(crate) fn holdings_changed(
        &mut self,
        seat: Option<SeatSlot>,
        role: RoleSlot,
        roles: &Roles,
    ) {
        for order in &mut self.0 {
            if let Some(seat) = seat {
                order.stale_seats.mark(seat.0);
            }
            roles.upwards(role).for_each(|(slot, _)| order.stale_roles.mark(slot.0));
        }
    }

    /// A role's weight or quota has changed, or it has a role under it now.
    pub(crate) fn role_changed(&mut self, role: RoleSlot) {
        self.0.iter_mut().for_each(|order| order.stale_roles.mark(role.0));
    }
}

impl State {
    /// Who may have resources of this kind, the most entitled first, by sorting them all.
    #[must_use]
    pub(crate) fn sorted(&self, order: &Order) -> Vec<SeatSlot> {
        let members = self.seats.slots().filter(|slot| {
            let seat = self.seats.at(*slot);
            seat.is_some_and(|seat| seat.is_hungry() && self.takes(seat, order.revocable))
        });
        let place = |slot: SeatSlot| {
            let seat = self.seats.at(slot)?;
            let (roles, role) = (&self.roles, self.roles.get(seat.role));
            let mut place = vec![((false, order.scale.share(seat.held, WEIGHT_ONE)), slot.0)];
            if role.has_children {
                let own = order.scale.share(role.own, WEIGHT_ONE);
                place.push(((true, own), seat.role.0));
            }
            for (at, role) in roles.upwards(seat.role) {
                if !order.revocable && roles.is_full(at) {
                    return None;
                }
                let met = order.revocable || roles.is_met(at);
                place.push(((met, order.scale.share(role.held, role.weight_milli)), at.0));
            }
            place.reverse();
            Some((place, slot))
        };
        let mut places: Vec<_> = members.filter_map(place).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, slot)| slot).collect()
    }
}

impl State {
    /// Whether a seat's framework is there and may get resources of this kind.
    pub(crate) fn takes(&self, seat: &Seat, revocable: bool) -> bool {
        let framework = self.frameworks.at(seat.framework_slot);
        framework.is_some_and(|framework| {
            framework.connected
                && framework.takes(revocable, self.roles.is_opportunistic(seat.role))
        })
    }
}

impl Machine {
    /// The frameworks that an offer of this kind could be of use to, the most entitled first; each
    /// as often as it has roles for which that is so.
    #[must_use]
    pub fn hungry_in_order(&mut self, revocable: bool) -> Vec<FrameworkId> {
        let order = self.orders.of_mut(revocable);
        order.refresh(&self.state);
        let mut all = Vec::new();
        order.walk(|slot| {
            all.extend(self.state.seats.at(slot).map(|seat| seat.framework));
            ControlFlow::Continue(())
        });
        all
    }

    /// Brings all places of a framework among the hungry up to date.
    pub(crate) fn refresh_hunger(&mut self, id: FrameworkId) {
        self.seats_of(id).into_iter().for_each(|slot| self.refresh_hunger_at(slot));
    }

    /// Brings a seat's place among the hungry up to date, and what is to be looked at for it: called
    /// whenever it may want or have something that it did not before.
    pub(crate) fn refresh_hunger_at(&mut self, slot: SeatSlot) {
        self.state.seats.refresh(slot);
        let seat = self.state.seats.at(slot);
        let hungry = seat.filter(|seat| seat.is_hungry());
        for revocable in [false, true] {
            let may = hungry.filter(|seat| self.state.takes(seat, revocable));
            let (open, wanting) = (
                may.is_some_and(|seat| seat.wanted.is_none()),
                may.is_some_and(|seat| seat.wanted.is_some()),
            );
            let order = self.orders.of_mut(revocable);
            if open && !order.open.contains(slot.at()) {
                self.state.agents.look_at_free(revocable);
            }
            if wanting && !order.wanting.contains(slot.at()) {
                self.unplaced.insert(slot.at());
            }
            order.open.set(slot.at(), open);
            order.wanting.set(slot.at(), wanting);
            order.stale_seats.mark(slot.0);
            if let Some(seat) = seat {
                order.stale_roles.mark(seat.role.0);
            }
        }
    }

    /// A seat is given up: it has no place any more.
    pub(crate) fn forget_hunger(&mut self, slot: SeatSlot) {
        self.unplaced.remove(slot.at());
        for revocable in [false, true] {
            let order = self.orders.of_mut(revocable);
            order.open.remove(slot.at());
            order.wanting.remove(slot.at());
            order.stale_seats.mark(slot.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_dominant_kind_counts_and_weight_divides() {
        let total = Amounts::of(10_000, 100_000);
        assert_eq!(share(Amounts::of(1_000, 50_000), total, 1_000), 500_000_000);
        assert_eq!(share(Amounts::of(1_000, 50_000), total, 2_000), 250_000_000);
        assert_eq!(share(Amounts::of(1_000, 0), Amounts::ZERO, 1_000), 0);
    }

    /// An order of seats in one large and two small roles, their shares as given.
    fn order(shares: &[u64]) -> Order {
        let mut order = Order::new(false);
        order.seats.resize_with(3, BTreeSet::new);
        order.children.resize_with(4, BTreeSet::new);
        order.children[0] = [((true, 1), 1), ((true, 2), 0), ((true, 2), 2)].into();
        for (at, share) in shares.iter().enumerate() {
            let role = if at % 8 == 7 { 1 + at / 8 % 2 } else { 0 };
            order.seats[role].insert(ByShare::new(*share, at as u32));
            order.seat_keys.push(Some((RoleSlot(role as u32), *share)));
            (if at % 3 == 0 { &mut order.wanting } else { &mut order.open }).insert(at);
        }
        order
    }

    proptest! {
        #[test]
        fn those_left_out_are_passed_over_and_the_order_stays(
            shares in prop::collection::vec(0u64..20, 1..200),
            hidden in prop::collection::vec(0u8..10, 200),
            most in 0u8..10,
            enough in 1usize..200,
        ) {
            let order = order(&shares);
            let without: SlotSet = (0..shares.len()).filter(|at| hidden[*at] < most).collect();
            let (mut all, mut some) = (Vec::new(), Vec::new());
            order.walk(|seat| {
                all.push(seat);
                ControlFlow::Continue(())
            });
            prop_assert_eq!(all.len(), shares.len());
            order.walk_without(&without, |seat| {
                some.push(seat);
                if some.len() < enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            all.retain(|seat| !without.contains(seat.at()));
            all.truncate(enough);
            prop_assert_eq!(some, all);
        }
    }

    #[test]
    fn totals_that_grow_together_change_no_order() {
        let scale = Scale::of(Amounts::of(4_000, 8_000));
        assert!(!scale.has_drifted(Amounts::of(8_000, 16_000)));
        assert!(!scale.has_drifted(Amounts::of(8_001, 16_000)));
        assert!(scale.has_drifted(Amounts::of(8_100, 16_000)));
        assert!(scale.has_drifted(Amounts([4_000, 8_000, 1, 0])));
        assert!(Scale::default().has_drifted(Amounts::of(1, 1)));
        assert!(!Scale::default().has_drifted(Amounts::ZERO));
    }
}
