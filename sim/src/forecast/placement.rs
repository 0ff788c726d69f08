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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::trace_of;

    #[test]
    fn spread_counts_who_is_still_there() {
        let long = |first: usize| (first, vec![1; 9 - first]);
        let trace = trace_of(&[long(0), long(0), (0, vec![1; 2]), long(1), long(5)]);
        for seed in 0..20 {
            let placement = Placement::new(&trace, Rule::Spread { machines: 2 }, seed);
            for tasks in &placement.machines {
                let present = tasks.iter().filter(|task| trace.series[**task].end() > 5).count();
                assert_eq!(present, 2, "seed {seed}: {:?}", placement.machines);
            }
        }
    }

    #[test]
    fn first_fit_opens_what_it_needs() {
        let trace = trace_of(&vec![(0, vec![1; 3]); 7]);
        let placement = Placement::new(&trace, Rule::FirstFit { capacity: 30.0 }, 1);
        assert_eq!(placement.machines.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
        assert_eq!(placement.oversized, 0);
        let placement = Placement::new(&trace, Rule::FirstFit { capacity: 5.0 }, 1);
        assert_eq!((placement.machines.len(), placement.oversized), (7, 7));
    }
}
