//! Frameworks: who they are, what they want, what they hold.

use crate::{
    command::FrameworkInfo,
    filter::Filters,
    ids::{FrameworkId, OfferId, TaskHandle},
    resources::{Amounts, Resources},
    roles::RoleSlot,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// At most so many frameworks are known.
pub const MAX_FRAMEWORKS: usize = 20_000;
/// At most so many things may a framework want at once.
pub const MAX_WANTED: usize = 10_000;
/// At most so many active tasks may a framework have.
pub const MAX_TASKS: usize = 200_000;

/// Something that has no place yet.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What it needs.
    pub request: Resources,
    /// The step in which it was first asked for.
    pub since_step: u64,
    /// When it was first asked for.
    pub since: Time,
    /// The outstanding offer that has room for it.
    pub offered: Option<OfferId>,
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
    pub wanted: Option<BTreeMap<String, Wanted>>,
    /// What it turned down.
    pub filters: Filters,
    /// Its outstanding offers.
    pub offers: BTreeSet<OfferId>,
    /// Its tasks by name, those ended but unacknowledged included.
    pub tasks: BTreeMap<String, TaskHandle>,
    /// What it holds or is offered.
    pub held: Amounts,
}

impl Framework {
    /// Whether some offer could be of use to it.
    #[must_use]
    pub fn is_hungry(&self) -> bool {
        self.connected
            && !self.suppressed
            && self
                .wanted
                .as_ref()
                .is_none_or(|wanted| wanted.values().any(|want| want.offered.is_none()))
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
