//! Puts the files that a command names by URI into its sandbox, before it runs.
//!
//! It runs in a process of its own below the container's supervisor, in the task's cgroup and as the
//! task's user: that user's rights decide what can be read, what it fetches is charged to the task and
//! owned by it, and it ends with it. Blocking, without a runtime, because supervisors fork it.

mod archive;
mod budget;
mod cache;
mod download;
mod error;
mod uri;

pub use cache::{make_room, user_dir};
pub use error::FetchError;
pub use uri::Uri;

use archive::Kind;
use budget::Budget;
use cache::Cache;
use download::Client;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// A command names at most so many.
pub const MAX_URIS: usize = 128;
const EXECUTABLE: u32 = 0o755;

/// How to fetch, as the operator set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Where this user's copies are kept; absent: nothing is kept.
    pub cache: Option<PathBuf>,
    /// They take at most so much.
    pub cache_bytes: u64,
    /// All that one task fetches, and what it unpacks of that, is at most so much.
    pub task_bytes: u64,
    /// A source that sends nothing for so long is given up.
    pub stall_ms: u64,
}

impl Default for Fetch {
    fn default() -> Self {
        // Mesos: 2 GB of copies, a minute of silence.
        Self { cache: None, cache_bytes: 2 << 30, task_bytes: 16 << 30, stall_ms: 60_000 }
    }
}

impl Fetch {
    fn stall(&self) -> Duration {
        Duration::from_millis(self.stall_ms.max(1))
    }
}

/// Fetches all of `uris` into `sandbox`, one after the other; `told` is called with a line for each.
///
/// # Errors
/// Names the URI that failed, and what to do.
pub fn run(
    fetch: &Fetch,
    uris: &[Uri],
    sandbox: &Path,
    mut told: impl FnMut(&str),
) -> Result<(), FetchError> {
    let client = Client::new(fetch.stall());
    let mut budget = Budget::new(fetch.task_bytes);
    for uri in uris {
        let name = uri.file_name()?;
        let place = uri.place(sandbox)?;
        if let Some(above) = place.parent() {
            fs::create_dir_all(above).map_err(|fault| uri.write(above, fault))?;
        }
        let kind = Kind::of(&name).filter(|_| uri.extract && !uri.executable);
        let packed = match fetch.cache.as_ref().filter(|_| uri.cache && uri.is_remote()) {
            Some(dir) => {
                let cache = Cache { dir, bytes: fetch.cache_bytes, stall: fetch.stall() };
                let (path, kept) = cache.get(&client, uri, &mut budget)?;
                // An archive is unpacked from where it is kept.
                if kind.is_none() {
                    uri.copy(&path, &kept, &place, &mut budget)?;
                }
                kept
            }
            None => {
                client.fetch(uri, &place, &mut budget)?;
                File::open(&place).map_err(|fault| uri.read(&place, fault))?
            }
        };
        if uri.executable {
            let mode = fs::Permissions::from_mode(EXECUTABLE);
            fs::set_permissions(&place, mode).map_err(|fault| uri.write(&place, fault))?;
        }
        if let Some(kind) = kind {
            archive::unpack(kind, uri, packed, &name, sandbox, &mut budget)?;
            told(&format!("unpacked {uri} into {}", sandbox.display()));
        } else {
            told(&format!("fetched {uri} to {}", place.display()));
        }
    }
    Ok(())
}
