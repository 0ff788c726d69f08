//! What can go wrong with a counter file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A file that cannot be registered.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The reader keeps as many files as it may.
    #[error("{} is not kept: the reader holds {bound} files already", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// The bound.
        bound: usize,
    },
}

/// Why a registered file gave nothing this time.
#[derive(Debug, Error)]
pub enum ReadFailure {
    /// The cgroup was removed: the descriptor is dropped and the id is spent.
    #[error("the group is gone")]
    Gone,
    /// It does not fit the buffer, so what was read may be cut anywhere.
    #[error("{} is bigger than {bound} bytes", path.display())]
    TooBig {
        /// The file.
        path: PathBuf,
        /// The buffer's size.
        bound: usize,
    },
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}
