//! What a browser, a scraper or a load balancer asks: `/`, `/metrics`, `/healthz`.

use crate::{
    driver::Driver,
    metrics::{DriverMetrics, Snapshot},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;

const FRONT: &str = concat!(
    "Headroom allocator ",
    env!("CARGO_PKG_VERSION"),
    "\n\nThis port speaks gRPC (headroom.v1, with reflection) to agents, frameworks and the\n\
     command line. For people: `headroom top`, `headroom ps`, `headroom why`.\n\n\
     /api/v1    Mesos' HTTP API, and its older paths (/state, /metrics/snapshot, ...)\n\
     /metrics   for Prometheus\n\
     /healthz   200 when all is well, otherwise 503 and why\n"
);

/// The OpenMetrics text format, which `prometheus-client` writes.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Web {
    driver: Driver,
    metrics: Arc<DriverMetrics>,
}

/// Adds the pages to `router`; what is no page and no gRPC call is a plain 404.
pub(crate) fn add(router: Router, driver: Driver, metrics: Arc<DriverMetrics>) -> Router {
    let pages = Router::new()
        .route("/", get(|| async { FRONT }))
        .route("/metrics", get(scrape))
        .route("/healthz", get(health))
        .with_state(Web { driver, metrics });
    router.merge(pages).fallback(nowhere)
}

async fn scrape(State(web): State<Web>) -> Response {
    let ok = web.driver.trouble().is_none();
    let snapshot = web.driver.query(|machine, _| Snapshot::of(machine)).await;
    let text = match snapshot {
        Ok(snapshot) => snapshot.encode(&web.metrics, ok).map_err(|error| error.to_string()),
        Err(stopped) => Err(stopped.to_string()),
    };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(problem) => (StatusCode::SERVICE_UNAVAILABLE, problem + "\n").into_response(),
    }
}

async fn health(State(web): State<Web>) -> (StatusCode, String) {
    let mut reasons: Vec<_> = web.driver.trouble().into_iter().collect();
    // A question shows that the core still decides, not only that this page is served.
    if let Err(stopped) = web.driver.query(|_, _| ()).await {
        reasons.push(stopped.to_string());
    }
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
}

async fn nowhere(headers: HeaderMap) -> Response {
    let grpc = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc {
        return tonic::Status::unimplemented("no such service here")
            .into_http::<axum::body::Body>();
    }
    (StatusCode::NOT_FOUND, "nothing is here; / says what is\n").into_response()
}
