//! What can go wrong with the agent's own files.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failed operation on a checkpointed document.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system of the state directory is full.
    #[error("no space left for {}; free some space or inodes on its file system", path.display())]
    Full {
        /// The file that could not be written.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The document is there but cannot be understood.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The document.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// It would be bigger than what is read again.
    #[error("{} would have {bytes} bytes, more than {max_bytes}", path.display())]
    TooBig {
        /// The document.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The bound.
        max_bytes: u64,
    },
    /// The queue of unacknowledged updates is at its bound.
    #[error("{} holds {bound} unacknowledged updates already; acknowledge some first", path.display())]
    TooManyUpdates {
        /// The queue's document.
        path: PathBuf,
        /// The bound.
        bound: usize,
    },
    /// An acknowledgement for something else than the oldest update.
    #[error("update {uuid} is not the oldest unacknowledged one in {}", path.display())]
    NotHead {
        /// The queue's document.
        path: PathBuf,
        /// What was acknowledged.
        uuid: String,
    },
}

impl CheckpointError {
    pub(crate) fn io(path: &Path, operation: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => CheckpointError::Full { path: path.to_owned() },
            _ => CheckpointError::Io { path: path.to_owned(), operation, source },
        }
    }

    /// Whether it was for lack of space.
    pub fn is_full(&self) -> bool {
        matches!(self, CheckpointError::Full { .. })
    }
}
