//! Questions to agents for pieces of files, and who waits for the answers.

use headroom_core::ids::AgentId;
use headroom_proto::v1::{FileChunk, ReadFile};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// Questions that wait for answers, over all agents: at most.
pub const MAX_READS: usize = 1_024;
/// An agent that has not answered by then is given up.
pub const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no piece of a file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FileError {
    /// No stream stands.
    #[error("agent {0} is not connected; its files can be read when it is back")]
    NotConnected(AgentId),
    /// Too many questions already.
    #[error("too many files are being read; try again in a second")]
    Busy,
    /// No answer.
    #[error("agent {0} did not answer within {READ_TIMEOUT:?}")]
    Silent(AgentId),
    /// The agent said why.
    #[error("agent {agent}: {problem}")]
    Unreadable {
        /// Who.
        agent: AgentId,
        /// Why.
        problem: String,
    },
}

#[derive(Debug)]
struct Waiter {
    agent: AgentId,
    answer: oneshot::Sender<FileChunk>,
}

/// All questions that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    waiting: Arc<Mutex<BTreeMap<u64, Waiter>>>,
    last: Arc<AtomicU64>,
}

/// Takes the question back when whoever asked stops waiting.
struct Asked<'a> {
    reads: &'a Reads,
    id: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.reads.lock().remove(&self.id);
    }
}

impl Reads {
    pub(super) async fn ask(
        &self,
        agent: AgentId,
        way: &mpsc::Sender<ReadFile>,
        mut wanted: ReadFile,
    ) -> Result<FileChunk, FileError> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if waiting.len() >= MAX_READS {
                return Err(FileError::Busy);
            }
            waiting.insert(id, Waiter { agent, answer });
        }
        let _asked = Asked { reads: self, id };
        wanted.request_id = id;
        way.try_send(wanted).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => FileError::Busy,
            mpsc::error::TrySendError::Closed(_) => FileError::NotConnected(agent),
        })?;
        match tokio::time::timeout(READ_TIMEOUT, answered).await {
            Ok(Ok(chunk)) if chunk.error.is_empty() => Ok(chunk),
            Ok(Ok(chunk)) => Err(FileError::Unreadable { agent, problem: chunk.error }),
            Ok(Err(_)) | Err(_) => Err(FileError::Silent(agent)),
        }
    }

    /// Only the agent that was asked may answer.
    pub(super) fn answer(&self, agent: AgentId, chunk: FileChunk) {
        let mut waiting = self.lock();
        if waiting.get(&chunk.request_id).is_some_and(|waiter| waiter.agent == agent)
            && let Some(waiter) = waiting.remove(&chunk.request_id)
        {
            // Whoever asked may have gone.
            let _ = waiter.answer.send(chunk);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
