//! One `headroom up` of the demo's own: its own port, state directory and cgroups, all removed again.

use super::stop;
use anyhow::{Context as _, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Whether lent resources are taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reclaim {
    On,
    Off,
}

/// The role of the batch job.
pub(super) const BATCH_ROLE: &str = "batch";
/// The demo's time is short: a task is young for 3 s, and its next 5 s are forecast (else 10 min each).
const FORECAST: [&str; 4] = ["--forecast-young", "3s", "--forecast-horizon", "5s"];
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const START_PATIENCE: Duration = Duration::from_secs(20);
const CGROUP_MOUNTS: &str = "/sys/fs/cgroup";

/// A running cluster of one node; dropping it ends its tasks and removes all it made.
pub(super) struct Cluster {
    headroom: PathBuf,
    up: Child,
    address: String,
    parent: String,
    dir: PathBuf,
}

impl Cluster {
    pub(super) fn start(headroom: &Path, reclaim: Reclaim) -> anyhow::Result<Self> {
        let parent = format!("headroom-demo-{}", std::process::id());
        let dir = std::env::temp_dir().join(&parent);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let log = File::create(dir.join("log.json"))?;
        let mut up = Command::new(headroom)
            .args(["up", "--json", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--cgroup-parent", &parent, "--state-dir"])
            .arg(dir.join("state"))
            .args(FORECAST)
            .args(["--reclaim", if reclaim == Reclaim::On { "on" } else { "off" }])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C is for the demo, which ends the tasks before their cluster.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", headroom.display()))?;
        let mut line = String::new();
        if let Some(stdout) = up.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = said["address"].as_str().unwrap_or_default().to_owned();
        let cluster = Self { headroom: headroom.to_owned(), up, address, parent, dir };
        if cluster.address.is_empty() {
            bail!("headroom up did not start:\n{}", cluster.last_of_log());
        }
        cluster.wait_for_agent()?;
        cluster.ask(&["role", "set", BATCH_ROLE, "--opportunistic", "true"])?;
        Ok(cluster)
    }

    fn wait_for_agent(&self) -> anyhow::Result<()> {
        stop::wait("the agent's first figures", START_PATIENCE, || {
            let measured = self.agent()?["used"]["cpus"].is_number();
            Ok(measured.then_some(()))
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.headroom);
        command.args(["--address", &self.address]).args(arguments);
        command.stdin(Stdio::null()).process_group(0);
        command
    }

    /// What a command prints.
    pub(super) fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("headroom {}: {said}", arguments.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The file that lets the service's bursts begin.
    pub(super) fn start_file(&self) -> PathBuf {
        self.dir.join("start")
    }

    /// Why a task waits, for a person.
    pub(super) fn why(&self, task: &str) -> String {
        let said = self.command(&["why", task]).output().map(|output| output.stdout);
        let node = self.ask(&["status"]).unwrap_or_default();
        format!("{}\n{node}", String::from_utf8_lossy(&said.unwrap_or_default()))
    }

    fn ask_json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.ask(arguments)?)?)
    }

    /// The node as `headroom status --json` shows it.
    pub(super) fn agent(&self) -> anyhow::Result<Value> {
        Ok(self.ask_json(&["status", "--json"])?["agents"][0].clone())
    }

    /// Whether a task runs.
    pub(super) fn runs(&self, task: &str) -> anyhow::Result<bool> {
        let tasks = self.ask_json(&["ps", "--json"])?["tasks"].clone();
        let tasks = tasks.as_array().cloned().unwrap_or_default();
        Ok(tasks.iter().any(|one| one["task_id"] == task && one["state"] == "running"))
    }

    /// Starts `headroom run`; its standard output is the task's.
    pub(super) fn run(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = self.command(&["run"]);
        let errors = File::create(self.dir.join("run.err"))?;
        Ok(command.args(arguments).stdout(Stdio::piped()).stderr(errors).spawn()?)
    }

    /// Ends what ran and returns the log.
    pub(super) fn finish(mut self) -> anyhow::Result<String> {
        self.stop();
        Ok(fs::read_to_string(self.dir.join("log.json"))?)
    }

    fn last_of_log(&self) -> String {
        let log = fs::read_to_string(self.dir.join("log.json")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn stop(&mut self) {
        if !matches!(self.up.try_wait(), Ok(None)) {
            return;
        }
        for task in self.ask(&["ps", "-q"]).unwrap_or_default().lines() {
            let _ = self.ask(&["kill", task, "--grace", "1s"]);
        }
        let none_runs = || Ok(self.ask(&["ps", "-q"])?.trim().is_empty().then_some(()));
        let _ = stop::wait_through("the tasks' end", STOP_PATIENCE, none_runs);
        terminate(&mut self.up);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        clear_cgroups(&self.parent);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Asks a child to end, and forces it when it does not.
pub(super) fn terminate(child: &mut Child) {
    let pid = Pid::from_raw(child.id() as i32);
    let _ = kill(pid, Signal::SIGTERM);
    let ended = stop::wait_through("a process to end", STOP_PATIENCE, || Ok(child.try_wait()?));
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Ends and removes what is left below the demo's own cgroup, which nobody else knows of.
fn clear_cgroups(parent: &str) {
    let mounts = fs::read_dir(CGROUP_MOUNTS).into_iter().flatten().flatten();
    let below = mounts.map(|mount| mount.path().join(parent));
    for dir in below.chain([Path::new(CGROUP_MOUNTS).join(parent)]).filter(|dir| dir.is_dir()) {
        clear(&dir);
    }
}

fn clear(dir: &Path) {
    for child in fs::read_dir(dir).into_iter().flatten().flatten() {
        if child.path().is_dir() {
            clear(&child.path());
        }
    }
    let processes = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let gone = || Ok(fs::remove_dir(dir).is_ok().then_some(()));
    let _ = stop::wait_through("a cgroup to empty", Duration::from_secs(2), gone);
}
