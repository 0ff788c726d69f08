//! One task in an executor: what it is, and what is still to be told of it.

use super::telling::Telling;
use crate::{
    checkpoint::{self, CheckpointError},
    order::Order,
};
use headroom_proto::v1 as wire;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const FILE: &str = "task.json";
const INFO_FILE: &str = "task_info";
/// There once its executor has spoken of it, and so is not to be told of it again.
const KNOWN_FILE: &str = "known";
/// Below the container's documents: a directory for each of its tasks.
const DIRECTORY: &str = "tasks";

/// What must be remembered of a task in an executor.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Document {
    framework: String,
    name: String,
    revocable: bool,
    order: Order,
}

pub(super) struct Inside {
    pub(super) executor: u64,
    pub(super) framework: String,
    pub(super) name: String,
    pub(super) revocable: bool,
    pub(super) order: Order,
    pub(super) state: wire::TaskState,
    pub(super) telling: Telling,
    dir: PathBuf,
}

impl Inside {
    /// A new one; `info` is what its framework wrote.
    pub(super) fn create(
        container_dir: &Path,
        executor: u64,
        launch: &wire::Launch,
        order: Order,
    ) -> Result<Self, CheckpointError> {
        let dir = container_dir.join(DIRECTORY).join(order.handle.to_string());
        fs::create_dir_all(&dir).map_err(|e| CheckpointError::io(&dir, "make", e))?;
        let task = launch.task.clone().unwrap_or_default();
        let info = task.mesos.map(|mesos| mesos.task_info).unwrap_or_default();
        let path = dir.join(INFO_FILE);
        fs::write(&path, info).map_err(|e| CheckpointError::io(&path, "write", e))?;
        let document = Document {
            framework: launch.framework_id.clone(),
            name: task.task_id,
            revocable: launch.revocable,
            order,
        };
        checkpoint::save(&dir.join(FILE), &document)?;
        Self::of(executor, document, dir)
    }

    fn of(executor: u64, document: Document, dir: PathBuf) -> Result<Self, CheckpointError> {
        let Document { framework, name, revocable, order } = document;
        let telling = Telling::open(&dir)?;
        // The newest update may be acknowledged and gone: then it was no end.
        let known = dir.join(KNOWN_FILE).exists();
        let quiet = if known { wire::TaskState::Running } else { wire::TaskState::Staging };
        let state = telling.newest().map_or(quiet, |told| told.state());
        Ok(Self { executor, framework, name, revocable, order, state, telling, dir })
    }

    /// Those that an earlier agent left with a container; one that can't be read is left out, with the
    /// reason.
    pub(super) fn recover(
        container_dir: &Path,
        executor: u64,
    ) -> Vec<Result<Self, CheckpointError>> {
        let Ok(entries) = fs::read_dir(container_dir.join(DIRECTORY)) else { return Vec::new() };
        let dirs = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let read = dirs.filter_map(|dir| match checkpoint::load::<Document>(&dir.join(FILE)) {
            Ok(Some(document)) => Some(Self::of(executor, document, dir)),
            // Its launch was cut short: nobody was told of it.
            Ok(None) => None,
            Err(fault) => Some(Err(fault)),
        });
        read.collect()
    }

    /// What its framework wrote: `mesos.v1.TaskInfo`, encoded.
    pub(super) fn info(&self) -> io::Result<Vec<u8>> {
        fs::read(self.dir.join(INFO_FILE))
    }

    /// Its executor tells how it is.
    pub(super) fn set_state(&mut self, state: wire::TaskState) {
        if self.state == wire::TaskState::Staging {
            // If this fails it may be told to its executor twice, after a restart of the agent.
            let _ = fs::write(self.dir.join(KNOWN_FILE), "");
        }
        self.state = state;
    }

    pub(super) fn has_ended(&self) -> bool {
        use wire::TaskState::{Error, Failed, Finished, Killed, Lost};
        matches!(self.state, Finished | Failed | Killed | Lost | Error)
    }

    /// `container`: its executor's.
    pub(super) fn next_to_tell(
        &mut self,
        container: wire::ContainerStatus,
    ) -> Option<wire::StatusUpdate> {
        let status = self.telling.next_to_tell(&self.name)?;
        Some(wire::StatusUpdate {
            handle: self.order.handle,
            framework_id: self.framework.clone(),
            status: Some(wire::TaskStatus { container: Some(container), ..status }),
        })
    }

    /// Nothing is to be told of it any more.
    pub(super) fn forget(self) -> io::Result<()> {
        fs::remove_dir_all(&self.dir)
    }
}
