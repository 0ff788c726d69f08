//! A class as a whole: one write throttles, demotes or freezes everything in it.

use std::sync::Arc;

use super::quota::RevocableLimits;
use super::{CgroupError, Controller, Group};

/// How a slice was put behind its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demotion {
    /// `cpu.idle`: strictly behind.
    Idle,
    /// The least weight: nearly so; the kernel has no `cpu.idle` (before 5.15).
    LeastWeight,
}

/// The group of all guaranteed or all revocable containers.
#[derive(Clone, Debug)]
pub struct Slice {
    group: Group,
    limits: Arc<RevocableLimits>,
}

impl Slice {
    pub(super) fn new(group: Group, limits: Arc<RevocableLimits>) -> Slice {
        Slice { group, limits }
    }

    /// The group itself.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Puts the slice behind its siblings, or back beside them; tells by which means.
    pub fn set_idle(&self, idle: bool) -> Result<Demotion, CgroupError> {
        match self.group.set_cpu_idle(idle) {
            Ok(()) => Ok(Demotion::Idle),
            Err(e) if e.errno() == Some(libc::ENOENT) => {
                self.group.set_cpu_weight(if idle { 0.0 } else { 1.0 })?;
                Ok(Demotion::LeastWeight)
            }
            Err(e) => Err(e),
        }
    }

    /// A ceiling for all of the slice together; in effect within one period (20 ms, longer below
    /// 0.05 CPUs). Meant for the revocable slice.
    pub fn set_cpu_quota(&self, cpus: Option<f64>) -> Result<(), CgroupError> {
        self.limits.set_slice(&self.group, cpus)
    }

    /// The slice's part of the CPU against its sibling. The kernel refuses it while idle.
    pub fn set_cpu_weight(&self, cpus: f64) -> Result<(), CgroupError> {
        self.group.set_cpu_weight(cpus)
    }

    /// Memory kept for the slice (`memory.min`), where v2 has it.
    pub fn set_memory_min(&self, bytes: u64) -> Result<(), CgroupError> {
        self.group.set_memory_min(bytes)
    }

    /// Stops everything in the slice.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.group.freeze()
    }

    /// Lets it run again.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.group.thaw()
    }

    /// The inode of the slice's directory in the cpu hierarchy.
    pub fn cpu_inode(&self) -> Result<u64, CgroupError> {
        self.group.inode(Controller::Cpu)
    }
}
