//! What the kernel says of a process: CPU time and memory.

use crate::fault::Fault;
use nix::{
    time::{clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};
use serde::Serialize;
use std::{fs, time::Duration};

/// Memory of one process, or of several together, in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// Resident, now.
    pub rss_mib: f64,
    /// The anonymous part.
    pub rss_anon_mib: f64,
    /// Resident, each shared page counted in parts; absent if it may not be read.
    pub pss_mib: Option<f64>,
}

impl Memory {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rss_mib: self.rss_mib + other.rss_mib,
            rss_anon_mib: self.rss_anon_mib + other.rss_anon_mib,
            pss_mib: self.pss_mib.zip(other.pss_mib).map(|(one, more)| one + more),
        }
    }
}

/// CPU time of all threads, ended ones included (utime + stime of /proc/PID/stat, in nanoseconds
/// instead of ticks).
pub(crate) fn cpu_time(pid: i32) -> Result<Duration, Fault> {
    let fault = |errno: nix::Error| {
        Fault::io("cannot read the CPU clock of", format!("/proc/{pid}"))(errno.into())
    };
    let clock = clock_getcpuclockid(Pid::from_raw(pid)).map_err(fault)?;
    clock_gettime(clock).map(Duration::from).map_err(fault)
}

/// Memory of a process.
pub(crate) fn memory(pid: i32) -> Result<Memory, Fault> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(Fault::io("cannot read", &path))?;
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    Ok(Memory {
        rss_mib: field_mib(&status, "VmRSS:").unwrap_or_default(),
        rss_anon_mib: field_mib(&status, "RssAnon:").unwrap_or_default(),
        pss_mib: field_mib(&rollup, "Pss:"),
    })
}

fn field_mib(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let before = cpu_time(pid).unwrap();
        let work: u64 = (0..3_000_000_u64).map(std::hint::black_box).sum();
        assert!(work > 0 && cpu_time(pid).unwrap() > before);
        let memory = memory(pid).unwrap();
        assert!(memory.rss_mib > memory.rss_anon_mib && memory.rss_anon_mib > 0.0);
    }
}
