//! A histogram whose old samples fade, with buckets that each are 5 % wider than the one before.
//!
//! The same form as in Kubernetes' vertical pod autoscaler (pkg/recommender/util) and in Koordinator's predictor.

use crate::time::Time;
use std::time::Duration;

const GROWTH: f64 = 1.05;
/// The first bucket ends at this share of the scale; smaller samples fall into it.
const SMALLEST: f64 = 0.001;
/// The last bucket holds all that is larger: over 200 scales.
const BUCKETS: usize = 256;
/// Weights are scaled down before they grow beyond what a float can add up.
const HEAVIEST: f64 = 1e12;

#[derive(Clone, Debug)]
pub(super) struct DecayedHistogram {
    half_life: Duration,
    scale: f64,
    reference: Option<Time>,
    weights: Box<[f64; BUCKETS]>,
    total: f64,
}

impl DecayedHistogram {
    /// `scale`: a typical largest sample, as a task's limit.
    pub(super) fn new(half_life: Duration, scale: f64) -> Self {
        let scale = if scale > 0.0 { scale } else { 1.0 };
        Self { half_life, scale, reference: None, weights: Box::new([0.0; BUCKETS]), total: 0.0 }
    }

    pub(super) fn push(&mut self, now: Time, sample: f64) {
        let reference = *self.reference.get_or_insert(now);
        // New samples weigh more instead of old ones less: one addition a sample.
        let age = now.since(reference).as_secs_f64() / self.half_life.as_secs_f64();
        let weight = age.exp2();
        self.weights[bucket(sample / self.scale)] += weight;
        self.total += weight;
        if weight > HEAVIEST {
            self.weights.iter_mut().for_each(|other| *other /= weight);
            self.total /= weight;
            self.reference = Some(now);
        }
    }

    /// The upper edge of the bucket that holds the percentile.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let wanted = self.total * percent / 100.0;
        let mut sum = 0.0;
        for (bucket, weight) in self.weights.iter().enumerate() {
            sum += weight;
            if *weight > 0.0 && sum >= wanted {
                return self.scale * SMALLEST * GROWTH.powi(bucket as i32);
            }
        }
        0.0
    }
}

fn bucket(share: f64) -> usize {
    if share <= SMALLEST {
        return 0;
    }
    ((share / SMALLEST).ln() / GROWTH.ln()).ceil().min(BUCKETS as f64 - 1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_bucket_and_old_samples_fade() {
        let mut histogram = DecayedHistogram::new(Duration::from_secs(100), 1_000.0);
        for second in 0..1_000 {
            let sample = if second < 500 { 800.0 } else { f64::from(second % 100) + 1.0 };
            histogram.push(Time::from_millis(1_000 * second as u64), sample);
        }
        let p50 = histogram.percentile(50.0);
        assert!((50.0..100.0).contains(&p50), "{p50}: the later samples weigh more");
        // What is five half-lives old weighs a 32nd of all.
        assert!(histogram.percentile(95.0) < 110.0);
        let p98 = histogram.percentile(98.0);
        assert!((800.0..=840.0).contains(&p98), "{p98}");
    }

    #[test]
    fn weights_stay_finite() {
        let mut histogram = DecayedHistogram::new(Duration::from_secs(1), 10.0);
        for second in 0..10_000 {
            histogram.push(Time::from_millis(1_000 * second), 5.0);
        }
        assert!((5.0..=5.25).contains(&histogram.percentile(95.0)));
    }
}
