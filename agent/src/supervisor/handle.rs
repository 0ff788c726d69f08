//! The agent's side: starting a supervisor, finding it again, asking it to end the task.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::start::EXIT_CODE_FULL;
use super::{
    EXIT_FILE, Exit, Identity, KILL_FILE, KillRequest, LOG_FILE, SUBCOMMAND, SUPERVISOR_FILE,
    SupervisorError,
};
use crate::checkpoint::{self, CheckpointError};

/// How much of the log an error quotes.
const LOG_QUOTED_BYTES: usize = 400;

/// A supervisor that ran when the handle was made.
#[derive(Debug)]
pub struct SupervisorHandle {
    dir: PathBuf,
    identity: Identity,
    pidfd: OwnedFd,
}

impl SupervisorHandle {
    /// Starts `exe supervise <dir>`; `<dir>/spec.json` must be there. The supervisor is nobody's
    /// child when this returns, so it leaves the agent no zombie and needs no agent. `None` means
    /// that a short task is over already: `exit.json` is there.
    pub fn spawn(dir: &Path, exe: &Path) -> Result<Option<SupervisorHandle>, SupervisorError> {
        let log = dir.join(LOG_FILE);
        let stderr = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&log)
            .map_err(|e| CheckpointError::io(&log, "open", e))?;
        let status = Command::new(exe)
            .arg(SUBCOMMAND)
            .arg(dir)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .status()
            .map_err(|source| SupervisorError::Spawn { exe: exe.to_owned(), source })?;
        if status.code() == Some(i32::from(EXIT_CODE_FULL)) {
            let path = dir.join(SUPERVISOR_FILE);
            return Err(CheckpointError::Full { path }.into());
        }
        if !status.success() {
            return Err(SupervisorError::GaveUp {
                dir: dir.to_owned(),
                status: status.to_string(),
                log: last_of(&log),
            });
        }
        match SupervisorHandle::open(dir) {
            Ok(handle) => Ok(Some(handle)),
            Err(SupervisorError::Gone { .. }) if dir.join(EXIT_FILE).exists() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Finds the supervisor of a container again.
    pub fn open(dir: &Path) -> Result<SupervisorHandle, SupervisorError> {
        let recorded: Identity = checkpoint::load(&dir.join(SUPERVISOR_FILE))?
            .ok_or_else(|| SupervisorError::NotRecorded { dir: dir.to_owned() })?;
        let pid = recorded.pid;
        let gone = || SupervisorError::Gone { dir: dir.to_owned(), pid };
        let pidfd = match pidfd_open(pid) {
            Ok(pidfd) => pidfd,
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => return Err(gone()),
            Err(e) => return Err(SupervisorError::system(dir, "open a pidfd", e)),
        };
        // The pidfd came first: whatever /proc says now is about it, or about nothing of ours.
        match Identity::of(pid) {
            Ok(found) if found == recorded => {}
            _ => return Err(gone()),
        }
        let handle = SupervisorHandle { dir: dir.to_owned(), identity: recorded, pidfd };
        if handle.is_running() { Ok(handle) } else { Err(gone()) }
    }

    /// Readable when the supervisor has ended: for the caller's event loop.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1))
    }

    /// Asks it to end the task: SIGTERM, then SIGKILL after `grace_ms` (the spec's if absent).
    /// Asking again can only shorten the grace. Harmless if all is over already.
    pub fn kill(&self, grace_ms: Option<u64>) -> Result<(), SupervisorError> {
        checkpoint::save(&self.dir.join(KILL_FILE), &KillRequest { grace_ms })?;
        match pidfd_signal(&self.pidfd, libc::SIGTERM) {
            Ok(()) => Ok(()),
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            Err(e) => Err(SupervisorError::system(&self.dir, "signal the supervisor", e)),
        }
    }

    /// How the container ended, once it has.
    pub fn exit(&self) -> Result<Option<Exit>, SupervisorError> {
        Ok(checkpoint::load(&self.dir.join(EXIT_FILE))?)
    }
}

fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes a pid and flags by value and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn pidfd_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open for the call, and a null siginfo asks for the default one.
    let done = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn last_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let from = text.len().saturating_sub(LOG_QUOTED_BYTES);
    String::from_utf8_lossy(&text[from..]).trim().to_owned()
}
