//! An allocator and an agent as processes of their own, with state and cgroups of their own, of which
//! nothing is left when it is dropped.

use crate::fault::Fault;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const CGROUPS: &str = "/sys/fs/cgroup";
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
const LOG_TAIL_BYTES: usize = 2_000;

/// The two daemons.
#[derive(Debug)]
pub(crate) struct Testbed {
    pub(crate) address: String,
    state: TempDir,
    cgroup_parent: String,
    allocator: Option<Child>,
    agent: Option<Child>,
}

impl Testbed {
    /// Starts both from the directory of this program.
    pub(crate) fn start(agent_flags: &[&str]) -> Result<Self, Fault> {
        let state = tempfile::tempdir().map_err(Fault::io("cannot make", std::env::temp_dir()))?;
        let port = free_port()?;
        let mut bed = Self {
            address: format!("http://127.0.0.1:{port}"),
            state,
            cgroup_parent: format!("headroom-bench-{}", std::process::id()),
            allocator: None,
            agent: None,
        };
        let listen = format!("127.0.0.1:{port}");
        let flags = ["--listen", &listen, "--log-level", "warn", "--state-dir"];
        bed.allocator = Some(bed.spawn("headroom-allocator", "allocator", &flags)?);
        bed.until("the allocator to listen", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        let address = bed.address.clone();
        let parent = bed.cgroup_parent.clone();
        let mut flags = vec!["--allocator", &address, "--cgroup-parent", &parent, "--log", "info"];
        flags.extend(agent_flags);
        flags.push("--state-dir");
        bed.agent = Some(bed.spawn("headroom-agent", "agent", &flags)?);
        Ok(bed)
    }

    fn spawn(&self, program: &str, name: &str, flags: &[&str]) -> Result<Child, Fault> {
        let this = std::env::current_exe().map_err(Fault::io("cannot find", "this program"))?;
        let path = this.with_file_name(program);
        let log = self.state.path().join(format!("{name}.log"));
        let log = fs::File::create(&log).map_err(Fault::io("cannot make", &log))?;
        // The last flag is --state-dir.
        let mut command = Command::new(&path);
        command.args(flags).arg(self.state.path().join(name));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().map_err(Fault::io("cannot run (`cargo xtask bench` builds it)", path))
    }

    /// Where the allocator listens.
    pub(crate) fn socket(&self) -> Result<SocketAddr, Fault> {
        let address = self.address.trim_start_matches("http://").parse();
        address.map_err(|_| Fault::Core(format!("{} is no address", self.address)))
    }

    pub(crate) fn agent_pid(&self) -> i32 {
        self.agent.as_ref().map_or(-1, |agent| agent.id() as i32)
    }

    pub(crate) fn allocator_pid(&self) -> i32 {
        self.allocator.as_ref().map_or(-1, |allocator| allocator.id() as i32)
    }

    /// The supervisors of all containers.
    pub(crate) fn supervisors(&self) -> BTreeSet<i32> {
        let roots = self.cgroups().into_iter().map(|root| root.join("supervisors"));
        roots.flat_map(|root| members(&root)).collect()
    }

    /// The end of a daemon's log, for a fault that would otherwise say too little.
    pub(crate) fn log_tail(&self, name: &str) -> String {
        let text = fs::read_to_string(self.state.path().join(format!("{name}.log")));
        let text = text.unwrap_or_default();
        let mut start = text.len().saturating_sub(LOG_TAIL_BYTES);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        text[start..].to_owned()
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> bool) -> Result<(), Fault> {
        let deadline = Instant::now() + STOP_PATIENCE;
        while !done() {
            if Instant::now() > deadline {
                let log = self.log_tail("allocator");
                return Err(Fault::Waited(format!("{what}; its log ends:\n{log}")));
            }
            sleep(POLL);
        }
        Ok(())
    }

    /// Our parent group in every hierarchy that has it.
    fn cgroups(&self) -> Vec<PathBuf> {
        let here = PathBuf::from(CGROUPS);
        let mounts =
            fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|entry| entry.path());
        let roots = std::iter::once(here).chain(mounts);
        let roots = roots.map(|mount| mount.join(&self.cgroup_parent));
        // Joint mounts have a second name (cpu -> cpu,cpuacct).
        let real = roots.filter_map(|root| root.canonicalize().ok());
        real.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Ends every process in our groups, and removes the groups.
    fn remove_cgroups(&self) {
        let deadline = Instant::now() + STOP_PATIENCE;
        loop {
            let groups = self.cgroups();
            if groups.is_empty() {
                return;
            }
            for pid in groups.iter().flat_map(|group| members(group)) {
                // It may have ended just now.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            groups.iter().for_each(|group| remove(group));
            if Instant::now() > deadline {
                return eprintln!("left behind, remove by hand: {:?}", self.cgroups());
            }
            sleep(POLL);
        }
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        for child in [self.agent.take(), self.allocator.take()].into_iter().flatten() {
            stop(child);
        }
        self.remove_cgroups();
    }
}

/// Asks a daemon to end, then makes it.
fn stop(mut child: Child) {
    let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
    let deadline = Instant::now() + STOP_PATIENCE;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        sleep(POLL);
    }
}

fn free_port() -> Result<u16, Fault> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(Fault::io("cannot listen on", "127.0.0.1:0"))
}

fn subgroups(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()).collect()
}

/// All processes in a group and below.
fn members(group: &Path) -> BTreeSet<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut all: BTreeSet<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    for below in subgroups(group) {
        all.extend(members(&below));
    }
    all
}

fn remove(group: &Path) {
    subgroups(group).iter().for_each(|below| remove(below));
    // Tried again by the caller while processes are still ending.
    let _ = fs::remove_dir(group);
}
