//! Real traces through the real deciding core: what forecasts are worth, and what lending would win and risk.
//!
//! Nothing is decided here: forecasts are `headroom_core::forecast`, placement is `headroom_core::machine`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bound;
pub mod forecast;
pub mod packing;
pub mod schedule;
pub mod seed;
pub mod trace;
