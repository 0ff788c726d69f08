//! The agent's own HTTP server, on a thread of its own: what it answers, it answers as Mesos' agents
//! do, with and without the prefix `/slave(1)`.
//!
//! To add pages: a file here with a function that makes a [`Router`], merged in [`router`].

mod answer;
mod connections;
mod door;
mod prefix;
mod status;

pub use connections::{HEADER_PATIENCE, MAX_CONNECTIONS, run};
pub use door::{DEFAULT_LISTEN, Door, DoorError};

use axum::Router;

/// All pages of an agent.
pub fn router() -> Router {
    Router::new().merge(status::router())
}
