//! Waiting for the alarm of the kernel program.

use crate::probe::Alarms;
use std::{future::pending, time::Duration};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::Instant,
};
use tracing::warn;

/// Two long waits within so long are an alarm. One alone is mostly a single tick that lent work got in front of an
/// owner, over before anything could be done; threads that pile up on one CPU wait again and again.
const TOGETHER: Duration = Duration::from_millis(10);

/// The alarm, if this kernel has it.
pub(super) struct Bell {
    alarms: Option<AsyncFd<Alarms>>,
    last_wait: Option<Instant>,
}

impl Bell {
    pub(super) fn new(alarms: Option<Alarms>) -> Self {
        let alarms = alarms.and_then(|alarms| {
            // SAFETY: the ring owns its descriptor, gives the same one for life, and is dropped with it.
            let polled = unsafe { AsyncFd::register_with_interest(alarms, Interest::READABLE) };
            polled.map_err(|fault| warn!("long waits can't be waited for: {fault}")).ok()
        });
        Self { alarms, last_wait: None }
    }

    /// Forgets what rang so far.
    pub(super) fn clear(&mut self) {
        self.last_wait = None;
        if let Some(alarms) = &mut self.alarms {
            alarms.get_mut().clear();
        }
    }

    /// Returns when two long waits came together. Nothing is lost if it is dropped before.
    pub(super) async fn rings(&mut self) {
        let Some(alarms) = &mut self.alarms else { return pending().await };
        loop {
            let Ok(mut ready) = alarms.readable_mut().await else { return pending().await };
            let waits = ready.get_inner_mut().clear();
            ready.clear_ready();
            if waits == 0 {
                continue;
            }
            let now = Instant::now();
            let again = self.last_wait.replace(now).is_some_and(|last| now - last <= TOGETHER);
            if waits > 1 || again {
                self.last_wait = None;
                return;
            }
        }
    }
}
