//! The allocator: the daemon round `headroom-core`.
//!
//! It owns the doors (gRPC for agents, frameworks and operators; text for browsers and scrapers),
//! the clock, the registry on disk and the thread that the core runs on. It decides nothing: every
//! decision is `headroom_core::machine::Machine`'s.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod about;
pub mod agents;
pub mod config;
mod convert;
pub mod driver;
pub mod frameworks;
pub mod history;
pub mod log;
mod mesos;
pub mod metrics;
pub mod operator;
pub mod registry;
pub mod server;
pub mod web;

pub use config::Config;
pub use server::{Running, ServeError, serve, start};
