//! What can go wrong with a container, naming it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::SpecError;
use crate::cgroup::CgroupError;
use crate::checkpoint::CheckpointError;
use crate::supervisor::SupervisorError;

/// A failed operation on a container.
#[derive(Debug, Error)]
pub enum ContainerError {
    /// The spec cannot be run.
    #[error("container {id}: {source}")]
    Spec {
        /// The container.
        id: String,
        /// What is wrong with its spec.
        source: SpecError,
    },
    /// There is such a container already.
    #[error("container {id} exists already in {}", dir.display())]
    Exists {
        /// The container.
        id: String,
        /// Its directory.
        dir: PathBuf,
    },
    /// There is no such container.
    #[error("{} holds no container (no spec.json)", dir.display())]
    NoContainer {
        /// The directory looked in.
        dir: PathBuf,
    },
    /// The state directory's file system has too little left.
    #[error(
        "{} has {free_bytes} bytes and {free_inodes} inodes left, too few to launch; \
         free some or move the state directory",
        path.display()
    )]
    StateDirFull {
        /// The state directory.
        path: PathBuf,
        /// Bytes left for the agent's user.
        free_bytes: u64,
        /// Inodes left.
        free_inodes: u64,
    },
    /// A directory of the container refused an operation.
    #[error("container {id}: cannot {operation} {}: {source}", path.display())]
    Io {
        /// The container.
        id: String,
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Its control group refused an operation.
    #[error("container {id}: {source}")]
    Cgroup {
        /// The container.
        id: String,
        /// What went wrong.
        source: CgroupError,
    },
    /// A document of its could not be written or read.
    #[error("container {id}: {source}")]
    Checkpoint {
        /// The container.
        id: String,
        /// What went wrong.
        source: CheckpointError,
    },
    /// Its supervisor could not be started or reached.
    #[error("container {id}: {source}")]
    Supervisor {
        /// The container.
        id: String,
        /// What went wrong.
        source: SupervisorError,
    },
}

impl ContainerError {
    /// Whether it was for lack of space in the state directory.
    pub fn is_full(&self) -> bool {
        match self {
            ContainerError::StateDirFull { .. } => true,
            ContainerError::Checkpoint { source, .. }
            | ContainerError::Supervisor { source: SupervisorError::Checkpoint(source), .. } => {
                source.is_full()
            }
            ContainerError::Io { source, .. } => {
                matches!(source.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
            }
            _ => false,
        }
    }
}
