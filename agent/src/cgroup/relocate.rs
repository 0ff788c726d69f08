//! Moving what runs in one group into another, while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::group::{read_procs, subtree};
use super::{CgroupError, Group, knob};

/// Processes fork while they are moved; a child is born where its parent is by then, so a few rounds do.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(1);
/// How many of those left behind an error names.
const NAMED: usize = 16;

impl Group {
    /// Moves every process of the group and of those below it into `to`, in every hierarchy, until none is left.
    /// Groups that a task made below its own are left behind empty.
    pub(super) fn move_all(&self, to: &Group) -> Result<(), CgroupError> {
        let started = Instant::now();
        loop {
            self.move_round(to)?;
            let pids = self.procs()?;
            if pids.is_empty() {
                return Ok(());
            }
            if started.elapsed() >= PATIENCE {
                return Err(CgroupError::NotMoved {
                    group: self.name().to_owned(),
                    to: to.name().to_owned(),
                    pids: pids.into_iter().take(NAMED).collect(),
                });
            }
            sleep(PAUSE);
        }
    }

    fn move_round(&self, to: &Group) -> Result<(), CgroupError> {
        for (from, into) in self.distinct_dirs().iter().zip(to.procs_files()) {
            let mut pids = BTreeSet::new();
            for group in subtree(from)? {
                read_procs(&group, &mut pids)?;
            }
            for pid in pids {
                match knob::write(&into, &pid.to_string()) {
                    // It ended meanwhile.
                    Err(e) if e.errno() == Some(libc::ESRCH) => {}
                    moved => moved?,
                }
            }
        }
        Ok(())
    }

    /// Gives every process of the group that has the one score for when the machine runs out of memory the other.
    /// Processes that chose a score of their own keep it.
    pub(super) fn change_oom_score(&self, from: i32, to: i32) -> Result<(), CgroupError> {
        for pid in self.procs()? {
            let file = format!("/proc/{pid}/oom_score_adj");
            // Whoever ended meanwhile needs none.
            let score = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
            if score == Some(from) {
                let written = fs::write(&file, to.to_string());
                if let Err(e) = written
                    .or_else(|e| if fs::exists(&file).unwrap_or(true) { Err(e) } else { Ok(()) })
                {
                    return Err(CgroupError::file(file.as_ref(), "write", e));
                }
            }
        }
        Ok(())
    }
}
