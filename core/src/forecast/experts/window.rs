//! The samples of the last while: their mean and deviation, their percentiles, their maximum.

use crate::time::Time;
use std::{collections::VecDeque, time::Duration};

/// The samples whose step ended within `length` before the newest.
#[derive(Clone, Debug)]
pub(super) struct Window {
    length: Duration,
    samples: VecDeque<(Time, f32)>,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, samples: VecDeque::new() }
    }

    /// Takes a sample in; `gone` is told each one that is now too old.
    pub(super) fn push(&mut self, now: Time, sample: f32, mut gone: impl FnMut(f32)) {
        while let Some((_, old)) =
            self.samples.pop_front_if(|(time, _)| now.since(*time) >= self.length)
        {
            gone(old);
        }
        self.samples.push_back((now, sample));
    }

    pub(super) fn samples(&self) -> impl ExactSizeIterator<Item = f32> + Clone {
        self.samples.iter().map(|(_, sample)| *sample)
    }
}

/// A window whose percentiles are at hand: a sorted copy is kept.
#[derive(Clone, Debug)]
pub(super) struct SortedWindow {
    window: Window,
    sorted: Vec<f32>,
}

impl SortedWindow {
    pub(super) fn new(length: Duration) -> Self {
        Self { window: Window::new(length), sorted: Vec::new() }
    }

    pub(super) fn push(&mut self, now: Time, sample: f32) {
        let place = |sorted: &[f32], sample: f32| sorted.partition_point(|other| *other < sample);
        let sorted = &mut self.sorted;
        self.window.push(now, sample, |old| {
            let at = place(sorted, old);
            sorted.remove(at);
        });
        let at = place(&self.sorted, sample);
        self.sorted.insert(at, sample);
    }

    /// Between two samples the percentile lies on a straight line, as in NumPy and pandas.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let Some(last) = self.sorted.len().checked_sub(1) else { return 0.0 };
        let rank = last as f64 * percent / 100.0;
        let below = (rank.floor() as usize).min(last);
        let low = f64::from(self.sorted[below]);
        let high = f64::from(self.sorted[(below + 1).min(last)]);
        low + (high - low) * (rank - below as f64)
    }
}

/// The maximum of a window, in constant time a sample: what a later and larger one outlives is dropped.
#[derive(Clone, Debug)]
pub(super) struct MaximumWindow {
    length: Duration,
    falling: VecDeque<(Time, f64)>,
}

impl MaximumWindow {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, falling: VecDeque::new() }
    }

    pub(super) fn push(&mut self, now: Time, sample: f64) {
        while self.falling.pop_back_if(|(_, smaller)| *smaller <= sample).is_some() {}
        self.falling.push_back((now, sample));
        while self.falling.pop_front_if(|(time, _)| now.since(*time) >= self.length).is_some() {}
    }

    pub(super) fn maximum(&self) -> f64 {
        self.falling.front().map_or(0.0, |(_, sample)| *sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_are_interpolated() {
        let mut window = SortedWindow::new(Duration::from_secs(4));
        for (second, sample) in [9.0, 4.0, 1.0, 3.0, 2.0].into_iter().enumerate() {
            window.push(Time::from_millis(1_000 * second as u64), sample);
        }
        // 9 is four seconds old: left are 1 2 3 4.
        for (percent, expected) in [(0.0, 1.0), (50.0, 2.5), (95.0, 3.85), (100.0, 4.0)] {
            assert!((window.percentile(percent) - expected).abs() < 1e-6, "p{percent}");
        }
    }

    proptest! {
        #[test]
        fn the_maximum_is_that_of_the_window(samples in prop::collection::vec((1u64..5, 0u32..50), 1..100)) {
            let mut window = MaximumWindow::new(Duration::from_millis(10));
            let (mut now, mut all) = (0, Vec::new());
            for (millis, sample) in samples {
                now += millis;
                window.push(Time::from_millis(now), f64::from(sample));
                all.push((now, sample));
                let expected = all.iter().filter(|(time, _)| now - time < 10).map(|(_, sample)| *sample).max();
                prop_assert_eq!(window.maximum(), f64::from(expected.unwrap_or(0)));
            }
        }
    }
}
