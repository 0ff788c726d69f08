//! A histogram of forecast misses whose old ones fade: 2 % buckets around zero, some 6 KB whatever it has seen.

use serde::{Deserialize, Serialize};

/// Misses up to here fall evenly; beyond, each bucket is 2 % wider than the one before. After minutes a scale is
/// thousands of what it is after a week, so that even the smallest misses must be told apart.
const EVEN: f64 = 1e-5;
const STEP: f64 = 0.02;
/// The outermost buckets are at about -16 and +16 scales and hold all that lies beyond.
const REACH: i32 = 749;
const BUCKETS: usize = (2 * REACH + 1) as usize;
/// Weights are scaled down before they grow beyond what a float can add up.
const HEAVIEST: f64 = 1e6;

/// How often forecasts missed by how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(super) struct ScoreHistogram {
    weights: Vec<f32>,
    /// What one new miss weighs: it grows instead of the old ones shrinking.
    gain: f64,
}

impl Default for ScoreHistogram {
    fn default() -> Self {
        Self { weights: vec![0.0; BUCKETS], gain: 1.0 }
    }
}

impl ScoreHistogram {
    /// Takes note of a miss; one that could not have been a violation at any margin is minus infinity.
    pub(super) fn push(&mut self, score: f64, weight: f64) {
        self.weights[bucket(score)] += (weight * self.gain) as f32;
    }

    /// Lets all that was seen fade to this share.
    pub(super) fn fade(&mut self, share: f64) {
        self.gain /= share.clamp(0.01, 1.0);
        if self.gain > HEAVIEST {
            let gain = self.gain as f32;
            self.weights.iter_mut().for_each(|weight| *weight /= gain);
            self.gain = 1.0;
        }
    }

    /// The score that this share of all misses lies above; absent before the first.
    pub(super) fn upper(&self, share: f64) -> Option<f64> {
        let total: f64 = self.weights.iter().map(|weight| f64::from(*weight)).sum();
        if total <= 0.0 {
            return None;
        }
        let mut left = share * total;
        for (number, weight) in self.weights.iter().enumerate().rev() {
            let weight = f64::from(*weight);
            if weight > left {
                // Misses are taken to lie evenly in their bucket.
                return Some(edge(number as f64 + 1.0 - left / weight));
            }
            left -= weight;
        }
        Some(edge(0.0))
    }
}

fn bucket(score: f64) -> usize {
    let number = ((score / EVEN).asinh() / STEP).floor().clamp(f64::from(-REACH), f64::from(REACH));
    (number as i32 + REACH) as usize
}

fn edge(number: f64) -> f64 {
    EVEN * ((number - f64::from(REACH)) * STEP).sinh()
}

/// Only the buckets that are not empty.
#[derive(Serialize, Deserialize)]
struct Stored {
    weights: Vec<(u16, f32)>,
    gain: f64,
}

impl From<ScoreHistogram> for Stored {
    fn from(histogram: ScoreHistogram) -> Self {
        let weights = histogram.weights.iter().enumerate();
        let filled = weights.filter(|(_, weight)| **weight > 0.0);
        let weights = filled.map(|(number, weight)| (number as u16, *weight)).collect();
        Self { weights, gain: histogram.gain }
    }
}

impl From<Stored> for ScoreHistogram {
    /// What could not have been written is left out: a margin can be learnt anew.
    fn from(stored: Stored) -> Self {
        let mut histogram = Self::default();
        if stored.gain.is_finite() && stored.gain >= 1.0 {
            histogram.gain = stored.gain;
        }
        for (number, weight) in stored.weights {
            if let Some(kept) = histogram.weights.get_mut(usize::from(number)) {
                *kept = if weight.is_finite() { weight.max(0.0) } else { 0.0 };
            }
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_above_is_as_asked() {
        let mut histogram = ScoreHistogram::default();
        assert_eq!(histogram.upper(0.1), None);
        let scores: Vec<f64> = (0..1_000).map(|n| f64::from(n) / 1_000.0).collect();
        scores.iter().for_each(|score| histogram.push(*score, 1.0));
        for share in [0.5, 0.1, 0.01] {
            let upper = histogram.upper(share).unwrap();
            let above = scores.iter().filter(|score| **score > upper).count() as f64 / 1_000.0;
            assert!((above - share).abs() < 0.005, "asked {share}, got {above}");
        }
    }

    #[test]
    fn what_never_can_be_a_violation_counts_as_none() {
        let mut histogram = ScoreHistogram::default();
        (0..99).for_each(|_| histogram.push(f64::NEG_INFINITY, 1.0));
        histogram.push(3.0, 1.0);
        assert!(histogram.upper(0.005).unwrap() > 2.9);
        assert!(histogram.upper(0.02).unwrap() < -10.0);
    }

    #[test]
    fn old_misses_fade_and_weights_stay_finite() {
        let mut histogram = ScoreHistogram::default();
        (0..100).for_each(|_| histogram.push(5.0, 1.0));
        for _ in 0..2_000 {
            histogram.push(0.1, 1.0);
            histogram.fade(0.9);
        }
        assert!((histogram.upper(0.01).unwrap() - 0.1).abs() < 0.01);
    }
}
