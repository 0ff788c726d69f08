//! What frameworks turned down, and for how long: kept with the agent, by seat.
//!
//! A filter hides offers of one agent, one kind, that hold no more than what was declined (Mesos
//! semantics: an offer that has grown passes, and a later decline leaves the earlier ones standing). An
//! agent that becomes free asks of a thousand seats at once whether they declined it, so the filters of
//! an agent lie together: what was declined, mostly the same for all, is kept once with one bit a seat;
//! 16 bytes a filter say when it ends, in that order, as most are as long as those before them.

use crate::{resources::Amounts, seat::SeatSlot, slots::SlotSet, time::Time};
use std::{collections::VecDeque, time::Duration};

/// Longer declines count as this long (Mesos: 365 days).
pub const MAX_REFUSAL: Duration = Duration::from_secs(365 * 24 * 3_600);
/// At most so many different declined amounts are kept of an agent and kind; a further one shares
/// one with an older, and both then hide what both had declined.
pub const MAX_DECLINED_AMOUNTS: usize = 64;
/// At most so many filters are kept of a seat on an agent and kind, of which none is part of another;
/// with a further one the first to end goes.
pub const MAX_FILTERS_OF_A_SEAT: usize = 16;

/// When a filter ends: which seat's, and which of the declined amounts.
#[derive(Clone, Copy, Debug)]
struct End {
    until: Time,
    seat: u32,
    declined: u32,
}

/// Amounts that were declined, and by whom.
#[derive(Clone, Debug, Default)]
struct Declined {
    amounts: Amounts,
    by: SlotSet,
}

/// The filters on one agent's offers of one kind: of each seat those of which none makes another
/// superfluous.
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

    /// Hides offers of up to `declined` from a seat until `until`, beside what it had; says whether
    /// it had nothing.
    pub(crate) fn add(&mut self, seat: SeatSlot, declined: Amounts, until: Time) -> bool {
        let is_new = self.of.insert(seat.at());
        if !is_new && !self.make_room(seat, declined, until) {
            return false;
        }
        let at = self.keep(declined);
        let mut end = End { until, seat: seat.0, declined: at as u32 };
        if !self.declined[at].by.insert(seat.at()) {
            // Both are of this much at least, so it is hidden until the later is over.
            let old = self.ends.iter().position(|end| end.is_of(seat, at));
            let old = old.and_then(|at| self.ends.remove(at));
            end.until = old.map_or(until, |old| old.until.max(until));
        }
        if self.ends.back().is_none_or(|last| last.until <= end.until) {
            self.ends.push_back(end);
        } else {
            let at = self.ends.partition_point(|other| other.until <= end.until);
            self.ends.insert(at, end);
        }
        is_new
    }

    /// Ends those of a seat's filters that one more makes superfluous, or the first to end if they
    /// are too many; says whether the one more hides anything that they do not.
    fn make_room(&mut self, seat: SeatSlot, declined: Amounts, until: Time) -> bool {
        let amounts = |end: &End| self.declined[end.declined as usize].amounts;
        let mut own = self.ends.iter().filter(|end| end.seat == seat.0);
        if own.any(|end| declined.fits_in(amounts(end)) && until <= end.until) {
            return false;
        }
        let (mut kept, all) = (0, &mut self.declined);
        self.ends.retain(|end| {
            let of = &mut all[end.declined as usize];
            let goes = end.seat == seat.0 && of.amounts.fits_in(declined) && end.until <= until;
            if goes {
                of.by.remove(seat.at());
            }
            kept += usize::from(!goes && end.seat == seat.0);
            !goes
        });
        if kept >= MAX_FILTERS_OF_A_SEAT {
            let first = self.ends.iter().position(|end| end.seat == seat.0);
            if let Some(first) = first.and_then(|at| self.ends.remove(at)) {
                self.declined[first.declined as usize].by.remove(seat.at());
            }
        }
        true
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

    /// Where those who declined these amounts are kept, for one more to come.
    fn keep(&mut self, amounts: Amounts) -> usize {
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
        at
    }

    /// Ends a seat's filters; says whether it had any.
    pub(crate) fn remove(&mut self, seat: SeatSlot) -> bool {
        if !self.of.remove(seat.at()) {
            return false;
        }
        self.ends.retain(|end| end.seat != seat.0);
        self.declined.iter_mut().for_each(|kept| {
            kept.by.remove(seat.at());
        });
        true
    }

    /// Ends those whose time has come, telling who has one less; says when to look next.
    pub(crate) fn expire(&mut self, now: Time, mut over: impl FnMut(Over)) -> Option<Time> {
        while let Some(end) = self.ends.pop_front_if(|end| end.until <= now) {
            let seat = SeatSlot(end.seat);
            self.declined[end.declined as usize].by.remove(seat.at());
            let was_last = !self.declined.iter().any(|kept| kept.by.contains(seat.at()));
            if was_last {
                self.of.remove(seat.at());
            }
            over(Over { seat, was_last });
        }
        self.wake = self.ends.front().map(|end| end.until);
        self.wake
    }

    /// Whether an offer of `free` is hidden from a seat.
    #[must_use]
    #[inline]
    pub fn hides(&self, seat: SeatSlot, free: Amounts) -> bool {
        self.of.contains(seat.at()) && self.hides_from(seat.at(), free)
    }

    fn hides_from(&self, seat: usize, free: Amounts) -> bool {
        let mut declined = self.declined.iter();
        declined.any(|kept| kept.by.contains(seat) && free.fits_in(kept.amounts))
    }

    /// Whether an offer of `free` is hidden from every seat that has a filter here.
    #[must_use]
    pub fn all_hide(&self, free: Amounts) -> bool {
        self.declined.iter().all(|kept| {
            // Who declined less may have declined other amounts too.
            free.fits_in(kept.amounts) || kept.by.iter().all(|seat| self.hides_from(seat, free))
        })
    }

    /// The seats that have a filter here.
    #[must_use]
    pub const fn seats(&self) -> &SlotSet {
        &self.of
    }

    /// Until when an offer of `free` is hidden from a seat, if it is.
    #[must_use]
    pub fn until(&self, seat: SeatSlot, free: Amounts) -> Option<Time> {
        let of = |end: &&End| {
            end.seat == seat.0 && free.fits_in(self.declined[end.declined as usize].amounts)
        };
        self.ends.iter().filter(of).map(|end| end.until).max()
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

    /// Whether the parts agree with one another, none is over, and `wake` comes no later than it
    /// must.
    pub(crate) fn is_sound(&self, now: Time) -> bool {
        let in_order = self.ends.iter().is_sorted_by_key(|end| end.until);
        let ending: SlotSet = self.ends.iter().map(|end| end.seat as usize).collect();
        let declined: usize = self.declined.iter().map(|kept| kept.by.len()).sum();
        let kept = |end: &End| self.declined.get(end.declined as usize);
        let is_kept = |end: &End| kept(end).is_some_and(|kept| kept.by.contains(end.seat as usize));
        let first = self.ends.front().map(|end| end.until);
        let woken =
            first.is_none_or(|first| first > now && self.wake.is_some_and(|wake| wake <= first));
        let each = declined == self.ends.len() && self.ends.iter().all(is_kept);
        in_order && woken && each && ending == self.of
    }
}

/// A filter that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) seat: SeatSlot,
    /// The seat has no other here.
    pub(crate) was_last: bool,
}

