//! What can go wrong with a control group, always naming the path.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failed operation on one of our control groups.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// A file or directory of the cgroup tree refused an operation.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, e.g. `write "100000" to`.
        operation: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file of the cgroup tree holds what this code does not understand.
    #[error("{} holds {content:?}, which is not {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it held, shortened.
        content: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Neither v1 controllers nor a v2 tree are mounted.
    #[error(
        "no cgroup hierarchy is mounted (looked in {looked_in}); mount cgroup2 at /sys/fs/cgroup"
    )]
    NotMounted {
        /// Where the mounts were looked for.
        looked_in: String,
    },
    /// The group's name cannot be a directory of ours.
    #[error("cgroup name {name:?} is not allowed: {reason}")]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The controller is not usable on this host.
    #[error("the {controller} controller is not usable for {group}: {reason}")]
    NoController {
        /// The controller's name.
        controller: &'static str,
        /// The group, relative to the mounts.
        group: String,
        /// Why.
        reason: String,
    },
    /// On v2 a group with processes of its own cannot have controllers for groups below it.
    #[error(
        "{} has processes of its own: move them into a group below it, or choose another cgroup_parent",
        path.display()
    )]
    InternalProcesses {
        /// The group.
        path: PathBuf,
    },
    /// No hierarchy let us make our groups.
    #[error(
        "no hierarchy lets the agent make {parent}: {reasons}; run it as root or in a delegated cgroup"
    )]
    NothingUsable {
        /// The parent group asked for.
        parent: String,
        /// Each hierarchy's reason.
        reasons: String,
    },
    /// Processes could not be moved into another group of ours.
    #[error("processes {pids:?} are still in {group}, not in {to}; it is tried again")]
    NotMoved {
        /// Where they are, relative to the mounts.
        group: String,
        /// Where they belong.
        to: String,
        /// Who (at most a handful are listed).
        pids: Vec<i32>,
    },
    /// Processes outlived SIGKILL (uninterruptible sleep, or a frozen v1 ancestor).
    #[error("{group} still holds processes {pids:?} after {waited_ms} ms of SIGKILL")]
    NotEmpty {
        /// The group, relative to the mounts.
        group: String,
        /// The survivors (at most a handful are listed).
        pids: Vec<i32>,
        /// How long was waited.
        waited_ms: u64,
    },
}

impl CgroupError {
    pub(crate) fn file(path: &Path, operation: impl Into<String>, source: io::Error) -> Self {
        CgroupError::File { path: path.to_owned(), operation: operation.into(), source }
    }

    /// Gives an error of the cgroups crate the path it lacks, keeping the kernel's error number.
    pub(crate) fn from_crate(
        dir: &Path,
        operation: &str,
        error: &cgroups_rs::fs::error::Error,
    ) -> Self {
        let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        let source = match io.and_then(io::Error::raw_os_error) {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(error.to_string()),
        };
        CgroupError::file(dir, operation, source)
    }

    /// The kernel's error number, if it was the kernel that refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            CgroupError::File { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
