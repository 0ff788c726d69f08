//! Containers: a command in its own control group and sandbox, with a supervisor of its own.
//!
//! Owns what a container is (spec, directories, validation) and starting it. What its supervisor
//! runs, a process (`supervisor`) or a Docker container (`docker`), is all that differs. Does not
//! decide what runs, and does not watch: the caller waits on the supervisor's pidfd.

mod disk;
pub mod docker;
mod duties;
mod error;
mod launch;
mod layout;
mod migration;
mod nesting;
mod process;
mod promote;
mod spec;
mod volume;

pub use disk::{MIN_FREE_BYTES, MIN_FREE_INODES, free_for_launch};
pub use duties::{Check, CheckKind, Duties, Found, HealthCheck};
pub use error::ContainerError;
pub use launch::ProcessContainerizer;
pub use layout::{LATEST, Layout};
pub use nesting::{Nesting, Outer, Shared};
pub use process::Container;
pub use spec::{Command, ContainerSpec, Launch, LaunchCgroup, SpecError};
pub use volume::{VolumeSpec, destroy as destroy_volume};
