//! The connections: how many at once, and how long one may take to say what it wants.

use super::{Door, prefix};
use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tower::ServiceExt as _;
use tracing::{debug, error, warn};

/// At most so many connections; more wait in the kernel's queue until one ends.
pub const MAX_CONNECTIONS: usize = 1_024;
/// A connection that has sent no whole head of a request by then is closed, an idle one too.
pub const HEADER_PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be accepted: no descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves for ever what `router` answers.
pub async fn run(door: Door, router: Router) {
    match door.into_listener() {
        Ok(listener) => accept(listener, router).await,
        Err(fault) => error!("the agent's HTTP server can't run: {fault}"),
    }
}

async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, router.clone(), place));
            }
            Err(fault) if is_of_the_peer(&fault) => debug!("a connection came to nothing: {fault}"),
            Err(fault) => {
                warn!("no connection can be accepted: {fault}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, _place: OwnedSemaphorePermit) {
    // Small answers go at once.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, request) = (router.clone(), prefix::strip(request.map(Body::new)));
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(never)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(fault) = served {
        debug!("a connection broke: {fault}");
    }
}

fn never<T>(infallible: Infallible) -> T {
    match infallible {}
}

fn is_of_the_peer(fault: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(fault.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
