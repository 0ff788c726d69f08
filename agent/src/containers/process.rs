//! One container that was started: asking it to end, its exit, and clearing up after it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{ContainerError, ContainerSpec, Launch, docker};
use crate::cgroup::ContainerCgroup;
use crate::supervisor::{
    CHECKS_FILE, Checked, Exit, STARTED_FILE, STARTING_FILE, SupervisorHandle,
};

/// A started container, running or not.
#[derive(Debug)]
pub struct Container {
    pub(super) dir: PathBuf,
    pub(super) launch: Launch,
    pub(super) cgroup: Option<ContainerCgroup>,
    /// Its group in the other class: there only if it was promoted out of it.
    pub(super) other: Option<ContainerCgroup>,
    supervisor: Option<SupervisorHandle>,
}

impl Container {
    pub(super) fn new(
        dir: &Path,
        launch: Launch,
        [cgroup, other]: [Option<ContainerCgroup>; 2],
        supervisor: Option<SupervisorHandle>,
    ) -> Container {
        Container { dir: dir.to_owned(), launch, cgroup, other, supervisor }
    }

    /// What was asked for.
    pub fn spec(&self) -> &ContainerSpec {
        &self.launch.spec
    }

    /// The directory of its documents.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The task's working directory, with its `stdout` and `stderr`.
    pub fn sandbox(&self) -> &Path {
        &self.launch.sandbox
    }

    /// Its control group, where the agent may make any.
    pub fn cgroup(&self) -> Option<&ContainerCgroup> {
        self.cgroup.as_ref()
    }

    /// Its supervisor, if it ran when this was made: wait on its pidfd. Without one the end is in
    /// `exit` already, or the container is lost.
    pub fn supervisor(&self) -> Option<&SupervisorHandle> {
        self.supervisor.as_ref()
    }

    /// There until the task executes its own program.
    pub fn starting_file(&self) -> PathBuf {
        self.dir.join(STARTING_FILE)
    }

    /// Whether the task has not executed its own program yet, or never did.
    pub fn is_starting(&self) -> bool {
        self.starting_file().exists()
    }

    /// Whether it runs and nobody has taken note of that (see [`Container::note_start`]).
    pub fn has_just_started(&self) -> bool {
        self.dir.join(STARTED_FILE).exists()
    }

    /// The start is durable elsewhere.
    pub fn note_start(&self) {
        // If this fails the start is told twice, which harms nobody.
        let _ = fs::remove_file(self.dir.join(STARTED_FILE));
    }

    /// Asks it to end within `grace_ms` (the spec's if absent).
    pub fn kill(&self, grace_ms: Option<u64>) -> Result<(), ContainerError> {
        match &self.supervisor {
            Some(supervisor) => supervisor.kill(grace_ms).map_err(|source| self.failed(source)),
            // Nobody is left to be asked; `cleanup` ends what the supervisor left.
            None => Ok(()),
        }
    }

    /// Where it is reached, if it has addresses of its own.
    pub fn addresses(&self) -> Option<docker::Addresses> {
        docker::Addresses::read(&self.dir)
    }

    /// Where its checks tell how they stand, if it has any.
    pub fn checks_file(&self) -> Option<PathBuf> {
        self.launch.spec.duties.checks().then(|| self.dir.join(CHECKS_FILE))
    }

    /// How its checks stand, if they have found anything; an unreadable document is none.
    pub fn checked(&self) -> Option<Checked> {
        crate::checkpoint::load(&self.checks_file()?).ok().flatten()
    }

    /// How it ended, once it has.
    pub fn exit(&self) -> Result<Option<Exit>, ContainerError> {
        let path = self.dir.join(crate::supervisor::EXIT_FILE);
        crate::checkpoint::load(&path)
            .map_err(|source| ContainerError::Checkpoint { id: self.id(), source })
    }

    /// Ends whatever is left of it and removes its group: once `exit` is there, or the supervisor
    /// is gone. Final figures are read before this.
    pub fn cleanup(&self) -> Result<(), ContainerError> {
        for cgroup in self.cgroup.iter().chain(&self.other) {
            cgroup
                .kill_all()
                .and_then(|()| cgroup.remove())
                .map_err(|source| ContainerError::Cgroup { id: self.id(), source })?;
        }
        Ok(())
    }

    /// Removes its documents: after `cleanup`, when every update is acknowledged. The sandbox
    /// stays until `remove_sandbox`.
    pub fn forget(self) -> Result<(), ContainerError> {
        // From now on it grows old (see `sandboxes`).
        let _ = fs::File::open(&self.launch.sandbox)
            .and_then(|sandbox| sandbox.set_modified(SystemTime::now()));
        self.remove_all(&self.dir)
    }

    /// Removes the sandbox with the task's output.
    pub fn remove_sandbox(&self) -> Result<(), ContainerError> {
        self.remove_all(&self.launch.sandbox)
    }

    fn remove_all(&self, path: &Path) -> Result<(), ContainerError> {
        match fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ContainerError::Io {
                id: self.id(),
                path: path.to_owned(),
                operation: "remove",
                source: e,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn id(&self) -> String {
        self.launch.spec.id.clone()
    }

    fn failed(&self, source: crate::supervisor::SupervisorError) -> ContainerError {
        ContainerError::Supervisor { id: self.id(), source }
    }
}
