//! The agent's own HTTP server, on a thread of its own: what it answers, it answers as Mesos' agents
//! do, with and without the prefix `/slave(1)`.
//!
//! To add pages: a file here with a function that makes a [`Router`], merged in [`router`].

mod answer;
mod connections;
mod door;
mod files;
mod listing;
mod prefix;
mod resources;
mod sandbox;
mod snapshot;
mod sources;
mod state;
mod statistics;
mod status;

pub use connections::{HEADER_PATIENCE, MAX_CONNECTIONS, run};
pub use door::{DEFAULT_LISTEN, Door, DoorError};
pub use headroom_proto::mesos::files::MAX_READ_BYTES;
pub use sandbox::MAX_ENTRIES;
pub use sources::{About, MIN_AGE, Sources};

use axum::Router;

/// All pages of an agent.
pub fn router(sources: &Sources) -> Router {
    Router::new()
        .merge(status::router())
        .merge(files::router(sources.about.layout.clone()))
        .merge(state::router(sources.clone()))
        .merge(statistics::router(sources.clone()))
        .merge(snapshot::router(sources.clone()))
}
