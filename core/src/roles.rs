//! Roles: what frameworks' holdings count for; a tree by name (`a/b/c` lies under `a/b`).
//!
//! A holding counts for its role and for every role above it, so a limit on `a` bounds all of `a`.

use crate::{
    effect::{Effect, Record},
    ids::FrameworkId,
    machine::{Machine, Refusal, Reply},
    quota::Quota,
    resources::Amounts,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Index of a role; roles are never removed, so it stays valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleSlot(pub(crate) u32);

impl RoleSlot {
    pub(crate) const fn at(self) -> usize {
        self.0 as usize
    }
}

/// At most so many roles are known, those above others included.
pub const MAX_ROLES: usize = 10_000;
/// At most so many names lie in a role's, between slashes.
pub const MAX_DEPTH: usize = 8;
/// Weight 1, in thousandths.
pub const WEIGHT_ONE: u64 = 1_000;

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its whole name.
    pub name: Arc<str>,
    /// The role above it.
    pub parent: Option<RoleSlot>,
    /// Whether there are roles under it.
    pub has_children: bool,
    /// Thousandths; a role of weight 2 gets twice the share of a sibling of weight 1.
    pub weight_milli: u64,
    /// Its frameworks, and those of roles under it, are lent to without having asked for it.
    pub opportunistic: bool,
    /// What it is promised, and what it may not pass.
    pub quota: Quota,
    /// What frameworks in it and under it hold or are offered.
    pub held: Amounts,
    /// The part of that which is not lent.
    pub promised: Amounts,
    /// What agents keep for it and those under it.
    pub reserved: Amounts,
    /// The part of that which is held or offered.
    pub drawn: Amounts,
    /// What frameworks of the role itself hold or are offered.
    pub own: Amounts,
    /// Its own frameworks.
    pub frameworks: BTreeSet<FrameworkId>,
    /// Something was not offered because of the limit, since it was last let go of.
    pub(crate) held_back: bool,
}

/// All roles. Those above others come before them.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    roles: Vec<Role>,
    by_name: BTreeMap<Arc<str>, RoleSlot>,
    /// Roles with a guarantee or a limit.
    pub(crate) with_quota: usize,
    /// What is guaranteed to roles without one above, and not consumed.
    pub(crate) unmet: Amounts,
}

impl Roles {
    /// The role of that name, made with those above if it is new; `None` at [`MAX_ROLES`].
    pub(crate) fn entry(&mut self, name: &str) -> Option<RoleSlot> {
        if let Some(slot) = self.by_name.get(name) {
            return Some(*slot);
        }
        let parent = match name.rsplit_once('/') {
            Some((above, _)) => Some(self.entry(above)?),
            None => None,
        };
        if self.roles.len() == MAX_ROLES {
            return None;
        }
        if let Some(parent) = parent {
            self.roles[parent.at()].has_children = true;
        }
        let slot = RoleSlot(self.roles.len() as u32);
        let name: Arc<str> = name.into();
        self.roles.push(Role {
            name: Arc::clone(&name),
            parent,
            has_children: false,
            weight_milli: WEIGHT_ONE,
            opportunistic: false,
            quota: Quota::default(),
            held: Amounts::ZERO,
            promised: Amounts::ZERO,
            reserved: Amounts::ZERO,
            drawn: Amounts::ZERO,
            own: Amounts::ZERO,
            frameworks: BTreeSet::new(),
            held_back: false,
        });
        self.by_name.insert(name, slot);
        Some(slot)
    }

    /// The role of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RoleSlot> {
        self.by_name.get(name).copied()
    }

    /// The role of that name, or the nearest above it that is known.
    pub(crate) fn nearest(&self, name: &str) -> Option<RoleSlot> {
        self.find(name).or_else(|| self.nearest(name.rsplit_once('/')?.0))
    }

    /// A role.
    #[must_use]
    pub fn get(&self, slot: RoleSlot) -> &Role {
        &self.roles[slot.at()]
    }

    pub(crate) fn get_mut(&mut self, slot: RoleSlot) -> &mut Role {
        &mut self.roles[slot.at()]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roles.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// All of them, in the order they were first named.
    pub fn iter(&self) -> impl Iterator<Item = (RoleSlot, &Role)> {
        self.roles.iter().enumerate().map(|(at, role)| (RoleSlot(at as u32), role))
    }

    /// A role and all above it, upwards.
    pub fn upwards(&self, from: RoleSlot) -> impl Iterator<Item = (RoleSlot, &Role)> {
        let mut next = Some(from);
        std::iter::from_fn(move || {
            let slot = next?;
            let role = self.get(slot);
            next = role.parent;
            Some((slot, role))
        })
    }

    /// Whether a role's frameworks are lent to without having asked for it.
    #[must_use]
    pub fn is_opportunistic(&self, slot: RoleSlot) -> bool {
        self.upwards(slot).any(|(_, role)| role.opportunistic)
    }

    /// The slots of a role and of all under it.
    pub(crate) fn subtree(&self, top: RoleSlot) -> Vec<RoleSlot> {
        let is_under = |(slot, _): &(RoleSlot, &Role)| self.upwards(*slot).any(|up| up.0 == top);
        self.iter().skip(top.at()).filter(is_under).map(|(slot, _)| slot).collect()
    }
}

