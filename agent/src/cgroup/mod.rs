//! The agent's own control groups on v1, hybrid and v2 hosts.
//!
//! Owns the tree `<parent>/{guaranteed,revocable}/<container>` and `<parent>/supervisors` in every
//! hierarchy it can use, and every write to it. Does not read counters (see `files`) and never
//! touches a group it did not make, except that on v2 the controllers it needs are switched on in
//! the ancestors of `<parent>`, which the kernel demands.

mod container;
mod cpu;
mod error;
mod freezer;
mod group;
mod hierarchy;
#[cfg(test)]
mod kernel_tests;
mod kill;
mod knob;
mod memory;
mod pids;
mod quota;
mod relocate;
mod remove;
mod slice;
mod tree;

pub use container::ContainerCgroup;
pub use error::CgroupError;
pub use group::{Group, GroupDir};
pub use hierarchy::{Controller, Hierarchy, Mode};
pub use slice::{Demotion, Slice};
pub use tree::{DEFAULT_PARENT, Tree};

use serde::{Deserialize, Serialize};

/// How a container's resources were given: for keeps, or lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Promised: what was requested can always be had.
    Guaranteed,
    /// Lent: can be throttled, frozen or taken back at any time.
    Revocable,
}

impl Class {
    /// Both.
    pub const ALL: [Class; 2] = [Class::Guaranteed, Class::Revocable];

    /// The one that this is not.
    pub fn other(self) -> Class {
        match self {
            Class::Guaranteed => Class::Revocable,
            Class::Revocable => Class::Guaranteed,
        }
    }

    /// What the kernel is told of its processes for when the machine runs out of memory: lent work goes first.
    pub fn oom_score(self) -> i32 {
        match self {
            Class::Guaranteed => 0,
            Class::Revocable => 500,
        }
    }

    /// The name of the class' directory under the parent group.
    pub fn dir_name(self) -> &'static str {
        match self {
            Class::Guaranteed => "guaranteed",
            Class::Revocable => "revocable",
        }
    }
}
