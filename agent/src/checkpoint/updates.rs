//! The status updates of one container that nobody has acknowledged yet, in order.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CheckpointError, load, save};

/// A task has few states; a framework that acknowledges nothing must not fill the disk.
pub const MAX_UPDATES: usize = 64;
const FILE: &str = "updates.json";

/// One status update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Names the update; an acknowledgement carries it.
    pub uuid: String,
    /// The task's state, in the caller's words.
    pub state: String,
    /// For people.
    pub message: String,
    /// When it happened.
    pub timestamp_unix_ms: u64,
    /// The caller's own form of it, not looked into here.
    #[serde(default)]
    pub payload: String,
}

/// The queue, kept in `<container dir>/updates.json`; every change is durable when it returns.
#[derive(Debug)]
pub struct Updates {
    path: PathBuf,
    queue: VecDeque<Update>,
}

impl Updates {
    /// Opens the queue of a container; a missing document is an empty queue.
    pub fn open(container_dir: &Path) -> Result<Updates, CheckpointError> {
        let path = container_dir.join(FILE);
        let queue = load(&path)?.unwrap_or_default();
        Ok(Updates { path, queue })
    }

    /// Where the queue of a container is kept.
    pub fn path(container_dir: &Path) -> PathBuf {
        container_dir.join(FILE)
    }

    /// Adds an update at the end.
    pub fn push(&mut self, update: Update) -> Result<(), CheckpointError> {
        if self.queue.len() >= MAX_UPDATES {
            let (path, bound) = (self.path.clone(), MAX_UPDATES);
            return Err(CheckpointError::TooManyUpdates { path, bound });
        }
        self.queue.push_back(update);
        save(&self.path, &self.queue).inspect_err(|_| {
            self.queue.pop_back();
        })
    }

    /// The oldest one: the only one that may be sent.
    pub fn head(&self) -> Option<&Update> {
        self.queue.front()
    }

    /// The newest one: what will be told last.
    pub fn newest(&self) -> Option<&Update> {
        self.queue.back()
    }

    /// Removes the oldest one, which must be `uuid`. The repeated acknowledgement of one that is
    /// gone is `NotHead` and harmless.
    pub fn ack(&mut self, uuid: &str) -> Result<Update, CheckpointError> {
        let not_head =
            || CheckpointError::NotHead { path: self.path.clone(), uuid: uuid.to_owned() };
        match self.queue.front() {
            Some(head) if head.uuid == uuid => {}
            _ => return Err(not_head()),
        }
        let acked = self.queue.pop_front().ok_or_else(not_head)?;
        match save(&self.path, &self.queue) {
            Ok(()) => Ok(acked),
            Err(e) => {
                self.queue.push_front(acked);
                Err(e)
            }
        }
    }

    /// All, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Update> {
        self.queue.iter()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(n: usize) -> Update {
        Update {
            uuid: format!("u{n}"),
            state: "RUNNING".into(),
            message: String::new(),
            timestamp_unix_ms: n as u64,
            payload: "{}".into(),
        }
    }

    #[test]
    fn updates_survive_a_reopen_and_go_only_in_order() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut updates = Updates::open(dir.path()).expect("open");
        updates.push(update(1)).expect("push");
        updates.push(update(2)).expect("push");
        drop(updates);
        let mut updates = Updates::open(dir.path()).expect("reopen");
        assert_eq!(updates.head(), Some(&update(1)));
        assert!(matches!(updates.ack("u2"), Err(CheckpointError::NotHead { .. })));
        assert_eq!(updates.ack("u1").expect("ack"), update(1));
        assert!(matches!(updates.ack("u1"), Err(CheckpointError::NotHead { .. })));
        assert_eq!(Updates::open(dir.path()).expect("reopen").head(), Some(&update(2)));
    }

    #[test]
    fn the_queue_is_bounded() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut updates = Updates::open(dir.path()).expect("open");
        for n in 0..MAX_UPDATES {
            updates.push(update(n)).expect("push");
        }
        let error = updates.push(update(99)).expect_err("full");
        assert!(matches!(error, CheckpointError::TooManyUpdates { bound: 64, .. }), "{error}");
        assert_eq!(updates.len(), MAX_UPDATES);
    }
}
