//! One node's forecast: CPU and memory of all its guaranteed tasks and of the system, together.
//!
//! The sum of single forecasts would hold back every task's own peak; tasks seldom peak together, and what they need together
//! is what an agent must keep. This is how an agent drives [`Headroom`]; what is lent is [`crate::overcommit`]'s to decide.

use super::{Expert as _, Headroom, HeadroomSettings, Present, Quality, Step};
use crate::{command::Usage, ids::TaskHandle, resources::Amounts, time::Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Stands for all that is not a task; last in the order of handles, and given to none.
const SYSTEM: TaskHandle = TaskHandle::from_number(u64::MAX);

/// A guaranteed task in one step.
#[derive(Clone, Copy, Debug)]
pub struct NodeTask {
    /// Which task.
    pub task: TaskHandle,
    /// What it was promised.
    pub request: Amounts,
    /// What it used.
    pub usage: Usage,
}

/// What is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// In thousandths of a CPU.
    Cpus,
    /// In thousandths of a MiB.
    Memory,
}

/// The forecast of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    expert: Headroom,
    /// Whether the system was measured in the last step; without it the node is not known.
    known: bool,
    #[serde(skip)]
    present: Scratch,
}

/// Room for one step, kept from step to step; empty between them.
#[derive(Clone, Debug, Default)]
struct Scratch(Vec<Present>);

impl PartialEq for Scratch {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Part {
    fn new(settings: &HeadroomSettings) -> Self {
        Self { expert: Headroom::new(settings), known: false, present: Scratch::default() }
    }

    /// `tasks`: those that were measured, with what they were promised and used.
    fn observe(
        &mut self,
        now: Time,
        tasks: impl Iterator<Item = (TaskHandle, u64, Option<u64>)>,
        (total, system): (u64, Option<u64>),
    ) {
        self.known = system.is_some();
        let Some(system) = system else { return };
        let present = &mut self.present.0;
        present.extend(tasks.filter_map(|(task, request, used)| {
            let used = used?;
            // A burst above the request is real use, and the limit of what was seen so far.
            Some(Present { task, limit: request.max(used) as f64, used: used as f64 })
        }));
        present.sort_unstable_by_key(|present| present.task);
        present.dedup_by_key(|present| present.task);
        let limit = total.max(system) as f64;
        present.push(Present { task: SYSTEM, limit, used: system as f64 });
        self.expert.observe(&Step { now, present });
        present.clear();
    }

    fn peak(&self, horizon: Duration) -> Option<u64> {
        self.known.then(|| self.expert.peak(horizon).ceil() as u64)
    }

    fn own_peak(&self, task: TaskHandle) -> Option<u64> {
        let own = self.known.then(|| self.expert.outlook().own_peak(task)).flatten();
        own.map(|peak| peak.ceil() as u64)
    }

    fn qualities(&self, resource: Resource) -> impl Iterator<Item = Quality> + '_ {
        let calibrations = self.expert.calibrations().all().iter().enumerate();
        calibrations.map(move |(number, calibration)| {
            let known = self.expert.outlook().is_known(number);
            Quality::of(resource, calibration, self.peak(calibration.horizon()), known)
        })
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

    /// Takes other settings than those it was checkpointed with.
    pub fn adapt(&mut self, cpus: &HeadroomSettings, memory: &HeadroomSettings) {
        self.cpus.expert.adapt(cpus);
        self.memory.expert.adapt(memory);
    }

    /// Takes note of a step: the guaranteed tasks, and what else the node used of its `total`. A task that was
    /// not measured is forgotten; it counts with its request, which is not in the forecast.
    pub fn observe(&mut self, now: Time, tasks: &[NodeTask], system: Usage, total: Amounts) {
        let cpus = tasks.iter().map(|of| (of.task, of.request.cpus_milli(), of.usage.cpus_milli));
        self.cpus.observe(now, cpus, (total.cpus_milli(), system.cpus_milli));
        let memory = tasks
            .iter()
            .map(|of| (of.task, of.request.memory_milli_mib(), of.usage.memory_milli_mib));
        self.memory.observe(now, memory, (total.memory_milli_mib(), system.memory_milli_mib));
    }

    /// The peak of all measured tasks and the system together, from the last step until `horizon` later; absent
    /// where the system was not measured. May be above the node's total: then nothing can be lent.
    #[must_use]
    pub fn peak(&self, horizon: Duration) -> Usage {
        Usage { cpus_milli: self.cpus.peak(horizon), memory_milli_mib: self.memory.peak(horizon) }
    }

    /// What must be kept of the node. CPU is taken back at once, so the shortest horizon will do; memory only by
    /// ending who has it, so it is the longest that the node has been seen long enough for.
    #[must_use]
    pub fn needed(&self) -> Usage {
        let memory = self.memory.expert.outlook().longest_known().unwrap_or_default();
        Usage {
            cpus_milli: self.cpus.peak(Duration::ZERO),
            memory_milli_mib: self.memory.peak(memory),
        }
    }

    /// The most that a task which is part of [`Self::peak`] will use by itself; its request while it is young. Tasks
    /// seldom peak together: the sum of these is more than the peak of the sum.
    #[must_use]
    pub fn own_peak(&self, task: TaskHandle) -> Usage {
        Usage { cpus_milli: self.cpus.own_peak(task), memory_milli_mib: self.memory.own_peak(task) }
    }

