//! Removing groups: bottom up, with a bounded patience for EBUSY.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::group::{is_gone, subtree};
use super::{CgroupError, Group};

/// The kernel frees a group shortly after its last process is gone; so often is it asked again.
const REMOVE_ATTEMPTS: u32 = 40;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);

impl Group {
    /// Removes the group and its descendants from every hierarchy. Groups with processes stay.
    pub fn remove(&self) -> Result<(), CgroupError> {
        self.distinct_dirs().iter().try_for_each(|dir| remove_subtree(dir))?;
        self.other_dirs().iter().try_for_each(|dir| remove_subtree(dir))
    }
}

fn remove_subtree(dir: &Path) -> Result<(), CgroupError> {
    for group in subtree(dir)?.iter().rev() {
        remove_one(group)?;
    }
    Ok(())
}

fn remove_one(dir: &Path) -> Result<(), CgroupError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(e) if is_gone(&e) => return Ok(()),
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) && attempt < REMOVE_ATTEMPTS => {
                sleep(REMOVE_PAUSE);
            }
            Err(e) => return Err(CgroupError::file(dir, "remove the group", e)),
        }
    }
}
