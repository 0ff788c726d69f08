//! What a machine's past says about its next hours: the peaks of the last day and week, and of the same hours of each day.
//!
//! The base of a forecast is the middle between what recurs (the same half hours of the last seven days, or the last two
//! hours) and what was reached at all (half the day's peak, half the week's). On Bitbrains the seasonal peak alone is best at
//! five minutes, the week's at a day, the mean of day and week at an hour; this middle is close to each (docs/forecast.md).
//!
//! The scale says how far a machine may miss its base: the room between its base and the sum of its tasks' own peaks, plus a
//! tenth of their limits. Tasks that peaked at different times may once peak together; a stable machine has little such room.

use super::digest::{DAY_SLOTS, Digest, HalfHours, Recent, WEEK};
use std::time::Duration;

/// Even tasks that never moved may move: this share of their limits is always in the scale.
const LIMIT_SHARE: f64 = 0.1;
/// Before two days have been seen, the same hours of one day say too little.
const SEASONAL_AFTER: Duration = Duration::from_secs(2 * 86_400);

/// What a machine's digest says for one horizon; the calibration makes a forecast of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// What the tasks use now.
    pub used: f64,
    /// Sum of their limits.
    pub limit: f64,
    /// What past peaks lead to expect.
    pub base: f64,
    /// In what unit a miss is measured.
    pub scale: f64,
    /// The day's peak, for as long as there is nothing to calibrate by.
    pub day_peak: f64,
    /// Sum of the tasks' own peaks, each at most its limit, young ones with their limit.
    pub own_peaks: f64,
    /// How much was measured.
    pub history: Duration,
}

/// A machine's past as if the tasks of now had been there all along.
pub(super) struct Past<'a> {
    digest: &'a Digest,
    young: Duration,
    used: f64,
    limit: f64,
    own_peaks: f64,
    /// When tasks came, latest first, with the sum of own peaks of all that came then or later.
    arrivals: Vec<(u64, f64)>,
    day_peak: f64,
    week_peak: f64,
    recent_peak: f64,
}

impl<'a> Past<'a> {
    /// The past of `digest`; tasks younger than `young` count with their limit.
    #[must_use]
    pub(super) fn new(digest: &'a Digest, young: Duration) -> Self {
        let tasks = &digest.tasks;
        let used = tasks.iter().map(|task| task.used).sum();
        let limit = tasks.iter().map(|task| task.limit).sum();
        let mut past = Self {
            digest,
            young,
            used,
            limit,
            own_peaks: 0.0,
            arrivals: Vec::new(),
            day_peak: used,
            week_peak: used,
            recent_peak: used,
        };
        past.note_arrivals();
        let newest = digest.half_hours.newest();
        let (mut day, mut week, mut recent) = (used, used, used);
        for (slot, maximum) in digest.half_hours.since(0) {
            let peak = past.joint(HalfHours::start_ns(slot), maximum);
            week = week.max(peak);
            day = if newest - slot <= DAY_SLOTS { day.max(peak) } else { day };
        }
        for (slot, maximum) in digest.recent.since(0) {
            recent = recent.max(past.joint(Recent::start_ns(slot), maximum));
        }
        (past.day_peak, past.week_peak, past.recent_peak) = (day, week, recent);
        past
    }

    fn note_arrivals(&mut self) {
        let now_ns = self.digest.newest_ns;
        let own = |task: &super::digest::TaskDigest| task.own_peak(now_ns, self.young);
        self.own_peaks =
            self.digest.tasks.iter().map(own).sum::<f64>().clamp(self.used, self.limit);
        let came = self.digest.tasks.iter();
        self.arrivals = came.filter_map(|task| Some((task.arrived_ns?, own(task)))).collect();
        self.arrivals.sort_by_key(|(arrived_ns, _)| std::cmp::Reverse(*arrived_ns));
        let mut sum = 0.0;
        for (_, peak) in &mut self.arrivals {
            sum += *peak;
            *peak = sum;
        }
    }

    /// A maximum of the past, with the own peaks of those who came after that slot had begun; never more than
    /// all own peaks together.
    fn joint(&self, start_ns: u64, maximum: f64) -> f64 {
        let later = self.arrivals.partition_point(|(arrived_ns, _)| *arrived_ns > start_ns);
        let added = later.checked_sub(1).map_or(0.0, |last| self.arrivals[last].1);
        (maximum + added).min(self.own_peaks)
    }

