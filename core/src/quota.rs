//! Quota: what a role is guaranteed, and what it may not pass.
//!
//! A guarantee is met before fair shares count, and what it lacks is kept back: nobody else is
//! offered so much that it could no longer be met. A limit bounds a role with all under it. What is
//! reserved for a role or those under it counts for both, held or idle (as in Mesos: what is
//! allocated and what is reserved). Lent resources count for neither: they are taken back when
//! somebody needs them.

use crate::{
    effect::{Effect, Record},
    machine::{Machine, Refusal, Reply},
    offer::SMALLEST,
    reservation::{Parts, Tag},
    resources::{Amounts, KINDS, Resources},
    roles::{Role, RoleSlot, Roles},
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

impl Role {
    /// What quota counts: what is held or offered and not lent, and what is reserved and idle.
    #[must_use]
    pub fn consumed(&self) -> Amounts {
        self.promised.plus(self.reserved_and_idle())
    }

    fn reserved_and_idle(&self) -> Amounts {
        self.reserved.minus(self.drawn)
    }

    /// What its limit leaves.
    fn left(&self) -> Amounts {
        self.quota.limit.minus(self.consumed())
    }

    /// Whether that is too little for an offer.
    fn leaves_nothing(&self) -> bool {
        self.quota.limit != UNLIMITED && !SMALLEST.fits_in(self.left())
    }

    /// What its guarantee lacks.
    pub(crate) fn lacks(&self) -> Amounts {
        self.quota.guarantee.minus(self.consumed())
    }
}

impl Roles {
    /// Whether a role has all it is guaranteed.
    pub(crate) fn is_met(&self, slot: RoleSlot) -> bool {
        self.get(slot).lacks().is_zero()
    }

    /// Whether a role's limit leaves no room for an offer of use, and nothing is reserved for it or
    /// those under it: that counts already and can always be offered.
    pub(crate) fn is_full(&self, slot: RoleSlot) -> bool {
        let role = self.get(slot);
        role.leaves_nothing() && role.reserved_and_idle().is_zero()
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
            let left = role.left();
            if !room.fits_in(left) {
                (room, by) = (room.min(left), Some(HeldBackBy::Limit(at)));
            }
        }
        let role = self.get(top);
        let kept = spare.plus(role.lacks());
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

    /// Adds to what a role and those above it hold. `reserved`: the reserved part of it.
    pub(crate) fn hold(
        &mut self,
        slot: RoleSlot,
        amounts: Amounts,
        reserved: &Parts,
        revocable: bool,
    ) {
        let own = &mut self.get_mut(slot).own;
        *own = own.plus(amounts);
        self.change(slot, |role| {
            role.held = role.held.plus(amounts);
            role.promised = if revocable { role.promised } else { role.promised.plus(amounts) };
        });
        for (slot, part) in self.kept_for(reserved) {
            self.change(slot, |role| role.drawn = role.drawn.plus(part));
        }
    }

    /// Takes from it; says what may be offered again because of that.
    pub(crate) fn release(
        &mut self,
        slot: RoleSlot,
        amounts: Amounts,
        reserved: &Parts,
        revocable: bool,
    ) -> LetGo {
        let own = &mut self.get_mut(slot).own;
        *own = own.minus(amounts);
        // First what becomes idle: what is reserved counts before and after.
        for (slot, part) in self.kept_for(reserved) {
            self.change(slot, |role| role.drawn = role.drawn.minus(part));
        }
        self.change(slot, |role| {
            role.held = role.held.minus(amounts);
            role.promised = if revocable { role.promised } else { role.promised.minus(amounts) };
        })
    }

    /// Counts what an agent keeps for roles from now on.
    fn reserve(&mut self, parts: &Parts) {
        for (slot, part) in self.kept_for(parts) {
            self.change(slot, |role| role.reserved = role.reserved.plus(part));
        }
    }

    /// Does not count it any more; says what may be offered because of that.
    fn unreserve(&mut self, parts: &Parts) -> LetGo {
        let mut let_go = LetGo::default();
        for (slot, part) in self.kept_for(parts) {
            let_go |= self.change(slot, |role| role.reserved = role.reserved.minus(part));
        }
        let_go
    }

    /// For which roles parts are kept. Where [`crate::roles::MAX_ROLES`] left a role unknown, they
    /// count for the nearest above it.
    pub(crate) fn kept_for(&self, parts: &Parts) -> Vec<(RoleSlot, Amounts)> {
        let of = |(tag, part): (&Tag, &Resources)| Some((self.nearest(tag.role()?)?, part.amounts));
        parts.iter().filter_map(of).collect()
    }

    /// Changes a role and all above it; says what may be offered because they consume less.
    fn change(&mut self, slot: RoleSlot, change: impl Fn(&mut Role)) -> LetGo {
        let (mut next, mut let_go) = (Some(slot), LetGo::default());
        while let Some(at) = next {
            let role = self.get_mut(at);
            let (before, lacked, was_full) = (role.consumed(), role.lacks(), role.leaves_nothing());
            change(role);
            next = role.parent;
            let less = !before.fits_in(role.consumed());
            let lacks = role.lacks();
            let_go.limit |= less && (was_full || std::mem::take(&mut role.held_back));
            if next.is_none() {
                let_go.guarantee = less && lacks != lacked;
                self.unmet = self.unmet.minus(lacked).plus(lacks);
            }
        }
        let_go
    }

    /// Gives a role a quota.
    pub(crate) fn set_quota(&mut self, slot: RoleSlot, quota: Quota) {
        let role = self.get_mut(slot);
        let old = std::mem::replace(&mut role.quota, quota);
        role.held_back = false;
        let (is_top, consumed) = (role.parent.is_none(), role.consumed());
        let counts = |quota: Quota| usize::from(quota != Quota::default());
        self.with_quota = self.with_quota + counts(quota) - counts(old);
        if is_top {
            let lacks = |quota: Quota| quota.guarantee.minus(consumed);
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

impl std::ops::BitOrAssign for LetGo {
    fn bitor_assign(&mut self, other: Self) {
        self.limit |= other.limit;
        self.guarantee |= other.guarantee;
    }
}

impl Machine {
    /// An agent keeps `after` for roles where it kept `before`: quota counts that, held or not.
    pub(crate) fn kept_changed(&mut self, before: &Parts, after: &Parts) {
        let (come, gone) = (after.minus(before), before.minus(after));
        for (tag, _) in come.iter() {
            if let Some(role) = tag.role() {
                // At the bound of roles it counts for one above.
                self.state.roles.entry(role);
            }
        }
        self.state.roles.reserve(&come);
        let let_go = self.state.roles.unreserve(&gone);
        self.let_go(let_go);
        for (slot, _) in self.state.roles.kept_for(&come.plus(&gone)) {
            let chain: Vec<_> = self.state.roles.upwards(slot).map(|(at, _)| at).collect();
            chain.into_iter().for_each(|at| self.orders.role_changed(at));
        }
    }

    /// Has looked at anew what roles that consume less leave.
    pub(crate) fn let_go(&mut self, let_go: LetGo) {
        if let_go.limit {
            // There is room below it again.
            self.state.agents.look_at_free(false);
        }
        if let_go.guarantee {
            self.state.agents.to_look_at.add_all(&self.kept_back);
            self.kept_back.clear();
        }
    }

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
