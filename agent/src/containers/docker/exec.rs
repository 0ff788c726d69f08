//! A command that Docker runs in a container beside what the container is for.

use std::fs::{self, File};
use std::io::Write as _;
use std::time::Duration;

use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt as _;

use super::{Daemon, DockerError};
use crate::cgroup::ContainerCgroup;

/// How often a command is asked after that has closed its output and is not told to have ended yet.
const PAUSE: Duration = Duration::from_millis(10);

impl Daemon {
    /// Runs a command in the container `name`, with its output at the end of `output`: its exit code;
    /// `None` if it took longer than `patience` and was ended, with what is of its session. Docker runs it in the
    /// group that it made for the container; one that was promoted has left that for `group`.
    pub(super) async fn exec(
        &self,
        name: &str,
        command: ExecConfig,
        output: &File,
        patience: Duration,
        group: Option<&ContainerCgroup>,
    ) -> Result<Option<i32>, DockerError> {
        let made = self.quick.create_exec(name, command).await;
        let id = made.map_err(|e| self.failed("make a command in the container", &e))?.id;
        let run = async { tokio::join!(self.run_exec(&id, output), self.move_exec(&id, group)).0 };
        match timeout(patience, run).await {
            Ok(ended) => ended,
            Err(_) => {
                if let Some(pid) = self.exec_state(&id).await?.pid {
                    // runc starts it in a session of its own.
                    let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
                }
                Ok(None)
            }
        }
    }

    async fn run_exec(&self, id: &str, mut output: &File) -> Result<Option<i32>, DockerError> {
        let started = self.quick.start_exec(id, None).await;
        let started = started.map_err(|e| self.failed("run a command in the container", &e))?;
        if let StartExecResults::Attached { output: mut pieces, .. } = started {
            while let Some(Ok(piece)) = pieces.next().await {
                // A full disk loses output, and nothing else.
                let _ = output.write_all(piece.as_ref());
            }
        }
        loop {
            let state = self.exec_state(id).await?;
            if !state.is_running {
                return Ok(state.code);
            }
            sleep(PAUSE).await;
        }
    }

    /// Has it follow its container.
    async fn move_exec(&self, id: &str, group: Option<&ContainerCgroup>) {
        let Some(group) = group else { return };
        while let Ok(state) = self.exec_state(id).await {
            if let Some(pid) = state.pid {
                // Whoever has ended meanwhile need not.
                group.procs_files().iter().for_each(|file| drop(fs::write(file, pid.to_string())));
            }
            if state.pid.is_some() || state.code.is_some() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    async fn exec_state(&self, id: &str) -> Result<ExecState, DockerError> {
        let found = self.quick.inspect_exec(id).await;
        let found = found.map_err(|e| self.failed("look up a command in the container", &e))?;
        let number = |number: Option<i64>| number.and_then(|number| i32::try_from(number).ok());
        Ok(ExecState {
            is_running: found.running == Some(true),
            code: number(found.exit_code),
            pid: number(found.pid).filter(|pid| *pid > 0),
        })
    }
}

struct ExecState {
    is_running: bool,
    code: Option<i32>,
    /// On the node.
    pid: Option<i32>,
}
