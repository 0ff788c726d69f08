//! The container as Docker's API wants it described.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding, PortMap,
};
use nix::unistd::{SysconfVar, sysconf};

use super::spec::{DockerSpec, HostVolume, SANDBOX, below_sandbox};
use super::{DockerLaunch, parameter};
use crate::cgroup::Class;
use crate::containers::{Command, ContainerSpec, Launch};

/// Whose container it is: the state directory, which one agent alone uses.
pub(super) const OWNER_LABEL: &str = "headroom.agent";
/// Which of our containers it is.
pub(super) const CONTAINER_LABEL: &str = "headroom.container";
const PAGE_BYTES: u64 = 4096;
/// Docker refuses a smaller limit.
const LEAST_BYTES: u64 = 6 << 20;

/// The name of a container at Docker.
pub(super) fn name(id: &str) -> String {
    format!("headroom-{id}")
}

/// The label of all containers made by the agent with this state directory.
pub(super) fn owner(state: &Path) -> String {
    state.canonicalize().unwrap_or_else(|_| state.to_owned()).display().to_string()
}

/// Describes the container of `launch`; the error is a sentence.
pub(super) fn body(
    launch: &Launch,
    docker: &DockerSpec,
    place: &DockerLaunch,
    cgroup_parent: &str,
) -> Result<ContainerCreateBody, String> {
    let spec = &launch.spec;
    let (entrypoint, cmd) = match &spec.command {
        Command::Shell(line) => {
            (Some(vec!["/bin/sh".into()]), Some(vec!["-c".into(), line.clone()]))
        }
        Command::Argv(words) => (None, Some(words.clone()).filter(|words| !words.is_empty())),
    };
    let mut body = ContainerCreateBody {
        image: Some(docker.tagged()),
        entrypoint,
        cmd,
        hostname: docker.hostname.clone(),
        user: docker.user.clone(),
        env: Some(environment(spec)),
        labels: Some(labels(spec, place)),
        host_config: Some(host_config(launch, docker, place, cgroup_parent)),
        ..ContainerCreateBody::default()
    };
    if !docker.ports.is_empty() {
        let inside = |p: &super::PortMapping| format!("{}/{}", p.container_port, p.protocol);
        body.exposed_ports = Some(docker.ports.iter().map(inside).collect());
    }
    for (key, value) in &docker.parameters {
        parameter::apply(&mut body, key, value)?;
    }
    Ok(body)
}

fn host_config(
    launch: &Launch,
    docker: &DockerSpec,
    place: &DockerLaunch,
    cgroup_parent: &str,
) -> HostConfig {
    let spec = &launch.spec;
    let limit = spec.memory_bytes.max(LEAST_BYTES).saturating_add(page_bytes());
    let memory = (!docker.grows).then_some(limit);
    HostConfig {
        cgroup_parent: Some(cgroup_parent.to_owned()),
        // Ours is the limit that holds, for all of the task; this one, a page above it, is for
        // programs that look up in their own group how much memory they may use.
        memory: memory.and_then(|bytes| i64::try_from(bytes).ok()),
        // As for processes: a limit on memory is none on swap.
        memory_swap: memory.map(|_| -1),
        network_mode: Some(docker.network_mode().to_owned()),
        port_bindings: Some(port_bindings(docker)).filter(|ports| !ports.is_empty()),
        mounts: Some(mounts(launch, docker, place)),
        privileged: Some(docker.privileged),
        // What it writes goes to the sandbox, and only there.
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        oom_score_adj: (spec.class == Class::Revocable).then_some(spec.class.oom_score().into()),
        security_opt: spec.no_new_privs.then(|| vec!["no-new-privileges:true".into()]),
        ..HostConfig::default()
    }
}

fn page_bytes() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(PAGE_BYTES)
}

