//! The door for operators who speak Mesos' API: `POST /api/v1` and the old endpoints
//! (docs/mesos.md).
//!
//! What is told is copied on the core's thread and written out on another, one answer at a time.

mod about;
mod answers;
mod call;
mod events;
mod files;
mod legacy;
mod logging;
mod maintenance;
mod metrics;
mod snapshot;
mod states;
mod table;
mod writes;

use crate::{
    agents::Directory,
    config::Config,
    driver::{CallError, Driver},
    mesos::{master::Master, paths::at},
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Extension, State},
    http::HeaderMap,
    response::Response,
    routing::post,
};
use files::Files;
use metrics::Around;
use snapshot::Snapshot;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};
use tonic::transport::server::TcpConnectInfo;

/// The body of a call may have so many bytes.
pub const MAX_CALL_BYTES: usize = 4 << 20;
/// Readers of the event stream: at most (as in Mesos).
pub const MAX_SUBSCRIBERS: usize = 1_000;

/// An answer.
#[derive(Debug)]
struct Written {
    question: String,
    /// When it was looked how everything is.
    looked: Instant,
    text: Bytes,
}

/// The door; cheap to copy.
#[derive(Clone, Debug)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    driver: Driver,
    directory: Directory,
    /// Whoever holds it writes; what was written last is kept for those who ask the same.
    turn: Arc<Mutex<Option<Written>>>,
    subscribers: Arc<Semaphore>,
    epoch: u32,
    hostname: String,
    started: SystemTime,
    flags: BTreeMap<String, String>,
    files: Files,
}

impl Door {
    /// A door to `driver`; `hostname` is what clients are told of this machine.
    #[must_use]
    pub fn new(
        driver: Driver,
        directory: Directory,
        epoch: u32,
        hostname: String,
        config: &Config,
    ) -> Self {
        Self(Arc::new(Inner {
            turn: Arc::default(),
            driver,
            directory,
            subscribers: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
            epoch,
            hostname,
            started: SystemTime::now(),
            flags: flags(config),
            files: Files::of(config.log.file.clone()),
        }))
    }

    /// Its paths.
    pub(crate) fn routes(self) -> Router {
        let router = at(Router::new(), "/api/v1", &post(operator));
        let router = legacy::add(router);
        router.layer(DefaultBodyLimit::max(MAX_CALL_BYTES)).with_state(self)
    }

    fn master(&self, connection: Option<Extension<TcpConnectInfo>>) -> Master {
        let local = connection.and_then(|Extension(connection)| connection.local_addr());
        Master {
            epoch: self.0.epoch,
            address: local.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            hostname: self.0.hostname.clone(),
            directory: self.0.directory.clone(),
        }
    }

    /// Seconds since 1970.
    fn started_s(&self) -> f64 {
        self.0.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    fn around(&self) -> Around {
        Around {
            uptime_s: now_s() - self.started_s(),
            subscribers: MAX_SUBSCRIBERS - self.0.subscribers.available_permits(),
        }
    }

    /// What `write` makes of everything as it is, no earlier than now, away from the threads that
    /// serve. One answer is written at a time, so that polling takes no more than one processor; who
    /// asks the same while he waits for his turn shares the next.
    async fn written(
        &self,
        question: String,
        write: impl FnOnce(&Snapshot) -> Vec<u8> + Send + 'static,
    ) -> Result<Bytes, CallError> {
        let asked = Instant::now();
        let mut turn = self.turn().await;
        if let Some(last) = &*turn
            && last.question == question
            && last.looked >= asked
        {
            return Ok(last.text.clone());
        }
        let looked = Instant::now();
        let snapshot = self.look().await?;
        // The turn goes along: it lasts until the answer is written, even if nobody waits for it.
        let written = tokio::task::spawn_blocking(move || {
            let text = Bytes::from(write(&snapshot));
            *turn = Some(Written { question, looked, text: text.clone() });
            text
        });
        written.await.map_err(|_| CallError::Stopped)
    }

    async fn turn(&self) -> OwnedMutexGuard<Option<Written>> {
        Arc::clone(&self.0.turn).lock_owned().await
    }

    async fn look(&self) -> Result<Snapshot, CallError> {
        self.0.driver.look(Snapshot::of).await
    }
}

/// Seconds since 1970; 0: not yet.
fn seconds(ms: Option<u64>) -> f64 {
    ms.unwrap_or_default() as f64 / 1_000.0
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Settings by the names that Mesos has for them.
fn flags(config: &Config) -> BTreeMap<String, String> {
    let span = |span| humantime::format_duration(span).to_string();
    let flags = [
        ("ip", config.listen.ip().to_string()),
        ("port", config.listen.port().to_string()),
        ("work_dir", config.state_dir.display().to_string()),
        ("offer_timeout", span(config.offer_timeout)),
        ("agent_ping_timeout", span(config.agent_timeout)),
        ("allocation_interval", span(config.step)),
        ("max_completed_frameworks", config.completed.frameworks.to_string()),
        ("max_completed_tasks_per_framework", config.completed.tasks_per_framework.to_string()),
    ];
    let log = config.log.file.iter();
    let log = log.map(|file| ("external_log_file", file.display().to_string()));
    flags.into_iter().chain(log).map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn operator(
    State(door): State<Door>,
    connection: Option<Extension<TcpConnectInfo>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let master = door.master(connection);
    door.call(&headers, &body, master).await.unwrap_or_else(|refusal| *refusal)
}
