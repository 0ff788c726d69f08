//! Roles: what frameworks' holdings count for; a flat set.

use crate::{ids::FrameworkId, resources::Amounts};
use std::collections::{BTreeMap, BTreeSet};

/// Index of a role; roles are never removed, so it stays valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleSlot(pub(crate) usize);

/// At most so many roles are known.
pub const MAX_ROLES: usize = 10_000;
/// Weight 1, in thousandths.
pub const WEIGHT_ONE: u64 = 1_000;

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Thousandths; a role of weight 2 gets twice the share of one of weight 1.
    pub weight_milli: u64,
    /// Its frameworks are lent to without having asked for it.
    pub opportunistic: bool,
    /// What its frameworks hold or are offered.
    pub held: Amounts,
    /// Its frameworks.
    pub frameworks: BTreeSet<FrameworkId>,
}

/// All roles.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    roles: Vec<Role>,
    by_name: BTreeMap<String, RoleSlot>,
}

impl Roles {
    /// The role of that name, made if it is new; `None` at [`MAX_ROLES`].
    pub(crate) fn entry(&mut self, name: &str) -> Option<RoleSlot> {
        if let Some(slot) = self.by_name.get(name) {
            return Some(*slot);
        }
        if self.roles.len() == MAX_ROLES {
            return None;
        }
        let slot = RoleSlot(self.roles.len());
        self.roles.push(Role {
            name: name.to_owned(),
            weight_milli: WEIGHT_ONE,
            opportunistic: false,
            held: Amounts::ZERO,
            frameworks: BTreeSet::new(),
        });
        self.by_name.insert(name.to_owned(), slot);
        Some(slot)
    }

    /// The role of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RoleSlot> {
        self.by_name.get(name).copied()
    }

    /// A role.
    #[must_use]
    pub fn get(&self, slot: RoleSlot) -> &Role {
        &self.roles[slot.0]
    }

    pub(crate) fn get_mut(&mut self, slot: RoleSlot) -> &mut Role {
        &mut self.roles[slot.0]
    }

    /// All of them, in the order they were first named.
    pub fn iter(&self) -> impl Iterator<Item = (RoleSlot, &Role)> {
        self.roles.iter().enumerate().map(|(at, role)| (RoleSlot(at), role))
    }
}

/// Whether `name` may name a role (Mesos' rules, docs/roles.md there: not empty, not `.` or `..`,
/// no leading `-`, no white space), and is at most 255 bytes.
#[must_use]
pub fn is_role_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name != "."
        && name != ".."
        && !name.starts_with('-')
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/' || c == '\\')
}
