//! How a container ended: `exit.json`, and the request that can make it: `kill.json`.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::EXIT_FILE;
use super::kill::Kill;
use crate::absence::Absence;
use crate::checkpoint;

/// A full disk may be freed; the exit is not lost so soon.
const WRITE_ATTEMPTS: u32 = 600;
const WRITE_PAUSE: Duration = Duration::from_secs(1);

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
    /// It ran and is over, and who ran it can't tell how it ended, for this reason.
    Unseen(String),
}

/// The last figures of a container, read when it was empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalUsage {
    /// Run time over its whole life.
    pub cpu_usage_ns: Option<u64>,
    /// The most memory it held (of one that was promoted: before or after that).
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

impl FinalUsage {
    /// Both together; what either lacks is absent.
    pub(super) fn plus(mut self, other: Self) -> Self {
        let both = |a: Option<u64>, b: Option<u64>, add: fn(u64, u64) -> u64| Some(add(a?, b?));
        self.absences.extend(other.absences);
        Self {
            cpu_usage_ns: both(self.cpu_usage_ns, other.cpu_usage_ns, u64::saturating_add),
            memory_peak_bytes: both(self.memory_peak_bytes, other.memory_peak_bytes, u64::max),
            oom_kills: both(self.oom_kills, other.oom_kills, u64::saturating_add),
            limit_ooms: both(self.limit_ooms, other.limit_ooms, u64::saturating_add),
            absences: self.absences,
        }
    }
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

impl Exit {
    /// Judges an end; `kill`: what was asked for, if anything.
    pub(crate) fn new(
        outcome: Outcome,
        kill: Option<&Kill>,
        started_unix_ms: u64,
        usage: FinalUsage,
        leftovers: Vec<i32>,
    ) -> Exit {
        let failed = matches!(outcome, Outcome::Signaled(_))
            || matches!(outcome, Outcome::Exited(code) if code != 0);
        let killed = failed && kill.is_none() && usage.oom_kills.is_some_and(|kills| kills > 0);
        // Where it can't be told (v1), the own limit is by far the likelier one.
        let elsewhere = killed && usage.limit_ooms == Some(0);
        Exit {
            oom: killed && !elsewhere,
            oom_elsewhere: elsewhere,
            outcome,
            kill_requested: kill.is_some(),
            cause: None,
            forced: kill.is_some_and(|kill| kill.forced),
            started_unix_ms,
            finished_unix_ms: unix_ms(),
            usage,
            leftovers,
        }
    }

    /// Writes it down; waits for room on a full disk.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), String> {
        let path = dir.join(EXIT_FILE);
        let mut last = String::new();
        for _ in 0..WRITE_ATTEMPTS {
            match checkpoint::save(&path, self) {
                Ok(()) => return Ok(()),
                Err(e) => last = e.to_string(),
            }
            if !dir.is_dir() {
                // The agent removed the container: nobody waits for its exit.
                break;
            }
            sleep(WRITE_PAUSE);
        }
        Err(format!("the exit {self:?} could not be written: {last}"))
    }
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

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
