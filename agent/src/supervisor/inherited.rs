//! Descriptors that a process inherited and must not keep or pass on.

use std::fs;
use std::io;

/// The first descriptor that is not standard input, output or error.
const FIRST: u32 = 3;

/// Closes every inherited descriptor. Only at the very start of a process that has opened none
/// itself.
pub(super) fn close_all() {
    if close_range(0).is_err() {
        for fd in open_fds() {
            // SAFETY: nothing in this process owns a descriptor yet, by this function's contract.
            unsafe { libc::close(fd) };
        }
    }
}

/// Has every descriptor closed when this process executes another program.
pub(super) fn close_on_exec() {
    if close_range(libc::CLOSE_RANGE_CLOEXEC as libc::c_uint).is_err() {
        for fd in open_fds() {
            // SAFETY: sets a flag on a descriptor number; a closed one is only an error.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// Linux 5.9, the flag 5.11.
fn close_range(flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: takes numbers only; callers say why no owned descriptor is closed under its owner.
    let done = unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, flags) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn open_fds() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(name).filter(|fd| *fd >= FIRST as i32).collect()
}
