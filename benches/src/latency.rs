//! Latencies as a histogram with three significant digits, and the figures taken from it.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Longer ones count as this long.
const LONGEST: Duration = Duration::from_secs(60);
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies while they are collected.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

/// What is told of them, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// How many were timed.
    pub count: u64,
    /// The median.
    pub p50_us: f64,
    /// 90 of 100 are no longer.
    pub p90_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        Self(
            Histogram::new_with_bounds(1, longest, SIGNIFICANT_DIGITS)
                .expect("bounds and digits are constants in range"),
        )
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What is told of those so far.
    #[must_use]
    pub fn summary(&self) -> Latency {
        let us = |ns: u64| ns as f64 / 1e3;
        let quantile = |part| us(self.0.value_at_quantile(part));
        Latency {
            count: self.0.len(),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: us(self.0.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_latencies_have_their_quantiles() {
        let mut latencies = Latencies::default();
        (1..=100).for_each(|us| latencies.record(Duration::from_micros(us)));
        let told = latencies.summary();
        assert_eq!(told.count, 100);
        for (value, expected) in [(told.p50_us, 50.0), (told.p99_us, 99.0), (told.max_us, 100.0)] {
            assert!((value - expected).abs() < 0.2, "{told:?}");
        }
    }
}
