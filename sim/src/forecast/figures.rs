//! What a forecast won and risked, in figures.

use super::{Cell, Horizon, cell::Grid};
use std::ops::Range;

/// Sums are added in another order than the oracle's; a difference as small as this is none.
const ROUNDING: f64 = 1e-9;

/// One predictor at one horizon. Ratios are shares of 1; `docs/forecast.md` says what each means.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Figures {
    /// Machine-steps judged.
    pub machine_steps: u64,
    /// Share of steps in which the peak came out above the forecast: mean over machines.
    pub violations: f64,
    /// The same: median over machines.
    pub violations_median: f64,
    /// The same: 90th percentile over machines.
    pub violations_p90: f64,
    /// How much of the peak was missed, on average over all steps.
    pub severity: f64,
    /// How much of the peak was missed, on average over the steps with a violation; absent if there were none.
    pub severity_when_violated: Option<f64>,
    /// Share of all limits that the forecast leaves free.
    pub savings: f64,
    /// The same, as the mean over machines of each one's own share.
    pub savings_machine_mean: f64,
    /// What the oracle leaves free.
    pub oracle_savings: f64,
    /// Savings as a share of the oracle's; absent if that has none.
    pub oracle_share: Option<f64>,
    /// Share of steps in which the use of that very step was above the forecast.
    pub now_overload: f64,
    /// What the forecast holds for each unit used; absent if nothing was used.
    pub held_per_used: Option<f64>,
    /// In hindsight: the one factor for all forecasts at which just the target rate is violated, and what is then saved.
    pub at_target: Option<AtTarget>,
}

/// See [`Figures::at_target`].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct AtTarget {
    /// The factor.
    pub factor: f64,
    /// What is saved with it.
    pub savings: f64,
}

#[derive(Clone, Copy, Default)]
struct Machine {
    steps: u64,
    violations: u64,
    severity: f64,
    savings: f64,
    overloads: u64,
}

impl Figures {
    /// Judges `predictions` in `steps`; none if no machine had a task in them.
    #[must_use]
    pub fn judge(
        cell: &Cell<'_>,
        horizon: &Horizon,
        predictions: &Grid,
        steps: Range<usize>,
        target: f64,
    ) -> Option<Self> {
        let machines = judge_machines(cell, horizon, predictions, steps.clone());
        let machines: Vec<Machine> = machines.into_iter().filter(|one| one.steps > 0).collect();
        if machines.is_empty() {
            return None;
        }
        let mean = |of: &dyn Fn(&Machine) -> f64| {
            machines.iter().map(|one| of(one) / one.steps as f64).sum::<f64>()
                / machines.len() as f64
        };
        let mut rates: Vec<f64> =
            machines.iter().map(|one| one.violations as f64 / one.steps as f64).collect();
        rates.sort_by(f64::total_cmp);
        let violations: u64 = machines.iter().map(|one| one.violations).sum();
        let severity: f64 = machines.iter().map(|one| one.severity).sum();
        let savings = saved(cell, predictions, steps.clone(), 1.0);
        let oracle_savings = saved(cell, &horizon.oracle, steps.clone(), 1.0);
        let span = steps.start * cell.machines()..steps.end * cell.machines();
        let (held, used): (f64, f64) =
            (predictions[span.clone()].iter().sum(), cell.used[span].iter().sum());
        Some(Self {
            machine_steps: machines.iter().map(|one| one.steps).sum(),
            violations: mean(&|one| one.violations as f64),
            violations_median: percentile(&rates, 50.0),
            violations_p90: percentile(&rates, 90.0),
            severity: mean(&|one| one.severity),
            severity_when_violated: (violations > 0).then(|| severity / violations as f64),
            savings,
            savings_machine_mean: mean(&|one| one.savings),
            oracle_savings,
            oracle_share: (oracle_savings > 0.0).then(|| savings / oracle_savings),
            now_overload: mean(&|one| one.overloads as f64),
            held_per_used: (used > 0.0).then(|| held / used),
            at_target: at_target(cell, horizon, predictions, steps, target),
        })
    }
}

