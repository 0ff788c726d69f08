//! The groups below a task's own, which the kernel programs count apart: a Docker container's.

use crate::{
    cgroup::{Controller, Group},
    probe::{BlockKey, CgroupKey, Counters, SchedKey},
};

/// What of them is known.
pub(super) struct Nested {
    group: Group,
    sched: Vec<u64>,
    block: Vec<u64>,
}

impl Nested {
    pub(super) fn new(group: Group) -> Self {
        Self { group, sched: Vec::new(), block: Vec::new() }
    }

    /// Whether none was found yet: it is looked for at every step.
    pub(super) fn is_awaited(&self) -> bool {
        self.sched.is_empty()
    }

    /// Adds what came since, takes out what went; what that counted stays counted.
    pub(super) fn look(&mut self, sched: Option<&mut SchedKey>, block: Option<&mut BlockKey>) {
        if let Some(key) = sched {
            follow(key, &mut self.sched, self.group.inodes_below(Controller::Cpu));
        }
        if let Some(key) = block {
            follow(key, &mut self.block, self.group.inodes_below(Controller::Io));
        }
    }
}

/// Those beyond the key's bound are not counted, and are tried again when others went.
fn follow<C: Counters>(key: &mut CgroupKey<C>, known: &mut Vec<u64>, found: Vec<u64>) {
    for gone in known.iter().filter(|inode| !found.contains(inode)) {
        key.remove(*gone);
    }
    *known = found.into_iter().filter(|inode| key.add(*inode)).collect();
}
