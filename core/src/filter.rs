//! What seats turned down, and for how long: kept with the agent, by seat.
//!
//! A filter hides offers of one agent, one kind, that hold no more than what was declined (Mesos
//! semantics: an offer that has grown passes). An agent that becomes free asks of a thousand
//! seats at once whether they declined it, so the filters of an agent lie together: one bit a
//! seat says who has one, 16 bytes a filter say which and until when, and what was declined,
//! mostly the same for all, is kept once.

use crate::{resources::Amounts, seat::SeatSlot, slots::SlotSet, time::Time};
use std::time::Duration;

/// Longer declines count as this long (Mesos: 365 days).
pub const MAX_REFUSAL: Duration = Duration::from_secs(365 * 24 * 3_600);
/// At most so many different declined amounts are kept of an agent and kind; a further one shares
/// one with an older, and both then hide what both had declined.
pub const MAX_DECLINED_AMOUNTS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Filter {
    seat: u32,
    /// Index into the declined amounts.
    declined: u32,
    until: Time,
}

/// Amounts that were declined, and by how many filters.
#[derive(Clone, Copy, Debug, Default)]
struct Declined {
    amounts: Amounts,
    filters: u32,
}

/// The filters on one agent's offers of one kind: at most one of each seat.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    of: SlotSet,
    /// Ascending by seat.
    filters: Vec<Filter>,
    declined: Vec<Declined>,
    /// When the machine looks for filters that are over; no later than the first is.
    wake: Option<Time>,
}

impl Filters {
    pub(crate) const NONE: Self =
        Self { of: SlotSet::NONE, filters: Vec::new(), declined: Vec::new(), wake: None };

    /// Hides offers of up to `declined` from a seat until `until`, in place of what it had;
    /// says whether it had nothing.
    pub(crate) fn add(&mut self, seat: SeatSlot, declined: Amounts, until: Time) -> bool {
        let is_new = !self.remove(seat);
        let declined = self.keep(declined);
        let at = self.filters.partition_point(|filter| filter.seat < seat.0);
        self.filters.insert(at, Filter { seat: seat.0, declined, until });
        self.of.insert(seat.at());
        is_new
    }

    /// Has the machine look at `until`, if it would look later: then says when it would have.
    pub(crate) fn wake_at(&mut self, until: Time) -> Option<Option<Time>> {
        let sooner = self.wake.is_none_or(|wake| until < wake);
        sooner.then(|| self.wake.replace(until))
    }

    /// When the machine looks for filters that are over.
    pub(crate) const fn wake(&self) -> Option<Time> {
        self.wake
    }

    /// The index of declined amounts, one more filter's.
    fn keep(&mut self, amounts: Amounts) -> u32 {
        let same = self.declined.iter().position(|old| old.filters > 0 && old.amounts == amounts);
        let vacant = || self.declined.iter().position(|old| old.filters == 0);
        let at = same.or_else(vacant).unwrap_or_else(|| {
            if self.declined.len() < MAX_DECLINED_AMOUNTS {
                self.declined.push(Declined::default());
            }
            self.declined.len() - 1
        });
        let kept = &mut self.declined[at];
        kept.amounts = if kept.filters == 0 { amounts } else { kept.amounts.min(amounts) };
        kept.filters += 1;
        at as u32
    }

    fn find(&self, seat: SeatSlot) -> Option<usize> {
        if !self.of.contains(seat.at()) {
            return None;
        }
        self.filters.binary_search_by_key(&seat.0, |filter| filter.seat).ok()
    }

    /// Ends a seat's filter; says whether it had one.
    pub(crate) fn remove(&mut self, seat: SeatSlot) -> bool {
        let Some(at) = self.find(seat) else { return false };
        let filter = self.filters.remove(at);
        self.declined[filter.declined as usize].filters -= 1;
        self.of.remove(seat.at());
        true
    }

