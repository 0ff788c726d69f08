//! What is known of connected agents beside the core's view, and the way to ask them for files.

use super::files::{FileError, Reads};
use crate::{convert::agent::Introduction, driver::AgentLink};
use headroom_core::ids::AgentId;
use headroom_proto::v1;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc;

/// One connected agent.
#[derive(Clone, Debug)]
struct Known {
    number: u64,
    introduction: Introduction,
    reads: mpsc::Sender<v1::ReadFile>,
}

/// All connected agents; as many as there are streams.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    agents: Arc<Mutex<BTreeMap<AgentId, Known>>>,
    reads: Reads,
}

impl Directory {
    pub(super) fn enter(
        &self,
        link: AgentLink,
        introduction: Introduction,
        reads: mpsc::Sender<v1::ReadFile>,
    ) {
        let mut agents = self.lock();
        // Two streams may enter in either order: the newer one stays.
        if agents.get(&link.agent).is_none_or(|known| known.number < link.number) {
            agents.insert(link.agent, Known { number: link.number, introduction, reads });
        }
    }

    pub(super) fn leave(&self, link: AgentLink) {
        let mut agents = self.lock();
        if agents.get(&link.agent).is_some_and(|known| known.number == link.number) {
            agents.remove(&link.agent);
        }
    }

    pub(super) fn answer(&self, agent: AgentId, chunk: v1::FileChunk) {
        self.reads.answer(agent, chunk);
    }

    /// All that are connected now.
    pub(crate) fn snapshot(&self) -> BTreeMap<AgentId, Introduction> {
        self.lock().iter().map(|(id, known)| (*id, known.introduction.clone())).collect()
    }

    /// The address of an agent's own HTTP server, as it told it.
    pub(crate) fn address(&self, agent: AgentId) -> Option<String> {
        let agents = self.lock();
        let address = agents.get(&agent).map(|known| known.introduction.address.clone());
        address.filter(|address| !address.is_empty())
    }

    /// Asks an agent for a piece of a file; `wanted.request_id` is filled in.
    ///
    /// # Errors
    /// The agent is not connected, busy, or cannot read it.
    pub async fn read(
        &self,
        agent: AgentId,
        wanted: v1::ReadFile,
    ) -> Result<v1::FileChunk, FileError> {
        let way = self.lock().get(&agent).map(|known| known.reads.clone());
        let way = way.ok_or(FileError::NotConnected(agent))?;
        self.reads.ask(agent, &way, wanted).await
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AgentId, Known>> {
        // A panic elsewhere leaves the map whole: each change is one call.
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
