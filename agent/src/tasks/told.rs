//! What is told of a task, in a form that is kept on disk.

use crate::{
    containers::Found,
    order,
    supervisor::{Checked, EndCause, Exit, Outcome},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use headroom_proto::v1 as wire;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// One status, without its uuid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    state: i32,
    reason: i32,
    /// For people.
    pub message: String,
    exit_code: Option<i32>,
    signal: Option<i32>,
    timestamp_ms: u64,
    /// What an executor said, in base64: `mesos.v1.TaskStatus`, encoded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    mesos: String,
    #[serde(default)]
    healthy: Option<bool>,
    #[serde(default)]
    check: Option<Found>,
}

/// Why a task was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// Number of a `headroom.v1.Reason`.
    pub reason: i32,
    /// For people.
    pub why: String,
}

impl Told {
    fn new(state: wire::TaskState, reason: wire::Reason, message: impl Into<String>) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            state: state.into(),
            reason: reason.into(),
            message: message.into(),
            exit_code: None,
            signal: None,
            timestamp_ms: since_1970.as_millis() as u64,
            mesos: String::new(),
            healthy: None,
            check: None,
        }
    }

    /// It runs.
    #[must_use]
    pub fn running() -> Self {
        Self::new(wire::TaskState::Running, wire::Reason::Unspecified, "")
    }

    /// It ended well.
    #[must_use]
    pub fn finished() -> Self {
        Self::new(wire::TaskState::Finished, wire::Reason::Unspecified, "")
    }

    /// What an executor said of a task of its own.
    #[must_use]
    pub fn by_executor(state: wire::TaskState, said: &[u8]) -> Self {
        let mesos = BASE64.encode(said);
        Self { mesos, ..Self::new(state, wire::Reason::Unspecified, "") }
    }

    /// It was never started, as its executor is not there any more.
    #[must_use]
    pub fn dropped() -> Self {
        let message = "its executor is not there any more";
        Self::new(wire::TaskState::Lost, wire::Reason::ExecutorEnded, message)
    }

    /// It is not started, as another of its group could not be.
    #[must_use]
    pub fn with_its_group() -> Self {
        let message = "another task of its group could not be started";
        Self::new(wire::TaskState::Killed, wire::Reason::GroupEnded, message)
    }

    /// It ended with its executor.
    #[must_use]
    pub fn with_executor(state: wire::TaskState, reason: wire::Reason, message: &str) -> Self {
        Self::new(state, reason, message)
    }

    /// It runs, and its checks have found something new.
    #[must_use]
    pub fn checked(checked: &Checked) -> Self {
        let reason =
            if checked.is_health { wire::Reason::HealthCheck } else { wire::Reason::Check };
        let message = match (checked.is_health, checked.healthy) {
            (true, Some(false)) => {
                format!("its health check failed, {} in a row", checked.failures)
            }
            _ => String::new(),
        };
        Self::new(wire::TaskState::Running, reason, message)
    }

    /// The same, with how its checks stand.
    #[must_use]
    pub fn with_checks(self, checked: Option<&Checked>) -> Self {
        match checked {
            Some(checked) => Self { healthy: checked.healthy, check: checked.check, ..self },
            None => self,
        }
    }

    /// It could not be run, or ended badly.
    #[must_use]
    pub fn failed(reason: wire::Reason, message: impl Into<String>) -> Self {
        Self::new(wire::TaskState::Failed, reason, message)
    }

    /// Nobody can tell how it ended.
    #[must_use]
    pub fn lost(message: &str) -> Self {
        Self::new(wire::TaskState::Lost, wire::Reason::AgentRestarted, message)
    }

    /// How a container ended; `kill`: what was ordered, if anything.
    #[must_use]
    pub fn exit(exit: &Exit, kill: Option<&Kill>) -> Self {
        let (exit_code, signal) = match exit.outcome {
            Outcome::Exited(code) => (Some(code), None),
            Outcome::Signaled(signal) => (None, Some(signal)),
            Outcome::NotStarted(_) | Outcome::Unseen(_) => (None, None),
        };
        let told = match &exit.outcome {
            _ if exit.cause == Some(EndCause::Overdue) => {
                let message = "it ran longer than its max_completion_ms and was ended";
                Self::failed(wire::Reason::MaxCompletionTime, message)
            }
            // While it was being started: a pull or a fetch can take long.
            Outcome::NotStarted(_) | Outcome::Unseen(_) if exit.kill_requested => {
                Self::killed(exit, kill)
            }
            Outcome::Unseen(reason) => Self::lost(reason),
            Outcome::NotStarted(reason) => Self::failed(
                wire::Reason::LaunchFailed,
                format!("it could not be started: {reason}"),
            ),
            _ if exit.oom => {
                let message = "the kernel killed it for passing its memory limit";
                Self::failed(wire::Reason::MemoryLimit, format!("{message}{}", peak(exit)))
            }
            _ if exit.oom_elsewhere => {
                let message = "the kernel killed it as the node, not the task, ran out of memory";
                Self::failed(wire::Reason::CommandFailed, format!("{message}{}", peak(exit)))
            }
            _ if exit.kill_requested => Self::killed(exit, kill),
            Outcome::Exited(0) => Self::finished(),
            Outcome::Exited(code) => Self::failed(
                wire::Reason::CommandFailed,
                command(&format!("exited with status {code}")),
            ),
            Outcome::Signaled(signal) => Self::failed(
                wire::Reason::CommandFailed,
                command(&format!("terminated with signal {}", signal_name(*signal))),
            ),
        };
        Self { exit_code, signal, ..told }
    }

    fn killed(exit: &Exit, kill: Option<&Kill>) -> Self {
        if exit.cause == Some(EndCause::Unhealthy) {
            let message = "its health check failed too often in a row and it was ended";
            return Self::new(wire::TaskState::Killed, wire::Reason::HealthCheck, message);
        }
        let reason = kill
            .and_then(|kill| wire::Reason::try_from(kill.reason).ok())
            .unwrap_or(wire::Reason::KilledByFramework);
        let why = kill.map_or("", |kill| kill.why.as_str());
        let how = if exit.forced { "it did not end within its grace and was forced" } else { "" };
        let message = [why, how].into_iter().filter(|part| !part.is_empty());
        Self::new(wire::TaskState::Killed, reason, message.collect::<Vec<_>>().join("; "))
    }

    /// How far the task is.
    #[must_use]
    pub fn state(&self) -> wire::TaskState {
        wire::TaskState::try_from(self.state).unwrap_or_default()
    }

    /// As the wire says it; an empty `uuid` wants no acknowledgement.
    #[must_use]
    pub fn status(&self, task: &str, uuid: Vec<u8>) -> wire::TaskStatus {
        wire::TaskStatus {
            task_id: task.to_owned(),
            agent_id: String::new(),
            state: self.state,
            reason: self.reason,
            message: self.message.clone(),
            exit_code: self.exit_code,
            signal: self.signal,
            uuid,
            timestamp_ms: self.timestamp_ms,
            mesos: BASE64.decode(&self.mesos).unwrap_or_default(),
            healthy: self.healthy,
            check: self.check.map(order::found),
            container: None,
        }
    }
}

/// In the words of Mesos' command executor, which tools of its frameworks look for.
fn command(ended: &str) -> String {
    format!("Command {ended}")
}

/// As strsignal(3) calls it.
fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 15] = [
        "Hangup",
        "Interrupt",
        "Quit",
        "Illegal instruction",
        "Trace/breakpoint trap",
        "Aborted",
        "Bus error",
        "Floating point exception",
        "Killed",
        "User defined signal 1",
        "Segmentation fault",
        "User defined signal 2",
        "Broken pipe",
        "Alarm clock",
        "Terminated",
    ];
    let at = usize::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    let name = at.and_then(|at| NAMES.get(at));
    name.map_or_else(|| signal.to_string(), |name| (*name).to_owned())
}

fn peak(exit: &Exit) -> String {
    let peak = exit.usage.memory_peak_bytes;
    peak.map_or(String::new(), |bytes| format!("; it had {} MiB at its peak", bytes >> 20))
}
