//! The peak oracle: what a forecast would say that knew the future.
//!
//! `PO(J, t) = max over t' in [t, t+H] of the sum of U_i(t') over the i in J(t)`: only tasks present at t count, later ones do not
//! (Bashir et al., EuroSys 2021).

use crate::trace::Trace;
use std::collections::VecDeque;

/// The oracle of one machine for one horizon: one figure a step. In the last `horizon_steps` steps the future
/// is cut off by the end of the trace.
pub(super) fn peaks(trace: &Trace, tasks: &[usize], horizon_steps: usize) -> Vec<f64> {
    let mut peaks = vec![0.0; trace.steps];
    // From one arrival to the next the set only shrinks, and who has gone uses nothing any more: the sum of
    // all who came so far is the sum of those present, now and in future.
    let mut future = vec![0.0; trace.steps];
    let mut came = 0;
    while came < tasks.len() {
        let epoch = trace.series[tasks[came]].first;
        while came < tasks.len() && trace.series[tasks[came]].first == epoch {
            let series = &trace.series[tasks[came]];
            for (sum, used) in future[series.first..].iter_mut().zip(&series.used) {
                *sum += f64::from(*used);
            }
            came += 1;
        }
        let next = tasks.get(came).map_or(trace.steps, |task| trace.series[*task].first);
        sliding_maximum(&future, epoch..next, horizon_steps, &mut peaks);
    }
    peaks
}

/// For each step `t` of `steps` the maximum over `[t, t + horizon]`.
fn sliding_maximum(
    values: &[f64],
    steps: std::ops::Range<usize>,
    horizon: usize,
    maxima: &mut [f64],
) {
    let mut falling: VecDeque<usize> = VecDeque::new();
    let mut seen = steps.start;
    for step in steps {
        while seen < values.len() && seen <= step + horizon {
            while falling.pop_back_if(|other| values[*other] <= values[seen]).is_some() {}
            falling.push_back(seen);
            seen += 1;
        }
        while falling.pop_front_if(|other| *other < step).is_some() {}
        maxima[step] = falling.front().map_or(0.0, |at| values[*at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{forecast::Presence, trace::tests::trace_of};
    use proptest::prelude::*;

    proptest! {
        /// Against the definition, with tasks that come and go.
        #[test]
        fn as_defined(
            series in prop::collection::vec((0usize..20, prop::collection::vec(0u8..9, 1..20)), 1..8),
            horizon in 0usize..12,
        ) {
            let trace = trace_of(&series);
            let mut tasks: Vec<usize> = (0..series.len()).collect();
            tasks.sort_by_key(|task| series[*task].0);
            let peaks = peaks(&trace, &tasks, horizon);
            let used = |task: usize, step: usize| {
                let (first, used) = &series[task];
                step.checked_sub(*first).and_then(|at| used.get(at)).map(|used| f64::from(*used))
            };
            let mut presence = Presence::new(&trace, &tasks);
            for (step, peak) in peaks.iter().enumerate() {
                let present: Vec<usize> = tasks.iter().copied().filter(|task| used(*task, step).is_some()).collect();
                let sum = |at: usize| present.iter().filter_map(|task| used(*task, at)).sum::<f64>();
                let expected = (step..=step + horizon).map(sum).fold(0.0, f64::max);
                prop_assert_eq!(*peak, expected, "step {}", step);
                let walked: f64 = presence.at(step).iter().map(|task| task.used).sum();
                prop_assert_eq!(walked, sum(step));
            }
        }
    }
}