    /// The same of all that is not a task.
    #[must_use]
    pub fn system_peak(&self) -> Usage {
        self.own_peak(SYSTEM)
    }

    /// How good the forecasts were of late, by resource and horizon.
    pub fn qualities(&self) -> impl Iterator<Item = Quality> + '_ {
        self.cpus.qualities(Resource::Cpus).chain(self.memory.qualities(Resource::Memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(600);
    const LONG: Duration = Duration::from_secs(86_400);
    const TOTAL: Amounts = Amounts([16_000, 64_000_000, 0, 0]);

    fn task(number: u64, cpus_milli: Option<u64>) -> NodeTask {
        NodeTask {
            task: TaskHandle::from_number(number),
            request: Amounts::of(4_000, 1_000_000),
            usage: Usage { cpus_milli, memory_milli_mib: Some(1) },
        }
    }

    fn minutes(number: u64) -> Time {
        Time::from_millis(number * 60_000)
    }

    #[test]
    fn together_less_than_the_sum_and_the_unmeasured_not_at_all() {
        let settings = HeadroomSettings { horizons: vec![SHORT], ..HeadroomSettings::default() };
        let mut node = NodeForecast::new(&settings, &settings);
        let system = Usage { cpus_milli: Some(300), memory_milli_mib: None };
        for minute in 0..3_000_u64 {
            // Two tasks that take turns.
            let (one, two) = if minute % 2 == 0 { (2_000, 200) } else { (200, 2_000) };
            let tasks = [task(2, Some(two)), task(1, Some(one))];
            node.observe(minutes(minute), &tasks, system, TOTAL);
        }
        let peak = node.peak(SHORT);
        assert!((2_500..4_000).contains(&peak.cpus_milli.unwrap()), "{peak:?}");
        assert_eq!(peak.memory_milli_mib, None, "the system's memory was not measured");
        let tasks = [task(1, Some(2_000)), task(2, Some(200)), task(3, None)];
        node.observe(minutes(3_000), &tasks, system, TOTAL);
        assert!(node.peak(SHORT).cpus_milli < Some(4_000), "the third is the caller's to count");
        let own = |number| node.own_peak(TaskHandle::from_number(number)).cpus_milli;
        assert_eq!((own(1), own(2), own(3)), (Some(2_000), Some(2_000), None));
        assert_eq!(node.system_peak(), Usage { cpus_milli: Some(300), memory_milli_mib: None });
        let [cpus, memory] = [0, 1].map(|at| node.qualities().nth(at).unwrap());
        assert_eq!((cpus.resource, cpus.horizon, cpus.target), (Resource::Cpus, SHORT, 0.01));
        assert!(cpus.live.unwrap().savings > 0.5 && memory.live.is_none(), "{cpus:?} {memory:?}");
    }

    #[test]
    fn cold_it_keeps_all_then_what_each_horizon_needs() {
        let settings =
            HeadroomSettings { horizons: vec![LONG, SHORT], ..HeadroomSettings::default() };
        let mut node = NodeForecast::new(&settings, &settings);
        let system = Usage { cpus_milli: Some(300), memory_milli_mib: Some(1_000) };
        let observe = |node: &mut NodeForecast, minute| {
            node.observe(minutes(minute), &[task(1, Some(100))], system, TOTAL);
        };
        observe(&mut node, 0);
        assert_eq!(node.needed().or(Amounts::ZERO), Amounts::of(20_000, 65_000_000));
        let reasons = |node: &NodeForecast| -> Vec<String> {
            node.qualities().map(|quality| quality.reason).collect()
        };
        assert!(reasons(&node).iter().all(|reason| reason.contains("a third of")), "{node:?}");
        (1..5).for_each(|minute| observe(&mut node, minute));
        let short = node.needed();
        assert_eq!(short, node.peak(SHORT));
        assert!(short.memory_milli_mib < Some(10_000_000), "{short:?}");
        assert_eq!(reasons(&node)[0], "no forecast of 600 s has come due yet");
        (5..481).for_each(|minute| observe(&mut node, minute));
        assert_eq!(node.needed().memory_milli_mib, node.peak(LONG).memory_milli_mib);
        assert_eq!(node.needed().cpus_milli, node.peak(SHORT).cpus_milli);
    }

    #[test]
    fn other_settings_keep_what_was_seen() {
        let settings = HeadroomSettings::default();
        let mut node = NodeForecast::new(&settings, &settings);
        let system = Usage { cpus_milli: Some(300), memory_milli_mib: Some(1_000) };
        for minute in 0..3_000 {
            node.observe(minutes(minute), &[task(1, Some(100))], system, TOTAL);
        }
        let mut same = node.clone();
        let aim = HeadroomSettings { target: 0.2, ..settings.clone() };
        same.adapt(&aim, &settings);
        let learnt = |node: &NodeForecast| node.qualities().next().unwrap();
        assert_eq!(learnt(&same), Quality { target: 0.2, ..learnt(&node) });
        same.adapt(&HeadroomSettings { horizons: vec![SHORT * 2], ..settings.clone() }, &settings);
        assert!(learnt(&same).live.is_none());
        same.observe(minutes(3_000), &[task(1, Some(100))], system, TOTAL);
        assert!(same.peak(SHORT).cpus_milli < Some(2_000), "it is not cold");
    }
}
