//! Where a container's files are, below the agent's state directory: sandboxes where Mesos' agents
//! have them, and what the agent itself keeps below `meta`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::ContainerSpec;

/// The name in `runs` that leads to the newest one.
pub const LATEST: &str = "latest";

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

    /// `<state>/meta`: what the agent keeps for itself, readable by it only.
    pub fn meta(&self) -> PathBuf {
        self.state.join("meta")
    }

    /// `<state>/meta/containers`: the documents of each container.
    pub fn containers(&self) -> PathBuf {
        self.meta().join("containers")
    }

    /// `<state>/meta/containers/<id>`.
    pub fn container(&self, id: &str) -> PathBuf {
        self.containers().join(id)
    }

    /// `<state>/cache`: copies of what tasks fetched, one directory a user.
    pub fn cache(&self) -> PathBuf {
        self.state.join("cache")
    }

    /// `<state>/slaves`: all sandboxes.
    pub fn slaves(&self) -> PathBuf {
        self.state.join("slaves")
    }

    /// `<state>/slaves/<agent>/frameworks/<framework>/executors/<executor>/runs`. A task without an
    /// executor of its own is called as its executor, as in Mesos.
    pub fn runs(&self, agent: &str, framework: &str, executor: &str) -> PathBuf {
        let executors = self.slaves().join(agent).join("frameworks").join(framework);
        executors.join("executors").join(executor).join("runs")
    }

    /// `<runs>/<container>`: the task's working directory; of one in another container
    /// `<runs>/<other>/containers/<container>`.
    pub fn sandbox(&self, spec: &ContainerSpec) -> PathBuf {
        match spec.outer() {
            Some(outer) => self.inner_sandbox(spec, outer),
            None => self.runs(&spec.agent, &spec.framework, &spec.task).join(&spec.id),
        }
    }

    /// The newest sandbox that an executor had here, or a task of a group of that id, under whichever id
    /// the agent had then.
    pub fn newest_sandbox(&self, framework: &str, executor: &str) -> Option<PathBuf> {
        let plain = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with("..");
        if !plain(framework) || !plain(executor) {
            return None;
        }
        self.newest_run(framework, executor).or_else(|| self.newest_inner(framework, executor))
    }

    fn newest_run(&self, framework: &str, executor: &str) -> Option<PathBuf> {
        let newest = |agent: fs::DirEntry| {
            let runs = self.runs(&agent.file_name().to_string_lossy(), framework, executor);
            // By its own name, which is its container's.
            let sandbox = runs.join(fs::read_link(runs.join(LATEST)).ok()?);
            let changed = fs::metadata(&sandbox).and_then(|data| data.modified()).ok()?;
            Some((changed, sandbox))
        };
        let found = fs::read_dir(self.slaves()).ok()?.flatten().filter_map(newest);
        found
            .max_by_key(|(changed, _): &(SystemTime, PathBuf)| *changed)
            .map(|(_, sandbox)| sandbox)
    }
}
