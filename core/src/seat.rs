//! Seats: a framework in one of its roles. Whose turn it is, what was declined, suppressed, offered
//! and is held all count by seat (Mesos: the allocator's clients are frameworks under roles).

use crate::{
    capability::Capabilities,
    command::FrameworkInfo,
    constraint::Constraints,
    frameworks::{Framework, FrameworkSlot},
    ids::{FrameworkId, OfferId},
    minimum::Minimum,
    offer::SMALLEST,
    resources::Amounts,
    roles::RoleSlot,
    slots::SlotSet,
    table::Table,
    wants::Wants,
};
use std::collections::VecDeque;

/// A framework has at most so many roles.
pub const MAX_ROLES_A_FRAMEWORK: usize = 250;
/// All frameworks together have at most so many.
pub const MAX_SEATS: usize = 40_000;

/// Index of a seat; valid until that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeatSlot(pub(crate) u32);

impl SeatSlot {
    pub(crate) const fn at(self) -> usize {
        self.0 as usize
    }
}

/// A framework in one of its roles.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Whose.
    pub framework: FrameworkId,
    pub(crate) framework_slot: FrameworkSlot,
    /// The role its resources count for.
    pub role: RoleSlot,
    /// It wants no offers.
    pub suppressed: bool,
    /// What it wants, by task name; `None`: it never said, so anything may be of use.
    pub wanted: Option<Wants>,
    /// What its framework knows to handle.
    pub capabilities: Capabilities,
    /// Which agents it takes.
    pub constraints: Constraints,
    /// The least it wants to be offered at a time.
    pub minimum: Option<Minimum>,
    /// On how many agents it has filters, counted by kind.
    pub filters: usize,
    /// Its outstanding offers, ascending.
    pub offers: VecDeque<OfferId>,
    /// What it holds or is offered.
    pub held: Amounts,
}

impl Seat {
    /// The seat of a framework in the role that is called `name`, which holds nothing yet.
    pub(crate) fn new(
        framework: (FrameworkId, FrameworkSlot),
        role: RoleSlot,
        name: &str,
        info: &FrameworkInfo,
    ) -> Self {
        let mut seat = Self {
            framework: framework.0,
            framework_slot: framework.1,
            role,
            suppressed: false,
            wanted: info.says_wants.then(Wants::default),
            capabilities: Capabilities::default(),
            constraints: Constraints::default(),
            minimum: None,
            filters: 0,
            offers: VecDeque::new(),
            held: Amounts::ZERO,
        };
        seat.inform(name, info);
        seat
    }

    /// Takes over what the framework says of its role.
    pub(crate) fn inform(&mut self, name: &str, info: &FrameworkInfo) {
        self.capabilities = info.capabilities;
        self.constraints = info.constraints.get(name).cloned().unwrap_or_default();
        self.minimum = info.minimums.get(name).cloned();
    }

    /// Whether some offer could be of use to it, if its framework is there to take it.
    #[must_use]
    pub fn is_hungry(&self) -> bool {
        !self.suppressed && self.wanted.as_ref().is_none_or(Wants::is_waiting)
    }

    /// The least offer that could be of use to it.
    #[must_use]
    pub fn least(&self) -> Amounts {
        let least = self.wanted.as_ref().map_or(SMALLEST, Wants::least);
        self.minimum.as_ref().map_or(least, |minimum| least.max(minimum.least()))
    }

    pub(crate) fn offer_is_gone(&mut self, id: OfferId) {
        if let Ok(at) = self.offers.binary_search(&id) {
            self.offers.remove(at);
        }
    }
}

/// All seats, one slot each.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    table: Table<(FrameworkId, RoleSlot), Box<Seat>>,
    /// [`Seat::least`], by slot: what the walk over all of them looks at first.
    least: Vec<Amounts>,
    /// Those with constraints.
    picky: SlotSet,
}

impl Seats {
    pub(crate) fn insert(&mut self, seat: Seat) -> SeatSlot {
        let slot = self.table.insert((seat.framework, seat.role), Box::new(seat));
        if slot == self.least.len() {
            self.least.push(Amounts::ZERO);
        }
        let slot = SeatSlot(slot as u32);
        self.refresh(slot);
        slot
    }

    pub(crate) fn remove(&mut self, id: FrameworkId, role: RoleSlot) -> Option<Seat> {
        self.table.remove((id, role)).map(|(_, seat)| *seat)
    }

    /// Brings the column of least offers up to date.
    pub(crate) fn refresh(&mut self, slot: SeatSlot) {
        if let Some(seat) = self.table.at(slot.at()) {
            self.least[slot.at()] = seat.least();
            self.picky.set(slot.at(), seat.is_picky());
        }
    }

    /// Those with constraints.
    pub(crate) const fn picky(&self) -> &SlotSet {
        &self.picky
    }

    /// The least offer that could be of use to a seat.
    #[inline]
    pub(crate) fn least(&self, slot: SeatSlot) -> Amounts {
        self.least[slot.at()]
    }

    /// A seat by slot.
    #[must_use]
    #[inline]
    pub fn at(&self, slot: SeatSlot) -> Option<&Seat> {
        self.table.at(slot.at()).map(|seat| &**seat)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, slot: SeatSlot) -> Option<&mut Seat> {
        self.table.at_mut(slot.at()).map(|seat| &mut **seat)
    }

    /// The seats of a framework, in the order its roles were first named.
    pub fn of<'a>(&'a self, framework: &'a Framework) -> impl Iterator<Item = &'a Seat> {
        framework.seats.values().filter_map(|slot| self.at(*slot))
    }

    /// What a framework said it wants in each of its roles; none if it never did.
    pub fn wanted_by<'a>(&'a self, framework: &'a Framework) -> impl Iterator<Item = &'a Wants> {
        self.of(framework).filter_map(|seat| seat.wanted.as_ref())
    }

    /// The outstanding offers of a framework.
    pub(crate) fn offers_of(&self, framework: &Framework) -> Vec<OfferId> {
        self.of(framework).flat_map(|seat| seat.offers.iter().copied()).collect()
    }

    /// All slots that are taken, in the order of their frameworks and roles.
    pub(crate) fn slots(&self) -> impl Iterator<Item = SeatSlot> + '_ {
        self.table.slots().map(|slot| SeatSlot(slot as u32))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
