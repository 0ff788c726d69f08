//! Headroom's simulator: real traces through the real deciding core.

pub mod bound;
pub mod schedule;
