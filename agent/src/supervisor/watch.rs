//! The supervisor's life: one loop over signals and deadlines, until the container is empty.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use super::checks::Checks;
use super::child::become_task;
use super::exit::unix_ms;
use super::fetch::become_fetcher;
use super::kill::Kill;
use super::members::{LEFTOVER_PATIENCE, Members, reap};
use super::plan::Plan;
use super::{EndCause, Exit, KILL_FILE, Outcome, STARTED_FILE, STARTING_FILE};
use crate::containers::{Launch, docker};

/// How long they are killed after that before the supervisor gives up.
const LAST_PATIENCE: Duration = Duration::from_secs(60);
/// How often a container in its grace is looked at after its main process has ended.
const GRACE_POLL: Duration = Duration::from_millis(50);
/// The longest reason a child can report.
const MAX_REASON_BYTES: u64 = 4096;

/// One container being supervised.
pub(super) struct Watch {
    dir: PathBuf,
    launch: Launch,
    members: Members,
    signals: SignalFd,
    main: Option<Pid>,
    outcome: Option<Outcome>,
    kill: Option<Kill>,
    checks: Option<Checks>,
    /// When it has run for too long.
    overdue: Option<Instant>,
    cause: Option<EndCause>,
    /// The main process is not the task's own yet.
    fetching: bool,
    started_unix_ms: u64,
}

impl Watch {
    pub(super) fn new(dir: &Path, launch: Launch, members: Members, signals: SignalFd) -> Watch {
        Watch {
            dir: dir.to_owned(),
            launch,
            members,
            signals,
            main: None,
            outcome: None,
            kill: None,
            checks: None,
            overdue: None,
            cause: None,
            fetching: false,
            started_unix_ms: unix_ms(),
        }
    }

    /// Starts the task and stays until it is over.
    pub(super) fn run(mut self) -> Result<(), String> {
        if self.dir.join(KILL_FILE).exists() {
            self.begin_kill();
            return self.never_started("it was killed before it was started");
        }
        if let Err(reason) = self.fetch() {
            self.outcome = Some(Outcome::NotStarted(reason));
        }
        if self.outcome.is_none() && self.launch.spec.docker.is_some() {
            // No process of ours from here on.
            return docker::supervise(&self.dir, self.launch, self.members, self.signals);
        }
        if self.outcome.is_none()
            && let Err(reason) = self.run_task()
        {
            self.outcome = Some(Outcome::NotStarted(reason));
        }
        self.finish()
    }

    /// Reports a task that never ran.
    pub(super) fn never_started(mut self, reason: &str) -> Result<(), String> {
        self.outcome = Some(Outcome::NotStarted(reason.to_owned()));
        self.finish()
    }

    /// Has the task's files fetched, if it names any. If that fails, so has the task: the outcome is there.
    fn fetch(&mut self) -> Result<(), String> {
        if self.launch.spec.uris.is_empty() {
            return Ok(());
        }
        let failure = self.fork(become_fetcher)?;
        self.fetching = true;
        self.wait(failure);
        self.fetching = false;
        match self.outcome.take() {
            _ if self.kill.is_some() => Err("it was killed before it was started".into()),
            Some(Outcome::Exited(0)) => {
                self.main = None;
                Ok(())
            }
            // Signaled: by the kernel for the task's memory limit, as its group can tell.
            other => {
                self.outcome = other;
                Ok(())
            }
        }
    }

    fn run_task(&mut self) -> Result<(), String> {
        self.started_unix_ms = unix_ms();
        let failure = self.fork(|plan, _| become_task(plan))?;
        self.wait(failure);
        Ok(())
    }

    /// Forks what becomes the main process; returns where it tells why it could not do its work.
    fn fork(&mut self, child: fn(&Plan, &Launch) -> !) -> Result<OwnedFd, String> {
        let (reader, writer) =
            pipe2(OFlag::O_CLOEXEC).map_err(|e| format!("cannot make a pipe: {e}"))?;
        let plan = Plan::new(&self.launch, &self.members, writer)?;
        // SAFETY: this process has one thread, so the child may go on as any program.
        match unsafe { fork() }.map_err(|e| format!("cannot fork: {e}"))? {
            ForkResult::Parent { child } => self.main = Some(child),
            ForkResult::Child => child(&plan, &self.launch),
        }
        Ok(reader)
    }

    fn wait(&mut self, failure: OwnedFd) {
        let mut failure = Some(failure);
        while !self.is_over() {
            let timeout = self.timeout();
            let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            if let Some(failure) = &failure {
                fds.push(PollFd::new(failure.as_fd(), PollFlags::POLLIN));
            }
            // An interrupted wait only means another round.
            let _ = poll(&mut fds, timeout);
            let started = fds.get(1).and_then(PollFd::any).unwrap_or(false);
            if started && let Some(pipe) = failure.take() {
                self.read_failure(pipe);
            }
            self.take_signals();
            self.do_duties();
            self.enforce_deadline();
        }
    }

    /// Over when the main process has ended and nothing is left that was promised a grace.
    fn is_over(&self) -> bool {
        let in_grace = self.kill.as_ref().is_some_and(|kill| !kill.forced);
        self.outcome.is_some() && (!in_grace || self.members.pids().is_empty())
    }

