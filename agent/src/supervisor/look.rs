//! One look of a check: a child of the supervisor that does it, so that one that hangs holds up nothing.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, fork, pipe2, setsid};
use ureq::tls::TlsConfig;

use super::child::become_task;
use super::members::Members;
use super::plan::Plan;
use super::{inherited, signals};
use crate::containers::{Check, CheckKind, Found, Launch};

/// Where there is no bound of its own: a day.
const FOR_EVER: Duration = Duration::from_secs(86_400);
/// The longest that a look's child says.
const MAX_WORD_BYTES: u64 = 4096;

/// A look that is being taken.
#[derive(Debug)]
pub(super) struct Look {
    child: Pid,
    word: OwnedFd,
    kind: Found,
    /// When it has taken too long.
    pub(super) deadline: Instant,
    is_late: bool,
}

impl Look {
    /// Begins one.
    pub(super) fn start(check: &Check, launch: &Launch, members: &Members) -> Result<Look, String> {
        let (reader, writer) =
            pipe2(OFlag::O_CLOEXEC).map_err(|e| format!("cannot make a pipe: {e}"))?;
        let patience = patience(check);
        let command = match &check.kind {
            CheckKind::Command { .. } => Some(plan(&check.kind, launch, members, &writer)?),
            _ => None,
        };
        // SAFETY: this process has one thread, so the child may go on as any program.
        match unsafe { fork() }.map_err(|e| format!("cannot fork: {e}"))? {
            ForkResult::Parent { child } => Ok(Look {
                child,
                word: reader,
                kind: Found::nothing(&check.kind),
                deadline: Instant::now() + patience,
                is_late: false,
            }),
            ForkResult::Child => match command {
                Some(plan) => become_task(&plan),
                None => look_and_exit(&check.kind, patience, writer),
            },
        }
    }

    /// Ends it if it has taken too long.
    pub(super) fn enforce(&mut self, now: Instant) {
        if now >= self.deadline && !self.is_late {
            self.is_late = true;
            self.end();
        }
    }

    /// Ends it, with all it has started and not moved into a session of its own.
    pub(super) fn end(&self) {
        if killpg(self.child, Signal::SIGKILL).is_err() {
            // It has no session yet.
            let _ = kill(self.child, Signal::SIGKILL);
        }
    }

    /// What it found, if `pid` is its child: the exit code, or what the child wrote.
    pub(super) fn note(&self, pid: Pid, status: WaitStatus) -> Option<Found> {
        if pid != self.child {
            return None;
        }
        let mut word = String::new();
        if let Ok(word_pipe) = self.word.try_clone() {
            let _ = File::from(word_pipe).take(MAX_WORD_BYTES).read_to_string(&mut word);
        }
        let code = match status {
            WaitStatus::Exited(_, code) if !self.is_late => Some(code),
            _ => None,
        };
        Some(match self.kind {
            // A word of a command is why it could not be executed.
            Found::Command(_) => Found::Command(code.filter(|_| word.is_empty())),
            Found::Http(_) => Found::Http(code.and_then(|_| word.parse().ok())),
            Found::Tcp(_) => Found::Tcp(code.map(|code| code == 0)),
        })
    }
}

/// The command as the task would be run, with its output on the task's standard error.
fn plan(
    kind: &CheckKind,
    launch: &Launch,
    members: &Members,
    word: &OwnedFd,
) -> Result<Plan, String> {
    let mut launch = launch.clone();
    if let CheckKind::Command { command, env, user } = kind {
        launch.spec.command = command.clone();
        launch.spec.env.extend(env.clone());
        launch.spec.user = user.clone().or(launch.spec.user);
    }
    let word = word.try_clone().map_err(|e| format!("cannot copy a pipe: {e}"))?;
    let mut plan = Plan::new(&launch, members, word)?;
    plan.stdout =
        plan.stderr.try_clone().map_err(|e| format!("cannot copy standard error: {e}"))?;
    Ok(plan)
}

fn look_and_exit(kind: &CheckKind, patience: Duration, word: OwnedFd) -> ! {
    let _ = setsid();
    let _ = signals::reset();
    inherited::close_on_exec();
    let code = match look_at(kind, patience) {
        Found::Http(Some(status)) => {
            let _ = File::from(word).write_all(status.to_string().as_bytes());
            0
        }
        found => i32::from(!found.is_well()),
    };
    // SAFETY: _exit ends this process without running what belongs to the supervisor.
    unsafe { libc::_exit(code) }
}

/// How long a look may take.
pub(crate) fn patience(check: &Check) -> Duration {
    match check.timeout_ms {
        0 => FOR_EVER,
        ms => Duration::from_millis(ms),
    }
}

/// Looks at what listens at the loopback address of this thread's network; commands it does not run.
pub(crate) fn look_at(kind: &CheckKind, patience: Duration) -> Found {
    match kind {
        CheckKind::Http { port, path, https, ipv6 } => {
            let status = answer(place(*port, *ipv6), path, *https, patience);
            Found::Http(status.map(u32::from))
        }
        CheckKind::Tcp { port, ipv6 } => {
            let connected = TcpStream::connect_timeout(&place(*port, *ipv6), patience);
            Found::Tcp(Some(connected.is_ok()))
        }
        CheckKind::Command { .. } => Found::Command(None),
    }
}

fn place(port: u16, ipv6: bool) -> SocketAddr {
    if ipv6 { (Ipv6Addr::LOCALHOST, port).into() } else { (Ipv4Addr::LOCALHOST, port).into() }
}

fn answer(place: SocketAddr, path: &str, https: bool, patience: Duration) -> Option<u16> {
    let scheme = if https { "https" } else { "http" };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let config = ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().disable_verification(true).build())
        .http_status_as_error(false)
        .timeout_global(Some(patience))
        .build();
    let asked = config.new_agent().get(format!("{scheme}://{place}{slash}{path}")).call();
    Some(asked.ok()?.status().as_u16())
}
