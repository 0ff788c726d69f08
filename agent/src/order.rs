//! What the allocator ordered, kept with the container's documents so that it survives the agent.

mod duties;

pub use duties::found;

use crate::{
    cgroup::Class,
    containers::{Command, ContainerSpec, Nesting, VolumeSpec, docker},
    fetcher::Uri,
    reserved,
};
use headroom_core::{reservation::Parts, resources::Amounts};
use headroom_proto::v1 as wire;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The time from SIGTERM to SIGKILL unless the task says (Mesos: 5 s).
const DEFAULT_GRACE_MS: u64 = 5_000;

/// What the agent must remember of a launch besides the container's own description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The allocator's name for the launch.
    pub handle: u64,
    /// The role it counts for.
    pub role: String,
    /// CPUs that it holds.
    pub cpus: f64,
    /// MiB of memory that it holds.
    pub memory_mib: f64,
    /// MiB of disk.
    pub disk_mib: f64,
    /// GPUs.
    pub gpus: f64,
    /// Port ranges, both ends included.
    pub ports: Vec<(u32, u32)>,
    /// The reserved part of all that.
    #[serde(default)]
    pub reserved: Parts,
    /// It belongs to a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// It is an executor, and is told this as its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
}

/// The group of a task, by handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The executor that it is in, with other groups perhaps.
    pub executor: u64,
    /// The first task of the group, which stands for it.
    pub first: u64,
}

