//! Loads of known shape in cgroups of their own, to measure the probe against. Not part of measuring.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, pipe},
};

/// How often, and how long apart, a cgroup that still has dying processes is removed again.
const REMOVE_TRIES: u32 = 100;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// A cgroup directory that is removed with this.
pub(crate) struct Cgroup {
    pub(super) path: PathBuf,
}

impl Cgroup {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        fs::create_dir(path).map_err(|error| {
            io::Error::new(error.kind(), format!("cgroup {}: {error}", path.display()))
        })?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// The file through which a process enters.
    fn entrance(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..REMOVE_TRIES {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => sleep(REMOVE_PAUSE),
                _ => return,
            }
        }
    }
}

/// A process of ours, killed with this.
pub(crate) struct Process {
    pub(super) pid: Pid,
    /// Waited for already.
    pub(super) ended: bool,
}

impl Process {
    /// Starts a process that enters the cgroups, stays on one CPU if told, and then runs `body`.
    ///
    /// # Safety
    /// `body` runs in a forked child of a process that may have other threads: it must do system calls only.
    pub(crate) unsafe fn start(
        cgroups: &[&Cgroup],
        cpu: Option<usize>,
        body: impl FnOnce(),
    ) -> io::Result<Self> {
        let entrances = cgroups.iter().map(|c| c.entrance()).collect::<io::Result<Vec<File>>>()?;
        let mut set = CpuSet::new();
        if let Some(cpu) = cpu {
            set.set(cpu)?;
        }
        // SAFETY: the child does nothing but system calls, as the caller promised.
        match unsafe { fork()? } {
            ForkResult::Parent { child } => Ok(Self { pid: child, ended: false }),
            ForkResult::Child => {
                // It must not outlive us, whatever becomes of us.
                // SAFETY: a plain call.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                let entered = entrances.iter().all(|file| write_byte(file, b'0'));
                let pinned = cpu.is_none() || sched_setaffinity(Pid::from_raw(0), &set).is_ok();
                if entered && pinned {
                    body();
                }
                // SAFETY: leaves without running the parent's exit handlers.
                unsafe { libc::_exit(1) }
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Our own child, not yet waited for: the id cannot be another's.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

/// Two processes on one CPU that pass a byte to and fro: two switches a round.
pub(crate) fn ping_pong(cgroups: &[&Cgroup], cpu: usize) -> io::Result<[Process; 2]> {
    let (ping_out, ping_in) = pipe()?;
    let (pong_out, pong_in) = pipe()?;
    // SAFETY: the bodies read and write only.
    unsafe {
        let first = Process::start(cgroups, Some(cpu), || {
            while write_byte(&ping_in, 1) && read_byte(&pong_out) {}
        })?;
        let second = Process::start(cgroups, Some(cpu), || {
            while read_byte(&ping_out) && write_byte(&pong_in, 1) {}
        })?;
        Ok([first, second])
    }
}

fn write_byte(file: &impl AsRawFd, byte: u8) -> bool {
    // SAFETY: one byte of our own; a plain call, fit for a forked child.
    unsafe { libc::write(file.as_raw_fd(), (&raw const byte).cast(), 1) == 1 }
}

fn read_byte(file: &OwnedFd) -> bool {
    let mut byte = 0u8;
    // SAFETY: as above.
    unsafe { libc::read(file.as_raw_fd(), (&raw mut byte).cast(), 1) == 1 }
}
