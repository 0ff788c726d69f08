//! What no schedule can pass: offline bounds of the time-step model, and references beside them.

pub mod flow;
pub mod peak;
pub mod simplex;
pub mod slots;
