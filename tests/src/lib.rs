//! The harness of the whole-product tests: real daemons, tasks and cgroups of the test's own.
//!
//! It starts, watches and clears up; what is expected stands in `tests/*.rs`. It uses nothing of
//! the product's crates but the wire: it sees what a user sees.

mod binaries;
mod bridge;
mod cgroups;
mod cluster;
mod command;
mod daemon;
mod docker;
mod framework;
mod guard;
mod house;
mod http;
mod listener;
mod patience;
mod registry;

pub use bridge::Bridge;
pub use cgroups::{OwnCgroups, unified};
pub use cluster::{Cluster, Settings, up_command};
pub use command::{Done, Started};
pub use daemon::{Daemon, program};
pub use docker::{Docker, IMAGE};
pub use framework::{Framework, task};
pub use house::House;
pub use http::{get, get_json};
pub use listener::Listener;
pub use patience::{LONG, wait_for, wait_until};
pub use registry::Registry;

/// What the command line says with `--json`.
pub type Json = serde_json::Value;

/// Whether the test can run here; says why not.
#[must_use]
pub fn can_run() -> bool {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return false;
    }
    if cgroups::mounts().is_empty() {
        println!("skipped: no cgroups are mounted");
        return false;
    }
    true
}
