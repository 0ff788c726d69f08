//! How a container ended: `exit.json`, and the request that can make it: `kill.json`.

use serde::{Deserialize, Serialize};

use crate::absence::Absence;

/// How the main process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
    /// It never ran; the reason says which step failed.
    NotStarted(String),
}

/// The last figures of a container, read when it was empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalUsage {
    /// Run time over its whole life.
    pub cpu_usage_ns: Option<u64>,
    /// The most memory it held.
    pub memory_peak_bytes: Option<u64>,
    /// How many of its processes the kernel killed for memory.
    pub oom_kills: Option<u64>,
    /// How often memory ran out at its own limit (cgroup v2).
    #[serde(default)]
    pub limit_ooms: Option<u64>,
    /// What of these could not be read, and why.
    #[serde(default)]
    pub absences: Vec<Absence>,
}

/// `exit.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// How the main process ended.
    pub outcome: Outcome,
    /// Whether it ended because it passed its memory limit: the kernel killed one of its
    /// processes for memory, and it neither succeeded nor was asked to end.
    pub oom: bool,
    /// The same, but memory had run out above it, on the node: its own limit was never passed.
    #[serde(default)]
    pub oom_elsewhere: bool,
    /// Whether it was asked to end.
    pub kill_requested: bool,
    /// Whether it had to be killed because the grace was over.
    pub forced: bool,
    /// What the supervisor ended it for by itself.
    #[serde(default)]
    pub cause: Option<EndCause>,
    /// When the main process was started.
    pub started_unix_ms: u64,
    /// When the container was empty.
    pub finished_unix_ms: u64,
    /// The last figures.
    pub usage: FinalUsage,
    /// Processes that outlived SIGKILL so far (uninterruptible sleep); they hold their resources.
    #[serde(default)]
    pub leftovers: Vec<i32>,
}

/// What a supervisor ends a task for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndCause {
    /// It ran longer than it may.
    Overdue,
    /// Its health check failed too often.
    Unhealthy,
}

/// `kill.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillRequest {
    /// The time between SIGTERM and SIGKILL; the spec's if absent.
    pub grace_ms: Option<u64>,
}
