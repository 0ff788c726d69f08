//! Waiting: polls with a deadline that only a hang reaches.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Far beyond what anything here takes, also on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Polls until it is so; false: it was not for [`LONG`].
pub(crate) fn wait_or(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        sleep(PAUSE);
    }
    true
}

/// Polls until there is something.
///
/// # Panics
/// There was nothing for [`LONG`].
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    wait_or(|| {
        found = look();
        found.is_some()
    });
    found.unwrap_or_else(|| panic!("waited {} s in vain: {what}", LONG.as_secs()))
}

/// Polls until it is so.
///
/// # Panics
/// It was not so for [`LONG`].
pub fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    assert!(wait_or(is_so), "waited {} s in vain: {what}", LONG.as_secs());
}
