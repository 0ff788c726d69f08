//! Waiting for the alarm of the kernel program.

use crate::probe::Alarms;
use std::future::pending;
use tokio::io::{Interest, unix::AsyncFd};
use tracing::warn;

/// The alarm, if this kernel has it.
pub(super) struct Bell(Option<AsyncFd<Alarms>>);

impl Bell {
    pub(super) fn new(alarms: Option<Alarms>) -> Self {
        let polled = alarms.and_then(|alarms| {
            // SAFETY: the ring owns its descriptor, gives the same one for life, and is dropped with it.
            let polled = unsafe { AsyncFd::register_with_interest(alarms, Interest::READABLE) };
            polled.map_err(|fault| warn!("long waits can't be waited for: {fault}")).ok()
        });
        Self(polled)
    }

    /// Forgets what rang so far.
    pub(super) fn clear(&mut self) {
        if let Some(alarms) = &mut self.0 {
            alarms.get_mut().clear();
        }
    }

    /// Returns when it rings. Nothing is lost if it is dropped before.
    pub(super) async fn rings(&mut self) {
        let Some(alarms) = &mut self.0 else { return pending().await };
        loop {
            match alarms.readable_mut().await {
                Ok(mut ready) => {
                    let rang = ready.get_inner_mut().clear();
                    ready.clear_ready();
                    if rang {
                        return;
                    }
                }
                Err(_) => return pending().await,
            }
        }
    }
}
