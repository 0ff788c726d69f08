//! The request to end a task, and how far it is.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{KILL_FILE, KillRequest};
use crate::checkpoint;

/// A task that was asked to end.
#[derive(Debug)]
pub(crate) struct Kill {
    /// When its grace is over.
    pub(crate) deadline: Instant,
    /// Whether it is over and was seen to.
    pub(crate) is_over: bool,
    /// Whether something still ran then.
    pub(crate) forced: bool,
}

impl Kill {
    /// The end of the grace by `kill.json`, or by the spec's own.
    pub(crate) fn asked(dir: &Path, spec_grace_ms: u64) -> Instant {
        let request = match checkpoint::load::<KillRequest>(&dir.join(KILL_FILE)) {
            Ok(request) => request,
            Err(e) => {
                eprintln!("{e}; the spec's grace is used");
                None
            }
        };
        let grace_ms = request.and_then(|request| request.grace_ms).unwrap_or(spec_grace_ms);
        let now = Instant::now();
        // A grace beyond the clock's range is for ever: years.
        let deadline = now.checked_add(Duration::from_millis(grace_ms));
        deadline.unwrap_or(now + Duration::from_secs(u64::from(u32::MAX)))
    }

    /// Takes note of a request: the first begins the end (true), a later one can only shorten it.
    pub(crate) fn note(kill: &mut Option<Kill>, deadline: Instant) -> bool {
        match kill {
            Some(kill) => {
                kill.deadline = kill.deadline.min(deadline);
                false
            }
            None => {
                *kill = Some(Kill { deadline, is_over: false, forced: false });
                true
            }
        }
    }
}
