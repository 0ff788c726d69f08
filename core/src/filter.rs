//! What frameworks turned down, and for how long: kept with the agent, by seat.
//!
//! A filter hides offers of one agent, one kind, that hold no more than what was declined (Mesos
//! semantics: an offer that has grown passes). An agent that becomes free asks of a thousand seats at
//! once whether they declined it, so the filters of an agent lie together: what was declined, mostly
//! the same for all, is kept once with one bit a seat; 16 bytes a filter say when it ends, in that
//! order, as most are as long as those before them.

use crate::{resources::Amounts, seat::SeatSlot, slots::SlotSet, time::Time};
use std::{collections::VecDeque, time::Duration};

/// Longer declines count as this long (Mesos: 365 days).
pub const MAX_REFUSAL: Duration = Duration::from_secs(365 * 24 * 3_600);
/// At most so many different declined amounts are kept of an agent and kind; a further one shares
/// one with an older, and both then hide what both had declined.
pub const MAX_DECLINED_AMOUNTS: usize = 64;

/// When a seat's filter ends.
#[derive(Clone, Copy, Debug)]
struct End {
    until: Time,
    seat: u32,
}

/// Amounts that were declined, and by whom.
#[derive(Clone, Debug, Default)]
struct Declined {
    amounts: Amounts,
    by: SlotSet,
}

/// The filters on one agent's offers of one kind: at most one of each seat.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    of: SlotSet,
    /// The first to end first.
    ends: VecDeque<End>,
    declined: Vec<Declined>,
    /// When the machine looks for filters that are over; no later than the first is.
    wake: Option<Time>,
}

impl Filters {
    pub(crate) const NONE: Self =
        Self { of: SlotSet::NONE, ends: VecDeque::new(), declined: Vec::new(), wake: None };

    /// Hides offers of up to `declined` from a seat until `until`, in place of what it had; says
    /// whether it had nothing.
    pub(crate) fn add(&mut self, seat: SeatSlot, declined: Amounts, until: Time) -> bool {
        let is_new = !self.remove(seat);
        let end = End { until, seat: seat.0 };
        if self.ends.back().is_none_or(|last| last.until <= until) {
            self.ends.push_back(end);
        } else {
            let at = self.ends.partition_point(|other| other.until <= until);
            self.ends.insert(at, end);
        }
        self.keep(declined).insert(seat.at());
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

    /// Those who declined these amounts, one more to come.
    fn keep(&mut self, amounts: Amounts) -> &mut SlotSet {
        let all = &mut self.declined;
        let same = all.iter().position(|old| !old.by.is_empty() && old.amounts == amounts);
        let vacant = || all.iter().position(|old| old.by.is_empty());
        let at = same.or_else(vacant).unwrap_or_else(|| {
            if all.len() < MAX_DECLINED_AMOUNTS {
                all.push(Declined::default());
            }
            all.len() - 1
        });
        let kept = &mut all[at];
        kept.amounts = if kept.by.is_empty() { amounts } else { kept.amounts.min(amounts) };
        &mut kept.by
    }

    /// Ends a seat's filter; says whether it had one.
    pub(crate) fn remove(&mut self, seat: SeatSlot) -> bool {
        if !self.of.remove(seat.at()) {
            return false;
        }
        if let Some(at) = self.ends.iter().position(|end| end.seat == seat.0) {
            self.ends.remove(at);
        }
        let _ = self.declined.iter_mut().any(|kept| kept.by.remove(seat.at()));
        true
    }

    /// Ends those whose time has come, telling whose; says when to look next.
    pub(crate) fn expire(&mut self, now: Time, mut over: impl FnMut(SeatSlot)) -> Option<Time> {
        while let Some(end) = self.ends.pop_front_if(|end| end.until <= now) {
            let seat = SeatSlot(end.seat);
            self.of.remove(seat.at());
            let _ = self.declined.iter_mut().any(|kept| kept.by.remove(seat.at()));
            over(seat);
        }
        self.wake = self.ends.front().map(|end| end.until);
        self.wake
    }

    /// Whether an offer of `free` is hidden from a seat.
    #[must_use]
    #[inline]
    pub fn hides(&self, seat: SeatSlot, free: Amounts) -> bool {
        self.of.contains(seat.at()) && {
            let mut declined = self.declined.iter();
            declined.any(|kept| kept.by.contains(seat.at()) && free.fits_in(kept.amounts))
        }
    }

    /// Whether an offer of `free` is hidden from every seat that has a filter here.
    #[must_use]
    pub fn all_hide(&self, free: Amounts) -> bool {
        self.declined.iter().all(|kept| kept.by.is_empty() || free.fits_in(kept.amounts))
    }

    /// The seats that have a filter here.
    #[must_use]
    pub const fn seats(&self) -> &SlotSet {
        &self.of
    }

    /// Until when offers are hidden from a seat.
    #[must_use]
    pub fn until(&self, seat: SeatSlot) -> Option<Time> {
        self.ends.iter().find(|end| end.seat == seat.0).map(|end| end.until)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether the parts agree with one another and `wake` comes no later than it must.
    pub(crate) fn is_sound(&self) -> bool {
        let in_order = self.ends.iter().is_sorted_by_key(|end| end.until);
        let ending: SlotSet = self.ends.iter().map(|end| end.seat as usize).collect();
        let declining: SlotSet = self.declined.iter().flat_map(|kept| kept.by.iter()).collect();
        let declined: usize = self.declined.iter().map(|kept| kept.by.len()).sum();
        let first = self.ends.front().map(|end| end.until);
        let woken = first.is_none_or(|first| self.wake.is_some_and(|wake| wake <= first));
        let once = (self.of.len(), self.of.len()) == (self.ends.len(), declined);
        in_order && woken && once && ending == self.of && declining == self.of
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
