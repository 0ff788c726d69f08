//! Which process a recorded pid means: pids are reused, start times of one boot are not.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

/// `supervisor.json`: a process that cannot be mistaken for a later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// Its start in clock ticks since boot (/proc/PID/stat, field 22).
    pub start_ticks: u64,
    /// The boot it belongs to.
    pub boot_id: String,
}

impl Identity {
    /// The identity of a process that runs now.
    pub fn of(pid: i32) -> io::Result<Identity> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start_ticks = start_ticks(&stat).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat: no start time"))
        })?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(Identity { pid, start_ticks, boot_id })
    }
}

/// The name may hold spaces and parentheses, so fields are counted from the last one.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_hostile_name() {
        let stat = "7 (a) R 1 (x)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9123 1 1";
        assert_eq!(start_ticks(stat), Some(9123));
        assert_eq!(start_ticks("7 (a) S 1"), None);
        let me = Identity::of(std::process::id() as i32).expect("own identity");
        assert!(me.start_ticks > 0 && !me.boot_id.is_empty());
    }
}
