//! What the allocator ordered, kept with the container's documents so that it survives the agent.

mod duties;

pub use duties::found;

use crate::{
    cgroup::Class,
    containers::{Command, ContainerSpec, VolumeSpec},
    fetcher::Uri,
    reserved,
};
use headroom_core::reservation::Parts;
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
    /// Thousandths of CPUs that it holds.
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
}

/// Why an order can't be carried out.
#[derive(Debug, Error)]
pub enum OrderError {
    /// A part of the message is missing.
    #[error("the launch order has no {0}; the allocator is of another version")]
    Missing(&'static str),
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

/// The container to run for an order; `agent`: this agent's id.
///
/// # Errors
/// The message lacks a part.
pub fn spec(
    launch: wire::Launch,
    agent: &str,
    pids_limit: u32,
) -> Result<ContainerSpec, OrderError> {
    let task = launch.task.ok_or(OrderError::Missing("task"))?;
    let resources = task.resources.ok_or(OrderError::Missing("resources"))?;
    let command = task.command.ok_or(OrderError::Missing("command"))?;
    let order = Order {
        handle: launch.handle,
        role: launch.role,
        cpus: resources.cpus,
        memory_mib: resources.memory_mib,
        disk_mib: resources.disk_mib,
        gpus: resources.gpus,
        ports: resources.ports.iter().map(|range| (range.first, range.last)).collect(),
        reserved: reserved::parts(launch.reserved),
    };
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
        memory_bytes: (memory_mib * f64::from(1 << 20)) as u64,
        pids_limit: Some(pids_limit),
        grace_ms: task.kill_grace_ms.unwrap_or(DEFAULT_GRACE_MS),
        no_new_privs: false,
        volumes,
        duties,
        payload: serde_json::to_string(&order).unwrap_or_default(),
    })
}

fn command_of(shell: String, argv: Vec<String>) -> Command {
    if argv.is_empty() { Command::Shell(shell) } else { Command::Argv(argv) }
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
