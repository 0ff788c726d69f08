//! Signals of the supervisor: read as data, and put back to normal for the task.

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::signal::{sigaction, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Blocks what the supervisor waits for, from the start: what comes early is kept, not lost.
pub(super) fn block() -> Result<SignalFd, Errno> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGCHLD);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
    // A terminal or a reader that goes away must not take the supervisor along.
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGPIPE] {
        set_handler(signal, SigHandler::SigIgn)?;
    }
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// In the child: ignored signals and the mask would outlive exec.
pub(super) fn reset() -> Result<(), Errno> {
    for signal in Signal::iterator() {
        match set_handler(signal, SigHandler::SigDfl) {
            // SIGKILL and SIGSTOP cannot be set, and need not be.
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(e) => return Err(e),
        }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

fn set_handler(signal: Signal, handler: SigHandler) -> Result<(), Errno> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: only SIG_IGN and SIG_DFL are installed, so no code of ours runs in a handler.
    unsafe { sigaction(signal, &action) }.map(|_| ())
}
