//! The processes of a container: those of its cgroup, and all descendants of the supervisor.
//!
//! A container may be promoted while it runs: its processes are then in the group of the other class.
//! The supervisor is a subreaper, so what double-forks becomes its child; a process of root that
//! leaves the cgroup is still found this way, and an agent without cgroups finds all this way.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::FinalUsage;
use crate::absence::Absence;
use crate::cgroup::{CgroupError, ContainerCgroup};

const PAUSE: Duration = Duration::from_millis(10);
/// How long leftovers are killed before the exit is reported with them in it.
pub(crate) const LEFTOVER_PATIENCE: Duration = Duration::from_secs(10);

/// Where to find them: the group they start in, and that of the other class; none without cgroups.
#[derive(Clone)]
pub(crate) struct Members {
    groups: Vec<ContainerCgroup>,
    /// That of the container that this one is in, whose limit may be the one that is passed.
    outer: Option<ContainerCgroup>,
}

impl Members {
    pub(super) fn new(groups: Vec<ContainerCgroup>, outer: Option<ContainerCgroup>) -> Members {
        Members { groups, outer }
    }

    pub(super) fn procs_files(&self) -> Vec<PathBuf> {
        self.groups.first().map(ContainerCgroup::procs_files).unwrap_or_default()
    }

    /// The name of the control group, relative to the mounts, where there is one.
    pub(crate) fn group_name(&self) -> Option<&str> {
        self.groups.first().map(|cgroup| cgroup.group().name())
    }

    /// Where the container has been promoted to, if it has: `main`, its first process, is there.
    pub(crate) fn promoted_to(&self, main: i32) -> Option<&ContainerCgroup> {
        let other = self.groups.get(1).filter(|group| group.exists())?;
        other.procs().is_ok_and(|procs| procs.contains(&main)).then_some(other)
    }

    /// All of them that still run.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let mut pids = descendants(std::process::id() as i32);
        for group in &self.groups {
            match group.procs() {
                Ok(procs) => pids.extend(procs),
                Err(e) => eprintln!("the processes of the group cannot be listed: {e}"),
            }
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// SIGTERM to all, woken up if they are frozen.
    pub(crate) fn terminate(&self) {
        for group in self.groups.iter().filter(|group| group.exists()) {
            if let Err(e) = group.thaw() {
                eprintln!("the group cannot be thawed: {e}");
            }
        }
        for pid in self.pids() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }

    /// SIGKILL until none is left, for at most `patience`; returns the survivors.
    pub(crate) fn kill_all(
        &self,
        patience: Duration,
        mut reaped: impl FnMut(Pid, WaitStatus),
    ) -> Vec<i32> {
        let deadline = Instant::now() + patience;
        loop {
            for group in &self.groups {
                match group.group().kill_all(PAUSE) {
                    Ok(()) | Err(CgroupError::NotEmpty { .. }) => {}
                    Err(e) => eprintln!("the group cannot be killed: {e}"),
                }
            }
            for pid in descendants(std::process::id() as i32) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            reap(&mut reaped);
            let left = self.pids();
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            sleep(PAUSE);
        }
    }

    /// The last figures: of a container that was promoted those of both groups together.
    pub(crate) fn usage(&self) -> FinalUsage {
        let Some((first, others)) = self.groups.split_first() else {
            let mut usage = FinalUsage::default();
            let reason = "the agent may not make cgroups here";
            usage.absences.extend(
                ["cpu_usage_ns", "memory_peak_bytes", "oom_kills", "limit_ooms"]
                    .map(|what| Absence::new(what, reason)),
            );
            return usage;
        };
        let others = others.iter().filter(|group| group.exists()).map(usage_of);
        let mut usage = others.fold(usage_of(first), FinalUsage::plus);
        // What happened below it counts in it, too.
        let of_outer = self.outer.as_ref().and_then(|outer| outer.group().limit_ooms().ok());
        usage.limit_ooms = of_outer.or(usage.limit_ooms);
        usage
    }
}

fn usage_of(cgroup: &ContainerCgroup) -> FinalUsage {
    let mut usage = FinalUsage::default();
    let group = cgroup.group();
    let mut read = |what: &str, value: Result<u64, CgroupError>| match value {
        Ok(value) => Some(value),
        Err(e) => {
            usage.absences.push(Absence::new(what, e.to_string()));
            None
        }
    };
    let cpu_usage_ns = read("cpu_usage_ns", group.cpu_usage_ns());
    let memory_peak_bytes = read("memory_peak_bytes", group.memory_peak_bytes());
    let oom_kills = read("oom_kills", group.oom_kills());
    let limit_ooms = read("limit_ooms", group.limit_ooms());
    FinalUsage { cpu_usage_ns, memory_peak_bytes, oom_kills, limit_ooms, ..usage }
}

/// Collects every child that has ended.
pub(super) fn reap(reaped: &mut impl FnMut(Pid, WaitStatus)) {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        match status.pid() {
            Some(pid) => reaped(pid, status),
            // StillAlive: children, but none that ended.
            None => return,
        }
    }
}

/// All running descendants of `root`, by the parents that /proc tells.
fn descendants(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(parent) = running_parent(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        found.extend(&below);
        next.extend(below);
    }
    found
}

/// The parent in a /proc/PID/stat line, unless the process is dead already.
fn running_parent(stat: &str) -> Option<i32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    match fields.next()? {
        "Z" | "X" | "x" => None,
        _ => fields.next()?.parse().ok(),
    }
}