    /// Ends those whose time has come, telling whose; says when to look next.
    pub(crate) fn expire(&mut self, now: Time, mut over: impl FnMut(SeatSlot)) -> Option<Time> {
        let Self { of, filters, declined, wake } = self;
        *wake = None;
        filters.retain(|filter| {
            let stands = now < filter.until;
            if stands {
                *wake = Some(wake.map_or(filter.until, |first| first.min(filter.until)));
            } else {
                declined[filter.declined as usize].filters -= 1;
                of.remove(filter.seat as usize);
                over(SeatSlot(filter.seat));
            }
            stands
        });
        *wake
    }

    /// Whether an offer of `free` is hidden from a seat.
    #[must_use]
    #[inline]
    pub fn hides(&self, seat: SeatSlot, free: Amounts) -> bool {
        self.find(seat).is_some_and(|at| {
            free.fits_in(self.declined[self.filters[at].declined as usize].amounts)
        })
    }

    /// Whether an offer of `free` is hidden from every seat that has a filter here.
    #[must_use]
    pub fn all_hide(&self, free: Amounts) -> bool {
        self.declined.iter().all(|kept| kept.filters == 0 || free.fits_in(kept.amounts))
    }

    /// The seats that have a filter here.
    #[must_use]
    pub const fn seats(&self) -> &SlotSet {
        &self.of
    }

    /// Until when offers are hidden from a seat.
    #[must_use]
    pub fn until(&self, seat: SeatSlot) -> Option<Time> {
        self.find(seat).map(|at| self.filters[at].until)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether the parts agree with one another and `wake` comes no later than it must.
    pub(crate) fn is_sound(&self) -> bool {
        let ascending = self.filters.is_sorted_by(|a, b| a.seat < b.seat);
        let of: SlotSet = self.filters.iter().map(|filter| filter.seat as usize).collect();
        let counts = self.declined.iter().enumerate().all(|(at, kept)| {
            let those = self.filters.iter().filter(|filter| filter.declined as usize == at);
            those.count() == kept.filters as usize
        });
        let first = self.filters.iter().map(|filter| filter.until).min();
        let woken = first.is_none_or(|first| self.wake.is_some_and(|wake| wake <= first));
        ascending && counts && woken && of == self.of
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn slot(at: u32) -> SeatSlot {
        SeatSlot(at)
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(
            changes in prop::collection::vec((0u32..40, 0u64..6, 0u64..9, any::<bool>()), 1..150),
        ) {
            let (mut filters, mut plain) = (Filters::default(), BTreeMap::new());
            for (seat, cpus, until, adds) in changes {
                let (declined, until) = (Amounts::of(cpus, cpus), Time::from_nanos(until));
                if adds {
                    filters.add(slot(seat), declined, until);
                    plain.insert(seat, (declined, until));
                } else if until.as_nanos() % 2 == 0 {
                    filters.expire(until, |_| {});
                    plain.retain(|_, (_, end)| *end > until);
                } else {
                    filters.remove(slot(seat));
                    plain.remove(&seat);
                }
                filters.wake = Some(Time::ZERO);
                prop_assert!(filters.is_sound());
                for (seat, (declined, end)) in &plain {
                    prop_assert_eq!(filters.until(slot(*seat)), Some(*end));
                    for cpus in 0..7 {
                        let free = Amounts::of(cpus, 1);
                        let hidden = free.fits_in(*declined);
                        prop_assert_eq!(filters.hides(slot(*seat), free), hidden);
                    }
                }
                let free = Amounts::of(3, 3);
                let all = plain.values().all(|(declined, _)| free.fits_in(*declined));
                prop_assert_eq!(filters.all_hide(free), all);
                prop_assert_eq!(filters.len(), plain.len());
            }
        }
    }

    #[test]
    fn past_the_bound_a_filter_hides_less_and_never_more() {
        let mut filters = Filters::default();
        for at in 0..200u64 {
            filters.add(slot(at as u32), Amounts::of(at + 1, 1_000 - at), Time::from_nanos(9));
        }
        for at in 0..200u64 {
            let grown = Amounts::of(at + 2, 1);
            assert!(!filters.hides(slot(at as u32), grown), "filter {at} hides what has grown");
        }
        filters.expire(Time::from_nanos(9), |_| {});
        assert!(filters.is_empty() && filters.seats().is_empty());
    }
}
