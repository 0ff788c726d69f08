//! Ending every process of a group, however fast it forks.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tree::SUPERVISORS;
use super::{CgroupError, Controller, Group, knob};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How many survivors an error names.
const SURVIVORS_NAMED: usize = 16;

impl Group {
    /// Sends `signal` to every process of the group, once.
    pub fn signal_all(&self, signal: Signal) -> Result<usize, CgroupError> {
        let pids = self.procs()?;
        for pid in &pids {
            // A process that ended meanwhile is what was wanted.
            let _ = kill(Pid::from_raw(*pid), signal);
        }
        Ok(pids.len())
    }

    /// Kills until the group is empty, for at most `patience`.
    pub fn kill_all(&self, patience: Duration) -> Result<(), CgroupError> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            self.kill_round()?;
            let pids = self.procs()?;
            if pids.is_empty() {
                return Ok(());
            }
            if started.elapsed() >= patience {
                return Err(CgroupError::NotEmpty {
                    group: self.name().to_owned(),
                    pids: pids.into_iter().take(SURVIVORS_NAMED).collect(),
                    waited_ms: started.elapsed().as_millis() as u64,
                });
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One round: `cgroup.kill` (Linux 5.14) leaves no race; without it the group is frozen first,
    /// so that it cannot fork while it is shot at.
    fn kill_round(&self) -> Result<(), CgroupError> {
        if let Some(dir) = self.dir(Controller::Unified)
            && kill_v2(&dir.path)?
        {
            // Whoever left the v2 group but not the others is still ours.
            self.signal_all(Signal::SIGKILL)?;
            return Ok(());
        }
        // Freezing only helps; a host without any freezer still gets the signals.
        let frozen = self.freeze();
        let signalled = self.signal_all(Signal::SIGKILL);
        if frozen.is_ok() {
            self.thaw()?;
            self.flee_frozen_ancestor()?;
        }
        signalled.map(|_| ())
    }

    /// A v1 freezer holds even killed processes, and an ancestor's (the slice's) holds ours: what
    /// was killed is moved out of it to die, beside the supervisors, which are never frozen.
    fn flee_frozen_ancestor(&self) -> Result<(), CgroupError> {
        let Some(dir) = self.dir(Controller::Freezer).filter(|dir| !dir.v2) else { return Ok(()) };
        if knob::read_u64(&dir.path.join("freezer.parent_freezing"))? == 0 {
            return Ok(());
        }
        let refuge = |above: &Path| above.join(SUPERVISORS).join("cgroup.procs");
        // A container's group may be in that of another.
        let above = dir.path.ancestors().skip(2).take(2);
        let Some(refuge) = above.map(refuge).find(|refuge| refuge.exists()) else { return Ok(()) };
        for pid in self.procs()? {
            match knob::write(&refuge, &pid.to_string()) {
                Err(e) if e.errno() != Some(libc::ESRCH) => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns whether the kernel has `cgroup.kill` there.
fn kill_v2(dir: &Path) -> Result<bool, CgroupError> {
    let file = dir.join("cgroup.kill");
    match knob::write(&file, "1") {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.errno(), Some(libc::ENOENT | libc::EOPNOTSUPP)) => Ok(false),
        Err(e) => Err(e),
    }
}
