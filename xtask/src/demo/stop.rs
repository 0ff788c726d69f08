//! Ctrl-C: noted, and looked at between waits, so that everything started is cleaned up.

use anyhow::bail;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

static ASKED: AtomicBool = AtomicBool::new(false);
const LOOK: Duration = Duration::from_millis(50);

extern "C" fn note(_: i32) {
    ASKED.store(true, Ordering::Relaxed);
}

/// From now on Ctrl-C and SIGTERM are noted instead of ending this process.
pub(super) fn listen() -> anyhow::Result<()> {
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler stores to an atomic and nothing else.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// Waits until `done` gives something, at most `patience`; an error on Ctrl-C or when time is over.
pub(super) fn wait<T>(
    what: &str,
    patience: Duration,
    mut done: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    wait_through(what, patience, || match done()? {
        None if ASKED.load(Ordering::Relaxed) => {
            bail!("stopped; everything that the demo started is cleaned up")
        }
        found => Ok(found),
    })
}

/// The same for cleaning up: Ctrl-C does not end it.
pub(super) fn wait_through<T>(
    what: &str,
    patience: Duration,
    mut done: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = done()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {} s for {what}", patience.as_secs());
        }
        sleep(LOOK);
    }
}
