//! The requests we make of Docker, over its local socket. Every one opens a connection of its own, so
//! that a daemon that went away and came back is simply asked again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, ContainerState};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, CreateImageOptions, InspectContainerOptions,
    KillContainerOptions, ListContainersOptions, RemoveContainerOptions, StartContainerOptions,
    WaitContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use tokio_stream::{Stream, StreamExt as _};

use super::error::{DockerError, is_missing};
use super::network::Addresses;

/// Where Docker listens unless the operator says otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// The only driver that lets us say which group a container's is made in.
const CGROUP_DRIVER: &str = "cgroupfs";
/// What answers at once unless something is wrong.
const QUICK: Duration = Duration::from_secs(20);
/// What may copy an image's files, or wait for a registry's first word.
const SLOW: Duration = Duration::from_secs(600);

/// The header that carries them.
const CREDENTIALS: &str = "X-Registry-Auth";

/// What a container writes.
pub(super) type OutputStream = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// A Docker daemon that answered.
#[derive(Clone, Debug)]
pub struct Daemon {
    socket: PathBuf,
    pub(super) quick: Docker,
    slow: Docker,
}

impl Daemon {
    /// Greets the daemon and agrees on a version with it.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn connect(socket: &Path) -> Result<Daemon, DockerError> {
        let failed = |e: &Error| DockerError::of(socket, "tell its version", e);
        let path = socket.to_string_lossy();
        let quick = Docker::connect_with_unix(&path, QUICK.as_secs(), API_DEFAULT_VERSION)
            .map_err(|e| failed(&e))?
            .negotiate_version()
            .await
            .map_err(|e| failed(&e))?;
        let slow = quick.clone().with_timeout(SLOW).with_request_modifier(as_docker_decodes);
        Ok(Daemon { socket: socket.to_owned(), quick, slow })
    }

    /// Whether containers of ours can be run by it.
    ///
    /// # Errors
    /// They can't, for this reason.
    pub async fn check(&self) -> Result<(), DockerError> {
        let info = self.quick.info().await.map_err(|e| self.failed("describe itself", &e))?;
        // Unknown drivers are names too: the model's enum has no place for them.
        let driver = info.cgroup_driver.map_or(String::new(), |driver| driver.to_string());
        if driver == CGROUP_DRIVER { Ok(()) } else { Err(DockerError::CgroupDriver { driver }) }
    }

    pub(super) async fn has_image(&self, image: &str) -> Result<bool, DockerError> {
        match self.quick.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(e) if is_missing(&e) => Ok(false),
            Err(e) => Err(self.failed(&format!("look up the image {image}"), &e)),
        }
    }

    /// Fetches an image from its registry.
    pub(super) async fn pull(
        &self,
        image: &str,
        credentials: Option<DockerCredentials>,
    ) -> Result<(), DockerError> {
        let options = CreateImageOptions { from_image: Some(image.into()), ..Default::default() };
        let mut progress = self.slow.create_image(Some(options), None, credentials);
        while let Some(step) = progress.next().await {
            step.map_err(|e| self.failed(&format!("pull the image {image}"), &e))?;
        }
        Ok(())
    }

    pub(super) async fn create(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<(), DockerError> {
        let options = CreateContainerOptions { name: Some(name.into()), ..Default::default() };
        let made = self.slow.create_container(Some(options), body).await;
        let made = made.map_err(|e| self.failed("make the container", &e))?;
        made.warnings.iter().for_each(|warning| eprintln!("Docker warns: {warning}"));
        Ok(())
    }

    pub(super) async fn start(&self, name: &str) -> Result<(), DockerError> {
        let started = self.slow.start_container(name, None::<StartContainerOptions>).await;
        started.map_err(|e| self.failed("start the container", &e))
    }

    /// What the container writes from now on.
    pub(super) async fn attach(&self, name: &str) -> Result<OutputStream, DockerError> {
        let options = AttachContainerOptions {
            stream: true,
            stdout: true,
            stderr: true,
            ..Default::default()
        };
        let attached = self.quick.attach_container(name, Some(options)).await;
        attached.map(|both| both.output).map_err(|e| self.failed("attach to the container", &e))
    }

    /// Returns when the container has ended, or when that can't be waited for: ask for its state.
    pub(super) async fn wait(&self, name: &str) {
        let mut ends = self.quick.wait_container(name, None::<WaitContainerOptions>);
        let _ = ends.next().await;
    }

    /// How the container is; `None`: there is none.
    pub(super) async fn state(&self, name: &str) -> Result<Option<ContainerState>, DockerError> {
        let found = self.inspect(name).await?;
        Ok(found.map(|found| found.state.unwrap_or_default()))
    }

    /// Where the container is reached.
    pub(super) async fn addresses(&self, name: &str) -> Result<Addresses, DockerError> {
        let found = self.inspect(name).await?;
        Ok(Addresses::of(found.and_then(|found| found.network_settings)))
    }

    /// The signal that asks the container to end, as its image has it.
    pub(super) async fn stop_signal(&self, name: &str) -> Result<Option<String>, DockerError> {
        let found = self.inspect(name).await?;
        Ok(found.and_then(|found| found.config).and_then(|config| config.stop_signal))
    }

    async fn inspect(&self, name: &str) -> Result<Option<ContainerInspectResponse>, DockerError> {
        match self.quick.inspect_container(name, None::<InspectContainerOptions>).await {
            Ok(found) => Ok(Some(found)),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(self.failed("look up the container", &e)),
        }
    }

    pub(super) async fn signal(&self, name: &str, signal: &str) -> Result<(), DockerError> {
        let options = KillContainerOptions { signal: signal.into() };
        let sent = self.quick.kill_container(name, Some(options)).await;
        sent.map_err(|e| self.failed("signal the container", &e))
    }

    /// Ends and removes a container and what of it is nobody else's. One that is not there is fine, and
    /// one that is being removed too.
    pub(super) async fn remove(&self, name: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
        match self.slow.remove_container(name, Some(options)).await {
            Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) | Ok(()) => Ok(()),
            Err(e) => Err(self.failed("remove the container", &e)),
        }
    }

    /// All containers with a label: their Docker ids and labels.
    pub(super) async fn labelled(
        &self,
        label: String,
    ) -> Result<Vec<(String, HashMap<String, String>)>, DockerError> {
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let options =
            ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let listed = self.quick.list_containers(Some(options)).await;
        let listed = listed.map_err(|e| self.failed("list its containers", &e))?;
        Ok(listed
            .into_iter()
            .filter_map(|found| Some((found.id?, found.labels.unwrap_or_default())))
            .collect())
    }

    pub(super) fn failed(&self, what: &str, error: &Error) -> DockerError {
        DockerError::of(&self.socket, what, error)
    }
}

/// Docker decodes credentials with the other alphabet of base64 than `bollard` encodes them with.
fn as_docker_decodes(mut request: BollardRequest) -> BollardRequest {
    if let Some(told) = request.headers_mut().get_mut(CREDENTIALS) {
        let other = told.to_str().map(|text| text.replace('+', "-").replace('/', "_"));
        if let Some(other) = other.ok().and_then(|text| text.parse().ok()) {
            *told = other;
        }
    }
    request
}
