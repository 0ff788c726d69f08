//! The peak of the last window, with a margin; nothing while the task is young. The schedule simulator's nodes go by it.
//!
//! The peak of a recent window with 10 % on top beats the published N-sigma and percentile rules at
//! short horizons on the Bitbrains trace; work that is given back in seconds is judged by a short one.

use super::Forecaster;
use crate::{command::Usage, time::Time};
use std::time::Duration;

/// A window is kept as so many maxima, so it slides in steps of a sixtieth.
const BUCKETS: usize = 60;

/// How [`WindowPeak`] predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowPeakSettings {
    /// How far back to look.
    pub window: Duration,
    /// Added to the peak, in thousandths of it.
    pub margin_milli: u64,
    /// How long a task is young (Borg: 300 s before a reservation starts to fall).
    pub young: Duration,
}

impl Default for WindowPeakSettings {
    fn default() -> Self {
        Self { window: Duration::from_secs(300), margin_milli: 100, young: Duration::from_secs(60) }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    number: u64,
    peak: Usage,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct WindowPeak {
    settings: WindowPeakSettings,
    first: Option<Time>,
    newest: Usage,
    buckets: [Bucket; BUCKETS],
}

impl WindowPeak {
    /// A forecaster that has seen nothing.
    #[must_use]
    pub fn new(settings: WindowPeakSettings) -> Self {
        let newest = Usage::default();
        Self { settings, first: None, newest, buckets: [Bucket::default(); BUCKETS] }
    }

    fn bucket_number(&self, now: Time) -> u64 {
        let width = (self.settings.window.as_nanos() / BUCKETS as u128).max(1) as u64;
        // Number 0 marks a bucket that was never filled.
        now.as_nanos() / width + 1
    }
}

impl Forecaster for WindowPeak {
    fn observe(&mut self, now: Time, usage: Usage) {
        self.first.get_or_insert(now);
        self.newest = usage;
        let number = self.bucket_number(now);
        let bucket = &mut self.buckets[number as usize % BUCKETS];
        if bucket.number != number {
            *bucket = Bucket { number, peak: Usage::default() };
        }
        bucket.peak = larger(bucket.peak, usage);
    }

    fn forecast(&self, now: Time) -> Usage {
        if self.first.is_none_or(|first| now.since(first) < self.settings.young) {
            return Usage::default();
        }
        let oldest = self.bucket_number(now).saturating_sub(BUCKETS as u64 - 1).max(1);
        let seen = self.buckets.iter().filter(|bucket| bucket.number >= oldest);
        let peak = seen.fold(self.newest, |peak, bucket| larger(peak, bucket.peak));
        let widened = |amount: u64| {
            amount.saturating_add(amount.saturating_mul(self.settings.margin_milli) / 1_000)
        };
        Usage {
            cpus_milli: peak.cpus_milli.map(widened),
            memory_milli_mib: peak.memory_milli_mib.map(widened),
        }
    }
}

fn larger(a: Usage, b: Usage) -> Usage {
    Usage {
        cpus_milli: a.cpus_milli.max(b.cpus_milli),
        memory_milli_mib: a.memory_milli_mib.max(b.memory_milli_mib),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cpus(milli: u64) -> Usage {
        Usage { cpus_milli: Some(milli), memory_milli_mib: None }
    }

    #[test]
    fn young_then_peak_then_forgotten() {
        let mut forecaster = WindowPeak::new(WindowPeakSettings {
            window: Duration::from_secs(60),
            margin_milli: 100,
            young: Duration::from_secs(10),
        });
        let at = |second: u64| Time::from_millis(second * 1_000);
        for second in 0..200 {
            forecaster.observe(at(second), cpus(if second == 20 { 1_000 } else { 100 }));
            let expected = match second {
                0..10 => None,
                20..80 => Some(1_100),
                _ => Some(110),
            };
            assert_eq!(forecaster.forecast(at(second)).cpus_milli, expected, "second {second}");
        }
        assert_eq!(forecaster.forecast(at(199)).memory_milli_mib, None, "never measured");
    }

    proptest! {
        #[test]
        fn never_below_the_present(uses in prop::collection::vec((0u64..100_000, 1u64..100), 1..200)) {
            let mut forecaster = WindowPeak::new(WindowPeakSettings {
                young: Duration::ZERO, ..WindowPeakSettings::default()
            });
            let mut now = Time::ZERO;
            for (milli, seconds) in uses {
                now = now + Duration::from_secs(seconds);
                forecaster.observe(now, cpus(milli));
                prop_assert!(forecaster.forecast(now).cpus_milli >= Some(milli));
            }
        }
    }
}
