//! What a supervisor writes about its task's checks, followed by looking.

use super::Message;
use std::{fs, os::fd::OwnedFd, path::Path, time::Duration};
use tokio::{io::unix::AsyncFd, sync::mpsc, time::sleep};

/// How often it is looked whether a task's checks have found something.
const PAUSE: Duration = Duration::from_millis(500);

/// Sends [`Message::Checked`] whenever a task's checks have written something, until its supervisor
/// ends: this agent or the next, whoever is there.
pub(super) async fn checks(
    supervisor: &AsyncFd<OwnedFd>,
    document: &Path,
    handle: u64,
    inbox: &mpsc::WeakSender<Message>,
) {
    let mut seen = None;
    loop {
        let written = fs::metadata(document).and_then(|data| data.modified()).ok();
        if written.is_some() && written != seen {
            seen = written;
            let Some(inbox) = inbox.upgrade() else { return };
            let _ = inbox.send(Message::Checked(handle)).await;
        }
        tokio::select! {
            _ = supervisor.readable() => return,
            () = sleep(PAUSE) => {}
        }
    }
}
