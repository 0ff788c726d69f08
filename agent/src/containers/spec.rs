//! What a container is, and whether it can be run at all.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::docker::{DockerLaunch, DockerSpec};
use super::{Duties, LATEST, Nesting, VolumeSpec};
use crate::cgroup::{Class, Controller};
use crate::fetcher::{Fetch, Uri};

/// Mesos' bound for ids, and NAME_MAX: ids become directory names.
const MAX_ID_BYTES: usize = 255;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// A line for `/bin/sh -c`.
    Shell(String),
    /// A program, looked up in PATH unless it has a slash, and its arguments; in a Docker container
    /// arguments of the image's entrypoint, and none for what the image runs by itself.
    Argv(Vec<String>),
}

/// A container as the caller wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The container's own id, unique on this agent: a UUID.
    pub id: String,
    /// The agent's id when it was launched: part of the sandbox's path.
    #[serde(default)]
    pub agent: String,
    /// The framework's id.
    pub framework: String,
    /// The task's id.
    pub task: String,
    /// The task's name, for people.
    #[serde(default)]
    pub name: String,
    /// What to run.
    pub command: Command,
    /// Files that are fetched into the sandbox before it runs.
    #[serde(default)]
    pub uris: Vec<Uri>,
    /// The environment. PATH and HOME (the sandbox) are added where missing.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The user to run as, by name or number; the agent's own if absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Promised or lent.
    pub class: Class,
    /// The CPUs it asked for: its weight.
    pub request_cpus: f64,
    /// The CPUs it may never pass.
    #[serde(default)]
    pub limit_cpus: Option<f64>,
    /// The memory it may never pass.
    pub memory_bytes: u64,
    /// The most processes and threads.
    #[serde(default)]
    pub pids_limit: Option<u32>,
    /// The time between SIGTERM and SIGKILL.
    pub grace_ms: u64,
    /// Whether setuid programs lose their power in it.
    #[serde(default)]
    pub no_new_privs: bool,
    /// Persistent volumes that it sees in its sandbox.
    #[serde(default)]
    pub volumes: Vec<VolumeSpec>,
    /// The Docker container it runs in; a process of the node if absent.
    #[serde(default)]
    pub docker: Option<DockerSpec>,
    /// What is done for it while it runs.
    #[serde(default)]
    pub duties: Duties,
    /// Whether it is in another container, or others are in it.
    #[serde(default)]
    pub nesting: Nesting,
    /// The caller's own form of the task, not looked into here.
    #[serde(default)]
    pub payload: String,
}

/// `spec.json`: the spec, and what the supervisor must know besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// The container.
    pub spec: ContainerSpec,
    /// The task's working directory.
    pub sandbox: PathBuf,
    /// The agent's cgroups; absent where it may not make any.
    #[serde(default)]
    pub cgroup: Option<LaunchCgroup>,
    /// For a Docker container.
    #[serde(default)]
    pub docker: Option<DockerLaunch>,
    /// How its files are fetched, if it names any.
    #[serde(default)]
    pub fetch: Option<Fetch>,
}

/// Where the container's group is: the supervisor joins exactly these, or starts nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchCgroup {
    /// The parent of all the agent's groups.
    pub parent: String,
    /// The controllers it uses.
    pub controllers: Vec<Controller>,
}

