//! Roles: what frameworks' holdings count for; a flat set.

use crate::{
    effect::{Effect, Record},
    ids::FrameworkId,
    machine::{Machine, Refusal, Reply},
    resources::Amounts,
    time::Time,
};
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
        now: Time,
        name: &str,
        weight_milli: Option<u64>,
        opportunistic: Option<bool>,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if !is_role_name(name) {
            return Err(Refusal::Invalid(format!("{name:?} can't name a role")));
        }
        if weight_milli.is_some_and(|weight| !WEIGHTS.contains(&weight)) {
            return Err(Refusal::Invalid(format!(
                "role {name}: a weight lies between 0.001 and 1,000,000"
            )));
        }
        let bound = Refusal::Bound { what: "roles", bound: MAX_ROLES, hint: "use one that exists" };
        let slot = self.state.roles.entry(name).ok_or(bound)?;
        let role = self.state.roles.get_mut(slot);
        role.weight_milli = weight_milli.unwrap_or(role.weight_milli);
        role.opportunistic = opportunistic.unwrap_or(role.opportunistic);
        let record = Record::Role(role.name.clone(), role.weight_milli, role.opportunistic);
        effects.push(Effect::Persist(record));
        let frameworks: Vec<_> = role.frameworks.iter().copied().collect();
        self.offer_frameworks(now, &frameworks, effects);
        Ok(Reply::Done)
    }

    pub(crate) fn reset_role(
        &mut self,
        now: Time,
        name: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if self.state.roles.find(name).is_none() {
            return Err(Refusal::Invalid(format!("there is no role {name:?}")));
        }
        self.set_role(now, name, Some(WEIGHT_ONE), Some(false), effects)?;
        effects.retain(
            |effect| !matches!(effect, Effect::Persist(Record::Role(set, ..)) if set == name),
        );
        effects.push(Effect::Persist(Record::RoleReset(name.to_owned())));
        Ok(Reply::Done)
    }
}
