//! One small process per container: the task's parent, so that tasks outlive the agent.
//!
//! Owns the supervising process (`run`, the hidden subcommand `supervise <container dir>`), the
//! documents it exchanges with the agent (`supervisor.json`, `kill.json`, `exit.json`) and the
//! agent's handle on it. Makes no cgroup and removes none: the agent does both. Single-threaded,
//! without a runtime, because it forks; of a Docker container it starts no process, and
//! `containers/docker` goes on in it instead.

mod checks;
mod child;
mod error;
mod exit;
mod fetch;
mod handle;
mod identity;
mod inherited;
mod kill;
mod look;
mod members;
mod plan;
mod signals;
mod start;
mod tally;
mod user;
mod watch;

pub use error::SupervisorError;
pub use exit::{EndCause, Exit, FinalUsage, KillRequest, Outcome};
pub use handle::SupervisorHandle;
pub use identity::Identity;
pub use start::run;
pub use tally::Checked;

pub(crate) use exit::unix_ms;
pub(crate) use kill::Kill;
pub(crate) use look::{look_at, patience};
pub(crate) use members::{LEFTOVER_PATIENCE, Members};
pub(crate) use plan::output_file;
pub(crate) use tally::Tally;
pub(crate) use user::TaskUser;

/// The subcommand both binaries dispatch to [`run`].
pub const SUBCOMMAND: &str = "supervise";
/// What to run: written by the agent before the supervisor starts.
pub const SPEC_FILE: &str = "spec.json";
/// Who supervises.
pub const SUPERVISOR_FILE: &str = "supervisor.json";
/// There from before the supervisor is started until the task executes its own program; a container
/// of an agent that did not write it yet counts as started.
pub const STARTING_FILE: &str = "starting";
/// What the supervisor renames it to then: a rename needs no space on a full disk.
pub const STARTED_FILE: &str = "started";
/// The request to end the task, with its grace.
pub const KILL_FILE: &str = "kill.json";
/// How its checks stand, if it has any and they have found anything.
pub const CHECKS_FILE: &str = "checks.json";
/// How it ended.
pub const EXIT_FILE: &str = "exit.json";
/// What the supervisor has to say for itself.
pub const LOG_FILE: &str = "supervisor.log";
