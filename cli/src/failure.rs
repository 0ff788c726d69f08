//! What can go wrong in a command: one line that says what, one that says what to do next, and
//! the exit code.

use std::io;

use headroom_sim::{forecast::ForecastError, packing::PackError, schedule::ScheduleError};

use crate::exit;

/// A command's error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no allocator answers at {address} ({cause})")]
    Unreachable { address: String, cause: String },
    #[error("no {kind} named {name:?}")]
    NotFound { kind: &'static str, name: String, next: &'static str },
    #[error("{0}")]
    Usage(String),
    #[error("the allocator refused it: {message}")]
    Refused { message: String },
    #[error("{action}: {message}")]
    Call { action: &'static str, message: String },
    #[error("task {task:?} found no place within {waited}")]
    NotPlaced { task: String, waited: String },
    #[error("the allocator at {address} has been gone for {gone}; task {task:?} was given up")]
    Abandoned { address: String, task: String, gone: String },
    #[error("the allocator ended the subscription: {0}")]
    Ended(String),
    #[error("{action}: {source}")]
    Io { action: &'static str, source: io::Error },
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl Failure {
    /// What the reader can do about it.
    pub(crate) fn next(&self) -> Option<String> {
        match self {
            Failure::Unreachable { .. } => Some(
                "start one with `headroom up`, or name another with --address or HEADROOM_ADDRESS"
                    .into(),
            ),
            Failure::NotFound { next, .. } => Some((*next).into()),
            Failure::Usage(_) => Some("see --help".into()),
            Failure::NotPlaced { task, .. } => Some(format!(
                "ask for less, wait longer with --timeout, or see `headroom status`; {task} was withdrawn"
            )),
            Failure::Abandoned { .. } => {
                Some("when it is back, `headroom ps -a` says what became of the task".into())
            }
            Failure::Ended(_) => Some("run it again; `headroom status` shows the cluster".into()),
            Failure::Refused { .. }
            | Failure::Call { .. }
            | Failure::Io { .. }
            | Failure::Forecast(_)
            | Failure::Schedule(_)
            | Failure::Pack(_) => None,
        }
    }

    /// The process' exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Unreachable { .. } => exit::UNREACHABLE,
            Failure::NotFound { .. } => exit::NOT_FOUND,
            Failure::Usage(_)
            | Failure::Schedule(ScheduleError::Option(_))
            | Failure::Forecast(ForecastError::Option(_) | ForecastError::NoSuchPredictor { .. }) => {
                exit::USAGE
            }
            _ => exit::FAILURE,
        }
    }

    /// `run`'s exit codes belong to the task; all of ours but a wrong command line are 125.
    pub(crate) fn code_of_run(&self) -> u8 {
        match self {
            Failure::Usage(_) => exit::USAGE,
            _ => exit::RUN_FAILED,
        }
    }

    /// The reader of our output went away (`headroom ps | head -1`): nothing to complain about.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
