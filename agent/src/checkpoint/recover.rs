//! What an earlier agent left: every container, running, ended or lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{CheckpointError, Update, Updates, load_or_quarantine};
use crate::containers::{ContainerSpec, Launch, Layout};
use crate::supervisor::SupervisorHandle;
use crate::supervisor::{EXIT_FILE, Exit, Identity, SPEC_FILE, SUPERVISOR_FILE};

/// How a container of an earlier agent stands.
#[derive(Debug)]
pub enum Condition {
    /// Its supervisor lives.
    Running(SupervisorHandle),
    /// It ended and told how.
    Exited(Exit),
    /// It runs nothing itself, so it needs none.
    Outer,
    /// Its supervisor is gone without a word; processes of its may still run in its group.
    Lost(String),
}

/// A container of an earlier agent.
#[derive(Debug)]
pub struct Recovered {
    /// Its directory.
    pub dir: PathBuf,
    /// What was asked for.
    pub spec: ContainerSpec,
    /// How it stands.
    pub condition: Condition,
}

/// A document or directory that could not be understood and was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The container's id, by its directory's name: its group may still hold processes.
    pub id: String,
    /// The document (now with `.bad` behind its name) or the directory.
    pub path: PathBuf,
    /// What was wrong.
    pub reason: String,
}

/// Everything found.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The containers.
    pub containers: Vec<Recovered>,
    /// What was set aside.
    pub quarantined: Vec<Quarantined>,
}

/// Scans `<state>/containers`. A damaged document never stops the scan.
pub fn recover(state: &Path) -> Result<Recovery, CheckpointError> {
    let root = Layout::new(state).containers();
    let mut recovery = Recovery::default();
    let entries = match fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(recovery),
        Err(e) => return Err(CheckpointError::io(&root, "list", e)),
    };
    for entry in entries {
        let dir = entry.map_err(|e| CheckpointError::io(&root, "list", e))?.path();
        if dir.is_dir() {
            recovery.scan(&dir)?;
        }
    }
    recovery.containers.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(recovery)
}

impl Recovery {
    fn scan(&mut self, dir: &Path) -> Result<(), CheckpointError> {
        let spec = dir.join(SPEC_FILE);
        let launch = match load_or_quarantine::<Launch>(&spec)? {
            Ok(Some(launch)) => launch,
            Ok(None) => {
                self.set_aside(dir, dir, "it has no spec.json: its launch was cut short");
                return Ok(());
            }
            Err(reason) => {
                self.set_aside(dir, &spec, &reason);
                return Ok(());
            }
        };
        let updates = Updates::path(dir);
        if let Err(reason) = load_or_quarantine::<Vec<Update>>(&updates)? {
            self.set_aside(dir, &updates, &reason);
        }
        let condition =
            if launch.spec.is_outer() { Condition::Outer } else { self.condition(dir)? };
        self.containers.push(Recovered { dir: dir.to_owned(), spec: launch.spec, condition });
        Ok(())
    }

    fn condition(&mut self, dir: &Path) -> Result<Condition, CheckpointError> {
        let path = dir.join(EXIT_FILE);
        if let Some(told) = self.told(dir, &path)? {
            return Ok(told);
        }
        let supervisor = dir.join(SUPERVISOR_FILE);
        let gone = if let Err(reason) = load_or_quarantine::<Identity>(&supervisor)? {
            self.set_aside(dir, &supervisor, &reason);
            format!("who supervised it cannot be told: {reason}")
        } else {
            match SupervisorHandle::open(dir) {
                Ok(handle) => return Ok(Condition::Running(handle)),
                Err(e) => e.to_string(),
            }
        };
        // It may have ended between the two looks.
        Ok(self.told(dir, &path)?.unwrap_or(Condition::Lost(gone)))
    }

    fn told(&mut self, dir: &Path, path: &Path) -> Result<Option<Condition>, CheckpointError> {
        match load_or_quarantine::<Exit>(path)? {
            Ok(exit) => Ok(exit.map(Condition::Exited)),
            Err(reason) => {
                self.set_aside(dir, path, &reason);
                Ok(None)
            }
        }
    }

    fn set_aside(&mut self, dir: &Path, path: &Path, reason: &str) {
        let id = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.quarantined.push(Quarantined { id, path: path.to_owned(), reason: reason.to_owned() });
    }
}
