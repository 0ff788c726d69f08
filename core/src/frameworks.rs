//! Frameworks: who they are, what they want, what they hold.

use crate::{
    command::FrameworkInfo,
    executor::ExecutorKey,
    ids::{FrameworkId, OfferId, TaskHandle},
    offer::SMALLEST,
    resources::Amounts,
    roles::RoleSlot,
    slots::SlotSet,
    table::Table,
    time::Time,
    wants::Wants,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

pub use crate::wants::{MAX_WANTED, Wanted};

/// At most so many frameworks are known.
pub const MAX_FRAMEWORKS: usize = 20_000;
/// At most so many active tasks may a framework have.
pub const MAX_TASKS: usize = 200_000;

/// Index of a framework; valid until that is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameworkSlot(pub(crate) u32);

impl FrameworkSlot {
    pub(crate) const fn at(self) -> usize {
        self.0 as usize
    }
}

/// One framework.
#[derive(Clone, Debug)]
pub struct Framework {
    /// Its id.
    pub id: FrameworkId,
    /// What it said of itself.
    pub info: FrameworkInfo,
    /// Its role.
    pub role: RoleSlot,
    /// The newest subscription.
    pub session: u64,
    /// Whether that stands.
    pub connected: bool,
    /// When it broke.
    pub gone_since: Option<Time>,
    /// It wants no offers.
    pub suppressed: bool,
    /// What it wants, by task name; `None`: it never said, so anything may be of use.
    pub wanted: Option<Wants>,
    /// How many filters it has, on all agents.
    pub filters: usize,
    /// Its outstanding offers, ascending.
    pub offers: VecDeque<OfferId>,
    /// Its tasks by name, those ended but unacknowledged included.
    pub tasks: BTreeMap<Arc<str>, TaskHandle>,
    /// Its executors.
    pub executors: BTreeMap<ExecutorKey, TaskHandle>,
    /// What it holds or is offered.
    pub held: Amounts,
}

impl Framework {
    pub(crate) fn new(id: FrameworkId, info: FrameworkInfo, role: RoleSlot, session: u64) -> Self {
        Self {
            id,
            wanted: info.says_wants.then(Wants::default),
            info,
            role,
            session,
            connected: true,
            gone_since: None,
            suppressed: false,
            filters: 0,
            offers: VecDeque::new(),
            tasks: BTreeMap::new(),
            executors: BTreeMap::new(),
            held: Amounts::ZERO,
        }
    }

    /// Whether some offer could be of use to it.
    #[must_use]
    pub fn is_hungry(&self) -> bool {
        self.connected && !self.suppressed && self.wanted.as_ref().is_none_or(Wants::is_waiting)
    }

    /// Whether it may get resources of this kind.
    #[must_use]
    pub const fn takes(&self, revocable: bool, role_is_opportunistic: bool) -> bool {
        if revocable {
            self.info.accepts_revocable || self.info.only_revocable || role_is_opportunistic
        } else {
            !self.info.only_revocable
        }
    }

    /// The least offer that could be of use to it.
    #[must_use]
    pub fn least(&self) -> Amounts {
        let least = self.wanted.as_ref().map_or(SMALLEST, Wants::least);
        self.info.minimum.as_ref().map_or(least, |minimum| least.max(minimum.least()))
    }

    pub(crate) fn offer_is_gone(&mut self, id: OfferId) {
        if let Ok(at) = self.offers.binary_search(&id) {
            self.offers.remove(at);
        }
    }
}

/// All frameworks, one slot each.
#[derive(Clone, Debug, Default)]
pub struct Frameworks {
    table: Table<FrameworkId, Box<Framework>>,
    /// [`Framework::least`], by slot: what the walk over all frameworks looks at first.
    least: Vec<Amounts>,
    /// Those with constraints.
    picky: SlotSet,
}

impl Frameworks {
    /// Takes one in; `None` at [`MAX_FRAMEWORKS`].
    pub(crate) fn insert(&mut self, framework: Framework) -> Option<FrameworkSlot> {
        if self.len() >= MAX_FRAMEWORKS {
            return None;
        }
        let slot = self.table.insert(framework.id, Box::new(framework));
        if slot == self.least.len() {
            self.least.push(Amounts::ZERO);
        }
        let slot = FrameworkSlot(slot as u32);
        self.refresh(slot);
        Some(slot)
    }

    pub(crate) fn remove(&mut self, id: FrameworkId) -> Option<Framework> {
        self.table.remove(id).map(|(_, framework)| *framework)
    }

    /// Brings the column of least offers up to date.
    pub(crate) fn refresh(&mut self, slot: FrameworkSlot) {
        if let Some(framework) = self.table.at(slot.at()) {
            self.least[slot.at()] = framework.least();
            self.picky.set(slot.at(), framework.is_picky());
        }
    }

    /// Those with constraints.
    pub(crate) const fn picky(&self) -> &SlotSet {
        &self.picky
    }

    /// The least offer that could be of use to a framework.
    #[inline]
    pub(crate) fn least(&self, slot: FrameworkSlot) -> Amounts {
        self.least[slot.at()]
    }

    /// The slot of a framework.
    #[must_use]
    pub fn slot(&self, id: FrameworkId) -> Option<FrameworkSlot> {
        self.table.slot(id).map(|slot| FrameworkSlot(slot as u32))
    }

    /// A framework by slot.
    #[must_use]
    #[inline]
    pub fn at(&self, slot: FrameworkSlot) -> Option<&Framework> {
        self.table.at(slot.at()).map(|framework| &**framework)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, slot: FrameworkSlot) -> Option<&mut Framework> {
        self.table.at_mut(slot.at()).map(|framework| &mut **framework)
    }

    /// A framework by id.
    #[must_use]
    pub fn get(&self, id: &FrameworkId) -> Option<&Framework> {
        self.table.get(*id).map(|framework| &**framework)
    }

    pub(crate) fn get_mut(&mut self, id: &FrameworkId) -> Option<&mut Framework> {
        self.table.at_mut(self.table.slot(*id)?).map(|framework| &mut **framework)
    }

    /// Whether there is one of that id.
    #[must_use]
    pub fn contains_key(&self, id: &FrameworkId) -> bool {
        self.table.slot(*id).is_some()
    }

    /// All, in the order of their ids.
    pub fn values(&self) -> impl Iterator<Item = &Framework> {
        self.table.values().map(|framework| &**framework)
    }

    /// All slots that are taken, in the order of their frameworks' ids.
    pub fn slots(&self) -> impl Iterator<Item = FrameworkSlot> + '_ {
        self.table.slots().map(|slot| FrameworkSlot(slot as u32))
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
