//! Loads of known shape.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::Path,
    thread::sleep,
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

use crate::probe::workload::{Cgroup, Process};

impl Cgroup {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn inode(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.path)?.ino())
    }
}

impl Process {
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        waitpid(self.pid, None)?;
        self.ended = true;
        Ok(())
    }

    /// Stops it, and waits until it is off the CPU: then all it did is booked.
    pub(crate) fn stop(&self) -> io::Result<()> {
        kill(self.pid, Signal::SIGSTOP)?;
        waitpid(self.pid, Some(WaitPidFlag::WUNTRACED))?;
        // The parent is told just before the last switch.
        sleep(Duration::from_millis(5));
        Ok(())
    }

    pub(crate) fn go_on(&self) -> io::Result<()> {
        Ok(kill(self.pid, Signal::SIGCONT)?)
    }
}

/// Uses a CPU without end.
pub(crate) fn hog(cgroups: &[&Cgroup], cpu: Option<usize>) -> io::Result<Process> {
    // SAFETY: the body computes only.
    unsafe {
        Process::start(cgroups, cpu, || {
            let mut turns = 0u64;
            loop {
                turns = std::hint::black_box(turns.wrapping_add(1));
            }
        })
    }
}

/// Sleeps a millisecond and computes for about as long, without end.
pub(crate) fn nap(cgroups: &[&Cgroup], cpu: Option<usize>) -> io::Result<Process> {
    // SAFETY: the body computes and sleeps only.
    unsafe {
        Process::start(cgroups, cpu, || {
            loop {
                let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
                libc::nanosleep(&raw const pause, std::ptr::null_mut());
                for turns in 0..300_000u64 {
                    std::hint::black_box(turns);
                }
            }
        })
    }
}

/// Bytes of one write of [`direct_writer`].
pub(crate) const WRITE_BYTES: usize = 64 << 10;

/// Writes so many blocks past the page cache, and ends.
pub(crate) fn direct_writer(cgroup: &Cgroup, file: &File, blocks: usize) -> io::Result<Process> {
    /// Direct I/O wants memory on sectors.
    #[repr(align(4096))]
    struct Aligned([u8; WRITE_BYTES]);
    static DATA: Aligned = Aligned([7; WRITE_BYTES]);
    // SAFETY: the body writes and syncs only.
    unsafe {
        Process::start(&[cgroup], None, || {
            for block in 0..blocks {
                let at = (block * WRITE_BYTES) as libc::off_t;
                libc::pwrite(file.as_raw_fd(), DATA.0.as_ptr().cast(), WRITE_BYTES, at);
            }
            libc::fsync(file.as_raw_fd());
        })
    }
}