/// Why a spec cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecError {
    /// An id that cannot be a directory name.
    #[error("the {which} id {value:?} is not allowed: {reason}")]
    Id {
        /// Which id.
        which: &'static str,
        /// As given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is nothing to run.
    #[error("the command {0}")]
    Command(&'static str),
    /// A Docker container that can't be asked for.
    #[error("{0}")]
    Docker(String),
    /// An environment variable that the kernel or the C library cannot carry.
    #[error("the environment variable {name:?} {reason}")]
    Env {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A quantity that makes no sense.
    #[error("{what} is {value}, which is not allowed: {reason}")]
    Quantity {
        /// Which one.
        what: &'static str,
        /// As given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl ContainerSpec {
    /// Checks everything that can be checked without the machine.
    pub fn validate(&self) -> Result<(), SpecError> {
        for (which, value) in
            [("container", &self.id), ("framework", &self.framework), ("task", &self.task)]
        {
            check_id(which, value)?;
        }
        if self.id == LATEST {
            let (value, reason) = (self.id.clone(), "it is the name of the newest one");
            return Err(SpecError::Id { which: "container", value, reason });
        }
        check_id("agent", &self.agent)?;
        if let Some(outer) = self.outer() {
            check_id("executor", &outer.executor)?;
            check_id("outer container", &outer.container)?;
        }
        match &self.docker {
            Some(docker) => docker.validate_all().map_err(SpecError::Docker)?,
            None if self.is_outer() => {}
            None => self.command.check_program()?,
        }
        self.command.check_words()?;
        self.env.iter().try_for_each(|(name, value)| check_env(name, value))?;
        check_cpus("request_cpus", self.request_cpus, false)?;
        if let Some(limit) = self.limit_cpus {
            check_cpus("limit_cpus", limit, true)?;
        }
        let quantity = |what, reason| Err(SpecError::Quantity { what, value: "0".into(), reason });
        if self.memory_bytes == 0 {
            return quantity("memory_bytes", "nothing runs without memory");
        }
        if self.pids_limit == Some(0) {
            return quantity("pids_limit", "the command itself is a process");
        }
        Ok(())
    }
}

impl Command {
    fn words(&self) -> &[String] {
        match self {
            Command::Shell(line) => std::slice::from_ref(line),
            Command::Argv(words) => words,
        }
    }

    fn check_program(&self) -> Result<(), SpecError> {
        match self.words().first() {
            Some(word) if !word.is_empty() => Ok(()),
            _ => Err(SpecError::Command("is empty")),
        }
    }

    fn check_words(&self) -> Result<(), SpecError> {
        match self.words().iter().any(|word| word.contains('\0')) {
            true => Err(SpecError::Command("holds a NUL character")),
            false => Ok(()),
        }
    }
}

/// Mesos' rules for ids that become directory names (common/validation).
fn check_id(which: &'static str, value: &str) -> Result<(), SpecError> {
    let reason = if value.is_empty() {
        "it is empty"
    } else if value.len() > MAX_ID_BYTES {
        "it is longer than 255 bytes"
    } else if value == "." || value == ".." {
        "it is a path step"
    } else if value.chars().any(|c| c.is_control()) {
        "it holds a control character"
    } else if value.contains(['/', '\\']) {
        "it holds a slash"
    } else {
        return Ok(());
    };
    Err(SpecError::Id { which, value: value.to_owned(), reason })
}

fn check_env(name: &str, value: &str) -> Result<(), SpecError> {
    let reason = if name.is_empty() {
        "has no name"
    } else if name.contains('=') {
        "has an '=' in its name"
    } else if name.contains('\0') || value.contains('\0') {
        "holds a NUL character"
    } else {
        return Ok(());
    };
    Err(SpecError::Env { name: name.to_owned(), reason })
}

fn check_cpus(what: &'static str, cpus: f64, above_zero: bool) -> Result<(), SpecError> {
    let reason = if !cpus.is_finite() {
        "it is not a number"
    } else if cpus < 0.0 {
        "it is negative"
    } else if above_zero && cpus == 0.0 {
        "a task without CPU never ends"
    } else {
        return Ok(());
    };
    Err(SpecError::Quantity { what, value: cpus.to_string(), reason })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::containers) fn spec() -> ContainerSpec {
        ContainerSpec {
            id: "c1".into(),
            agent: "a1".into(),
            framework: "f1".into(),
            task: "t1".into(),
            name: "t".into(),
            command: Command::Shell("true".into()),
            uris: Vec::new(),
            env: BTreeMap::new(),
            user: None,
            class: Class::Guaranteed,
            request_cpus: 0.1,
            limit_cpus: None,
            memory_bytes: 1 << 20,
            pids_limit: None,
            grace_ms: 1_000,
            no_new_privs: false,
            volumes: Vec::new(),
            docker: None,
            duties: Duties::default(),
            nesting: Nesting::default(),
            payload: String::new(),
        }
    }

    #[test]
    fn ids_that_are_not_directory_names_are_refused() {
        assert_eq!(spec().validate(), Ok(()));
        for bad in ["", ".", "..", "a/b", "a\\b", "a\nb", &"x".repeat(256)] {
            let error = ContainerSpec { task: bad.to_owned(), ..spec() }.validate();
            assert!(matches!(error, Err(SpecError::Id { which: "task", .. })), "{bad:?}");
        }
        for good in ["a.b", "...", "é", &"x".repeat(255)] {
            assert_eq!(ContainerSpec { task: good.to_owned(), ..spec() }.validate(), Ok(()));
        }
    }

    #[test]
    fn commands_env_and_quantities_are_checked() {
        for bad in [
            Command::Shell(String::new()),
            Command::Argv(vec![]),
            Command::Argv(vec!["a".into(), "\0".into()]),
        ] {
            assert!(ContainerSpec { command: bad, ..spec() }.validate().is_err());
        }
        for (name, value) in [("", "x"), ("A=B", "x"), ("A", "\0")] {
            let env = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert!(ContainerSpec { env, ..spec() }.validate().is_err(), "{name:?}");
        }
        assert!(ContainerSpec { request_cpus: f64::NAN, ..spec() }.validate().is_err());
        assert!(ContainerSpec { limit_cpus: Some(0.0), ..spec() }.validate().is_err());
        assert!(ContainerSpec { memory_bytes: 0, ..spec() }.validate().is_err());
    }
}
