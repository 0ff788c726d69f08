//! What a forecast would have won and risked on a trace.

mod fleet;

pub use fleet::{Fleet, Independent};
