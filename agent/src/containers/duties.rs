//! What the supervisor does for a task besides running it: the duties of Mesos' command executor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Command;

/// All optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duties {
    /// A task that runs longer is ended at once.
    pub max_completion_ms: Option<u64>,
    /// Ends the task when it fails too often.
    pub health: Option<HealthCheck>,
    /// Only told.
    pub check: Option<Check>,
}

/// What is looked at now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// At what.
    pub kind: CheckKind,
    /// From the start to the first look.
    pub delay_ms: u64,
    /// From the end of one look to the next.
    pub interval_ms: u64,
    /// A look that takes longer has failed; 0: it may take for ever.
    pub timeout_ms: u64,
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// A command's exit code, in the task's cgroup and sandbox.
    Command {
        /// What is run.
        command: Command,
        /// On top of the task's environment.
        env: BTreeMap<String, String>,
        /// The task's if absent.
        user: Option<String>,
    },
    /// The answer to a GET on this node.
    Http {
        /// Where.
        port: u16,
        /// What.
        path: String,
        /// By TLS, without a look at the certificate.
        https: bool,
        /// At ::1 instead of 127.0.0.1.
        ipv6: bool,
    },
    /// Whether a connection comes about.
    Tcp {
        /// Where.
        port: u16,
        /// At ::1 instead of 127.0.0.1.
        ipv6: bool,
    },
}

/// A check that ends the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is looked at.
    pub check: Check,
    /// So many failures in a row end the task.
    pub consecutive_failures: u32,
    /// Failures do not count so long after the start, until the first success.
    pub grace_ms: u64,
}

/// What a check found; nothing if it took too long or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// The exit code.
    Command(Option<i32>),
    /// The status code.
    Http(Option<u32>),
    /// Whether there was a connection.
    Tcp(Option<bool>),
}

impl Found {
    /// Nothing, of this kind.
    #[must_use]
    pub fn nothing(kind: &CheckKind) -> Self {
        match kind {
            CheckKind::Command { .. } => Self::Command(None),
            CheckKind::Http { .. } => Self::Http(None),
            CheckKind::Tcp { .. } => Self::Tcp(None),
        }
    }

    /// Whether that is good.
    #[must_use]
    pub fn is_well(self) -> bool {
        match self {
            Self::Command(code) => code == Some(0),
            Self::Http(status) => status.is_some_and(|status| (200..400).contains(&status)),
            Self::Tcp(succeeded) => succeeded == Some(true),
        }
    }
}

impl Duties {
    /// Whether anything is looked at.
    #[must_use]
    pub fn checks(&self) -> bool {
        self.health.is_some() || self.check.is_some()
    }
}
