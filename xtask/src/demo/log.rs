//! What the agent's log tells: quotas written, and the service's waits over its life.

use serde::Deserialize;

/// A quota of lent work was written.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Quota {
    pub(super) written_at_ns: u64,
    pub(super) quota_cpus_milli: Option<u64>,
}

/// A task's run-queue waits, by eBPF.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Waits {
    task: String,
    pub(super) wait_ms: f64,
    pub(super) wait_ms_p50: Option<f64>,
    pub(super) wait_ms_p99: Option<f64>,
    pub(super) switches: u64,
    pub(super) displaced_by_lent: u64,
}

/// All quotas written, in order.
pub(super) fn quotas(log: &str) -> Vec<Quota> {
    of_target(log, "headroom::reclaim").collect()
}

/// The waits of a task.
pub(super) fn waits(log: &str, task: &str) -> Option<Waits> {
    of_target(log, "headroom::waits").find(|waits: &Waits| waits.task == task)
}

fn of_target<T: for<'a> Deserialize<'a>>(log: &str, target: &str) -> impl Iterator<Item = T> {
    let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(move |line: &serde_json::Value| line["target"] == target)
        .filter_map(|line| serde_json::from_value(line).ok())
}

/// Which rung the agent measured on.
pub(super) fn absences(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    let said =
        lines.filter_map(|line: serde_json::Value| Some(line["message"].as_str()?.to_owned()));
    said.filter(|message| message.contains("is not measured")).collect()
}
