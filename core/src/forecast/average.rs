//! Use averaged over the last while.

use crate::time::Time;
use std::time::Duration;

/// An exponential average: what was used `over` ago counts 1/e of what is used now. Absent until so long
/// has been seen: one busy second at the start would be remembered as the peak of a day.
///
/// CPU that is lent is taken back within a tenth of a second, so an owner that needs all it was promised
/// for a second now and then need not be kept all of it for a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Average(Option<Seen>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    first: Time,
    last: Time,
    /// Samples times their weights, and the weights.
    used: f64,
    weight: f64,
}

impl Average {
    /// Takes note of what was used up to `now`, and gives the average.
    pub fn observe(&mut self, now: Time, used: u64, over: Duration) -> Option<u64> {
        let seen = self.0.get_or_insert(Seen { first: now, last: now, used: 0.0, weight: 0.0 });
        let past = now.since(seen.last).as_secs_f64() / over.as_secs_f64();
        // No time to average over: what is used now is all.
        let past = if over.is_zero() { 0.0 } else { (-past).exp() };
        seen.used = seen.used * past + used as f64 * (1.0 - past);
        seen.weight = seen.weight * past + (1.0 - past);
        seen.last = now;
        let enough = now.since(seen.first) >= over && seen.weight > 0.0;
        enough.then(|| (seen.used / seen.weight).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: Duration = Duration::from_secs(10);

    fn second(number: u64) -> Time {
        Time::from_millis(number * 1_000)
    }

    #[test]
    fn a_short_burst_counts_little_and_a_long_one_in_full() {
        let mut average = Average::default();
        let mut at = |number: u64, used| average.observe(second(number), used, OVER);
        let early: Vec<_> = (0..10).map(|number| at(number, 100)).collect();
        assert!(early.iter().all(Option::is_none), "{early:?}");
        assert_eq!(at(10, 100), Some(100));
        (11..60).for_each(|number| assert_eq!(at(number, 100), Some(100)));
        let burst = at(60, 2_000).unwrap();
        assert!((270..290).contains(&burst), "a tenth of the way: {burst}");
        assert!((61..130).map(|number| at(number, 2_000).unwrap()).last().unwrap() > 1_990);
        assert_eq!(at(1_000, 100), Some(100), "long ago is forgotten");
    }

    #[test]
    fn a_busy_first_second_is_one_of_many() {
        let mut average = Average::default();
        let all = (0..12).map(|number| {
            average.observe(second(number), if number == 1 { 2_000 } else { 100 }, OVER)
        });
        let first = all.flatten().next().unwrap();
        assert!((150..350).contains(&first), "{first}");
    }

    #[test]
    fn the_sum_of_averages_is_the_average_of_sums_and_no_time_is_no_average() {
        let (mut one, mut two, mut both) = <(Average, Average, Average)>::default();
        for number in 0..50_u64 {
            let (now, a, b) = (second(number), number % 7 * 300, number % 3 * 90);
            let apart = one.observe(now, a, OVER).zip(two.observe(now, b, OVER));
            let together = both.observe(now, a + b, OVER);
            assert_eq!(apart.is_some(), together.is_some());
            let off = apart.zip(together).map(|((a, b), sum)| (a + b).abs_diff(sum));
            assert!(off.is_none_or(|off| off <= 1), "{apart:?} {together:?}");
            assert_eq!(Average::default().observe(now, a, Duration::ZERO), Some(a));
        }
    }
}