/// The task's own variables win over ours.
fn environment(spec: &ContainerSpec) -> Vec<String> {
    let mut env = spec.env.clone();
    env.entry("MESOS_SANDBOX".into()).or_insert_with(|| SANDBOX.into());
    env.entry("MESOS_CONTAINER_NAME".into()).or_insert_with(|| name(&spec.id));
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn labels(spec: &ContainerSpec, place: &DockerLaunch) -> HashMap<String, String> {
    let own = [
        (OWNER_LABEL, &place.owner),
        (CONTAINER_LABEL, &spec.id),
        ("headroom.framework", &spec.framework),
        ("headroom.task", &spec.task),
    ];
    own.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

fn mounts(launch: &Launch, docker: &DockerSpec, place: &DockerLaunch) -> Vec<Mount> {
    let sandbox = bind(&launch.sandbox, SANDBOX.into(), false);
    let persistent =
        place.volumes.iter().map(|(dir, inside)| bind(dir, below_sandbox(inside), false));
    // An absolute path stays as it is.
    let source = |volume: &HostVolume| launch.sandbox.join(&volume.host_path);
    let of_node = docker
        .volumes
        .iter()
        .map(|volume| bind(&source(volume), volume.target(), volume.read_only));
    std::iter::once(sandbox).chain(persistent).chain(of_node).collect()
}

fn bind(source: &Path, target: String, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

fn port_bindings(docker: &DockerSpec) -> PortMap {
    let mut bindings = PortMap::new();
    for port in &docker.ports {
        let inside = format!("{}/{}", port.container_port, port.protocol);
        let outside = PortBinding { host_ip: None, host_port: Some(port.host_port.to_string()) };
        bindings.entry(inside).or_default().get_or_insert_default().push(outside);
    }
    bindings
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::docker;
    use super::super::{Network, PortMapping};
    use super::*;
    use crate::containers::spec::tests::spec;

    fn made(spec: ContainerSpec, docker: &DockerSpec) -> ContainerCreateBody {
        let launch = Launch {
            spec,
            sandbox: "/state/sandboxes/f/t/c".into(),
            cgroup: None,
            docker: None,
            fetch: None,
        };
        let place = DockerLaunch {
            socket: "/s".into(),
            owner: "/state".into(),
            config: None,
            volumes: vec![("/state/volumes/r/v".into(), "data".into())],
        };
        body(&launch, docker, &place, "/headroom/guaranteed/c1").expect("a body")
    }

    #[test]
    fn the_command_is_a_shell_s_or_the_image_s_own() {
        let shell = made(spec(), &docker("i"));
        assert_eq!(shell.entrypoint, Some(vec!["/bin/sh".into()]));
        assert_eq!(shell.cmd, Some(vec!["-c".into(), "true".into()]));
        let words = Command::Argv(vec!["ls".into(), "-l".into()]);
        let argv = made(ContainerSpec { command: words, ..spec() }, &docker("i"));
        assert_eq!((argv.entrypoint, argv.cmd), (None, Some(vec!["ls".into(), "-l".into()])));
        let none = ContainerSpec { command: Command::Argv(Vec::new()), ..spec() };
        let own = made(none, &docker("i"));
        assert_eq!((own.entrypoint, own.cmd), (None, None));
        assert_eq!(own.image.as_deref(), Some("i:latest"));
    }

    #[test]
    fn it_lives_in_our_group_and_sees_its_sandbox_and_volumes() {
        let volume = HostVolume {
            host_path: "/etc/ssl".into(),
            container_path: "ssl".into(),
            read_only: true,
        };
        let docker = DockerSpec {
            network: Network::Bridge,
            ports: vec![PortMapping {
                host_port: 31000,
                container_port: 80,
                protocol: "tcp".into(),
            }],
            volumes: vec![volume],
            ..docker("i")
        };
        let made = made(spec(), &docker);
        let env = made.env.expect("variables");
        assert!(env.contains(&"MESOS_SANDBOX=/mnt/mesos/sandbox".to_owned()), "{env:?}");
        assert_eq!(made.labels.expect("labels")[OWNER_LABEL], "/state");
        let host = made.host_config.expect("a host part");
        assert_eq!(host.cgroup_parent.as_deref(), Some("/headroom/guaranteed/c1"));
        assert!(host.memory > Some(1 << 20), "{:?}", host.memory);
        let ports = host.port_bindings.expect("ports");
        let bound = ports["80/tcp"].as_ref().expect("bound");
        assert_eq!(bound[0].host_port.as_deref(), Some("31000"));
        let mounts = host.mounts.expect("mounts");
        let seen: Vec<_> = mounts
            .iter()
            .map(|m| (m.source.as_deref(), m.target.as_deref(), m.read_only))
            .collect();
        let at = |source, target, read_only| (Some(source), Some(target), Some(read_only));
        assert_eq!(
            seen,
            [
                at("/state/sandboxes/f/t/c", "/mnt/mesos/sandbox", false),
                at("/state/volumes/r/v", "/mnt/mesos/sandbox/data", false),
                at("/etc/ssl", "/mnt/mesos/sandbox/ssl", true),
            ]
        );
    }
}
