//! What a framework said it would run: what waits, and what has been offered a place.

use crate::{
    ids::OfferId,
    resources::{Amounts, Resources},
    time::Time,
};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// At most so many things may a framework want at once.
pub const MAX_WANTED: usize = 10_000;

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

/// All that a framework wants, by task name. Those that wait are kept apart from those offered a
/// place, so that nobody walks over a thousand of the one to find the first of the other.
#[derive(Clone, Debug, Default)]
pub struct Wants {
    waiting: BTreeMap<Arc<str>, Wanted>,
    offered: BTreeMap<Arc<str>, Wanted>,
    /// No more than any that waits asks for, in each kind.
    least: Amounts,
}

impl Wants {
    /// Replaces all by `wanted`. What was wanted before with the same request keeps its wait and
    /// its offer.
    pub(crate) fn replace(&mut self, wanted: impl IntoIterator<Item = (String, Wanted)>) {
        let mut before = std::mem::take(self);
        for (name, new) in wanted {
            let old = before.remove(&name).filter(|old| old.request == new.request);
            self.insert(name.into(), old.unwrap_or(new));
        }
    }

    fn insert(&mut self, name: Arc<str>, want: Wanted) {
        if want.offered.is_some() {
            self.offered.insert(name, want);
            return;
        }
        let request = want.request.amounts;
        self.least = if self.waiting.is_empty() { request } else { self.least.min(request) };
        self.waiting.insert(name, want);
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Wanted> {
        self.waiting.remove(name).or_else(|| self.offered.remove(name))
    }

    /// One that waits has been offered a place.
    pub(crate) fn offer(&mut self, name: &str, offer: OfferId) {
        if let Some((name, want)) = self.waiting.remove_entry(name) {
            self.offered.insert(name, Wanted { offered: Some(offer), ..want });
        }
    }

    /// An offer stands no more: what it had room for waits again, if anything does still.
    pub(crate) fn withdraw(&mut self, name: &str, offer: OfferId) -> bool {
        if self.offered.get(name).is_none_or(|want| want.offered != Some(offer)) {
            return false;
        }
        let Some((name, want)) = self.offered.remove_entry(name) else { return false };
        self.insert(name, Wanted { offered: None, ..want });
        true
    }

    /// Those that wait, by name.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Wanted)> {
        self.waiting.iter()
    }

    /// One of those that wait.
    pub(crate) fn waiting_named(&self, name: &str) -> Option<(&Arc<str>, &Wanted)> {
        self.waiting.get_key_value(name)
    }

    /// Those that wait and come after `name`.
    pub(crate) fn waiting_after(
        &self,
        name: Option<&Arc<str>>,
    ) -> impl Iterator<Item = (&Arc<str>, &Wanted)> {
        let after = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.waiting.range::<Arc<str>, _>((after, Bound::Unbounded))
    }

    /// Whether something waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A lower bound of what any that waits asks for.
    #[must_use]
    pub const fn least(&self) -> Amounts {
        self.least
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Wanted> {
        self.waiting.get(name).or_else(|| self.offered.get(name))
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.waiting.keys().chain(self.offered.keys()).map(|name| &**name)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.offered.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether each lies where it belongs and `least` is a lower bound.
    pub(crate) fn is_sound(&self) -> bool {
        let waits =
            |want: &Wanted| want.offered.is_none() && self.least.fits_in(want.request.amounts);
        self.waiting.values().all(waits) && self.offered.values().all(|want| want.offered.is_some())
    }
}
