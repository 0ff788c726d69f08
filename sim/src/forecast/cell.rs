//! A trace on machines: what every machine was promised, used and, seen from the future, would have needed.

use super::{Fleet, ForecastError, Placement, Presence, oracle};
use crate::trace::Trace;
use headroom_core::{forecast::Step, time::Time};
use std::time::Duration;

/// The most machines x steps x horizons of one run (half a GB a predictor).
const MOST_CELLS: usize = 1 << 26;

/// One figure for each step and machine: that of machine `m` in step `t` stands at `t * machines + m`.
pub type Grid = Vec<f64>;

/// How far to look ahead, and what a perfect forecast would say.
#[derive(Clone, Debug)]
pub struct Horizon {
    /// How far.
    pub length: Duration,
    /// How far, in steps (rounded up).
    pub steps: usize,
    /// What the peak oracle says.
    pub oracle: Grid,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// What was replayed.
    pub trace: &'a Trace,
    /// Who was where.
    pub placement: &'a Placement,
    /// Sum of the limits of those present.
    pub limit: Grid,
    /// Sum of what they used.
    pub used: Grid,
    /// The horizons to judge by.
    pub horizons: Vec<Horizon>,
}

impl<'a> Cell<'a> {
    /// Adds up, for each machine and step, and asks the oracle for each horizon.
    pub fn new(
        trace: &'a Trace,
        placement: &'a Placement,
        horizons: &[Duration],
    ) -> Result<Self, ForecastError> {
        let machines = placement.machines.len();
        let cells = trace.steps.saturating_mul(machines);
        if cells.saturating_mul(horizons.len().max(1)) > MOST_CELLS {
            return Err(ForecastError::TooLarge { steps: trace.steps, machines, most: MOST_CELLS });
        }
        let (mut limit, mut used) = (vec![0.0; cells], vec![0.0; cells]);
        for (machine, tasks) in placement.machines.iter().enumerate() {
            let mut presence = Presence::new(trace, tasks);
            for step in 0..trace.steps {
                let present = presence.at(step);
                limit[step * machines + machine] = present.iter().map(|task| task.limit).sum();
                used[step * machines + machine] = present.iter().map(|task| task.used).sum();
            }
        }
        let horizons = horizons
            .iter()
            .map(|length| {
                let steps = length.as_nanos().div_ceil(trace.step.as_nanos().max(1)) as usize;
                let mut oracle = vec![0.0; cells];
                for (machine, tasks) in placement.machines.iter().enumerate() {
                    let peaks = oracle::peaks(trace, tasks, steps);
                    for (step, peak) in peaks.into_iter().enumerate() {
                        oracle[step * machines + machine] = peak;
                    }
                }
                Horizon { length: *length, steps, oracle }
            })
            .collect();
        Ok(Self { trace, placement, limit, used, horizons })
    }

    /// How many machines there are.
    #[must_use]
    pub const fn machines(&self) -> usize {
        self.placement.machines.len()
    }

    /// What `fleet` predicts: one grid for each horizon. It is shown each step once, in order, and never the future.
    pub fn predict(&self, fleet: &mut dyn Fleet, mut after_step: impl FnMut()) -> Vec<Grid> {
        let machines = self.machines();
        let mut predictions = vec![vec![0.0; self.limit.len()]; self.horizons.len()];
        let mut presences: Vec<_> =
            self.placement.machines.iter().map(|tasks| Presence::new(self.trace, tasks)).collect();
        for step in 0..self.trace.steps {
            // A step is known when it has ended.
            let now = Time::ZERO + self.trace.step * (step as u32 + 1);
            let mut occupied = Vec::with_capacity(machines);
            for (machine, presence) in presences.iter_mut().enumerate() {
                let present = presence.at(step);
                if !present.is_empty() {
                    fleet.observe(machine, &Step { now, present });
                    occupied.push(machine);
                }
            }
            fleet.close(now);
            for (horizon, grid) in self.horizons.iter().zip(&mut predictions) {
                for machine in &occupied {
                    grid[step * machines + machine] = fleet.peak(*machine, horizon.length);
                }
            }
            after_step();
        }
        predictions
    }
}
