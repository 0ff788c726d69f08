//! Counts of times by bucket, as the kernel programs keep them, and what can be asked of them.

use headroom_agent_ebpf::{BUCKETS, lower_bound_ns, upper_bound_ns};

/// Times by quarter octave from 1 us to 17 s. The kernel's counters are 32 bits wide and wrap, so ask a
/// difference of two moments ([`Self::since`]), not a lifetime, where billions of events are possible.
#[derive(Clone, PartialEq, Eq)]
pub struct WaitHistogram {
    counts: [u32; BUCKETS],
}

impl Default for WaitHistogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS] }
    }
}

impl std::fmt::Debug for WaitHistogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let buckets = (0..BUCKETS).filter(|&b| self.counts[b] != 0);
        f.debug_map().entries(buckets.map(|b| (lower_bound_ns(b), self.counts[b]))).finish()
    }
}

impl WaitHistogram {
    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// What was counted after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        for (count, before) in later.counts.iter_mut().zip(&earlier.counts) {
            *count = count.wrapping_sub(*before);
        }
        later
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*more);
        }
    }

    /// The time that the share `p` (0 to 1) of all counted is not above, taking a bucket's times as
    /// spread evenly over it. `None` when nothing was counted.
    pub fn quantile_ns(&self, p: f64) -> Option<u64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = p.clamp(0.0, 1.0) * total as f64;
        let mut below = 0.0;
        let mut last = 0;
        for (bucket, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count != 0) {
            let count = f64::from(count);
            if below + count >= rank {
                let (low, high) = (lower_bound_ns(bucket), upper_bound_ns(bucket));
                let inside = ((rank - below) / count).clamp(0.0, 1.0);
                return Some(low + ((high - low) as f64 * inside) as u64);
            }
            below += count;
            last = bucket;
        }
        Some(upper_bound_ns(last))
    }

    /// Every bucket as (lower bound, upper bound, count), lowest first.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u32)> + '_ {
        (0..BUCKETS).map(|b| (lower_bound_ns(b), upper_bound_ns(b), self.counts[b]))
    }

    /// Adds the counters of a row.
    pub(crate) fn add_counts(&mut self, counts: &[u32; BUCKETS]) {
        for (count, more) in self.counts.iter_mut().zip(counts) {
            *count = count.wrapping_add(*more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_agent_ebpf::bucket_of;

    fn of(times_ns: &[u64]) -> WaitHistogram {
        let mut histogram = WaitHistogram::default();
        for &ns in times_ns {
            histogram.counts[bucket_of(ns)] += 1;
        }
        histogram
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_of_the_true_one() {
        let times: Vec<u64> = (1..=1_000).map(|i| i * 10_000).collect();
        let histogram = of(&times);
        for (p, truth) in [(0.5, 5_000_000u64), (0.9, 9_000_000), (0.99, 9_900_000)] {
            let got = histogram.quantile_ns(p).unwrap();
            assert!(got.abs_diff(truth) * 100 <= truth * 5, "p{p}: {got} for {truth}");
        }
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(WaitHistogram::default().quantile_ns(0.5), None);
    }

    #[test]
    fn a_difference_survives_the_wrap_of_a_counter() {
        let mut earlier = WaitHistogram::default();
        earlier.counts[3] = u32::MAX - 1;
        let mut later = earlier.clone();
        later.counts[3] = later.counts[3].wrapping_add(5);
        assert_eq!(later.since(&earlier).count(), 5);
    }

    #[test]
    fn merging_adds() {
        let mut one = of(&[1_000_000, 2_000_000]);
        one.merge(&of(&[1_000_000]));
        assert_eq!(one.count(), 3);
    }
}