    fn timeout(&self) -> PollTimeout {
        let now = Instant::now();
        let kill = self.kill.as_ref().map(|kill| match (kill.forced, self.outcome.is_some()) {
            (false, false) => kill.deadline,
            _ => kill.deadline.min(now + GRACE_POLL).max(now + Duration::from_millis(1)),
        });
        let checks = self.checks.as_ref().and_then(Checks::next);
        let Some(next) = [kill, checks, self.overdue].into_iter().flatten().min() else {
            return PollTimeout::NONE;
        };
        let wait = next.saturating_duration_since(now);
        // A millisecond more, as the timeout is cut down to whole ones.
        PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    }

    /// What is to be done for a task that runs; nothing once it ends.
    fn do_duties(&mut self) {
        if self.kill.is_some() || self.outcome.is_some() {
            self.end_duties();
        } else if self.overdue.is_some_and(|at| at <= Instant::now()) {
            self.cause = Some(EndCause::Overdue);
            self.kill = Some(Kill { deadline: Instant::now(), is_over: false, forced: false });
            self.end_duties();
            self.members.terminate();
        } else if let Some(checks) = &mut self.checks
            && checks.advance(&self.launch, &self.members)
        {
            self.end_unwell();
        }
    }

    fn end_unwell(&mut self) {
        self.cause = Some(EndCause::Unhealthy);
        self.begin_kill();
    }

    fn end_duties(&mut self) {
        self.overdue = None;
        if let Some(checks) = self.checks.take() {
            checks.end();
        }
    }

    /// End of file: the task runs. Otherwise the text says which step failed.
    fn read_failure(&mut self, pipe: OwnedFd) {
        let mut reason = String::new();
        let read = File::from(pipe).take(MAX_REASON_BYTES).read_to_string(&mut reason);
        if read.is_ok() && !reason.is_empty() {
            self.outcome = Some(Outcome::NotStarted(reason));
        } else if self.fetching {
            // It is done; how, its exit tells.
        } else if let Err(e) = fs::rename(self.dir.join(STARTING_FILE), self.dir.join(STARTED_FILE))
        {
            eprintln!("that the task runs cannot be told: {e}");
        }
        if self.outcome.is_none() && !self.fetching {
            let most = self.launch.spec.duties.max_completion_ms.map(Duration::from_millis);
            self.overdue = most.and_then(|most| Instant::now().checked_add(most));
            self.checks = Checks::new(&self.dir, &self.launch);
        }
    }

    fn take_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            // SIGCHLD coalesces, so it only wakes; every child is asked below.
            if info.ssi_signo == Signal::SIGTERM as u32 {
                self.begin_kill();
            }
        }
        let mut ended = Vec::new();
        reap(&mut |pid, status| ended.push((pid, status)));
        for (pid, status) in &ended {
            note_main(self.main, &mut self.outcome, *pid, *status);
        }
        // What ends together with the task says nothing of it.
        let Some(checks) = self.checks.as_mut().filter(|_| self.outcome.is_none()) else { return };
        let mut unwell = false;
        for (pid, status) in ended {
            unwell |= checks.note(pid, status);
        }
        if unwell && self.kill.is_none() {
            self.end_unwell();
        }
    }

    /// SIGTERM to all, or a shorter grace if that was done already.
    fn begin_kill(&mut self) {
        let deadline = Kill::asked(&self.dir, self.launch.spec.grace_ms);
        if Kill::note(&mut self.kill, deadline) {
            self.end_duties();
            self.members.terminate();
        }
    }

    fn enforce_deadline(&mut self) {
        let Some(kill) = &mut self.kill else { return };
        let over = Instant::now() >= kill.deadline;
        if !over || (self.outcome.is_some() && self.members.pids().is_empty()) {
            return;
        }
        kill.forced = true;
        let (main, outcome) = (self.main, &mut self.outcome);
        let left = self.members.kill_all(LEFTOVER_PATIENCE, |pid, status| {
            note_main(main, outcome, pid, status);
        });
        if !left.is_empty() {
            eprintln!("processes {left:?} outlive SIGKILL; trying on");
        }
    }

    /// Ends what the main process left, and reports.
    fn finish(mut self) -> Result<(), String> {
        let leftovers = self.members.kill_all(LEFTOVER_PATIENCE, |_, _| {});
        let usage = self.members.usage();
        let outcome = self
            .outcome
            .take()
            .unwrap_or_else(|| Outcome::NotStarted("its end was not seen".into()));
        let exit = Exit::new(outcome, self.kill.as_ref(), self.started_unix_ms, usage, leftovers);
        let exit = Exit { cause: self.cause, ..exit };
        exit.write(&self.dir)?;
        if !exit.leftovers.is_empty() {
            let left = self.members.kill_all(LAST_PATIENCE, |_, _| {});
            if !left.is_empty() {
                return Err(format!("gave up on processes {left:?}, which outlive SIGKILL"));
            }
        }
        Ok(())
    }
}

/// Keeps the status of the main process; a failure it reported itself says more.
fn note_main(main: Option<Pid>, outcome: &mut Option<Outcome>, pid: Pid, status: WaitStatus) {
    if main != Some(pid) || outcome.is_some() {
        return;
    }
    *outcome = match status {
        WaitStatus::Exited(_, code) => Some(Outcome::Exited(code)),
        WaitStatus::Signaled(_, signal, _) => Some(Outcome::Signaled(signal as i32)),
        _ => None,
    };
}
