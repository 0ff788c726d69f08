//! Which task runs on which machine: decided once by seed, when the task comes.

use crate::{seed::Seed, trace::Trace};

/// How tasks are placed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// So many machines; each task goes to the one with the fewest tasks.
    Spread {
        /// How many machines.
        machines: usize,
    },
    /// As many machines as are needed of one capacity; each task goes to the first one it fits, by its limit.
    FirstFit {
        /// What a machine has, in the trace's unit.
        capacity: f64,
    },
}

/// Tasks on machines.
#[derive(Clone, Debug)]
pub struct Placement {
    /// For each machine its tasks (indices into the trace), in the order in which they came.
    pub machines: Vec<Vec<usize>>,
    /// Tasks whose limit is above the capacity; each got a machine of its own.
    pub oversized: usize,
}

impl Placement {
    /// Places all tasks. Those that come in the same step come in an order made by `seed`.
    #[must_use]
    pub fn new(trace: &Trace, rule: Rule, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..trace.series.len()).collect();
        Seed::new(seed).shuffle(&mut order);
        order.sort_by_key(|task| trace.series[*task].first);
        let mut machines = Machines::new(trace, rule);
        for task in order {
            machines.place(task);
        }
        Self { machines: machines.tasks, oversized: machines.oversized }
    }
}

struct Machines<'a> {
    trace: &'a Trace,
    rule: Rule,
    tasks: Vec<Vec<usize>>,
    present: Vec<Vec<usize>>,
    oversized: usize,
}

impl<'a> Machines<'a> {
    fn new(trace: &'a Trace, rule: Rule) -> Self {
        let count = match rule {
            Rule::Spread { machines } => machines,
            Rule::FirstFit { .. } => 0,
        };
        let empty = vec![Vec::new(); count];
        Self { trace, rule, tasks: empty.clone(), present: empty, oversized: 0 }
    }

    fn place(&mut self, task: usize) {
        let series = &self.trace.series[task];
        for present in &mut self.present {
            present.retain(|other| self.trace.series[*other].end() > series.first);
        }
        let machine = match self.rule {
            Rule::Spread { .. } => {
                (0..self.present.len()).min_by_key(|machine| self.present[*machine].len())
            }
            Rule::FirstFit { capacity } => {
                self.oversized += usize::from(f64::from(series.limit) > capacity);
                let fits = |present: &Vec<usize>| {
                    self.limit(present) + f64::from(series.limit) <= capacity
                };
                self.present.iter().position(fits)
            }
        };
        let machine = machine.unwrap_or_else(|| {
            self.present.push(Vec::new());
            self.tasks.push(Vec::new());
            self.tasks.len() - 1
        });
        self.present[machine].push(task);
        self.tasks[machine].push(task);
    }

    fn limit(&self, tasks: &[usize]) -> f64 {
        tasks.iter().map(|task| f64::from(self.trace.series[*task].limit)).sum()
    }
}
