//! Memory: the limit, the guarantee, and the kernel's own count of what happened at the limit.

use std::path::PathBuf;

use cgroups_rs::fs::memory::MemController;

use super::{CgroupError, Controller, Group, knob};

/// `memory.limit_in_bytes` is a signed number; what passes it means "no limit".
const UNLIMITED: i64 = -1;

impl Group {
    /// The memory the group may never pass.
    pub(super) fn set_memory_limit(&self, bytes: u64) -> Result<(), CgroupError> {
        let dir = self.need(Controller::Memory)?;
        let limit = i64::try_from(bytes).unwrap_or(UNLIMITED);
        MemController::new(dir.path.clone(), dir.path.clone(), dir.v2)
            .set_limit(limit)
            .map_err(|e| CgroupError::from_crate(&dir.path, "set the memory limit of", &e))?;
        if dir.v2 {
            // One process of a task killed for memory leaves a broken task: end it as a whole.
            knob::write(&dir.path.join("memory.oom.group"), "1")?;
        }
        Ok(())
    }

    /// Memory the kernel takes from others first (`memory.min`); v1 has no such promise.
    pub(super) fn set_memory_min(&self, bytes: u64) -> Result<(), CgroupError> {
        let dir = self.need(Controller::Memory)?;
        if !dir.v2 {
            return Err(self.only_v2("memory.min"));
        }
        knob::write(&dir.path.join("memory.min"), &bytes.to_string())
    }

    fn only_v2(&self, file: &str) -> CgroupError {
        CgroupError::NoController {
            controller: Controller::Memory.name(),
            group: self.name().to_owned(),
            reason: format!("cgroup v1 has no {file}"),
        }
    }

    /// How many of the group's processes the kernel killed for memory.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        knob::read_keyed(&self.oom_file()?, "oom_kill")
    }

    /// How often memory ran out at the limit of this group or of one below it; what the kernel kills
    /// for lack of memory above it (the node's) is not counted here. v1 does not tell the two apart.
    pub fn limit_ooms(&self) -> Result<u64, CgroupError> {
        let dir = self.need(Controller::Memory)?;
        if !dir.v2 {
            return Err(self.only_v2("memory.events"));
        }
        knob::read_keyed(&dir.path.join("memory.events"), "oom")
    }

    /// The most memory the group ever held.
    pub fn memory_peak_bytes(&self) -> Result<u64, CgroupError> {
        let dir = self.need(Controller::Memory)?;
        // memory.peak came with Linux 5.19.
        let name = if dir.v2 { "memory.peak" } else { "memory.max_usage_in_bytes" };
        knob::read_u64(&dir.path.join(name))
    }

    pub(crate) fn oom_file(&self) -> Result<PathBuf, CgroupError> {
        let dir = self.need(Controller::Memory)?;
        Ok(dir.path.join(if dir.v2 { "memory.events" } else { "memory.oom_control" }))
    }
}
