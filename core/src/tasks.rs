//! Tasks: one launch each, on one agent, of one framework.

use crate::{
    command::TaskUsage,
    executor::Kind,
    ids::{AgentId, FrameworkId, TaskHandle},
    overcommit::Peaks,
    reservation::Parts,
    resources::{Amounts, Resources},
    roles::RoleSlot,
    time::Time,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskState {
    /// Accepted, on its way to the agent.
    Staging,
    /// Running.
    Running,
    /// Asked to end.
    Killing,
    /// Ended with exit code 0.
    Finished,
    /// Ended otherwise by itself.
    Failed,
    /// Ended because it was asked to.
    Killed,
    /// Nobody knows of it any more.
    Lost,
    /// Refused, its description was wrong.
    Error,
    /// Its agent does not answer.
    Unreachable,
}

impl TaskState {
    /// Whether it holds nothing any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed | Self::Lost | Self::Error)
    }
}

/// Why a task is in its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Nothing special.
    #[default]
    None,
    /// Exit code other than 0, or a signal.
    CommandFailed,
    /// Killed by the kernel for passing its memory limit.
    MemoryLimit,
    /// Lent resources were taken back.
    Preempted,
    /// The agent could not start it.
    LaunchFailed,
    /// Its description was wrong.
    InvalidTask,
    /// The description of a task of its group was wrong, or the group's as a whole.
    InvalidGroup,
    /// The offers it was to use are not there any more.
    InvalidOffers,
    /// Its framework asked.
    KilledByFramework,
    /// The operator asked.
    KilledByOperator,
    /// Its framework is gone.
    FrameworkRemoved,
    /// Its agent did not answer for too long.
    AgentLost,
    /// The agent came back without it.
    AgentRestarted,
    /// The answer to a question.
    Reconciliation,
    /// The agent's state directory is full.
    StateDirectoryFull,
    /// A task of its group failed or was ended, and so was it.
    GroupEnded,
    /// Its executor ended before it did.
    ExecutorEnded,
    /// Its executor did not register in time.
    ExecutorSilent,
    /// It ran longer than it may.
    MaxCompletionTime,
    /// Its health changed, or it was ended for it.
    HealthCheck,
    /// What its check finds changed.
    Check,
    /// An operator drains its agent.
    AgentDraining,
    /// An operator has declared its agent gone, or drains it to that end.
    AgentGone,
}

/// What a task's check found last; nothing yet, or nothing in time, without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// A command's exit code.
    Command(Option<i32>),
    /// A server's status code.
    Http(Option<u32>),
    /// Whether a connection came about.
    Tcp(Option<bool>),
}

/// What is told of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// The framework's name for it.
    pub name: String,
    /// Where it is.
    pub agent: Option<AgentId>,
    /// How far it is.
    pub state: TaskState,
    /// Why.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// Of its main process.
    pub exit_code: Option<i32>,
    /// The signal that ended its main process.
    pub signal: Option<i32>,
    /// Set: sent again until it is acknowledged.
    pub uuid: Option<[u8; 16]>,
    /// Milliseconds since 1970, on the sender's clock; 0: the core said it.
    pub timestamp_ms: u64,
    /// All else that an executor said; the core passes it on and never looks.
    pub payload: Vec<u8>,
    /// What its health check found last.
    pub healthy: Option<bool>,
    /// What its check found last.
    pub check: Option<CheckResult>,
}

impl TaskStatus {
    /// A status that the core itself makes: needs no acknowledgement.
    #[must_use]
    pub fn of(name: &str, agent: Option<AgentId>, state: TaskState, reason: Reason) -> Self {
        Self {
            name: name.to_owned(),
            agent,
            state,
            reason,
            message: String::new(),
            exit_code: None,
            signal: None,
            uuid: None,
            timestamp_ms: 0,
            payload: Vec::new(),
            healthy: None,
            check: None,
        }
    }

    /// The same with a sentence for people.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

/// One launch.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name here.
    pub handle: TaskHandle,
    /// Whose it is.
    pub framework: FrameworkId,
    /// What its framework calls it.
    pub name: Arc<str>,
    /// Where it is.
    pub agent: AgentId,
    /// The role it counts for.
    pub role: RoleSlot,
    /// What it holds, until it has ended.
    pub request: Resources,
    /// The reserved part of that.
    pub reserved: Parts,
    /// Whether that is lent.
    pub revocable: bool,
    /// Whether it is an executor, or runs in one.
    pub kind: Kind,
    /// How far it is.
    pub state: TaskState,
    /// When it was accepted, or relearned.
    pub since: Time,
    /// The last report on it.
    pub usage: TaskUsage,
    /// The update its framework has not acknowledged yet (agents send one at a time).
    pub unacknowledged: Option<TaskStatus>,
}

impl Task {
    /// The same, but for the update that its framework has not acknowledged.
    pub(crate) fn without_update(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            request: self.request.clone(),
            reserved: self.reserved.clone(),
            unacknowledged: None,
            ..*self
        }
    }

    /// What it is predicted to use at most.
    #[must_use]
    pub fn peaks(&self) -> Peaks {
        Peaks::of(self.request.amounts, self.usage.forecast)
    }

    /// The same, if it is not to be disturbed; else nothing.
    pub(crate) fn guaranteed_peaks(&self) -> Peaks {
        let counts = !self.revocable && !self.state.is_terminal();
        if counts { self.peaks() } else { Peaks::default() }
    }

    /// What it was measured to use.
    #[must_use]
    pub fn used(&self) -> Amounts {
        self.usage.usage.or(Amounts::ZERO)
    }
}

/// A task that has ended, for `ps -a`.
#[derive(Clone, Debug)]
pub struct EndedTask {
    /// As it was.
    pub task: Task,
    /// Its framework's name, which may be gone.
    pub framework_name: String,
    /// How it ended.
    pub status: TaskStatus,
}

/// So many ended tasks are remembered.
pub const MAX_ENDED: usize = 1_000;

/// All tasks.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// Those that run, and those ended whose last update is not acknowledged.
    pub by_handle: BTreeMap<TaskHandle, Box<Task>>,
    /// The newest [`MAX_ENDED`] that are over.
    pub ended: VecDeque<EndedTask>,
}

impl Tasks {
    /// Remembers an ended task, forgetting the oldest at the bound.
    pub(crate) fn remember(&mut self, ended: EndedTask) {
        if self.ended.len() == MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(ended);
    }
}
