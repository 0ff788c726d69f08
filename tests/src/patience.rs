//! Waiting: polls with a deadline that only a hang reaches.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Far beyond what anything here takes, also on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Polls until there is something.
///
/// # Panics
/// There was nothing for [`LONG`].
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s in vain: {what}", LONG.as_secs());
        sleep(PAUSE);
    }
}

/// Polls until it is so.
///
/// # Panics
/// It was not so for [`LONG`].
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}
