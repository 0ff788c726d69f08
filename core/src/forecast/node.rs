//! One node's forecast: CPU and memory of all its guaranteed tasks and of the system, together.
//!
//! The sum of single forecasts would hold back every task's own peak; tasks seldom peak together, and what they need together
//! is what an agent must keep. This is how an agent drives [`Headroom`]; what is lent is [`crate::overcommit`]'s to decide.

use super::{Expert, Headroom, HeadroomSettings, Live, Present, Step, TaskHandle};
use crate::{command::Usage, resources::Amounts, time::Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Stands for all that is not a task; last in the order of handles.
const SYSTEM: TaskHandle = TaskHandle(u32::MAX);

/// A guaranteed task in one step.
#[derive(Clone, Copy, Debug)]
pub struct NodeTask {
    /// Which task: below `u32::MAX`, and never used again for another.
    pub task: TaskHandle,
    /// What it was promised.
    pub request: Amounts,
    /// What it used.
    pub usage: Usage,
}

/// The forecast of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    expert: Headroom,
    /// Requests of tasks that were not measured in the last step: they count in full.
    unmeasured: f64,
    /// Whether the system was measured in the last step; without it the node is not known.
    known: bool,
}

impl Part {
    fn new(settings: &HeadroomSettings) -> Self {
        Self { expert: Headroom::new(settings), unmeasured: 0.0, known: false }
    }

    fn observe(
        &mut self,
        now: Time,
        tasks: impl Iterator<Item = (TaskHandle, u64, Option<u64>)>,
        system: (u64, Option<u64>),
    ) {
        let (total, system) = system;
        let Some(system) = system else {
            self.known = false;
            return;
        };
        self.known = true;
        self.unmeasured = 0.0;
        let mut present = Vec::new();
        for (task, request, used) in tasks {
            match used {
                // A burst above the request is real use, and the limit of what was seen so far.
                Some(used) => present.push(Present {
                    task,
                    limit: request.max(used) as f64,
                    used: used as f64,
                }),
                None => self.unmeasured += request as f64,
            }
        }
        present.sort_by_key(|present| present.task);
        present.dedup_by_key(|present| present.task);
        let limit = total.max(system) as f64;
        present.push(Present { task: SYSTEM, limit, used: system as f64 });
        self.expert.observe(&Step { now, present: &present });
    }

    fn peak(&self, horizon: Duration) -> Option<u64> {
        let peak = self.expert.peak(horizon) + self.unmeasured;
        self.known.then_some(peak.ceil() as u64)
    }
}

/// CPU and memory of one node. Serialised, it is the agent's checkpoint of what it learnt.
///
/// `now` should come from the wall clock: what recurs each day is found by it, also after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeForecast {
    cpus: Part,
    memory: Part,
}

impl NodeForecast {
    /// A forecast that has seen nothing.
    #[must_use]
    pub fn new(cpus: &HeadroomSettings, memory: &HeadroomSettings) -> Self {
        Self { cpus: Part::new(cpus), memory: Part::new(memory) }
    }

    /// Takes note of a step: the guaranteed tasks, and what else the node used of `total`.
    pub fn observe(&mut self, now: Time, tasks: &[NodeTask], system: Usage, total: Amounts) {
        let cpus = tasks.iter().map(|of| (of.task, of.request.cpus_milli(), of.usage.cpus_milli));
        self.cpus.observe(now, cpus, (total.cpus_milli(), system.cpus_milli));
        let memory = tasks
            .iter()
            .map(|of| (of.task, of.request.memory_milli_mib(), of.usage.memory_milli_mib));
        self.memory.observe(now, memory, (total.memory_milli_mib(), system.memory_milli_mib));
    }

    /// The peak of tasks and system together, from the last step until `horizon` later; absent where the
    /// system was not measured. May be above the node's total: then nothing can be lent.
    #[must_use]
    pub fn peak(&self, horizon: Duration) -> Usage {
        Usage { cpus_milli: self.cpus.peak(horizon), memory_milli_mib: self.memory.peak(horizon) }
    }

    /// How good the forecasts of CPU were of late, for each horizon.
    pub fn live_cpus(&self) -> impl Iterator<Item = (Duration, Live)> + '_ {
        self.cpus.expert.live()
    }

    /// How good the forecasts of memory were of late, for each horizon.
    pub fn live_memory(&self) -> impl Iterator<Item = (Duration, Live)> + '_ {
        self.memory.expert.live()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(600);

    #[test]
    fn together_less_than_the_sum_and_the_unmeasured_in_full() {
        let settings = HeadroomSettings { horizons: vec![SHORT], ..HeadroomSettings::default() };
        let mut node = NodeForecast::new(&settings, &settings);
        let total = Amounts::of(16_000, 64_000_000);
        let system = Usage { cpus_milli: Some(300), memory_milli_mib: None };
        let task = |number: u32, cpus_milli: Option<u64>| NodeTask {
            task: TaskHandle(number),
            request: Amounts::of(4_000, 1_000_000),
            usage: Usage { cpus_milli, memory_milli_mib: Some(1) },
        };
        for minute in 0..3_000_u64 {
            // Two tasks that take turns.
            let (one, two) = if minute % 2 == 0 { (2_000, 200) } else { (200, 2_000) };
            let now = Time::from_millis(minute * 60_000);
            node.observe(now, &[task(2, Some(two)), task(1, Some(one))], system, total);
        }
        let peak = node.peak(SHORT);
        assert!((2_500..4_000).contains(&peak.cpus_milli.unwrap()), "{peak:?}");
        assert_eq!(peak.memory_milli_mib, None, "the system's memory was not measured");
        let now = Time::from_millis(3_000 * 60_000);
        node.observe(
            now,
            &[task(1, Some(2_000)), task(2, Some(200)), task(3, None)],
            system,
            total,
        );
        assert!(node.peak(SHORT).cpus_milli >= Some(6_500), "the third counts in full");
    }
}
