//! Ceilings inside a ceiling: what v1 demands of containers below a throttled slice.
//!
//! On v1 the kernel refuses a quota on a group while a child's own quota is a bigger share of a
//! CPU (tg_cfs_schedulable_down, kernel/sched/core.c). The slice's is the tighter one then, so the
//! child's is lifted while that holds and put back when the slice's rises above it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cpu::Bandwidth;
use super::{CgroupError, Controller, Group};

/// The period of a container's ceiling: the kernel's default.
const CONTAINER_PERIOD_US: u64 = 100_000;
/// The period of the slice's: short, so that a change takes effect soon.
const SLICE_PERIOD_US: u64 = 20_000;

/// What was asked for, of the revocable slice and each container in it.
#[derive(Debug, Default)]
pub(super) struct RevocableLimits(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    slice_cpus: Option<f64>,
    containers: BTreeMap<String, (Group, f64)>,
}

impl RevocableLimits {
    /// A ceiling for one container.
    pub(super) fn set_container(
        &self,
        group: &Group,
        cpus: Option<f64>,
    ) -> Result<(), CgroupError> {
        let mut asked = self.lock();
        let Some(cpus) = cpus else {
            asked.containers.remove(group.name());
            return group.set_bandwidth(None);
        };
        let tighter_slice = asked.slice_cpus.is_some_and(|slice| slice < cpus);
        if is_v1(group) {
            asked.containers.insert(group.name().to_owned(), (group.clone(), cpus));
            if tighter_slice {
                return group.set_bandwidth(None);
            }
        }
        set(group, cpus, CONTAINER_PERIOD_US)
    }

    /// A container is gone.
    pub(super) fn forget(&self, group: &Group) {
        self.lock().containers.remove(group.name());
    }

    /// A ceiling for the whole slice.
    pub(super) fn set_slice(&self, slice: &Group, cpus: Option<f64>) -> Result<(), CgroupError> {
        let mut asked = self.lock();
        let new = cpus.unwrap_or(f64::INFINITY);
        let old = asked.slice_cpus.unwrap_or(f64::INFINITY);
        for (group, own) in asked.containers.values() {
            if *own > new && *own <= old {
                group.set_bandwidth(None)?;
            }
        }
        match cpus {
            Some(cpus) => set(slice, cpus, SLICE_PERIOD_US)?,
            None => slice.set_bandwidth(None)?,
        }
        asked.slice_cpus = cpus;
        for (group, own) in asked.containers.values() {
            if *own > old && *own <= new {
                set(group, *own, CONTAINER_PERIOD_US)?;
            }
        }
        Ok(())
    }

    // The table stays usable after a panic elsewhere: each entry stands for itself.
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set(group: &Group, cpus: f64, period_us: u64) -> Result<(), CgroupError> {
    group.set_bandwidth(Some(Bandwidth::new(cpus, period_us)))
}

fn is_v1(group: &Group) -> bool {
    group.dir(Controller::Cpu).is_some_and(|dir| !dir.v2)
}
