//! Whether the agent is well, and which it is: `/health`, `/version`.

use super::answer;
use axum::{Router, http::StatusCode, routing::any};
use serde::Serialize;

/// The Mesos whose interface this is: digits and dots only, as clients take it apart by number.
pub(super) const MESOS_VERSION: &str = "1.11.0";

#[derive(Serialize)]
struct Version {
    version: &'static str,
    build_date: &'static str,
    build_time: f64,
    build_user: &'static str,
    headroom_version: &'static str,
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/health", any(|| async { answer::plain(StatusCode::OK, "") }))
        .route("/version", any(|query: answer::Jsonp| async move { query.json(&version()) }))
}

fn version() -> Version {
    Version {
        version: MESOS_VERSION,
        build_date: "",
        build_time: 0.0,
        build_user: "",
        headroom_version: env!("CARGO_PKG_VERSION"),
    }
}
