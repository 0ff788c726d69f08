//! The maxima of the last so many slots of time: how a digest remembers a series in a fixed size.
//!
//! A slot nothing was measured in is absent, not zero.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Marks a slot nothing was measured in: a measured amount is never negative.
const ABSENT: f32 = -1.0;

/// A checkpoint that no ring could have written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "a ring of {found} maxima in a checkpoint, not {wanted}: drop the checkpoint and learn anew"
)]
pub(super) struct RingShapeError {
    found: usize,
    wanted: usize,
}

/// Maxima of `SLOTS` slots of `WIDTH_S` seconds each, the newest still filling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(super) struct MaximumRing<const SLOTS: usize, const WIDTH_S: u64> {
    newest: u64,
    maxima: Box<[f32; SLOTS]>,
}

impl<const SLOTS: usize, const WIDTH_S: u64> Default for MaximumRing<SLOTS, WIDTH_S> {
    fn default() -> Self {
        Self { newest: 0, maxima: Box::new([ABSENT; SLOTS]) }
    }
}

impl<const SLOTS: usize, const WIDTH_S: u64> MaximumRing<SLOTS, WIDTH_S> {
    const WIDTH_NS: u64 = WIDTH_S * 1_000_000_000;

    /// The slot a step belongs to that ended at `now_ns`.
    #[must_use]
    pub(super) const fn slot(now_ns: u64) -> u64 {
        now_ns.saturating_sub(1) / Self::WIDTH_NS
    }

    /// When a slot starts.
    #[must_use]
    pub(super) const fn start_ns(slot: u64) -> u64 {
        slot.saturating_mul(Self::WIDTH_NS)
    }

    /// The newest slot.
    #[must_use]
    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    /// Takes note of an amount. Slots that were skipped are absent; one older than the newest counts as the newest.
    pub(super) fn push(&mut self, now_ns: u64, amount: f64) {
        let slot = Self::slot(now_ns).max(self.newest);
        let skipped = (slot - self.newest).min(SLOTS as u64);
        for ahead in 0..skipped {
            self.maxima[((slot - ahead) % SLOTS as u64) as usize] = ABSENT;
        }
        self.newest = slot;
        let kept = &mut self.maxima[(slot % SLOTS as u64) as usize];
        *kept = kept.max(round_up(amount));
    }

    /// The maximum of one slot; absent if nothing was measured in it, or it is too old or yet to come.
    #[must_use]
    pub(super) fn at(&self, slot: u64) -> Option<f64> {
        let known = slot <= self.newest && self.newest - slot < SLOTS as u64;
        let kept = self.maxima[(slot % SLOTS as u64) as usize];
        (known && kept >= 0.0).then_some(f64::from(kept))
    }

    /// The measured slots from `oldest` on, with their maxima.
    pub(super) fn since(&self, oldest: u64) -> impl Iterator<Item = (u64, f64)> + '_ {
        let first = oldest.max((self.newest + 1).saturating_sub(SLOTS as u64));
        (first..=self.newest).filter_map(|slot| Some((slot, self.at(slot)?)))
    }

    /// The largest of all that is kept.
    #[must_use]
    pub(super) fn largest(&self) -> f64 {
        self.maxima.iter().fold(0.0, |largest: f32, kept| largest.max(*kept)).into()
    }
}

/// A maximum must not come out smaller for being kept in half the size.
fn round_up(amount: f64) -> f32 {
    let near = amount as f32;
    if f64::from(near) < amount { near.next_up() } else { near }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    newest: u64,
    maxima: Vec<f32>,
}

impl<const SLOTS: usize, const WIDTH_S: u64> From<MaximumRing<SLOTS, WIDTH_S>> for Stored {
    fn from(ring: MaximumRing<SLOTS, WIDTH_S>) -> Self {
        Self { newest: ring.newest, maxima: ring.maxima.to_vec() }
    }
}

impl<const SLOTS: usize, const WIDTH_S: u64> TryFrom<Stored> for MaximumRing<SLOTS, WIDTH_S> {
    type Error = RingShapeError;

    fn try_from(stored: Stored) -> Result<Self, RingShapeError> {
        let found = stored.maxima.len();
        let maxima = stored.maxima.into_boxed_slice().try_into();
        let maxima = maxima.map_err(|_| RingShapeError { found, wanted: SLOTS })?;
        Ok(Self { newest: stored.newest, maxima })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ring = MaximumRing<4, 10>;
    const S: u64 = 1_000_000_000;

    #[test]
    fn old_slots_go_and_skipped_ones_are_absent() {
        let mut ring = Ring::default();
        ring.push(5 * S, 3.0);
        ring.push(10 * S, 7.0);
        ring.push(31 * S, 2.0);
        assert_eq!(ring.since(0).collect::<Vec<_>>(), [(0, 7.0), (3, 2.0)]);
        assert_eq!((ring.at(1), ring.at(4)), (None, None));
        ring.push(41 * S, 0.0);
        assert_eq!(ring.since(0).collect::<Vec<_>>(), [(3, 2.0), (4, 0.0)]);
        ring.push(4_000_000 * S, 1.0);
        assert_eq!((ring.largest(), ring.since(0).count()), (1.0, 1), "a jump forgets all");
        ring.push(5 * S, 9.0);
        assert_eq!(ring.largest(), 9.0, "what is late counts as new");
    }

    #[test]
    fn a_kept_maximum_is_never_smaller() {
        let mut ring = Ring::default();
        ring.push(1, 0.1 + 0.2);
        assert!(ring.largest() >= 0.1 + 0.2);
    }
}
