//! The life of one container, in the supervisor's process, from when it runs (`start`) to its removal.
//!
//! Docker may go away and come back meanwhile. What it can't be asked is seen in the task's control
//! group, which needs no daemon: whether anything runs, and killing it.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bollard::models::ContainerState;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use tokio::io::{Interest, unix::AsyncFd};
use tokio::time::{sleep, sleep_until, timeout};

use super::Daemon;
use super::body::name;
use super::duties::Duty;
use super::output::{Copy, Files};
use super::start::Running;
use crate::containers::Launch;
use crate::supervisor::{
    EndCause, Exit, KILL_FILE, Kill, LEFTOVER_PATIENCE, Members, Outcome, unix_ms,
};

/// How long a daemon that went away is waited for when nothing of the container runs any more.
const AWAY_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is tried again.
const AWAY_PAUSE: Duration = Duration::from_secs(1);
/// How long the container's removal may hold up its end; what is left the agent sweeps.
const REMOVE_PATIENCE: Duration = Duration::from_secs(10);
/// How long Docker is given to pass on the signal to end.
const SIGNAL_PATIENCE: Duration = Duration::from_secs(5);
const KILLED_BEFORE: &str = "it was killed before it was started";

/// How the container ended, and whether Docker saw the kernel kill for memory in it.
struct End {
    outcome: Outcome,
    oom_killed: bool,
}

impl End {
    fn of(outcome: Outcome) -> End {
        End { outcome, oom_killed: false }
    }
}

/// One container being supervised.
pub(super) struct Life {
    pub(super) dir: PathBuf,
    pub(super) launch: Launch,
    pub(super) members: Members,
    signals: AsyncFd<SignalFd>,
    /// The container's at Docker.
    pub(super) name: String,
    kill: Option<Kill>,
    /// What is done for it while it runs and nobody ends it.
    duty: Option<Duty>,
    cause: Option<EndCause>,
    started_unix_ms: u64,
}

/// Runs the container of `launch` and stays until it is over and told.
pub(crate) fn supervise(
    dir: &Path,
    launch: Launch,
    members: Members,
    signals: SignalFd,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot start a runtime: {e}"))?;
    runtime.block_on(async {
        // SAFETY: the descriptor is owned by what is made here, and stays open as long as it.
        let signals = unsafe { AsyncFd::register_with_interest(signals, Interest::READABLE) };
        let signals = signals.map_err(|e| format!("cannot wait for signals: {e}"))?;
        let mut life = Life {
            dir: dir.to_owned(),
            name: name(&launch.spec.id),
            launch,
            members,
            signals,
            kill: None,
            duty: None,
            cause: None,
            started_unix_ms: unix_ms(),
        };
        let end = life.run().await;
        let told = life.tell(end);
        life.remove().await;
        told
    })
}

impl Life {
    async fn run(&mut self) -> End {
        if self.dir.join(KILL_FILE).exists() {
            self.note_kill();
            return End::of(Outcome::NotStarted(KILLED_BEFORE.into()));
        }
        let started = tokio::select! {
            started = self.start() => started,
            () = asked_to_end(&self.signals) => Err(String::new()),
        };
        match started {
            Ok(Running { daemon, files, copy, duty }) => {
                self.started_unix_ms = unix_ms();
                self.duty = duty;
                self.follow(&daemon, &files, copy).await
            }
            // Only the kill has no reason of its own.
            Err(reason) if reason.is_empty() => {
                self.note_kill();
                End::of(Outcome::NotStarted(KILLED_BEFORE.into()))
            }
            Err(reason) => End::of(Outcome::NotStarted(reason)),
        }
    }

    /// Stays with the container until it has ended.
    async fn follow(&mut self, daemon: &Daemon, files: &Files, mut copy: Copy) -> End {
        let name = self.name.clone();
        loop {
            self.until(daemon, daemon.wait(&name)).await;
            let state = match self.state(daemon).await {
                Ok(state) => state,
                Err(end) => return end,
            };
            // Docker came back, and what it read before went with it.
            if state.as_ref().is_some_and(|state| state.running == Some(true)) {
                if copy.is_over() {
                    match self.attach(daemon, files).await {
                        Ok(again) => copy = again,
                        Err(fault) => eprintln!("{fault}"),
                    }
                }
                self.until(daemon, sleep(AWAY_PAUSE)).await;
                continue;
            }
            copy.finish().await;
            let Some(state) = state else {
                let why = "its container was removed by somebody else";
                return End::of(Outcome::Unseen(why.into()));
            };
            let code = state.exit_code.and_then(|code| i32::try_from(code).ok());
            return End {
                outcome: Outcome::Exited(code.unwrap_or(-1)),
                oom_killed: state.oom_killed == Some(true),
            };
        }
    }

