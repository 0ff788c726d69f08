//! Containers of ours that nobody supervises, and whether there is a Docker to run any.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use super::body::{CONTAINER_LABEL, OWNER_LABEL, owner};
use super::{Daemon, DockerError};
use crate::containers::Layout;
use crate::supervisor::SupervisorHandle;

/// How long an agent's start waits for Docker's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why tasks in Docker containers can't be run here now; none: they can.
pub async fn absence(socket: &Path) -> Option<String> {
    let asked = timeout(PATIENCE, async { Daemon::connect(socket).await?.check().await });
    match asked.await {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(fault.to_string()),
        Err(_) => Some(format!("Docker at {} does not answer", socket.display())),
    }
}

/// Removes containers that an agent's end, a crash or a slow daemon left.
#[derive(Clone, Debug)]
pub struct Sweeper {
    socket: PathBuf,
    layout: Layout,
    is_busy: Arc<AtomicBool>,
}

impl Sweeper {
    /// For the containers of the agent with this state directory.
    pub fn new(socket: &Path, layout: &Layout) -> Sweeper {
        Sweeper { socket: socket.to_owned(), layout: layout.clone(), is_busy: Arc::default() }
    }

    /// Sweeps on the runtime it is called on, unless that is being done already.
    pub fn start(&self) {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let sweeper = self.clone();
        tokio::spawn(async move {
            match sweeper.sweep().await {
                Ok(0) => {}
                Ok(removed) => info!(removed, "containers at Docker that nobody supervised"),
                // At a node without Docker that is not news, and was said at the start.
                Err(DockerError::Away { .. }) => {}
                Err(fault) => warn!("{fault}"),
            }
            sweeper.is_busy.store(false, Ordering::Release);
        });
    }

    async fn sweep(&self) -> Result<usize, DockerError> {
        let daemon = Daemon::connect(&self.socket).await?;
        let ours = format!("{OWNER_LABEL}={}", owner(self.layout.state()));
        let mut removed = 0;
        for (docker_id, labels) in daemon.labelled(ours).await? {
            let container = labels.get(CONTAINER_LABEL).map_or("", String::as_str);
            // The document is there before the container, and its supervisor too.
            if SupervisorHandle::open(&self.layout.container(container)).is_ok() {
                continue;
            }
            daemon.remove(&docker_id).await?;
            removed += 1;
        }
        Ok(removed)
    }
}
