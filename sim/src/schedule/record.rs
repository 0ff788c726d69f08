//! What happened: one row a job, and sums over the steps.

use headroom_core::{command::AgentReport, ids::TaskHandle, ledger::Ledger, tasks::Reason};
use std::collections::BTreeMap;

/// One job's course.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobRecord {
    /// From submission to first holding.
    pub wait_ms: Option<u64>,
    /// From submission to its end, less its length when nothing slows it.
    pub delay_ms: Option<u64>,
    /// Launches.
    pub launches: u64,
    /// It began on lent resources.
    pub began_lent: bool,
}

/// A task's use in each step, on one node.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The first step in which it was reported.
    pub first_step: usize,
    /// Thousandths of a CPU, or of a MiB, step by step.
    pub uses: Vec<u32>,
}

impl Series {
    fn push(&mut self, step: usize, used: u64) {
        if self.uses.is_empty() {
            self.first_step = step;
        }
        self.uses.push(u32::try_from(used).unwrap_or(u32::MAX));
    }
}

/// See the module.
#[derive(Debug)]
pub struct Record {
    /// By job.
    pub jobs: Vec<JobRecord>,
    /// CPU time of work that was finished (thousandths of a CPU times milliseconds).
    pub done_cpu_ns: u128,
    /// CPU time of work that had to be begun again.
    pub lost_cpu_ns: u128,
    /// Tasks that the reclaim ladder ended.
    pub evictions: u64,
    /// Those of them that were ended as the node ran out of memory.
    pub memory_evictions: u64,
    /// For how long nodes had less memory than their tasks used, summed over nodes.
    pub memory_short_ms: u64,
    /// Tasks that their framework ended to begin them again on a free node.
    pub moves: u64,
    /// Lent tasks that came to hold a promise.
    pub promotions: u64,
    /// Offers made, declined and taken back.
    pub offers: u64,
    /// See `offers`.
    pub declined: u64,
    /// See `offers`.
    pub rescinded: u64,
    /// The core's own sums.
    pub ledger: Ledger,
    /// When the last job was done.
    pub ended_ms: u64,
    /// Change of what could be lent, from step to step, in thousandths of a CPU.
    pub lendable_moved_milli: u128,
    /// Jain's index over frameworks' holdings, summed over the steps in which it means something.
    pub jain_sum: f64,
    /// How many those are.
    pub jain_steps: u64,
    /// By node: its tasks' use.
    pub series: Vec<BTreeMap<TaskHandle, Series>>,
    /// The same of memory; empty where the trace does not tell of it.
    pub memory_series: Vec<BTreeMap<TaskHandle, Series>>,
    lendable: Vec<u64>,
    steps: usize,
}

impl Record {
    pub(crate) fn new(jobs: usize, nodes: usize) -> Self {
        Self {
            jobs: vec![JobRecord::default(); jobs],
            done_cpu_ns: 0,
            lost_cpu_ns: 0,
            evictions: 0,
            memory_evictions: 0,
            memory_short_ms: 0,
            moves: 0,
            promotions: 0,
            offers: 0,
            declined: 0,
            rescinded: 0,
            ledger: Ledger::default(),
            ended_ms: 0,
            lendable_moved_milli: 0,
            jain_sum: 0.0,
            jain_steps: 0,
            series: vec![BTreeMap::new(); nodes],
            memory_series: vec![BTreeMap::new(); nodes],
            lendable: vec![0; nodes],
            steps: 0,
        }
    }

    /// The task id of a job's newest launch.
    pub(crate) fn name(&self, job: usize) -> String {
        format!("{job}.{}", self.jobs[job].launches)
    }

    /// The task id of a further launch.
    pub(crate) fn new_name(&mut self, job: usize) -> String {
        self.jobs[job].launches += 1;
        self.name(job)
    }

    /// The job of a task id, if that is its newest launch.
    pub(crate) fn job_of(&self, name: &str) -> Option<usize> {
        let job = name.split_once('.')?.0.parse().ok()?;
        (job < self.jobs.len() && self.name(job) == name).then_some(job)
    }

    pub(crate) fn started(&mut self, job: usize, waited_ms: u64, lent: bool) {
        let job = &mut self.jobs[job];
        if job.wait_ms.is_none() {
            job.wait_ms = Some(waited_ms);
            job.began_lent = lent;
        }
    }

    pub(crate) fn finished(&mut self, job: usize, took_ms: u64, alone_ms: u64, cpu_ns: u64) {
        self.jobs[job].delay_ms = Some(took_ms.saturating_sub(alone_ms));
        self.done_cpu_ns += u128::from(cpu_ns);
    }

    pub(crate) fn lost(&mut self, cpu_ns: u64, reason: Reason) {
        self.lost_cpu_ns += u128::from(cpu_ns);
        self.evictions += u64::from(reason == Reason::Preempted);
    }

    pub(crate) fn observe(&mut self, node: usize, report: &AgentReport, memory: bool) {
        for (handle, task) in &report.tasks {
            let series = self.series[node].entry(*handle).or_default();
            series.push(self.steps, task.usage.cpus_milli.unwrap_or(0));
            if memory {
                let series = self.memory_series[node].entry(*handle).or_default();
                series.push(self.steps, task.usage.memory_milli_mib.unwrap_or(0));
            }
        }
    }

    pub(crate) fn step(
        &mut self,
        lendable: impl Iterator<Item = u64>,
        held: impl Iterator<Item = u64>,
    ) {
        self.steps += 1;
        for (before, now) in self.lendable.iter_mut().zip(lendable) {
            self.lendable_moved_milli += u128::from(before.abs_diff(now));
            *before = now;
        }
        let held: Vec<_> = held.map(|cpus| cpus as f64).collect();
        if let Some(index) = jain(&held) {
            self.jain_sum += index;
            self.jain_steps += 1;
        }
    }

    pub(crate) fn end(&mut self, now_ms: u64, ledger: Ledger) {
        self.ended_ms = now_ms;
        self.ledger = ledger;
    }
}

/// Jain's fairness index; `None` for fewer than two, or when nobody has anything.
fn jain(shares: &[f64]) -> Option<f64> {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    (shares.len() > 1 && squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jain_is_one_when_even_and_falls_to_one_nth() {
        assert_eq!(jain(&[2.0, 2.0]), Some(1.0));
        assert_eq!(jain(&[4.0, 0.0, 0.0, 0.0]), Some(0.25));
        assert_eq!(jain(&[4.0]), None);
        assert_eq!(jain(&[0.0, 0.0]), None);
    }

    #[test]
    fn only_a_jobs_newest_launch_is_the_job() {
        let mut record = Record::new(2, 1);
        assert_eq!(record.new_name(1), "1.1");
        assert_eq!(record.job_of("1.1"), Some(1));
        record.new_name(1);
        assert_eq!(record.job_of("1.1"), None);
        assert_eq!(record.job_of("7.1"), None);
    }
}
