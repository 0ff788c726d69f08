//! Executors of Mesos frameworks: programs of theirs that run many tasks in one container.
//!
//! Owns the door that they call ([`router`]) and what they are told ([`Host`]). What becomes of their tasks
//! is kept in `tasks/hosting`.

mod call;
mod door;
mod host;

pub use call::{Answer, Call, CallError, What};
pub use door::{MAX_CALL_BYTES, MAX_EVENTS, router};
pub use host::{Host, Node};

/// The ending of the id that an executor on lent resources is told. A framework may have one of the same
/// id on what is promised; executors name themselves in what they call, so the two must differ.
pub const LENT_ENDING: &str = "~lent";
