//! What can go wrong between us and Docker.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use bollard::errors::Error;

/// A failed request to Docker.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// Nobody answers.
    #[error(
        "Docker does not answer at {}: {reason}; is it running? The agent's setting \
         `docker_socket` says where it listens",
        socket.display()
    )]
    Away {
        /// Where it should listen.
        socket: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It answered, and would not.
    #[error("Docker cannot {what}: {words}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Its own words.
        words: String,
    },
    /// It would put containers where we can't limit them.
    #[error(
        "Docker makes its control groups by the driver {driver:?}; tasks in its containers need the \
         driver \"cgroupfs\": write {{\"exec-opts\": [\"native.cgroupdriver=cgroupfs\"]}} into its \
         daemon.json and restart it"
    )]
    CgroupDriver {
        /// The driver.
        driver: String,
    },
}

impl DockerError {
    /// Sorts a failure: an answer of Docker's, or none.
    pub(super) fn of(socket: &Path, what: &str, error: &Error) -> DockerError {
        match error {
            Error::DockerResponseServerError { message: words, .. }
            | Error::DockerStreamError { error: words } => {
                DockerError::Refused { what: what.to_owned(), words: words.trim().to_owned() }
            }
            Error::JsonDataError { message, .. } => {
                let words = format!("its answer is not understood: {message}");
                DockerError::Refused { what: what.to_owned(), words }
            }
            Error::RequestTimeoutError => away(socket, "it took too long"),
            Error::SocketNotFoundError(_) => away(socket, "there is no such socket"),
            other => match system(other) {
                Some(source) => away(socket, &source),
                None => away(socket, &other.to_string()),
            },
        }
    }
}

fn away(socket: &Path, reason: &str) -> DockerError {
    DockerError::Away { socket: socket.to_owned(), reason: reason.to_owned() }
}

/// What the system said, however deep it is wrapped.
fn system(error: &Error) -> Option<String> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io.to_string());
        }
        source = inner.source();
    }
    None
}

/// Whether Docker says that there is no such thing.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}
