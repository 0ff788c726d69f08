//! Why a file could not be fetched: names the URI and what to do.

use std::{io, path::PathBuf};
use thiserror::Error;

/// A failed fetch.
#[derive(Debug, Error)]
pub enum FetchError {
    /// A kind of URI that nobody here can follow.
    #[error("cannot fetch {uri:?}: only http://, https://, file:// and absolute paths are known")]
    Unknown {
        /// As given.
        uri: String,
    },
    /// It has no last part.
    #[error("cannot fetch {uri:?}: it ends in no file's name; say one with output_file")]
    NoName {
        /// As given.
        uri: String,
    },
    /// It would lie outside of the sandbox.
    #[error("cannot fetch {uri:?} to {name:?}: output_file must be a path inside of the sandbox")]
    Place {
        /// As given.
        uri: String,
        /// Where it was to go.
        name: String,
    },
    /// The server does not give it.
    #[error("cannot fetch {uri:?}: the server answers {status}; check the URI and who may read it")]
    Status {
        /// As given.
        uri: String,
        /// What it answers.
        status: u16,
    },
    /// The server can't be reached, or stops in the middle.
    #[error("cannot fetch {uri:?}: {problem}; check that this node reaches the server")]
    Network {
        /// As given.
        uri: String,
        /// What happened.
        problem: String,
    },
    /// The source, or the copy that is kept, can't be read.
    #[error("cannot fetch {uri:?}: cannot read {}: {source}; the task's user must be able to", path.display())]
    Read {
        /// As given.
        uri: String,
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The sandbox, or the place of the copy, can't be written.
    #[error("cannot fetch {uri:?}: cannot write {}: {source}", path.display())]
    Write {
        /// As given.
        uri: String,
        /// What was written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More than a task may fetch.
    #[error(
        "cannot fetch {uri:?}: with what it unpacks it passes the {bytes} bytes that one task may \
         fetch on this agent (fetch_task_mib)"
    )]
    TooMuch {
        /// As given.
        uri: String,
        /// The bound.
        bytes: u64,
    },
    /// It is no archive of the kind its name says, or a damaged one.
    #[error("cannot unpack {uri:?}: {source}; if it is no archive, set extract to false")]
    Archive {
        /// As given.
        uri: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The archive names something outside of the sandbox.
    #[error("cannot unpack {uri:?}: it holds {entry:?}, {reason}")]
    Entry {
        /// As given.
        uri: String,
        /// What it holds.
        entry: String,
        /// What is wrong with that.
        reason: &'static str,
    },
    /// Another task has been fetching the same for too long.
    #[error("cannot fetch {uri:?}: another task fetches it and does not get on")]
    Waiting {
        /// As given.
        uri: String,
    },
}
