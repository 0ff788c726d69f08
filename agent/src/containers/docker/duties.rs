//! What is done for a container while it runs: its checks and its time limit. What `supervisor/checks`
//! does for processes of the node is done here by asking Docker, and from within the container's network.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs::File;
use std::future::pending;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use bollard::models::ExecConfig;
use nix::sched::{CloneFlags, setns};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::start::is_ending;
use super::{Daemon, DockerError};
use crate::containers::{Check, CheckKind, Command, Duties, Found, HealthCheck};
use crate::supervisor::{EndCause, Members, Tally, look_at, patience};

/// Is over when the container must end, for this reason.
pub(super) type Duty = Pin<Box<dyn Future<Output = EndCause>>>;

/// Who looks at a container.
pub(super) struct Looker {
    pub(super) daemon: Daemon,
    /// The container's.
    pub(super) name: String,
    /// Its first process, and where its processes are.
    pub(super) main: i32,
    pub(super) members: Members,
    /// Its network, if that is not the node's.
    pub(super) network: Option<File>,
    /// Where commands of checks write.
    pub(super) stderr: File,
}

/// The duties for a container that has just started; `dir`: its documents.
pub(super) fn begin(dir: PathBuf, duties: Duties, looker: Looker) -> Duty {
    Box::pin(async move {
        let tally = RefCell::new(Tally::new(&dir, &duties));
        tokio::select! {
            () = overdue(duties.max_completion_ms) => EndCause::Overdue,
            () = until_unwell(&looker, duties.health.as_ref(), &tally) => EndCause::Unhealthy,
            never = look_on(&looker, duties.check.as_ref(), &tally) => match never {},
        }
    })
}

async fn overdue(most_ms: Option<u64>) {
    match most_ms {
        Some(ms) => sleep(Duration::from_millis(ms)).await,
        None => pending().await,
    }
}

async fn until_unwell(looker: &Looker, health: Option<&HealthCheck>, tally: &RefCell<Tally>) {
    let Some(health) = health else { return pending().await };
    let mut pause_ms = health.check.delay_ms;
    loop {
        sleep(Duration::from_millis(pause_ms)).await;
        if let Some(found) = looker.look(&health.check).await
            && tally.borrow_mut().is_well(found.is_well())
        {
            return;
        }
        pause_ms = health.check.interval_ms;
    }
}

async fn look_on(looker: &Looker, check: Option<&Check>, tally: &RefCell<Tally>) -> Infallible {
    let Some(check) = check else { return pending().await };
    let mut pause_ms = check.delay_ms;
    loop {
        sleep(Duration::from_millis(pause_ms)).await;
        if let Some(found) = looker.look(check).await {
            tally.borrow_mut().found(found);
        }
        pause_ms = check.interval_ms;
    }
}

impl Looker {
    /// What a look finds; `None`: nothing that says anything of the task, as Docker could not be asked, or
    /// the container ended meanwhile, and with it what looked or was looked at.
    async fn look(&self, check: &Check) -> Option<Found> {
        let patience = patience(check);
        let found = match &check.kind {
            CheckKind::Command { .. } => self.run(&check.kind, patience).await,
            kind => Some(self.look_from_within(kind, patience).await),
        };
        found.filter(|found| found.is_well() || !is_ending(self.main))
    }

    async fn run(&self, kind: &CheckKind, patience: Duration) -> Option<Found> {
        let command = command_of(kind);
        let group = self.members.promoted_to(self.main);
        match self.daemon.exec(&self.name, command, &self.stderr, patience, group).await {
            Ok(code) => Some(Found::Command(code)),
            Err(fault @ DockerError::Away { .. }) => {
                eprintln!("a check can't be made: {fault}");
                None
            }
            Err(fault) => {
                eprintln!("a check can't be made: {fault}");
                Some(Found::Command(None))
            }
        }
    }

    /// On a thread of its own, as a thread that has entered a network stays in it.
    async fn look_from_within(&self, kind: &CheckKind, patience: Duration) -> Found {
        let nothing = Found::nothing(kind);
        let Ok(network) = self.network.as_ref().map(File::try_clone).transpose() else {
            return nothing;
        };
        let (found, answer) = oneshot::channel();
        let kind = kind.clone();
        let looking = thread::Builder::new().spawn(move || {
            let entered = network.map(|network| setns(network.as_fd(), CloneFlags::CLONE_NEWNET));
            let _ = match entered.transpose() {
                Ok(_) => found.send(look_at(&kind, patience)),
                Err(fault) => {
                    eprintln!("a check can't be made: cannot enter the network: {fault}");
                    found.send(nothing)
                }
            };
        });
        match looking {
            Ok(_) => answer.await.unwrap_or(nothing),
            Err(_) => nothing,
        }
    }
}

/// As Docker runs it: in the container's environment and working directory.
fn command_of(kind: &CheckKind) -> ExecConfig {
    let CheckKind::Command { command, env, user } = kind else { return ExecConfig::default() };
    let words = match command {
        Command::Shell(line) => vec!["/bin/sh".into(), "-c".into(), line.clone()],
        Command::Argv(words) => words.clone(),
    };
    ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(words),
        env: Some(env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        user: user.clone(),
        ..ExecConfig::default()
    }
}
