//! The margin of a forecast, learnt online from how far earlier forecasts of the same horizon missed.
//!
//! Online conformal prediction: the margin is the quantile of past scores (miss / scale) that leaves the operator's share of
//! violations above it (Vovk, Gammerman, Shafer 2005; scores divided by a predicted scale: Papadopoulos et al. 2008, Lei et
//! al. 2018), and the share itself is steered by the violations that were really seen (adaptive conformal inference:
//! Gibbs and Candès 2021; in logarithms and with a bound, so that it neither passes 1 nor winds up). A forecast's miss is fed
//! back only when its horizon has passed. One calibration serves one resource and horizon of all machines that share it.
//!
//! Before a day of misses has been seen there is nothing to calibrate by; then a fixed cautious margin holds ([`cold_peak`]).

use super::{score_histogram::ScoreHistogram, seasonal::View};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const HOUR_S: f64 = 3_600.0;
const DAY_S: f64 = 86_400.0;
/// Misses lose half their weight in two weeks: two of the weekly cycles most loads have.
const HALF_LIFE_S: f64 = 14.0 * DAY_S;
/// Calibrated once a whole daily cycle of misses has been seen.
const WARM_S: f64 = DAY_S;
/// How strongly past violations steer: one horizon and day of twice the target lowers the aim by a tenth.
const STEERING: f64 = 0.1;
/// The aim stays within these multiples of the target.
const AIM: (f64, f64) = (0.05, 3.0);
/// Misses within one horizon are hardly independent. With few horizons seen, a share of the aim is kept back:
/// seen / (seen + this many).
const CAUTION_HORIZONS: f64 = 8.0;
/// No forecast before a third of the horizon has been seen: a day is not foretold from two hours.
const HISTORY_SHARE: f64 = 1.0 / 3.0;
/// The cold margin at six hours, and how it grows with the horizon (as the peak of a random walk does).
const COLD_MARGIN: f64 = 0.17;
const COLD_HORIZON_S: f64 = 6.0 * HOUR_S;

/// What became of a forecast whose horizon has passed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What it was made from.
    pub base: f64,
    /// In what unit its miss counts.
    pub scale: f64,
    /// What was used when it was made.
    pub used: f64,
    /// Sum of the limits then.
    pub limit: f64,
    /// What was forecast.
    pub forecast: f64,
    /// The peak that came, of those who were present when it was made.
    pub peak: f64,
    /// Whether it was made with a calibrated margin.
    pub calibrated: bool,
}

impl Outcome {
    /// Less was forecast than came.
    #[must_use]
    pub fn is_violation(&self) -> bool {
        self.forecast < self.peak
    }

    /// The miss in units of the scale. If no more came than was in use, any forecast would have held.
    fn score(&self) -> f64 {
        if self.peak <= self.used {
            return f64::NEG_INFINITY;
        }
        (self.peak - self.base) / self.scale.max(f64::MIN_POSITIVE)
    }
}

/// How good the forecasts of late were (with the half-life of the calibration): what overcommitting costs and wins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Live {
    /// How many forecasts this rests on, old ones counted less.
    pub forecasts: f64,
    /// Share of forecasts that were passed by the peak that came.
    pub violation_rate: f64,
    /// By what share of the peak they were passed, on average over all.
    pub severity: f64,
    /// Share of the limits that was not held back.
    pub savings: f64,
    /// Held for each unit used; absent while nothing was used.
    pub held_per_used: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    forecasts: f64,
    violations: f64,
    severity: f64,
    held: f64,
    used: f64,
    limit: f64,
}

/// The margin for one resource and one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    horizon: Duration,
    target: f64,
    scores: ScoreHistogram,
    /// For how long the target was overspent (below zero: underspent), in seconds at the target.
    debt_s: f64,
    /// Over how much time misses came in.
    settled_s: f64,
    closed_ns: Option<u64>,
    /// Of the calibrated forecasts since the last close: how many, and how many of them were violations.
    batch: (f64, f64),
    fresh: bool,
    margin: Option<f64>,
    sums: Sums,
}

impl Calibration {
    /// A calibration that has seen nothing, towards a violation rate of `target`.
    #[must_use]
    pub fn new(horizon: Duration, target: f64) -> Self {
        Self {
            horizon,
            target: target.clamp(1e-6, 0.5),
            scores: ScoreHistogram::default(),
            debt_s: 0.0,
            settled_s: 0.0,
            closed_ns: None,
            batch: (0.0, 0.0),
            fresh: false,
            margin: None,
            sums: Sums::default(),
        }
    }

    /// How far ahead it looks.
    #[must_use]
    pub const fn horizon(&self) -> Duration {
        self.horizon
    }

    /// The violation rate it aims at.
    #[must_use]
    pub const fn target(&self) -> f64 {
        self.target
    }

    /// A new violation rate to aim at; what was learnt stays.
    pub fn set_target(&mut self, target: f64) {
        self.target = target.clamp(1e-6, 0.5);
    }

