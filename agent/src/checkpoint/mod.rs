//! What must survive the agent: small JSON documents written atomically, the queue of status
//! updates nobody acknowledged yet, and the scan that finds it all again after a restart.

mod document;
mod error;
mod recover;
mod updates;

pub use document::{load, load_or_quarantine, load_or_quarantine_up_to, save, save_compact};
pub use error::CheckpointError;
pub use recover::{Condition, Quarantined, Recovered, Recovery, recover};
pub use updates::{MAX_UPDATES, Update, Updates};
