//! Use averaged over the last while.

use crate::time::Time;
use std::time::Duration;

/// An exponential average: what was used `over` ago counts 1/e of what is used now. The average of a sum
/// is the sum of the averages.
///
/// CPU that is lent is taken back within a tenth of a second, so an owner that needs all it was promised
/// for a second now and then need not be kept all of it for a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Average(Option<(Time, f64)>);

impl Average {
    /// Takes note of what was used up to `now`, and gives the average; the first sample is its own.
    pub fn observe(&mut self, now: Time, used: u64, over: Duration) -> u64 {
        let used = used as f64;
        let average = match self.0 {
            Some((before, average)) if !over.is_zero() => {
                let past = (-now.since(before).as_secs_f64() / over.as_secs_f64()).exp();
                used + (average - used) * past
            }
            _ => used,
        };
        self.0 = Some((now, average));
        average.ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: Duration = Duration::from_secs(10);

    #[test]
    fn a_short_burst_counts_little_and_a_long_one_in_full() {
        let mut average = Average::default();
        let mut at =
            |second: u64, used| average.observe(Time::from_millis(second * 1_000), used, OVER);
        assert_eq!(at(0, 100), 100);
        assert!((270..290).contains(&at(1, 2_000)), "a tenth of the way");
        assert!((2..60).map(|second| at(second, 2_000)).last().unwrap() > 1_990);
        assert!(at(600, 100) == 100, "long ago is forgotten");
    }

    #[test]
    fn the_sum_of_averages_is_the_average_of_sums_and_no_time_is_no_average() {
        let (mut one, mut two, mut both) = <(Average, Average, Average)>::default();
        for second in 0..50_u64 {
            let (now, a, b) =
                (Time::from_millis(second * 1_000), second % 7 * 300, second % 3 * 90);
            let apart = one.observe(now, a, OVER) + two.observe(now, b, OVER);
            let together = both.observe(now, a + b, OVER);
            assert!(apart.abs_diff(together) <= 1, "{apart} {together}");
            assert_eq!(Average::default().observe(now, a, OVER), a);
        }
        assert_eq!(one.observe(Time::from_millis(50_000), 7, Duration::ZERO), 7);
    }
}
