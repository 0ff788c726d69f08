//! What an agent keeps for roles, and how much of that is held or offered.

use crate::{
    holdings::As,
    reservation::{Kind, Parts, Tag},
    resources::Resources,
};

/// The reserved parts of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    all: Parts,
    held: Parts,
    offered: Parts,
}

impl Kept {
    /// Everything reserved.
    #[must_use]
    pub const fn all(&self) -> &Parts {
        &self.all
    }

    /// Whether nothing is reserved, or was and is still held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What tasks hold of it.
    #[must_use]
    pub const fn held(&self) -> &Parts {
        &self.held
    }

    /// What is in offers of it.
    #[must_use]
    pub const fn offered(&self) -> &Parts {
        &self.offered
    }

    /// What nobody holds or is offered.
    #[must_use]
    pub fn idle(&self) -> Parts {
        if self.all.is_empty() {
            return Parts::default();
        }
        self.all.minus(&self.held).minus(&self.offered)
    }

    /// The idle parts that `role` may have and that have room in `free`: an agent may have come back
    /// smaller than what it keeps.
    #[must_use]
    pub fn idle_for(&self, role: &str, free: &Resources) -> Parts {
        if self.all.is_empty() {
            return Parts::default();
        }
        let mut rest = free.clone();
        let mut there = Vec::new();
        for (tag, part) in self.idle().for_role(role).iter() {
            if part.fits_in(&rest) {
                rest = rest.minus(part);
                there.push((tag.clone(), part.clone()));
            }
        }
        there.into_iter().collect()
    }

    /// What must be remembered of it: all that the agent's own configuration does not say.
    #[must_use]
    pub fn dynamic(&self) -> Parts {
        let dynamic = self.all.iter().filter(|(tag, _)| is_dynamic(tag));
        dynamic.map(|(tag, part)| (tag.clone(), part.clone())).collect()
    }

    /// The agent's configuration reserves `fixed`; what was reserved since stays on top of it.
    pub(crate) fn configure(&mut self, fixed: &Parts) {
        self.remember(fixed, &self.dynamic());
    }

    /// As [`Self::configure`], with what was reserved since as it was remembered.
    pub(crate) fn remember(&mut self, fixed: &Parts, dynamic: &Parts) {
        let below = dynamic.iter().map(|(tag, part)| {
            let is_fixed = |tag: &Tag| tag.stack.first().is_some_and(|r| r.kind == Kind::Static);
            let stack = tag.stack.iter().take(usize::from(is_fixed(tag))).cloned().collect();
            (Tag { stack, volume: None }, part.clone())
        });
        let below: Parts = below.collect();
        self.all = fixed.minus(&below).plus(dynamic);
    }

    /// Replaces all that is reserved, as an operation has left it.
    pub(crate) fn replace(&mut self, all: &Parts) {
        self.all = all.reserved();
    }

    pub(crate) fn hold(&mut self, parts: &Parts, held_as: As) {
        if !parts.is_empty() {
            let of = self.of(held_as);
            *of = of.plus(parts);
        }
    }

    pub(crate) fn release(&mut self, parts: &Parts, held_as: As) {
        if !parts.is_empty() {
            let of = self.of(held_as);
            *of = of.minus(parts);
        }
    }

    /// Whether nothing that is reserved is offered and held at once, and no volume by two. Tasks may
    /// hold more than is reserved: the agent's configuration may have changed under them.
    pub(crate) fn is_sound(&self) -> bool {
        let taken = self.held.plus(&self.offered);
        let volumes = taken.minus(&taken.without_volumes());
        self.all.minus(&self.held).contains(&self.offered) && self.all.contains(&volumes)
    }

    const fn of(&mut self, held_as: As) -> &mut Parts {
        match held_as {
            As::Offer => &mut self.offered,
            As::Task => &mut self.held,
        }
    }
}

fn is_dynamic(tag: &Tag) -> bool {
    tag.volume.is_some() || tag.stack.iter().any(|reservation| reservation.kind == Kind::Dynamic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{reservation::Reservation, resources::Amounts};

    fn cpus(cpus: u64) -> Resources {
        Amounts::of(cpus, 0).into()
    }

    #[test]
    fn what_was_reserved_since_stays_on_top_of_the_configuration() {
        let fixed = Tag::of(Reservation::fixed("eng"));
        let narrowed = Tag {
            stack: vec![Reservation::fixed("eng"), Reservation::dynamic("eng/web")],
            volume: None,
        };
        let other = Tag::of(Reservation::dynamic("ops"));
        let configured = Parts::from_iter([(fixed.clone(), cpus(4))]);
        let mut kept = Kept::default();
        kept.configure(&configured);
        let since = Parts::from_iter([(narrowed.clone(), cpus(1)), (other, cpus(2))]);
        kept.remember(&configured, &since);
        assert_eq!(kept.all().get(&fixed), Some(&cpus(3)));
        assert_eq!(kept.dynamic(), since);
        let before = kept.clone();
        kept.configure(&configured);
        assert_eq!(kept, before, "the agent came back as it was");
        kept.hold(&Parts::from_iter([(narrowed, cpus(1))]), As::Task);
        assert_eq!(kept.idle_for("eng/web", &cpus(9)).sum(), cpus(3));
        assert_eq!(kept.idle_for("ops", &cpus(1)).sum(), cpus(0), "no room for it any more");
    }
}