impl End {
    const fn is_of(&self, seat: SeatSlot, declined: usize) -> bool {
        self.seat == seat.0 && self.declined as usize == declined
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
            changes in prop::collection::vec(
                (0u32..12, (0u64..4, 0u64..4), 0u64..9, any::<bool>()),
                1..150,
            ),
        ) {
            let mut filters = Filters::default();
            let mut plain = BTreeMap::<u32, Vec<(Amounts, Time)>>::new();
            for (seat, (cpus, memory), until, adds) in changes {
                let (declined, until) = (Amounts::of(cpus, memory), Time::from_nanos(until));
                let mut now = Time::ZERO;
                if adds {
                    let is_new = filters.add(slot(seat), declined, until);
                    prop_assert_eq!(is_new, !plain.contains_key(&seat));
                    plain.entry(seat).or_default().push((declined, until));
                } else if until.as_nanos() % 2 == 0 {
                    now = until;
                    let mut gone = SlotSet::default();
                    filters.expire(now, |over| {
                        gone.set(over.seat.at(), over.was_last);
                    });
                    plain.values_mut().for_each(|of| of.retain(|(_, end)| *end > now));
                    let left: SlotSet =
                        plain.extract_if(.., |_, of| of.is_empty()).map(|(seat, _)| seat as usize).collect();
                    prop_assert_eq!(gone, left);
                } else {
                    filters.remove(slot(seat));
                    plain.remove(&seat);
                }
                filters.wake = Some(Time::ZERO);
                prop_assert!(filters.ends.front().is_none_or(|end| end.until <= now) || filters.is_sound(now));
                for (seat, of) in &plain {
                    for free in (0..16).map(|at| Amounts::of(at % 4, at / 4)) {
                        let hiding = of.iter().filter(|(declined, _)| free.fits_in(*declined));
                        let until = hiding.map(|(_, end)| *end).max();
                        prop_assert_eq!(filters.until(slot(*seat), free), until);
                        prop_assert_eq!(filters.hides(slot(*seat), free), until.is_some());
                    }
                }
                let free = Amounts::of(2, 2);
                let all = plain.values().all(|of| of.iter().any(|(declined, _)| free.fits_in(*declined)));
                prop_assert_eq!(filters.all_hide(free), all);
                let seats: SlotSet = plain.keys().map(|seat| *seat as usize).collect();
                prop_assert_eq!(filters.seats(), &seats);
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
