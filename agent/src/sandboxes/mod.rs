//! Keeps what tasks write within bounds, on a thread of its own: cuts output that has grown too long,
//! removes sandboxes that nobody needs any more, and copies of fetched files that have no room.
//!
//! It knows no task: what runs it finds by its documents, so that adopted tasks are treated like any.

mod age;
mod rotation;

pub use age::{Collected, MIN_AGE, collect, max_age};
pub use rotation::{Cuts, Rotation};

use crate::{
    checkpoint,
    config::Config,
    containers::{Launch, Layout},
    fetcher,
    supervisor::SPEC_FILE,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

/// How often it is looked how long outputs are.
const ROTATE: Duration = Duration::from_secs(2);
/// So many of those later it is looked at the disk (Mesos: once a minute).
const COLLECT_EVERY: u32 = 30;

/// The work and its bounds.
#[derive(Debug)]
pub struct Janitor {
    layout: Layout,
    rotation: Rotation,
    delay: Duration,
    headroom_percent: u64,
    cache_bytes: u64,
    /// The sandboxes of containers that are here, by their ids.
    live: BTreeMap<String, PathBuf>,
}

impl Janitor {
    /// With the operator's bounds.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            layout: config.layout(),
            rotation: config.rotation(),
            delay: Duration::from_secs(config.gc_delay_s),
            headroom_percent: config.gc_disk_headroom_percent,
            cache_bytes: config.fetch().cache_bytes,
            live: BTreeMap::new(),
        }
    }

    /// Works for ever.
    pub async fn run(mut self) {
        let mut looks = interval(ROTATE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for look in 0_u32.. {
            looks.tick().await;
            self.rotate();
            if look.is_multiple_of(COLLECT_EVERY) {
                self.collect();
            }
        }
    }

    fn rotate(&mut self) {
        if self.rotation.bytes == 0 {
            return;
        }
        self.find_live();
        for (id, sandbox) in &self.live {
            match self.rotation.apply(&self.layout, id, sandbox) {
                Ok(0) => {}
                Ok(cut) => debug!(container = id, "{cut} bytes of output were moved on"),
                Err(fault) => warn!(container = id, "its output can't be cut: {fault}"),
            }
        }
    }

    /// Each container's document is read once.
    fn find_live(&mut self) {
        let entries = fs::read_dir(self.layout.containers()).into_iter().flatten().flatten();
        let mut found = BTreeMap::new();
        for entry in entries {
            let id = entry.file_name().to_string_lossy().into_owned();
            if let Some(sandbox) = self.live.remove(&id).or_else(|| sandbox_of(&entry.path())) {
                found.insert(id, sandbox);
            }
        }
        self.live = found;
    }

    fn collect(&self) {
        let max_age = max_age(self.layout.state(), self.delay, self.headroom_percent);
        let collected = collect(&self.layout, max_age, SystemTime::now());
        for fault in &collected.faults {
            warn!("a sandbox stays: {fault}");
        }
        if collected.removed > 0 {
            info!(removed = collected.removed, "sandboxes older than {} s", max_age.as_secs());
        }
        self.layout.drop_old_links();
        let users = fs::read_dir(self.layout.cache()).into_iter().flatten().flatten();
        let users: Vec<_> = users.map(|user| user.path()).collect();
        if let Err(fault) = fetcher::make_room(&users, self.cache_bytes) {
            warn!("copies of fetched files can't be cleared up: {fault}");
        }
    }
}

fn sandbox_of(container: &Path) -> Option<PathBuf> {
    let launch: Launch = checkpoint::load(&container.join(SPEC_FILE)).ok()??;
    // By its real name: an older agent's is a link by now.
    fs::canonicalize(launch.sandbox).ok()
}
