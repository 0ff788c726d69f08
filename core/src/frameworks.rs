//! Frameworks: who they are and which tasks are theirs. What they are offered and hold is counted by
//! role: see [`crate::seat`].

use crate::{
    command::FrameworkInfo,
    executor::ExecutorKey,
    feedback::Told,
    ids::{FrameworkId, TaskHandle},
    roles::RoleSlot,
    seat::SeatSlot,
    table::Table,
    time::Time,
};
use std::{collections::BTreeMap, sync::Arc};

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
    /// The newest subscription.
    pub session: u64,
    /// Whether that stands.
    pub connected: bool,
    /// When it broke.
    pub gone_since: Option<Time>,
    /// Its seats, one for each of its roles.
    pub seats: BTreeMap<RoleSlot, SeatSlot>,
    /// Its tasks by name, those ended but unacknowledged included. They may be of roles that it has
    /// given up.
    pub tasks: BTreeMap<Arc<str>, TaskHandle>,
    /// Its executors.
    pub executors: BTreeMap<ExecutorKey, TaskHandle>,
    /// Operations whose end it has not acknowledged, by its names for them.
    pub operations: BTreeMap<String, Told>,
    /// Whether a deadline stands to tell of them again.
    pub(crate) tells_again: bool,
}

impl Framework {
    pub(crate) fn new(id: FrameworkId, info: FrameworkInfo, session: u64) -> Self {
        Self {
            id,
            info,
            session,
            connected: true,
            gone_since: None,
            seats: BTreeMap::new(),
            tasks: BTreeMap::new(),
            executors: BTreeMap::new(),
            operations: BTreeMap::new(),
            tells_again: false,
        }
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
}

/// All frameworks, one slot each.
#[derive(Clone, Debug, Default)]
pub struct Frameworks {
    table: Table<FrameworkId, Box<Framework>>,
}

impl Frameworks {
    /// Takes one in; `None` at [`MAX_FRAMEWORKS`].
    pub(crate) fn insert(&mut self, framework: Framework) -> Option<FrameworkSlot> {
        if self.len() >= MAX_FRAMEWORKS {
            return None;
        }
        let slot = self.table.insert(framework.id, Box::new(framework));
        Some(FrameworkSlot(slot as u32))
    }

    pub(crate) fn remove(&mut self, id: FrameworkId) -> Option<Framework> {
        self.table.remove(id).map(|(_, framework)| *framework)
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
