//! Where a container's files are, below the agent's state directory.

use std::path::{Path, PathBuf};

use super::ContainerSpec;

/// The agent's state directory.
#[derive(Clone, Debug)]
pub struct Layout {
    state: PathBuf,
}

impl Layout {
    /// The layout below `state`.
    pub fn new(state: impl Into<PathBuf>) -> Layout {
        Layout { state: state.into() }
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// `<state>/containers`: one directory per container, readable by the agent only.
    pub fn containers(&self) -> PathBuf {
        self.state.join("containers")
    }

    /// `<state>/containers/<id>`.
    pub fn container(&self, id: &str) -> PathBuf {
        self.containers().join(id)
    }

    /// `<state>/sandboxes`.
    pub fn sandboxes(&self) -> PathBuf {
        self.state.join("sandboxes")
    }

    /// `<state>/sandboxes/<framework>/<task>/<container>`: the task's working directory.
    pub fn sandbox(&self, spec: &ContainerSpec) -> PathBuf {
        self.sandboxes().join(&spec.framework).join(&spec.task).join(&spec.id)
    }
}
