//! What can go wrong between the agent and a supervisor.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::checkpoint::CheckpointError;

/// A supervisor that could not be started or reached.
#[derive(Debug, Error)]
pub enum SupervisorError {
    /// The executable could not be started.
    #[error("cannot start the supervisor {}: {source}", exe.display())]
    Spawn {
        /// The executable.
        exe: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It started and gave up at once.
    #[error("the supervisor gave up at start ({status}): {log}; see {}", dir.display())]
    GaveUp {
        /// The container's directory.
        dir: PathBuf,
        /// How it ended.
        status: String,
        /// The last of its log.
        log: String,
    },
    /// No supervisor was ever recorded.
    #[error("{} has no supervisor.json", dir.display())]
    NotRecorded {
        /// The container's directory.
        dir: PathBuf,
    },
    /// The recorded process is no more (or its pid is another's now).
    #[error("the supervisor of {} (pid {pid}) is gone", dir.display())]
    Gone {
        /// The container's directory.
        dir: PathBuf,
        /// The recorded pid.
        pid: i32,
    },
    /// A system call or a file of /proc refused.
    #[error("cannot {operation} for {}: {source}", dir.display())]
    System {
        /// The container's directory.
        dir: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A document could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl SupervisorError {
    pub(super) fn system(
        dir: &Path,
        operation: &'static str,
        source: impl Into<io::Error>,
    ) -> SupervisorError {
        SupervisorError::System { dir: dir.to_owned(), operation, source: source.into() }
    }
}
