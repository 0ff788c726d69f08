//! Quota: what a role is guaranteed, and what it may not pass.
//!
//! A guarantee is met before fair shares count, and what it lacks is kept back: nobody else is
//! offered so much that it could no longer be met. A limit bounds a role with all under it. Lent
//! resources count for neither: they are taken back when somebody needs them.

use crate::{
    effect::{Effect, Record},
    machine::{Machine, Refusal, Reply},
    offer::SMALLEST,
    resources::{Amounts, KINDS},
    roles::{RoleSlot, Roles},
};

/// No limit.
pub const UNLIMITED: Amounts = Amounts([u64::MAX; KINDS]);

/// A role's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What it gets before others get their fair share.
    pub guarantee: Amounts,
    /// What it never passes.
    pub limit: Amounts,
}

impl Default for Quota {
    fn default() -> Self {
        Self { guarantee: Amounts::ZERO, limit: UNLIMITED }
    }
}

/// Who kept an offer small or away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldBackBy {
    /// The limit of this role.
    Limit(RoleSlot),
    /// The guarantees of others.
    Guarantees,
}

/// What a role that let go of something may have again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LetGo {
    /// A limit kept something from it or those under it.
    pub(crate) limit: bool,
    /// It has less than it is guaranteed.
    pub(crate) guarantee: bool,
}

impl Roles {
    /// Whether a role has all it is guaranteed.
    pub(crate) fn is_met(&self, slot: RoleSlot) -> bool {
        let role = self.get(slot);
        role.quota.guarantee.fits_in(role.promised)
    }

    /// Whether a role's limit leaves no room for an offer of use.
    pub(crate) fn is_full(&self, slot: RoleSlot) -> bool {
        let role = self.get(slot);
        role.quota.limit != UNLIMITED && !SMALLEST.fits_in(role.quota.limit.minus(role.promised))
    }

    /// How much more a role may be offered, `spare` being what no guarantee keeps back; and who
    /// keeps it from more, where that is less than `free`.
    pub(crate) fn room(
        &self,
        slot: RoleSlot,
        free: Amounts,
        spare: Amounts,
    ) -> (Amounts, Option<HeldBackBy>) {
        let (mut room, mut by) = (free, None);
        let mut top = slot;
        for (at, role) in self.upwards(slot) {
            top = at;
            let left = role.quota.limit.minus(role.promised);
            if !room.fits_in(left) {
                (room, by) = (room.min(left), Some(HeldBackBy::Limit(at)));
            }
        }
        let role = self.get(top);
        let kept = spare.plus(role.quota.guarantee.minus(role.promised));
        if !room.fits_in(kept) {
            (room, by) = (room.min(kept), Some(HeldBackBy::Guarantees));
        }
        (room, by)
    }

    /// Remembers that somebody in the role was offered less than there is. Whichever limit above it
    /// it was, and be it only one of several reasons: all are looked at when one leaves room.
    pub(crate) fn note_held_back(&mut self, slot: RoleSlot) {
        let mut next = Some(slot);
        while let Some(at) = next {
            let role = self.get_mut(at);
            role.held_back |= role.quota.limit != UNLIMITED;
            next = role.parent;
        }
    }

    /// Adds to what a role and those above it hold.
    pub(crate) fn hold(&mut self, slot: RoleSlot, amounts: Amounts, revocable: bool) {
        self.change(slot, revocable, false, |of| *of = of.plus(amounts));
    }

    /// Takes from it; says what may be offered again because of that.
    pub(crate) fn release(&mut self, slot: RoleSlot, amounts: Amounts, revocable: bool) -> LetGo {
        self.change(slot, revocable, true, |of| *of = of.minus(amounts))
    }

    fn change(
        &mut self,
        slot: RoleSlot,
        revocable: bool,
        lets_go: bool,
        change: impl Fn(&mut Amounts),
    ) -> LetGo {
        change(&mut self.get_mut(slot).own);
        let (mut next, mut let_go) = (Some(slot), LetGo::default());
        while let Some(at) = next {
            if lets_go && !revocable {
                let was_full = self.is_full(at);
                let_go.limit |= was_full || std::mem::take(&mut self.get_mut(at).held_back);
            }
            let role = self.get_mut(at);
            next = role.parent;
            change(&mut role.held);
            if revocable {
                continue;
            }
            let before = role.quota.guarantee.minus(role.promised);
            change(&mut role.promised);
            let after = role.quota.guarantee.minus(role.promised);
            if next.is_none() {
                let_go.guarantee = lets_go && after != before;
                self.unmet = self.unmet.minus(before).plus(after);
            }
        }
        let_go
    }

    /// Gives a role a quota.
    pub(crate) fn set_quota(&mut self, slot: RoleSlot, quota: Quota) {
        let role = self.get_mut(slot);
        let old = std::mem::replace(&mut role.quota, quota);
        role.held_back = false;
        let (is_top, promised) = (role.parent.is_none(), role.promised);
        let counts = |quota: Quota| usize::from(quota != Quota::default());
        self.with_quota = self.with_quota + counts(quota) - counts(old);
        if is_top {
            let lacks = |quota: Quota| quota.guarantee.minus(promised);
            self.unmet = self.unmet.minus(lacks(old)).plus(lacks(quota));
        }
    }

    /// Why a role can't have this quota, given those around it.
    fn quota_fault(&self, slot: RoleSlot, quota: Quota) -> Option<String> {
        let role = self.get(slot);
        if !quota.guarantee.fits_in(quota.limit) {
            return Some(format!("role {}: the guarantee passes the limit", role.name));
        }
        let under = |parent| {
            let children = self.iter().filter(move |(_, role)| role.parent == Some(parent));
            children.map(|(at, role)| if at == slot { quota } else { role.quota })
        };
        let promised =
            |parent| under(parent).map(|of| of.guarantee).fold(Amounts::ZERO, Amounts::plus);
        if !promised(slot).fits_in(quota.guarantee) {
            let name = &role.name;
            return Some(format!("role {name}: those under it are guaranteed more than that"));
        }
        let parent = role.parent?;
        let above = self.get(parent);
        (!promised(parent).fits_in(above.quota.guarantee)).then(|| {
            format!(
                "role {}: {} is guaranteed less than that for all under it; guarantee it more first",
                role.name, above.name
            )
        })
    }
}

impl Machine {
    pub(crate) fn set_quota(
        &mut self,
        name: &str,
        quota: Option<Quota>,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let slot = self.named_role(name)?;
        let record = quota.map_or_else(
            || Record::QuotaRemoved(name.to_owned()),
            |quota| Record::Quota(name.to_owned(), quota),
        );
        let quota = quota.unwrap_or_default();
        if let Some(fault) = self.state.roles.quota_fault(slot, quota) {
            return Err(Refusal::Invalid(fault));
        }
        self.state.roles.set_quota(slot, quota);
        effects.push(Effect::Persist(record));
        self.orders.role_changed(slot);
        // A limit may have been raised, or a guarantee given up: all may be of use to somebody now.
        self.state.agents.look_at_all();
        Ok(Reply::Done)
    }

    pub(crate) fn restore_quota(&mut self, name: &str, quota: Quota) {
        if let Some(slot) = self.state.roles.entry(name) {
            self.state.roles.set_quota(slot, quota);
        }
    }
}
