//! One machine's forecasts of one resource: its digest, what was forecast for each horizon, and what became of it.

use super::{
    Step,
    calibration::{Calibration, Outcome},
    digest::{Digest, WEEK},
    seasonal::{Past, View},
};
use crate::ids::TaskHandle;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Forecasts of one horizon that are remembered at once, evenly spread over the horizon.
const PENDING: usize = 96;
/// What was forecast before a longer silence is not judged: the peak may have passed unseen.
const SILENCE: Duration = Duration::from_secs(1_800);

/// A forecast whose horizon has not passed yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    made_ns: u64,
    due_ns: u64,
    /// Whether any later step has been seen.
    seen: bool,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ahead {
    horizon: Duration,
    pending: std::collections::VecDeque<Pending>,
    settled: Vec<Outcome>,
    peak: f64,
    /// Whether enough of the past was seen for it.
    known: bool,
}

/// One machine's forecasts of one resource. Each step: [`Self::observe`], then the calibrations take [`Self::settled`],
/// then [`Self::forecast`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    young: Duration,
    clock: Clock,
    digest: Digest,
    ahead: Vec<Ahead>,
}

impl Outlook {
    /// An outlook that has seen nothing; tasks younger than `young` count with their limit.
    #[must_use]
    pub fn new(horizons: &[Duration], young: Duration) -> Self {
        let ahead = horizons.iter().map(|horizon| Ahead::new(*horizon)).collect();
        Self { young, clock: Clock::default(), digest: Digest::default(), ahead }
    }

    /// Takes other settings; what was seen stays, what was forecast for other horizons goes.
    pub(super) fn adapt(&mut self, horizons: &[Duration], young: Duration) {
        self.young = young;
        if !self.ahead.iter().map(|ahead| &ahead.horizon).eq(horizons) {
            self.ahead = horizons.iter().map(|horizon| Ahead::new(*horizon)).collect();
        }
    }

    /// Takes note of a step. A clock that went back is taken to have stood still.
    pub fn observe(&mut self, step: &Step<'_>) {
        let (now_ns, passed) = self.clock.steady(step.now.as_nanos());
        self.digest.observe(now_ns, step);
        let together = Together::new(&self.digest);
        for ahead in &mut self.ahead {
            if passed > SILENCE {
                ahead.pending.clear();
            }
            ahead.notice(now_ns, &together);
        }
    }

    /// The outcomes of the forecasts for the horizon of this number that came due in the last step.
    pub fn settled(&self, number: usize) -> &[Outcome] {
        self.ahead.get(number).map_or(&[], |ahead| &ahead.settled)
    }

    /// Makes the forecasts for all horizons, each by the calibration of its number. A longer one is never below a shorter.
    pub fn forecast(&mut self, calibrations: &[Calibration]) {
        let now_ns = self.digest.newest_ns;
        let past = Past::new(&self.digest, self.young);
        let mut floor = 0.0_f64;
        for (ahead, calibration) in self.ahead.iter_mut().zip(calibrations) {
            let view = past.view(ahead.horizon);
            ahead.peak = calibration.peak(&view).max(floor);
            floor = ahead.peak;
            ahead.known = calibration.foresees(&view);
            ahead.remember(now_ns, &view, calibration.is_warm());
        }
    }

    /// The peak last forecast for a horizon of at least this length; absent if none is so long.
    #[must_use]
    pub fn peak(&self, horizon: Duration) -> Option<f64> {
        let long = self.ahead.iter().filter(|ahead| ahead.horizon >= horizon);
        long.min_by_key(|ahead| ahead.horizon).map(|ahead| ahead.peak)
    }

    /// Whether enough of the past was seen for the horizon of this number.
    #[must_use]
    pub fn is_known(&self, number: usize) -> bool {
        self.ahead.get(number).is_some_and(|ahead| ahead.known)
    }