/// Whether `name` may name a role (Mesos' rules, docs/roles.md there: names between slashes, none
/// empty, `.` or `..`, none with a leading `-` or white space; `*` stands alone), is at most 255
/// bytes and at most [`MAX_DEPTH`] deep.
#[must_use]
pub fn is_role_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.starts_with('-')
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\')
    };
    let nested = name.contains('/');
    name.len() <= 255
        && name.split('/').count() <= MAX_DEPTH
        && name.split('/').all(|part| is_part(part) && !(nested && part == "*"))
}

/// Weights in thousandths: from 0.001 to a million.
const WEIGHTS: std::ops::RangeInclusive<u64> = 1..=1_000_000_000;

impl Machine {
    pub(crate) fn restore_role(&mut self, name: &str, weight_milli: u64, opportunistic: bool) {
        if let Some(slot) = self.state.roles.entry(name) {
            let role = self.state.roles.get_mut(slot);
            role.weight_milli = weight_milli.max(1);
            role.opportunistic = opportunistic;
        }
    }

    pub(crate) fn set_role(
        &mut self,
        name: &str,
        weight_milli: Option<u64>,
        opportunistic: Option<bool>,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if weight_milli.is_some_and(|weight| !WEIGHTS.contains(&weight)) {
            return Err(Refusal::Invalid(format!(
                "role {name}: a weight lies between 0.001 and 1,000,000"
            )));
        }
        let slot = self.named_role(name)?;
        let role = self.state.roles.get_mut(slot);
        role.weight_milli = weight_milli.unwrap_or(role.weight_milli);
        role.opportunistic = opportunistic.unwrap_or(role.opportunistic);
        let record = Record::Role(name.to_owned(), role.weight_milli, role.opportunistic);
        effects.push(Effect::Persist(record));
        self.orders.role_changed(slot);
        for slot in self.state.roles.subtree(slot) {
            let frameworks: Vec<_> =
                self.state.roles.get(slot).frameworks.iter().copied().collect();
            frameworks.into_iter().for_each(|id| self.refresh_hunger(id));
        }
        Ok(Reply::Done)
    }

    pub(crate) fn named_role(&mut self, name: &str) -> Result<RoleSlot, Refusal> {
        if !is_role_name(name) {
            return Err(Refusal::Invalid(format!("{name:?} can't name a role")));
        }
        let bound = Refusal::Bound { what: "roles", bound: MAX_ROLES, hint: "use one that exists" };
        self.state.roles.entry(name).ok_or(bound)
    }

    pub(crate) fn reset_role(
        &mut self,
        name: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if self.state.roles.find(name).is_none() {
            return Err(Refusal::Invalid(format!("there is no role {name:?}")));
        }
        self.set_role(name, Some(WEIGHT_ONE), Some(false), effects)?;
        effects.retain(
            |effect| !matches!(effect, Effect::Persist(Record::Role(set, ..)) if set == name),
        );
        effects.push(Effect::Persist(Record::RoleReset(name.to_owned())));
        Ok(Reply::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_others() {
        for good in ["*", "web", "a/b/c", "a-b/c.d"] {
            assert!(is_role_name(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", ".", "a/..", "-a", "a/-b", "a b", "*/a", "a/*"] {
            assert!(!is_role_name(bad), "{bad}");
        }
        assert!(!is_role_name(&["a"; MAX_DEPTH + 1].join("/")));
    }

    #[test]
    fn a_role_brings_those_above_it() {
        let mut roles = Roles::default();
        let c = roles.entry("a/b/c").unwrap();
        let names: Vec<_> = roles.upwards(c).map(|(_, role)| &*role.name).collect();
        assert_eq!(names, ["a/b/c", "a/b", "a"]);
        let a = roles.find("a").unwrap();
        roles.entry("ab").unwrap();
        assert_eq!(roles.subtree(a).len(), 3);
        roles.get_mut(a).opportunistic = true;
        assert!(roles.is_opportunistic(c));
    }
}
