//! Offers: one agent, one framework, one kind of resources, for a bounded time.

use crate::{
    ids::{AgentId, FrameworkId, OfferId},
    resources::Resources,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// An outstanding offer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// To whom.
    pub framework: FrameworkId,
    /// Of whom.
    pub agent: AgentId,
    /// What.
    pub resources: Resources,
    /// Whether it is lent.
    pub revocable: bool,
    /// When it ends by itself.
    pub expires: Time,
    /// The names of what it has room for, where the framework said what it wants.
    pub wants: Vec<String>,
}

/// All outstanding offers, also by when they end.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    by_id: BTreeMap<OfferId, Offer>,
    by_expiry: BTreeSet<(Time, OfferId)>,
}

impl Offers {
    pub(crate) fn insert(&mut self, offer: Offer) {
        self.by_expiry.insert((offer.expires, offer.id));
        self.by_id.insert(offer.id, offer);
    }

    pub(crate) fn remove(&mut self, id: OfferId) -> Option<Offer> {
        let offer = self.by_id.remove(&id)?;
        self.by_expiry.remove(&(offer.expires, id));
        Some(offer)
    }

    /// An offer that still stands.
    #[must_use]
    pub fn get(&self, id: OfferId) -> Option<&Offer> {
        self.by_id.get(&id)
    }

    /// All that stand.
    pub fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.by_id.values()
    }

    /// How many stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none stands.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The next to end, and when.
    #[must_use]
    pub fn next_expiry(&self) -> Option<(Time, OfferId)> {
        self.by_expiry.first().copied()
    }
}