    /// The longest horizon for which enough of the past was seen; until then limits are forecast.
    #[must_use]
    pub fn longest_known(&self) -> Option<Duration> {
        self.ahead.iter().rev().find(|ahead| ahead.known).map(|ahead| ahead.horizon)
    }

    /// The most that a task of the last step will use by itself; its limit while it is young.
    #[must_use]
    pub fn own_peak(&self, task: TaskHandle) -> Option<f64> {
        let tasks = &self.digest.tasks;
        let at = tasks.binary_search_by_key(&task.number(), |digest| digest.task).ok()?;
        let own = tasks[at].own_peak(self.digest.newest_ns, self.young);
        Some(own.max(tasks[at].used))
    }

    /// Sum of the limits of those present.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.digest.tasks.iter().map(|task| task.limit).sum()
    }
}

impl Ahead {
    fn new(horizon: Duration) -> Self {
        let pending = std::collections::VecDeque::new();
        Self { horizon, pending, settled: Vec::new(), peak: 0.0, known: false }
    }

    /// Follows the peaks of what is pending, and settles what is due.
    fn notice(&mut self, now_ns: u64, together: &Together) {
        self.settled.clear();
        for pending in &mut self.pending {
            if now_ns <= pending.due_ns && now_ns > pending.made_ns {
                let used = together.used_by_those_of(pending.made_ns);
                pending.outcome.peak = pending.outcome.peak.max(used);
                pending.seen = true;
            }
        }
        while self.pending.front().is_some_and(|pending| pending.due_ns <= now_ns) {
            let due = self.pending.pop_front();
            self.settled.extend(due.filter(|due| due.seen).map(|due| due.outcome));
        }
    }

    fn remember(&mut self, now_ns: u64, view: &View, calibrated: bool) {
        let horizon_ns = u64::try_from(self.horizon.min(WEEK).as_nanos()).unwrap_or(u64::MAX);
        let apart_ns = horizon_ns / PENDING as u64;
        let last = self.pending.back().map(|pending| pending.made_ns);
        if last.is_some_and(|last| now_ns < last.saturating_add(apart_ns.max(1))) {
            return;
        }
        if self.pending.len() > PENDING {
            self.pending.pop_front();
        }
        let View { used, limit, base, scale, .. } = *view;
        let outcome =
            Outcome { base, scale, used, limit, forecast: self.peak, peak: used, calibrated };
        let due_ns = now_ns.saturating_add(horizon_ns);
        self.pending.push_back(Pending { made_ns: now_ns, due_ns, seen: false, outcome });
    }
}

/// What the tasks of now use together, by when they came.
struct Together(Vec<(u64, f64)>);

impl Together {
    fn new(digest: &Digest) -> Self {
        let came = |task: &super::digest::TaskDigest| (task.arrived_ns.unwrap_or(0), task.used);
        let mut sums: Vec<(u64, f64)> = digest.tasks.iter().map(came).collect();
        sums.sort_by_key(|(arrived_ns, _)| *arrived_ns);
        let mut sum = 0.0;
        for (_, used) in &mut sums {
            sum += *used;
            *used = sum;
        }
        Self(sums)
    }

    /// What those use who were there at `then_ns`.
    fn used_by_those_of(&self, then_ns: u64) -> f64 {
        let count = self.0.partition_point(|(arrived_ns, _)| *arrived_ns <= then_ns);
        count.checked_sub(1).map_or(0.0, |last| self.0[last].1)
    }
}

/// Time that never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Clock {
    told_ns: Option<u64>,
    behind_ns: u64,
}

impl Clock {
    /// The time to go by, and how much of it has passed since it was last asked.
    fn steady(&mut self, told_ns: u64) -> (u64, Duration) {
        let last_ns = self.told_ns.replace(told_ns).unwrap_or(told_ns);
        self.behind_ns = self.behind_ns.saturating_add(last_ns.saturating_sub(told_ns));
        let passed = Duration::from_nanos(told_ns.saturating_sub(last_ns));
        (told_ns.saturating_add(self.behind_ns), passed)
    }
}
