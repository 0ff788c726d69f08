//! A cluster of one node: `headroom up`, or allocator and agent apart.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use nix::sys::signal::Signal;

use crate::{
    Json,
    command::{Done, Started},
    daemon::{Daemon, program},
    house::House,
    patience::{wait_for, wait_or, wait_until},
};

/// The daemons' settings, as the text of their files.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Of the allocator (TOML).
    pub allocator: String,
    /// Of the agent (TOML).
    pub agent: String,
    /// Where to listen; empty: on any free port of 127.0.0.1.
    pub listen: String,
}

impl Settings {
    /// Steps of 200 ms, and nothing else unusual.
    #[must_use]
    pub fn quick() -> Self {
        Self { allocator: "step = \"200ms\"\n".into(), ..Self::default() }
    }

    /// The same with more lines for the agent.
    #[must_use]
    pub fn agent(mut self, lines: &str) -> Self {
        self.agent.push_str(lines);
        self
    }

    /// The same with more lines for the allocator.
    #[must_use]
    pub fn allocator(mut self, lines: &str) -> Self {
        self.allocator.push_str(lines);
        self
    }
}

/// Ended and cleared up when dropped.
#[derive(Debug)]
pub struct Cluster {
    // In this order: the daemons end before their places go.
    agent: Option<Daemon>,
    allocator: Option<Daemon>,
    address: String,
    state: PathBuf,
    /// Its places.
    pub house: House,
}

impl Cluster {
    /// `headroom up`, linked.
    #[must_use]
    pub fn up(settings: &Settings) -> Self {
        let house = House::new();
        let state = house.state();
        Self::up_in(settings, house, state)
    }

    /// The same with its state elsewhere.
    #[must_use]
    pub fn up_in(settings: &Settings, house: House, state: PathBuf) -> Self {
        Self::up_with(settings, house, state, |command| command)
    }

    /// The same with the command changed.
    #[must_use]
    pub fn up_with(
        settings: &Settings,
        house: House,
        state: PathBuf,
        change: impl Fn(Command) -> Command,
    ) -> Self {
        let command = change(up_command(settings, &house, &state));
        let daemon = Daemon::start(command, &house.path().join("up.log"));
        let address = word_after(&daemon, "headroom serves on http://");
        let cluster = Self { agent: None, allocator: Some(daemon), address, state, house };
        cluster.linked();
        cluster
    }

    /// `headroom up` again after its end, with the same state.
    pub fn restart_up(&mut self, settings: &Settings) {
        let command = up_command(settings, &self.house, &self.state);
        let daemon = Daemon::start(command, &self.house.path().join("up-again.log"));
        self.address = word_after(&daemon, "headroom serves on http://");
        self.allocator = Some(daemon);
        self.linked();
    }

    /// Two daemons, linked.
    #[must_use]
    pub fn apart(settings: &Settings) -> Self {
        let house = House::new();
        let state = house.state();
        let (agent, allocator, address) = (None, None, "127.0.0.1:0".into());
        let mut cluster = Self { agent, allocator, address, state, house };
        cluster.start_allocator(settings);
        cluster.start_agent(settings, &[]);
        cluster.linked();
        cluster
    }

    /// Starts the allocator (again, where it was).
    ///
    /// # Panics
    /// It doesn't listen.
    pub fn start_allocator(&mut self, settings: &Settings) {
        let config = self.house.write("allocator.toml", &settings.allocator);
        let mut command = program("headroom-allocator");
        command.arg("--config").arg(config).args(["--listen", &self.address]);
        command.arg("--state-dir").arg(self.state.join("allocator"));
        let starts = self.house.path().join(format!("allocator-{}.log", unique()));
        let daemon = Daemon::start(command, &starts);
        self.address = word_after(&daemon, "listening address=");
        self.allocator = Some(daemon);
    }

    /// Starts the agent (again), with more flags.
    pub fn start_agent(&mut self, settings: &Settings, flags: &[&str]) {
        let config = self.house.write("agent.toml", &settings.agent);
        let mut command = program("headroom-agent");
        command.arg("--config").arg(config).arg("--state-dir").arg(self.state.join("agent"));
        command.args(["--allocator", &format!("http://{}", self.address)]);
        command.args(["--cgroup-parent", self.house.cgroups.parent()]).args(flags);
        let log = self.house.path().join(format!("agent-{}.log", unique()));
        self.agent = Some(Daemon::start(command, &log));
    }

    /// Kills the agent, as a crash would end it.
    pub fn kill_agent(&mut self) {
        self.agent.take().expect("an agent of its own").kill();
    }