fn judge_machines(
    cell: &Cell<'_>,
    horizon: &Horizon,
    predictions: &Grid,
    steps: Range<usize>,
) -> Vec<Machine> {
    let count = cell.machines();
    let mut machines = vec![Machine::default(); count];
    for step in steps {
        for (machine, figures) in machines.iter_mut().enumerate() {
            let at = step * count + machine;
            let (limit, peak, oracle) = (cell.limit[at], predictions[at], horizon.oracle[at]);
            if limit <= 0.0 {
                continue;
            }
            figures.steps += 1;
            figures.savings += (limit - peak) / limit;
            figures.overloads += u64::from(above(cell.used[at], peak));
            if above(oracle, peak) {
                figures.violations += 1;
                figures.severity += (oracle - peak) / oracle;
            }
        }
    }
    machines
}

fn above(need: f64, forecast: f64) -> bool {
    need > forecast * (1.0 + ROUNDING) + f64::MIN_POSITIVE
}

/// Mean over steps of what share of all limits is free when `factor` times the forecast is held.
fn saved(cell: &Cell<'_>, predictions: &Grid, steps: Range<usize>, factor: f64) -> f64 {
    let count = cell.machines();
    let (mut saved, mut counted) = (0.0, 0u64);
    for step in steps {
        let row = step * count..(step + 1) * count;
        let limit: f64 = cell.limit[row.clone()].iter().sum();
        if limit > 0.0 {
            let rows = predictions[row.clone()].iter().zip(&cell.limit[row]);
            let held: f64 = rows.map(|(peak, limit)| (peak * factor).min(*limit)).sum();
            saved += (limit - held) / limit;
            counted += 1;
        }
    }
    saved / counted.max(1) as f64
}

fn at_target(
    cell: &Cell<'_>,
    horizon: &Horizon,
    predictions: &Grid,
    steps: Range<usize>,
    target: f64,
) -> Option<AtTarget> {
    let span = steps.start * cell.machines()..steps.end * cell.machines();
    let mut ratios: Vec<f64> = span
        .filter(|at| cell.limit[*at] > 0.0)
        .map(|at| (horizon.oracle[at], predictions[at]))
        .map(|(oracle, peak)| match (oracle > 0.0, peak > 0.0) {
            (false, _) => 0.0,
            (true, true) => oracle / peak,
            (true, false) => f64::INFINITY,
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    // All but the target's share of the ratios must lie at or below the factor.
    let allowed = (ratios.len() as f64 * target).floor() as usize;
    let factor = *ratios.get(ratios.len().checked_sub(1 + allowed)?)?;
    factor
        .is_finite()
        .then(|| AtTarget { factor, savings: saved(cell, predictions, steps, factor) })
}

fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let rank = (sorted.len() - 1) as f64 * percent / 100.0;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        forecast::{Placement, Rule},
        trace::tests::trace_of,
    };
    use std::time::Duration;

    #[test]
    fn by_hand() {
        // One task of limit 10 on one machine, looking two steps ahead: peaks 4 8 8 8 in steps 0..4.
        let trace = trace_of(&[(0, vec![4, 1, 4, 8, 2, 2])]);
        let placement = Placement::new(&trace, Rule::Spread { machines: 1 }, 1);
        let horizons = [Duration::from_secs(600)];
        let cell = Cell::new(&trace, &placement, &horizons).expect("a cell");
        let predictions = vec![4.0, 6.0, 3.0, 8.0, 0.0, 0.0];
        let horizon = &cell.horizons[0];
        let figures = Figures::judge(&cell, horizon, &predictions, 0..4, 0.25).expect("figures");
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        assert_eq!(figures.machine_steps, 4);
        close(figures.violations, 0.5);
        close(figures.severity, (2.0 / 8.0 + 5.0 / 8.0) / 4.0);
        close(figures.severity_when_violated.expect("some"), (2.0 / 8.0 + 5.0 / 8.0) / 2.0);
        close(figures.savings, (6.0 + 4.0 + 7.0 + 2.0) / 40.0);
        close(figures.oracle_savings, (6.0 + 2.0 + 2.0 + 2.0) / 40.0);
        close(figures.now_overload, 0.25);
        close(figures.held_per_used.expect("some"), 21.0 / 17.0);
        // One of four may be violated: the second largest of 1, 8/6, 8/3, 1.
        let at = figures.at_target.expect("a factor");
        close(at.factor, 8.0 / 6.0);
        close(at.savings, (40.0 - 16.0 / 3.0 - 8.0 - 4.0 - 10.0) / 40.0);
    }
}
