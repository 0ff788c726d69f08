//! What the pages are made of, and how often it is asked for.

use crate::{
    config::Config,
    containers::Layout,
    tasks::{self, View},
};
use headroom_proto::v1 as wire;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    time::timeout,
};

/// However many ask, the keeper is asked no more often than this (Mesos: twice a second).
pub const MIN_AGE: Duration = Duration::from_millis(500);

/// A keeper that has not answered by then waits for its disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// The ways to what is shown.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What does not change.
    pub about: Arc<About>,
    /// Knows the tasks; gone when the agent stops.
    pub keeper: mpsc::WeakSender<tasks::Message>,
    /// The meter's newest report.
    pub report: watch::Receiver<Option<wire::Report>>,
    seen: Arc<Mutex<Option<Seen>>>,
}

type Seen = (Instant, Arc<View>);

/// What does not change while the agent runs.
#[derive(Clone, Debug)]
pub struct About {
    /// What it tells the allocator of itself.
    pub hello: wire::Hello,
    /// By what others reach this server.
    pub address: SocketAddr,
    /// Where sandboxes are.
    pub layout: Layout,
    /// Seconds since 1970.
    pub start_time: f64,
    /// The allocator's.
    pub allocator: String,
}

impl About {
    /// An agent that starts now.
    #[must_use]
    pub fn new(config: &Config, hello: &wire::Hello, address: SocketAddr) -> Self {
        Self {
            hello: hello.clone(),
            address,
            layout: config.layout(),
            start_time: now_s(),
            allocator: config.allocator.clone(),
        }
    }

    /// The name Mesos' clients know an agent's server by.
    #[must_use]
    pub fn pid(&self) -> String {
        format!("slave(1)@{}", self.address)
    }
}

impl Sources {
    /// Sources of which nothing was asked yet.
    #[must_use]
    pub fn new(
        about: About,
        keeper: mpsc::WeakSender<tasks::Message>,
        report: watch::Receiver<Option<wire::Report>>,
    ) -> Self {
        Self { about: Arc::new(about), keeper, report, seen: Arc::default() }
    }

    /// The tasks, as of the last half second; `None` when the agent stops or does not keep up.
    pub(super) async fn view(&self) -> Option<Arc<View>> {
        let mut seen = self.seen.lock().await;
        if let Some((at, view)) = seen.as_ref()
            && at.elapsed() < MIN_AGE
        {
            return Some(Arc::clone(view));
        }
        let (answer, view) = oneshot::channel();
        self.keeper.upgrade()?.try_send(tasks::Message::Look(answer)).ok()?;
        let view = Arc::new(timeout(PATIENCE, view).await.ok()?.ok()?);
        *seen = Some((Instant::now(), Arc::clone(&view)));
        Some(view)
    }
}

/// Seconds since 1970.
pub(super) fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
