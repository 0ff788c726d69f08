//! Who this agent is to the allocator, kept in the state directory.

use crate::checkpoint::{self, CheckpointError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The document, below `meta`.
pub(crate) const FILE: &str = "agent.json";

/// The agent's id and the newest allocator it has obeyed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Empty before the first welcome.
    pub agent_id: String,
    /// Orders of an older epoch are refused.
    pub epoch: u64,
    #[serde(skip)]
    path: PathBuf,
}

impl Identity {
    /// As it was kept; a new one in an empty directory. A damaged document is set aside.
    ///
    /// # Errors
    /// The directory can't be read.
    pub fn load(meta: &Path) -> Result<Self, CheckpointError> {
        let path = meta.join(FILE);
        let kept: Option<Self> = match checkpoint::load_or_quarantine(&path)? {
            Ok(kept) => kept,
            Err(reason) => {
                tracing::warn!("{} was set aside: {reason}", path.display());
                None
            }
        };
        Ok(Self { path, ..kept.unwrap_or_default() })
    }

    /// Keeps what a welcome says.
    ///
    /// # Errors
    /// It could not be written; the agent then asks for a new id at its next start.
    pub fn welcome(&mut self, agent_id: &str, epoch: u64) -> Result<(), CheckpointError> {
        if self.agent_id == agent_id && self.epoch == epoch {
            return Ok(());
        }
        self.agent_id = agent_id.to_owned();
        self.epoch = self.epoch.max(epoch);
        checkpoint::save(&self.path, self)
    }
}