    /// Whether the margin is learnt, not yet the cold one.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.settled_s >= WARM_S
    }

    /// Takes note of a forecast whose horizon has passed.
    pub fn settle(&mut self, outcome: &Outcome) {
        self.scores.push(outcome.score(), 1.0);
        self.fresh = true;
        let violation = f64::from(u8::from(outcome.is_violation()));
        if outcome.calibrated {
            self.batch = (self.batch.0 + 1.0, self.batch.1 + violation);
        }
        let missed = (outcome.peak - outcome.forecast).max(0.0);
        self.sums.forecasts += 1.0;
        self.sums.violations += violation;
        self.sums.severity += if missed > 0.0 { missed / outcome.peak } else { 0.0 };
        self.sums.held += outcome.forecast;
        self.sums.used += outcome.used;
        self.sums.limit += outcome.limit;
    }

    /// All that settled in the step that ends at `now` has been noted: works out the margin anew.
    pub fn close(&mut self, now: Time) {
        let now_ns = now.as_nanos();
        if !std::mem::take(&mut self.fresh) {
            return;
        }
        // Time in which nothing came in was not calibrated by; an hour at most counts.
        let past_ns = self.closed_ns.replace(now_ns).map_or(0, |last| now_ns.saturating_sub(last));
        let seconds = (past_ns as f64 / 1e9).min(HOUR_S);
        self.settled_s += seconds;
        let (forecasts, violations) = std::mem::take(&mut self.batch);
        if forecasts > 0.0 {
            self.debt_s += (violations / forecasts / self.target - 1.0) * seconds;
        }
        let unit_s = (self.horizon.as_secs_f64() + DAY_S) / STEERING;
        self.debt_s = self.debt_s.clamp(-unit_s * AIM.1.ln(), -unit_s * AIM.0.ln());
        self.fade(0.5_f64.powf(seconds / HALF_LIFE_S));
        let seen = self.settled_s / self.horizon.as_secs_f64().max(1.0);
        let aim = self.target * (-self.debt_s / unit_s).exp() * seen / (seen + CAUTION_HORIZONS);
        self.margin = self.scores.upper(aim);
    }

    fn fade(&mut self, share: f64) {
        self.scores.fade(share);
        let sums = &mut self.sums;
        for sum in [
            &mut sums.forecasts,
            &mut sums.violations,
            &mut sums.severity,
            &mut sums.held,
            &mut sums.used,
            &mut sums.limit,
        ] {
            *sum *= share;
        }
    }

    /// The forecast of a machine: never below its present use, never above its limits.
    #[must_use]
    pub fn peak(&self, view: &View) -> f64 {
        let learnt = self.margin.map(|margin| view.base + margin * view.scale);
        let peak = match learnt {
            Some(peak) if self.is_warm() => peak,
            learnt => cold_peak(view, self.horizon).max(learnt.unwrap_or(0.0)),
        };
        // A sum may be above the limits by rounding, and the limit may have been lowered below the use.
        if self.foresees(view) {
            peak.min(view.limit).max(view.used)
        } else {
            view.limit.max(view.used)
        }
    }

    /// Whether enough of the past was seen for this horizon.
    #[must_use]
    pub fn foresees(&self, view: &View) -> bool {
        view.history.as_secs_f64() >= self.horizon.as_secs_f64() * HISTORY_SHARE
    }

    /// How good the forecasts of late were; absent before the first has come due.
    #[must_use]
    pub fn live(&self) -> Option<Live> {
        let sums = &self.sums;
        (sums.forecasts > 0.0).then(|| Live {
            forecasts: sums.forecasts,
            violation_rate: sums.violations / sums.forecasts,
            severity: sums.severity / sums.forecasts,
            savings: if sums.limit > 0.0 { 1.0 - sums.held / sums.limit } else { 0.0 },
            held_per_used: (sums.used > 0.0).then(|| sums.held / sums.used),
        })
    }
}

/// The forecast while there is nothing to calibrate by: the day's peak and a share of the geometric mean of the limits and
/// the room up to the tasks' own peaks.
///
/// Of the scales tried this is the one whose 99th percentile differed least between a calm cluster and wild single machines.
fn cold_peak(view: &View, horizon: Duration) -> f64 {
    let room = (view.own_peaks - view.day_peak).max(0.0);
    let margin = COLD_MARGIN * (horizon.as_secs_f64() / COLD_HORIZON_S).sqrt();
    view.day_peak + margin * (room * view.limit).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(peak: f64) -> Outcome {
        let (base, scale, used, limit) = (1.0, 1.0, 0.5, 10.0);
        Outcome { base, scale, used, limit, forecast: 2.0, peak, calibrated: true }
    }

    #[test]
    fn live_figures_are_those_of_the_outcomes() {
        let mut calibration = Calibration::new(Duration::from_secs(60), 0.01);
        assert_eq!(calibration.live(), None);
        [1.0, 1.0, 1.0, 4.0].iter().for_each(|peak| calibration.settle(&outcome(*peak)));
        let live = calibration.live().unwrap();
        assert_eq!((live.violation_rate, live.severity), (0.25, 0.125));
        assert_eq!((live.savings, live.held_per_used), (0.8, Some(4.0)));
    }

    #[test]
    fn violations_widen_the_margin_and_calm_narrows_it() {
        let margin_after = |peak: fn(u64) -> f64| {
            let mut calibration = Calibration::new(Duration::from_secs(300), 0.05);
            for step in 0..4_000 {
                calibration.settle(&outcome(peak(step)));
                calibration.close(Time::from_millis(step * 300_000));
            }
            assert!(calibration.is_warm());
            calibration.margin.unwrap()
        };
        let calm = margin_after(|_| 1.1);
        let wild = margin_after(|step| if step % 10 == 0 { 5.0 } else { 1.1 });
        assert!(calm < 0.2 && wild > 3.5, "{calm} {wild}");
    }

    #[test]
    fn a_new_machine_counts_with_its_limits() {
        let calibration = Calibration::new(Duration::from_secs(3_600), 0.01);
        let history = Duration::from_secs(600);
        let view = View {
            used: 1.0,
            limit: 10.0,
            base: 1.0,
            scale: 1.0,
            day_peak: 1.0,
            own_peaks: 2.0,
            history,
        };
        assert_eq!(calibration.peak(&view), 10.0);
        let known = View { history: history * 3, ..view };
        assert!(calibration.peak(&known) < 5.0);
    }
}
