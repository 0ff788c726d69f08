//! Predictors side by side on one trace: the whole run.

use super::{Cell, Figures, ForecastError, Placement, Predictor, Rule, Setting};
use crate::trace::{Repairs, Resource, Trace};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Below this length a trace is a day's, and less of it is skipped.
const SHORT: Duration = Duration::from_secs(2 * 86_400);

/// What to compare by.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How tasks are placed.
    pub rule: Rule,
    /// Makes the placement.
    pub seed: u64,
    /// How far to look ahead.
    pub horizons: Vec<Duration>,
    /// The violation rate to aim at.
    pub target: f64,
    /// Steps before this are seen, but not judged; absent: a day, or 2 h for traces shorter than two days.
    pub skip: Option<Duration>,
    /// How many threads; absent: as many as there are processors.
    pub threads: Option<usize>,
}

/// One row of the table.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Row {
    /// Which predictor.
    pub predictor: &'static str,
    /// How far it looked ahead.
    pub horizon_s: u64,
    /// What came out; absent if no step had its whole horizon in the trace.
    pub figures: Option<Figures>,
}

/// The table, and what it is about.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Comparison {
    /// Which resource.
    pub resource: Resource,
    /// How long a step is.
    pub step_s: u64,
    /// How many steps the trace has.
    pub steps: usize,
    /// How many tasks.
    pub tasks: usize,
    /// How many machines.
    pub machines: usize,
    /// Tasks larger than a machine.
    pub oversized_tasks: usize,
    /// Made the placement.
    pub seed: u64,
    /// Not judged.
    pub skipped_s: u64,
    /// The violation rate aimed at.
    pub target: f64,
    /// Share of all limits that was used.
    pub used_share: f64,
    /// What had to be mended in the trace.
    pub repairs: Repairs,
    /// One for each horizon and predictor, the oracle first.
    pub rows: Vec<Row>,
}

impl Comparison {
    /// Places the tasks, asks each predictor step by step, and judges it. `after_step` is called once for each
    /// predictor and step, from several threads. The result does not depend on their number.
    pub fn run(
        trace: &Trace,
        predictors: &[Predictor],
        terms: &Terms,
        after_step: &(dyn Fn() + Sync),
    ) -> Result<Self, ForecastError> {
        let placement = Placement::new(trace, terms.rule, terms.seed);
        let cell = Cell::new(trace, &placement, &terms.horizons)?;
        let skip = terms.skip.unwrap_or_else(|| usual_skip(trace));
        let skip_steps = skip.as_nanos().div_ceil(trace.step.as_nanos().max(1)) as usize;
        let judge = Judge { cell: &cell, skip_steps, target: terms.target };
        if terms.horizons.iter().all(|horizon| judge.steps(*horizon).is_empty()) {
            let (steps, step_s) = (trace.steps, trace.step.as_secs());
            return Err(ForecastError::TooShort { steps, step_s, skip_s: skip.as_secs() });
        }
        let setting = Setting {
            resource: trace.resource,
            machines: cell.machines(),
            horizons: terms.horizons.clone(),
            target: terms.target,
            cold: skip,
        };
        let results = judge.all(predictors, &setting, terms.threads, after_step);
        let mut rows = Vec::new();
        for (number, horizon) in terms.horizons.iter().enumerate() {
            let row = |predictor, figures: &[Option<Figures>]| Row {
                predictor,
                horizon_s: horizon.as_secs(),
                figures: figures[number].clone(),
            };
            rows.push(row("oracle", &judge.oracle()));
            let named = predictors.iter().zip(&results);
            rows.extend(named.map(|(predictor, figures)| row(predictor.name, figures)));
        }
        let (used, limit): (f64, f64) = (cell.used.iter().sum(), cell.limit.iter().sum());
        Ok(Self {
            resource: trace.resource,
            step_s: trace.step.as_secs(),
            steps: trace.steps,
            tasks: trace.series.len(),
            machines: cell.machines(),
            oversized_tasks: placement.oversized,
            seed: terms.seed,
            skipped_s: skip.as_secs(),
            target: terms.target,
            used_share: used / limit,
            repairs: trace.repairs,
            rows,
        })
    }
}

fn usual_skip(trace: &Trace) -> Duration {
    let length = trace.step * u32::try_from(trace.steps).unwrap_or(u32::MAX);
    Duration::from_secs(if length >= SHORT { 86_400 } else { 2 * 3_600 })
}

struct Judge<'a> {
    cell: &'a Cell<'a>,
    skip_steps: usize,
    target: f64,
}

impl Judge<'_> {
    /// The steps whose whole horizon is known.
    fn steps(&self, horizon: Duration) -> std::ops::Range<usize> {
        let known = self.cell.horizons.iter().find(|other| other.length == horizon);
        let end = known.map_or(0, |known| self.cell.trace.steps.saturating_sub(known.steps));
        self.skip_steps..end.max(self.skip_steps)
    }

    fn figures(&self, grids: &[&Vec<f64>]) -> Vec<Option<Figures>> {
        let horizons = self.cell.horizons.iter().zip(grids);
        horizons
            .map(|(horizon, grid)| {
                let steps = self.steps(horizon.length);
                Figures::judge(self.cell, horizon, grid, steps, self.target)
            })
            .collect()
    }

    fn oracle(&self) -> Vec<Option<Figures>> {
        let grids: Vec<_> = self.cell.horizons.iter().map(|horizon| &horizon.oracle).collect();
        self.figures(&grids)
    }

    /// Each predictor is one piece of work, as it may learn from all machines at once.
    fn all(
        &self,
        predictors: &[Predictor],
        setting: &Setting,
        threads: Option<usize>,
        after_step: &(dyn Fn() + Sync),
    ) -> Vec<Vec<Option<Figures>>> {
        let usual = || thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(usual).clamp(1, predictors.len().max(1));
        let next = AtomicUsize::new(0);
        let results = Mutex::new(vec![Vec::new(); predictors.len()]);
        let work = || {
            while let Some(predictor) = predictors.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut fleet = predictor.make(setting);
                let grids = self.cell.predict(fleet.as_mut(), after_step);
                let figures = self.figures(&grids.iter().collect::<Vec<_>>());
                let number = predictors.iter().position(|other| std::ptr::eq(other, predictor));
                let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if let Some(result) = number.and_then(|number| results.get_mut(number)) {
                    *result = figures;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