    /// The peak of the slots of [now, now + horizon] of each of the last seven days, and of the last two hours.
    fn same_hours(&self, horizon: Duration) -> f64 {
        let half_hours = &self.digest.half_hours;
        let newest = half_hours.newest();
        let ahead = horizon.as_nanos().min(u128::from(u64::MAX / 2)) as u64;
        let last = HalfHours::slot(self.digest.newest_ns.saturating_add(ahead)).max(newest);
        let mut peak = self.recent_peak;
        for days in 1..=7 {
            let Some(from) = newest.checked_sub(days * DAY_SLOTS) else { break };
            let to = (last - days * DAY_SLOTS).min(newest);
            for slot in from..=to {
                if let Some(maximum) = half_hours.at(slot) {
                    peak = peak.max(self.joint(HalfHours::start_ns(slot), maximum));
                }
            }
        }
        peak
    }

    /// What follows for one horizon.
    #[must_use]
    pub(super) fn view(&self, horizon: Duration) -> View {
        let history = self.digest.history();
        let reached = f64::midpoint(self.day_peak, self.week_peak);
        let seasonal =
            if history < SEASONAL_AFTER { self.week_peak } else { self.same_hours(horizon) };
        let base = f64::midpoint(reached, seasonal).clamp(self.used, self.limit);
        let room = (self.own_peaks - base).max(0.0) + LIMIT_SHARE * self.limit;
        let scale = room * growth(horizon, history);
        let (used, limit, day_peak, own_peaks) =
            (self.used, self.limit, self.day_peak, self.own_peaks);
        View { used, limit, base, scale, day_peak, own_peaks, history }
    }
}

/// How much more a record will grow in `horizon` after a short history than after a week's.
///
/// The largest of n draws with an exponential tail grows as ln n, so a record of `history` is passed in the next
/// `horizon` by about ln(1 + horizon / history) (extreme-value theory; e.g. Coles 2001, chapter 3).
fn growth(horizon: Duration, history: Duration) -> f64 {
    let after =
        |history: Duration| (horizon.as_secs_f64() / history.as_secs_f64().max(1.0)).ln_1p();
    after(history) / after(WEEK).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        forecast::{Present, Step},
        ids::TaskHandle,
        time::Time,
    };

    const HALF_HOUR_NS: u64 = 1_800_000_000_000;

    fn observe(digest: &mut Digest, slot: u64, tasks: &[(u64, f64)]) {
        let now_ns = (slot + 1) * HALF_HOUR_NS;
        let one = |(task, used): &(u64, f64)| Present {
            task: TaskHandle::from_number(*task),
            limit: 10.0,
            used: *used,
        };
        let present: Vec<_> = tasks.iter().map(one).collect();
        digest.observe(now_ns, &Step { now: Time::from_nanos(now_ns), present: &present });
    }

    #[test]
    fn what_recurs_each_day_is_expected_at_its_hour() {
        let mut digest = Digest::default();
        for slot in 0..48 * 5 {
            observe(&mut digest, slot, &[(1, if slot % 48 == 20 { 8.0 } else { 1.0 })]);
        }
        let past = Past::new(&digest, Duration::ZERO);
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        assert_eq!(past.same_hours(hours(1)), 1.0);
        assert_eq!(
            past.same_hours(hours(11)),
            8.0,
            "slot 20 of tomorrow is within 11 h of slot 47"
        );
        assert_eq!(past.view(hours(1)).base, 4.5);
        assert_eq!(past.view(hours(24)).base, 8.0);
    }

    #[test]
    fn who_came_late_is_added_to_what_was_before() {
        let mut digest = Digest::default();
        observe(&mut digest, 0, &[(1, 6.0)]);
        observe(&mut digest, 1, &[(1, 1.0)]);
        observe(&mut digest, 3, &[(1, 2.0), (2, 3.0)]);
        observe(&mut digest, 4, &[(1, 2.0), (2, 1.0)]);
        let view = Past::new(&digest, Duration::ZERO).view(Duration::from_secs(3_600));
        assert_eq!((view.day_peak, view.own_peaks), (9.0, 9.0));
        let young = Past::new(&digest, Duration::from_secs(86_400)).view(Duration::from_secs(60));
        assert_eq!(young.day_peak, 16.0, "6 and the whole limit of the young one");
        observe(&mut digest, 5, &[(2, 1.0)]);
        let view = Past::new(&digest, Duration::ZERO).view(Duration::from_secs(3_600));
        assert_eq!(view.day_peak, 3.0, "not more than the one who stayed ever used");
    }
}
