//! The group of one container.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::cpu::Bandwidth;
use super::quota::RevocableLimits;
use super::{CgroupError, Class, Controller, Group};

/// How long `kill_all` goes on before it reports survivors.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const CPU_PERIOD_US: u64 = 100_000;

/// A container's group across all hierarchies.
#[derive(Clone, Debug)]
pub struct ContainerCgroup {
    group: Group,
    class: Class,
    id: String,
    limits: Arc<RevocableLimits>,
}

impl ContainerCgroup {
    pub(super) fn new(group: Group, class: Class, id: &str, limits: Arc<RevocableLimits>) -> Self {
        ContainerCgroup { group, class, id: id.to_owned(), limits }
    }

    /// The group itself: directories, members, inodes.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Promised or lent.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whether the group is there in every hierarchy.
    pub fn exists(&self) -> bool {
        self.group.exists()
    }

    /// The container's part of its class' CPU, in proportion to its request.
    pub fn set_cpu_weight(&self, request_cpus: f64) -> Result<(), CgroupError> {
        self.group.set_cpu_weight(request_cpus)
    }

    /// A ceiling in CPUs, or none.
    pub fn set_cpu_limit(&self, cpus: Option<f64>) -> Result<(), CgroupError> {
        match self.class {
            Class::Revocable => self.limits.set_container(&self.group, cpus),
            Class::Guaranteed => {
                self.group.set_bandwidth(cpus.map(|cpus| Bandwidth::new(cpus, CPU_PERIOD_US)))
            }
        }
    }

    /// The memory it may never pass.
    pub fn set_memory_limit(&self, bytes: u64) -> Result<(), CgroupError> {
        self.group.set_memory_limit(bytes)
    }

    /// Memory kept for it (`memory.min`), where v2 has it.
    pub fn set_memory_min(&self, bytes: u64) -> Result<(), CgroupError> {
        self.group.set_memory_min(bytes)
    }

    /// The most processes and threads it may have.
    pub fn set_pids_limit(&self, limit: Option<u32>) -> Result<(), CgroupError> {
        self.group.set_pids_limit(limit)
    }

    /// Stops all its processes.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.group.freeze()
    }

    /// Lets them run again.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.group.thaw()
    }

    /// All its processes, nested groups included.
    pub fn procs(&self) -> Result<Vec<i32>, CgroupError> {
        self.group.procs()
    }

    /// Kills all its processes; an error names the survivors.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        self.group.kill_all(KILL_PATIENCE)
    }

    /// Removes the group from every hierarchy.
    pub fn remove(&self) -> Result<(), CgroupError> {
        self.limits.forget(&self.group);
        self.group.remove()
    }

    /// Moves all its processes into another class while they run. What is left has no ceiling: on v1 the kernel
    /// would refuse its class one below it (see `quota`).
    pub fn move_all(&self, to: &ContainerCgroup) -> Result<(), CgroupError> {
        self.group.move_all(&to.group)?;
        if self.exists() {
            match self.set_cpu_limit(None) {
                Err(CgroupError::NoController { .. }) => {}
                lifted => lifted?,
            }
        }
        to.group.change_oom_score(self.class.oom_score(), to.class.oom_score())
    }

    /// The files a process writes `0` to in order to join.
    pub fn procs_files(&self) -> Vec<PathBuf> {
        self.group.procs_files()
    }

    /// How many of its processes the kernel killed for memory.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        self.group.oom_kills()
    }

    /// The inode in the cpu hierarchy, for eBPF attribution.
    pub fn cpu_inode(&self) -> Result<u64, CgroupError> {
        self.group.inode(Controller::Cpu)
    }

    /// The inode in the block I/O hierarchy, for eBPF attribution.
    pub fn io_inode(&self) -> Result<u64, CgroupError> {
        self.group.inode(Controller::Io)
    }
}