    /// Asks the agent to end, as an operator would, and waits for that.
    pub fn stop_agent(&mut self) {
        let mut agent = self.agent.take().expect("an agent of its own");
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait(), 0, "{}", agent.log());
    }

    /// Kills the allocator, or both if they are one.
    pub fn kill_allocator(&mut self) {
        self.allocator.take().expect("an allocator").kill();
    }

    /// The agent; of `headroom up`, all of it.
    #[must_use]
    pub fn agent(&self) -> &Daemon {
        self.agent.as_ref().or(self.allocator.as_ref()).expect("an agent")
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the agent is linked.
    pub fn linked(&self) {
        wait_until("the agent is linked", || self.node()["connected"] == true);
    }

    /// The one node, or null.
    #[must_use]
    pub fn node(&self) -> Json {
        self.status()["agents"].get(0).cloned().unwrap_or_default()
    }

    /// `headroom status --json`, or null when it does not work.
    #[must_use]
    pub fn status(&self) -> Json {
        let done = self.headroom(&["status", "--json"]);
        if done.code == 0 { done.json() } else { Json::Null }
    }

    /// A task by its name, ended ones too, or null.
    #[must_use]
    pub fn task(&self, name: &str) -> Json {
        let done = self.headroom(&["ps", "--all", "--json"]);
        let mut listing = if done.code == 0 { done.json() } else { Json::Null };
        let tasks = listing["tasks"].as_array_mut().map(std::mem::take).unwrap_or_default();
        tasks.into_iter().find(|task| task["task_id"] == name).unwrap_or_default()
    }

    /// Waits until a task is in a state.
    ///
    /// # Panics
    /// It never is.
    pub fn until(&self, name: &str, state: &str) -> Json {
        let mut task = Json::Null;
        let is_so = wait_or(|| {
            task = self.task(name);
            task["state"] == state
        });
        assert!(is_so, "waited in vain: task {name} is {state}; it is {task}");
        task
    }

    /// Waits until a task is told to use more than so much of `cpus` or `memory_mib`.
    ///
    /// # Panics
    /// It never is.
    pub fn until_used(&self, name: &str, what: &str, more_than: f64) {
        let mut task = Json::Null;
        let is_so = wait_or(|| {
            task = self.task(name);
            task["used"][what].as_f64() > Some(more_than)
        });
        assert!(is_so, "waited in vain for {what} above {more_than}: {task}; {}", self.node());
    }

    /// The command line with this cluster's address.
    #[must_use]
    pub fn command(&self, line: &[&str]) -> Command {
        let mut command = program("headroom");
        command.args(["--address", &self.address]).args(line);
        command
    }

    /// Starts a command line.
    #[must_use]
    pub fn start(&self, line: &[&str]) -> Started {
        Started::new(self.command(line), self.house.path())
    }

    /// Runs a command line to its end.
    #[must_use]
    pub fn headroom(&self, line: &[&str]) -> Done {
        self.start(line).done()
    }

    /// `headroom run <line>`, to its end, with 64 MiB unless the line says otherwise.
    #[must_use]
    pub fn run(&self, line: &[&str]) -> Done {
        self.headroom(&run_line(line))
    }

    /// The same with a name, started; comes back when the task runs.
    ///
    /// # Panics
    /// It ended instead.
    #[must_use]
    pub fn run_named(&self, name: &str, line: &[&str]) -> Started {
        let mut started = self.start(&run_line(&[&["--name", name], line].concat()));
        wait_until(&format!("task {name} runs"), || {
            assert!(!started.has_ended(), "it ended: {}", started.err());
            self.task(name)["state"] == "running"
        });
        started
    }

    /// The tasks' processes, of which there is one soon: "running" is said when it is started.
    #[must_use]
    pub fn task_pids(&self) -> BTreeSet<i32> {
        wait_for("a task's process", || {
            Some(self.house.cgroups.task_pids()).filter(|pids| !pids.is_empty())
        })
    }

    /// Waits until no container is left: no process and no directory.
    pub fn empty(&self) {
        wait_until("no container is left", || self.house.cgroups.containers().is_empty());
    }

    /// Where the agent serves sandboxes and figures.
    #[must_use]
    pub fn pages(&self) -> String {
        word_after(self.agent(), "sandboxes and figures are on http://")
    }

    /// The file of a task's sandbox.
    #[must_use]
    pub fn sandbox_file(&self, name: &str) -> Option<PathBuf> {
        let sandboxes = self.state.join("agent/slaves");
        find(&sandboxes, name)
    }
}

/// The command `headroom up`.
#[must_use]
pub fn up_command(settings: &Settings, house: &House, state: &std::path::Path) -> Command {
    let mut command = program("headroom");
    let listen = if settings.listen.is_empty() { "127.0.0.1:0" } else { &settings.listen };
    command.args(["up", "--listen", listen]).arg("--state-dir").arg(state);
    command.args(["--cgroup-parent", house.cgroups.parent()]);
    command.arg("--allocator-config").arg(house.write("allocator.toml", &settings.allocator));
    command.arg("--agent-config").arg(house.write("agent.toml", &settings.agent));
    command
}

fn run_line<'a>(line: &[&'a str]) -> Vec<&'a str> {
    let memory: &[&str] = if line.contains(&"--memory") { &[] } else { &["--memory", "64MiB"] };
    [&["run"], memory, line].concat()
}

fn find(dir: &std::path::Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// The address that a daemon says it has.
fn word_after(daemon: &Daemon, words: &str) -> String {
    wait_for(&format!("{words:?} in the log"), || {
        let log = plain(&daemon.log());
        let rest = log.split_once(words)?.1;
        let end = rest.find([' ', ';', '\n'])?;
        Some(rest[..end].to_owned())
    })
}

/// Without a terminal's colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |sum, part| sum + part.split_once('m').map_or(part, |(_, rest)| rest))
}
