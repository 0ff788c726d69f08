//! Why something could not be measured.

use std::{io, path::PathBuf};
use thiserror::Error;

/// Why something could not be measured.
#[derive(Debug, Error)]
pub enum Fault {
    /// It needs a right or a file that is not here; said in the report, and no failure.
    #[error("{0}")]
    Absent(String),
    /// The core did not answer as the workload needs.
    #[error("the core answered otherwise than expected: {0}")]
    Core(String),
    /// A file, directory or process.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was done.
        what: &'static str,
        /// To which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The allocator in this process.
    #[error("cannot start the allocator: {0}")]
    Serve(#[from] headroom_allocator::ServeError),
    /// The transport.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
    /// A call.
    #[error("{call}: {status}")]
    Call {
        /// Which.
        call: &'static str,
        /// What came back.
        status: Box<tonic::Status>,
    },
    /// It did not come in time, or the stream ended before it.
    #[error("waited in vain for {0}")]
    Waited(String),
}

impl Fault {
    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.into(), source }
    }

    pub(crate) fn call(call: &'static str) -> impl FnOnce(tonic::Status) -> Self {
        move |status| Self::Call { call, status: Box::new(status) }
    }
}
