//! Containers of the node's Docker daemon.
//!
//! Owns what such a container is, every request to the daemon, and the life of a container from
//! pull to removal, which runs in the task's supervisor process. The container's control group is
//! made below the task's own, which carries all limits; Docker is only asked to run what is in it.

mod body;
mod credentials;
mod daemon;
mod duties;
mod error;
mod exec;
mod life;
mod network;
mod output;
mod parameter;
mod spec;
mod start;
mod sweep;

pub use daemon::{DEFAULT_SOCKET, Daemon};
pub use error::DockerError;
pub(crate) use life::supervise;
pub use network::Addresses;
pub use spec::{DockerSpec, HostVolume, MAX_PARTS, Network, PortMapping, SANDBOX};
pub use sweep::{Sweeper, absence};

use std::path::{Path, PathBuf};

use bollard::models::ContainerCreateBody;
use serde::{Deserialize, Serialize};

/// How the agent gets on with Docker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub socket: PathBuf,
    /// Credentials for registries, as `docker login` keeps them.
    pub config: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { socket: DEFAULT_SOCKET.into(), config: None }
    }
}

/// What the supervisor of a Docker container must know besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerLaunch {
    /// Where Docker listens.
    pub socket: PathBuf,
    /// Whose container it is.
    pub owner: String,
    /// Credentials for registries, as `docker login` keeps them.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Persistent volumes: their directories, and where the task sees them from its sandbox.
    pub volumes: Vec<(PathBuf, String)>,
}

impl DockerLaunch {
    pub(super) fn new(settings: &Settings, state: &Path, volumes: Vec<(PathBuf, String)>) -> Self {
        let Settings { socket, config } = settings.clone();
        DockerLaunch { socket, config, owner: body::owner(state), volumes }
    }
}

impl DockerSpec {
    /// Checks the parameters too, which the spec alone does not know.
    pub(super) fn validate_all(&self) -> Result<(), String> {
        self.validate()?;
        let mut body = ContainerCreateBody::default();
        self.parameters.iter().try_for_each(|(key, value)| parameter::apply(&mut body, key, value))
    }
}