    /// How the container is; waits for a daemon that is away, unless that is in vain.
    async fn state(&mut self, daemon: &Daemon) -> Result<Option<ContainerState>, End> {
        let mut away_since = None;
        loop {
            let fault = match daemon.state(&self.name).await {
                Ok(state) => return Ok(state),
                Err(fault) => fault,
            };
            let since = *away_since.get_or_insert_with(|| {
                eprintln!("{fault}; trying again");
                Instant::now()
            });
            if self.is_given_up(since) {
                let why = format!("how it ended was not seen: {fault}");
                return Err(End::of(Outcome::Unseen(why)));
            }
            self.until(daemon, sleep(AWAY_PAUSE)).await;
        }
    }

    /// Nothing runs any more, and the daemon that knows how it ended does not come back.
    fn is_given_up(&self, away_since: Instant) -> bool {
        away_since.elapsed() >= AWAY_PATIENCE && self.members.pids().is_empty()
    }

    /// Waits for `what`, and ends the container meanwhile when asked to.
    async fn until(&mut self, daemon: &Daemon, what: impl Future<Output = ()>) {
        let mut what = std::pin::pin!(what);
        loop {
            let deadline = self.kill.as_ref().filter(|kill| !kill.is_over).map(|k| k.deadline);
            tokio::select! {
                () = &mut what => return,
                () = asked_to_end(&self.signals) => self.begin_kill(daemon).await,
                cause = done(&mut self.duty) => self.end_for(cause, daemon).await,
                () = at(deadline) => self.force(),
            }
        }
    }

    /// What is not well is asked to end, what has run too long is not.
    async fn end_for(&mut self, cause: EndCause, daemon: &Daemon) {
        self.cause = Some(cause);
        self.duty = None;
        match cause {
            EndCause::Unhealthy => self.begin_kill(daemon).await,
            EndCause::Overdue => drop(Kill::note(&mut self.kill, Instant::now())),
        }
    }

    /// Whether this is the first request; a later one can only shorten the grace.
    fn note_kill(&mut self) -> bool {
        let deadline = Kill::asked(&self.dir, self.launch.spec.grace_ms);
        Kill::note(&mut self.kill, deadline)
    }

    /// The image's own signal to the first process, as `docker stop` has it.
    async fn begin_kill(&mut self, daemon: &Daemon) {
        self.duty = None;
        if !self.note_kill() {
            return;
        }
        let asked = timeout(SIGNAL_PATIENCE, async {
            let signal = daemon.stop_signal(&self.name).await?;
            daemon.signal(&self.name, signal.as_deref().unwrap_or("SIGTERM")).await
        });
        match asked.await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => {
                eprintln!("{fault}; its processes are signalled directly");
                self.members.terminate();
            }
            Err(_) => self.members.terminate(),
        }
    }

    /// The grace is over. This needs no daemon.
    fn force(&mut self) {
        let Some(kill) = &mut self.kill else { return };
        kill.is_over = true;
        if self.members.pids().is_empty() {
            return;
        }
        kill.forced = true;
        let left = self.members.kill_all(LEFTOVER_PATIENCE, |_, _| {});
        if !left.is_empty() {
            eprintln!("processes {left:?} outlive SIGKILL");
        }
    }

    /// Ends whatever is left and writes down how it ended.
    fn tell(&mut self, end: End) -> Result<(), String> {
        let leftovers = self.members.kill_all(LEFTOVER_PATIENCE, |_, _| {});
        let mut usage = self.members.usage();
        if end.oom_killed {
            // On v1 the kernel counts where the process was: in Docker's group, which is gone.
            usage.oom_kills = Some(usage.oom_kills.unwrap_or(0).max(1));
        }
        let exit =
            Exit::new(end.outcome, self.kill.as_ref(), self.started_unix_ms, usage, leftovers);
        Exit { cause: self.cause, ..exit }.write(&self.dir)
    }

    /// Removes the container; its image stays.
    async fn remove(&self) {
        let Some(place) = &self.launch.docker else { return };
        let removed = timeout(REMOVE_PATIENCE, async {
            Daemon::connect(&place.socket).await?.remove(&self.name).await
        });
        match removed.await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => eprintln!("{fault}; the agent will"),
            Err(_) => eprintln!("Docker is slow to remove the container; the agent will see"),
        }
    }
}

/// Returns when the agent has asked for the end.
async fn asked_to_end(signals: &AsyncFd<SignalFd>) {
    loop {
        let Ok(mut ready) = signals.readable().await else { return pending().await };
        while let Ok(Some(signal)) = signals.get_ref().read_signal() {
            if signal.ssi_signo == Signal::SIGTERM as u32 {
                return;
            }
        }
        ready.clear_ready();
    }
}

async fn done(duty: &mut Option<Duty>) -> EndCause {
    match duty {
        Some(duty) => duty.await,
        None => pending().await,
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}
