//! Who is present on one machine, step after step.

use crate::trace::Trace;
use headroom_core::{forecast::Present, ids::TaskHandle};

/// Walks the steps of one machine. A task's handle is its number in the order in which tasks came to the machine.
#[derive(Clone, Debug)]
pub struct Presence<'a> {
    trace: &'a Trace,
    tasks: &'a [usize],
    came: usize,
    /// The numbers of those present, ascending.
    active: Vec<usize>,
    present: Vec<Present>,
}

impl<'a> Presence<'a> {
    /// Before the first step.
    #[must_use]
    pub const fn new(trace: &'a Trace, tasks: &'a [usize]) -> Self {
        Self { trace, tasks, came: 0, active: Vec::new(), present: Vec::new() }
    }

    /// Those present in `step`; steps must be asked for in order.
    pub fn at(&mut self, step: usize) -> &[Present] {
        let series = |number: usize| &self.trace.series[self.tasks[number]];
        self.active.retain(|number| series(*number).end() > step);
        while self.came < self.tasks.len() && series(self.came).first <= step {
            if series(self.came).end() > step {
                self.active.push(self.came);
            }
            self.came += 1;
        }
        self.present.clear();
        self.present.extend(self.active.iter().map(|number| {
            let series = series(*number);
            Present {
                task: TaskHandle::from_number(*number as u64),
                limit: f64::from(series.limit),
                used: f64::from(series.used[step - series.first]),
            }
        }));
        &self.present
    }
}