/// Why an order can't be carried out.
#[derive(Debug, Error)]
pub enum OrderError {
    /// A part of the message is missing.
    #[error("the launch order has no {0}; the allocator is of another version")]
    Missing(&'static str),
    /// The task's container is of a kind that this agent does not know.
    #[error(
        "the task's container is of a kind that this agent does not know; it runs Docker's only"
    )]
    Container,
    /// A port or network that is none.
    #[error("the task's Docker container: {0}")]
    Docker(String),
    /// A document of an earlier agent is not understood.
    #[error("container {id}: its order is not understood: {source}")]
    Damaged {
        /// Which container.
        id: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Order {
    /// The order that was kept in a container's description.
    ///
    /// # Errors
    /// It was not written by an agent of this version.
    pub fn of(spec: &ContainerSpec) -> Result<Self, OrderError> {
        serde_json::from_str(&spec.payload)
            .map_err(|source| OrderError::Damaged { id: spec.id.clone(), source })
    }

    /// What is to be remembered of a launch.
    ///
    /// # Errors
    /// The message lacks a part.
    pub fn from_launch(launch: &wire::Launch) -> Result<Self, OrderError> {
        let task = launch.task.as_ref().ok_or(OrderError::Missing("task"))?;
        let resources = task.resources.as_ref().ok_or(OrderError::Missing("resources"))?;
        Ok(Self {
            handle: launch.handle,
            role: launch.role.clone(),
            cpus: resources.cpus,
            memory_mib: resources.memory_mib,
            disk_mib: resources.disk_mib,
            gpus: resources.gpus,
            ports: resources.ports.iter().map(|range| (range.first, range.last)).collect(),
            reserved: reserved::parts(launch.reserved.clone()),
            group: None,
            executor: None,
        })
    }

    /// As it is kept in a container's description.
    #[must_use]
    pub fn document(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The CPUs and memory that the task holds.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        Amounts::of((self.cpus * 1e3).round() as u64, (self.memory_mib * 1e3).round() as u64)
    }

    /// What the task holds, as the wire says it.
    #[must_use]
    pub fn resources(&self) -> wire::Resources {
        wire::Resources {
            cpus: self.cpus,
            memory_mib: self.memory_mib,
            disk_mib: self.disk_mib,
            gpus: self.gpus,
            ports: self
                .ports
                .iter()
                .map(|(first, last)| wire::PortRange { first: *first, last: *last })
                .collect(),
        }
    }
}

/// What a container is once its task holds a promise, and what the agent must then remember of it.
///
/// # Errors
/// The message lacks a part.
pub fn promoted(
    spec: &ContainerSpec,
    held: &Order,
    promotion: &wire::PromoteTask,
) -> Result<(ContainerSpec, Order), OrderError> {
    let resources = promotion.resources.as_ref().ok_or(OrderError::Missing("resources"))?;
    let order = Order {
        cpus: resources.cpus,
        memory_mib: resources.memory_mib,
        disk_mib: resources.disk_mib,
        gpus: resources.gpus,
        ports: resources.ports.iter().map(|range| (range.first, range.last)).collect(),
        reserved: reserved::parts(promotion.reserved.clone()),
        ..held.clone()
    };
    // A limit of its own is no part of what it holds.
    let own_limit = spec.memory_bytes != memory_bytes(held.memory_mib);
    let spec = ContainerSpec {
        class: Class::Guaranteed,
        request_cpus: order.cpus,
        memory_bytes: if own_limit { spec.memory_bytes } else { memory_bytes(order.memory_mib) },
        payload: order.document(),
        ..spec.clone()
    };
    Ok((spec, order))
}

fn memory_bytes(mib: f64) -> u64 {
    (mib * f64::from(1 << 20)) as u64
}

/// The container to run for an order; `agent`: this agent's id.
///
/// # Errors
/// The message lacks a part.
pub fn spec(
    launch: wire::Launch,
    agent: &str,
    pids_limit: u32,
) -> Result<ContainerSpec, OrderError> {
    let order = Order::from_launch(&launch)?;
    let task = launch.task.ok_or(OrderError::Missing("task"))?;
    let command = task.command.ok_or(OrderError::Missing("command"))?;
    let volumes = order.reserved.iter().filter_map(|(tag, _)| {
        let volume = tag.volume.as_ref()?;
        Some(VolumeSpec {
            role: tag.role()?.to_owned(),
            id: volume.id.clone(),
            container_path: volume.container_path.clone(),
        })
    });
    let volumes = volumes.collect();
    let memory_mib = task.limit_memory_mib.unwrap_or(order.memory_mib);
    let docker = task.container.map(|container| docker_in(container, &command.user)).transpose()?;
    let user = [command.user, launch.framework_user].into_iter().find(|user| !user.is_empty());
    let duties = duties::duties(task.max_completion_ms, task.health_check, task.check)?;
    Ok(ContainerSpec {
        id: uuid::Uuid::new_v4().to_string(),
        agent: agent.to_owned(),
        framework: launch.framework_id,
        name: task.task_id.clone(),
        task: task.task_id,
        command: command_of(command.shell, command.argv),
        uris: command.uris.into_iter().map(uri).collect(),
        env: command.environment,
        user,
        class: if launch.revocable { Class::Revocable } else { Class::Guaranteed },
        request_cpus: order.cpus,
        limit_cpus: task.limit_cpus,
        memory_bytes: memory_bytes(memory_mib),
        pids_limit: Some(pids_limit),
        grace_ms: task.kill_grace_ms.unwrap_or(DEFAULT_GRACE_MS),
        no_new_privs: false,
        volumes,
        docker,
        duties,
        nesting: Nesting::default(),
        payload: order.document(),
    })
}

/// `user`: the command's own, which the image knows; the framework's is one of the node.
fn docker_in(container: wire::Container, user: &str) -> Result<docker::DockerSpec, OrderError> {
    let Some(wire::container::Kind::Docker(given)) = container.kind else {
        return Err(OrderError::Container);
    };
    let network = match given.network() {
        wire::DockerNetwork::Unspecified | wire::DockerNetwork::Host => docker::Network::Host,
        wire::DockerNetwork::None => docker::Network::None,
        wire::DockerNetwork::Bridge => docker::Network::Bridge,
        wire::DockerNetwork::User => docker::Network::User,
    };
    let port = |port: u32| {
        u16::try_from(port).map_err(|_| OrderError::Docker(format!("{port} is no port")))
    };
    let ports = given.port_mappings.iter().map(|mapping| {
        Ok(docker::PortMapping {
            host_port: port(mapping.host_port)?,
            container_port: port(mapping.container_port)?,
            protocol: match mapping.protocol.as_str() {
                "" => "tcp".to_owned(),
                other => other.to_ascii_lowercase(),
            },
        })
    });
    let ports = ports.collect::<Result<_, OrderError>>()?;
    let volumes = given.volumes.into_iter().map(|volume| docker::HostVolume {
        host_path: volume.host_path,
        container_path: volume.container_path,
        read_only: volume.read_only,
    });
    let parameters = given.parameters.into_iter();
    let some = |text: String| (!text.is_empty()).then_some(text);
    Ok(docker::DockerSpec {
        image: given.image,
        network,
        network_name: some(given.network_name),
        ports,
        volumes: volumes.collect(),
        parameters: parameters.map(|parameter| (parameter.key, parameter.value)).collect(),
        privileged: given.privileged,
        force_pull: given.force_pull,
        hostname: some(given.hostname),
        user: some(user.to_owned()),
        grows: false,
    })
}

/// Neither: what a Docker image runs by itself.
fn command_of(shell: String, argv: Vec<String>) -> Command {
    let is_shell = argv.is_empty() && !shell.is_empty();
    if is_shell { Command::Shell(shell) } else { Command::Argv(argv) }
}

fn uri(uri: wire::Uri) -> Uri {
    Uri {
        extract: uri.extract.unwrap_or(true),
        value: uri.value,
        executable: uri.executable,
        cache: uri.cache,
        output_file: Some(uri.output_file).filter(|name| !name.is_empty()),
    }
}
