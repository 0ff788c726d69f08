//! Bringing a container up: its image, the container, its output, and that it is in the task's group.

use std::fs::{self, File};

use bollard::models::ContainerCreateBody;

use super::body::body;
use super::duties::{self, Duty, Looker};
use super::life::Life;
use super::output::{Copy, Files};
use super::{Daemon, DockerError, DockerLaunch, DockerSpec, Network, credentials};
use crate::supervisor::{STARTED_FILE, STARTING_FILE, TaskUser, output_file};

/// A container that runs.
pub(super) struct Running {
    pub(super) daemon: Daemon,
    pub(super) files: Files,
    pub(super) copy: Copy,
    pub(super) duty: Option<Duty>,
}

impl Life {
    /// Brings the container up; the error is a sentence for the task's owner.
    pub(super) async fn start(&self) -> Result<Running, String> {
        let (Some(docker), Some(place)) = (&self.launch.spec.docker, &self.launch.docker) else {
            return Err("it is not described; the agent is of another version".into());
        };
        let Some(group) = self.members.group_name() else {
            return Err("an agent that may not make control groups cannot limit containers of \
                        Docker, and runs none"
                .into());
        };
        let body = body(&self.launch, docker, place, &format!("/{group}"))?;
        let files = self.files()?;
        self.bring_up(docker, place, body, files).await.map_err(|fault| fault.to_string())
    }

    async fn bring_up(
        &self,
        docker: &DockerSpec,
        place: &DockerLaunch,
        body: ContainerCreateBody,
        files: Files,
    ) -> Result<Running, DockerError> {
        let daemon = Daemon::connect(&place.socket).await?;
        daemon.check().await?;
        self.have_image(&daemon, docker, place).await?;
        daemon.create(&self.name, body).await?;
        // Before it starts, so that not a byte is missed.
        let copy = self.attach(&daemon, &files).await?;
        daemon.start(&self.name).await?;
        let pid = self.find_in_group(&daemon).await?;
        if !matches!(docker.network, Network::Host | Network::None)
            && let Err(e) = daemon.addresses(&self.name).await?.write(&self.dir)
        {
            eprintln!("where it is reached cannot be told: {e}");
        }
        if let Err(e) = fs::rename(self.dir.join(STARTING_FILE), self.dir.join(STARTED_FILE)) {
            eprintln!("that the task runs cannot be told: {e}");
        }
        let duty = pid.and_then(|pid| self.duty(&daemon, docker, &files, pid));
        Ok(Running { daemon, files, copy, duty })
    }

    /// Fetches the image unless it is there.
    async fn have_image(
        &self,
        daemon: &Daemon,
        docker: &DockerSpec,
        place: &DockerLaunch,
    ) -> Result<(), DockerError> {
        let image = docker.tagged();
        if !docker.force_pull && daemon.has_image(&image).await? {
            return Ok(());
        }
        let sandbox = &self.launch.sandbox;
        let credentials = credentials::of_image(&image, sandbox, place.config.as_deref());
        let what = || format!("pull the image {image}");
        let credentials = credentials.map_err(|words| refused(&what(), &words))?;
        daemon.pull(&image, credentials).await
    }

    /// What is to be done for the container of the process `pid`.
    fn duty(&self, daemon: &Daemon, docker: &DockerSpec, files: &Files, pid: i32) -> Option<Duty> {
        let network = match docker.network {
            Network::Host => None,
            // It has ended already.
            _ => Some(File::open(format!("/proc/{pid}/ns/net")).ok()?),
        };
        let stderr = files.stderr.try_clone().ok()?;
        let looker = Looker {
            daemon: daemon.clone(),
            name: self.name.clone(),
            main: pid,
            members: self.members.clone(),
            network,
            stderr,
        };
        Some(duties::begin(self.dir.clone(), self.launch.spec.duties.clone(), looker))
    }

    fn files(&self) -> Result<Files, String> {
        let user = TaskUser::of(&self.launch.spec)?;
        let open = |name| output_file(&self.launch.sandbox, name, user.as_ref());
        Ok(Files { stdout: open("stdout")?, stderr: open("stderr")? })
    }

    /// Carries what it writes from now on into the sandbox.
    pub(super) async fn attach(&self, daemon: &Daemon, files: &Files) -> Result<Copy, DockerError> {
        let stream = daemon.attach(&self.name).await?;
        Copy::start(stream, files).map_err(|e| refused("write its output", &e.to_string()))
    }

    /// The container's first process, if it has not ended already. One outside our group would have no
    /// limits: rather none.
    async fn find_in_group(&self, daemon: &Daemon) -> Result<Option<i32>, DockerError> {
        let state = daemon.state(&self.name).await?;
        let pid = state.and_then(|state| state.pid).and_then(|pid| i32::try_from(pid).ok());
        let Some(pid) = pid.filter(|pid| *pid > 0) else { return Ok(None) };
        let is_ours = || self.members.pids().contains(&pid);
        // It may have ended between the two looks.
        if is_ours() || is_ending(pid) || is_ours() {
            return Ok(Some(pid));
        }
        Err(refused("run it", "it put the container outside the control group it was given"))
    }
}

/// Whether a process ends or has ended: it gives up its memory, and with it its command line, before its
/// group and all that ends with it (do_exit in kernel/exit.c), and stays to be waited for.
pub(super) fn is_ending(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| line.is_empty())
}

fn refused(what: &str, words: &str) -> DockerError {
    DockerError::Refused { what: what.to_owned(), words: words.to_owned() }
}
