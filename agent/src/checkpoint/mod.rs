//! What must survive the agent: small JSON documents written atomically, the queue of status
//! updates nobody acknowledged yet, and the scan that finds it all again after a restart.

mod document;
mod error;
mod recover;
mod updates;

pub use document::{load, load_or_quarantine, save};
pub use error::CheckpointError;
pub use recover::{Condition, Quarantined, Recovered, Recovery, recover};
pub use updates::{MAX_UPDATES, Update, Updates};
