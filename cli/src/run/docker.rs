//! The flags that put a task into a Docker container.

use clap::Args;
use headroom_proto::v1::{
    Container, DockerContainer, DockerNetwork, DockerParameter, DockerVolume, PortMapping,
    Resources, container,
};

/// Without `--docker` none of these means anything.
const HEADING: &str = "In a Docker container";

/// What of `docker run` there is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct DockerArgs {
    /// Run in a container of this image; without a command the image's own runs
    #[arg(long = "docker", value_name = "IMAGE", value_parser = image)]
    pub(super) image: Option<String>,
    /// The network it sees: `host` (the node's), `none`, `bridge` (one of its own), or one of Docker's by its name
    #[arg(long, requires = "image", value_name = "NETWORK", default_value = "host")]
    network: String,
    /// A port of the container that the next one of --ports leads to: 80 or 53/udp
    #[arg(long, requires = "image", value_name = "PORT[/udp]", value_parser = publish)]
    publish: Vec<(u16, String)>,
    /// A directory or file of the node that it sees: HOST:CONTAINER[:ro]; a relative HOST is below its sandbox
    #[arg(long, requires = "image", value_name = "VOLUME", value_parser = volume)]
    volume: Vec<DockerVolume>,
    /// Another flag of `docker run`, without its dashes: cap-drop=ALL
    #[arg(long, requires = "image", value_name = "NAME=VALUE", value_parser = parameter)]
    docker_parameter: Vec<DockerParameter>,
    /// With all the powers of the node's root
    #[arg(long, requires = "image")]
    privileged: bool,
    /// Ask the registry though the image is there
    #[arg(long, requires = "image")]
    pull: bool,
}

impl DockerArgs {
    /// How many ports of the node the flags need.
    pub(super) fn ports(&self) -> u32 {
        u32::try_from(self.publish.len()).unwrap_or(u32::MAX)
    }

    /// What is wrong with the flags together.
    pub(super) fn check(&self, ports: u32) -> Result<(), String> {
        if self.ports() > 0 && ["host", "none"].contains(&self.network.as_str()) {
            return Err("--publish needs --network bridge, or one of Docker's".into());
        }
        if self.ports() > ports {
            return Err(format!("--publish is given {} times, and --ports {ports}", self.ports()));
        }
        Ok(())
    }

    /// The container, in which the published ports have no port of the node yet.
    pub(super) fn container(&self) -> Option<Container> {
        let (network, name) = match self.network.as_str() {
            "host" => (DockerNetwork::Host, ""),
            "none" => (DockerNetwork::None, ""),
            "bridge" => (DockerNetwork::Bridge, ""),
            name => (DockerNetwork::User, name),
        };
        let mapping = |(port, protocol): &(u16, String)| PortMapping {
            host_port: 0,
            container_port: u32::from(*port),
            protocol: protocol.clone(),
        };
        let docker = DockerContainer {
            image: self.image.clone()?,
            network: network.into(),
            port_mappings: self.publish.iter().map(mapping).collect(),
            volumes: self.volume.clone(),
            parameters: self.docker_parameter.clone(),
            privileged: self.privileged,
            force_pull: self.pull,
            hostname: String::new(),
            network_name: name.to_owned(),
        };
        Some(Container { kind: Some(container::Kind::Docker(docker)) })
    }
}

/// Gives the published ports those of the offer, in order.
pub(super) fn map_ports(container: &mut Container, resources: &Resources) {
    let Some(container::Kind::Docker(docker)) = &mut container.kind else { return };
    let held = resources.ports.iter().flat_map(|range| range.first..=range.last);
    for (mapping, port) in docker.port_mappings.iter_mut().zip(held) {
        mapping.host_port = port;
    }
}

fn image(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(char::is_whitespace) {
        true => Err("is no name of an image".into()),
        false => Ok(text.into()),
    }
}

fn publish(text: &str) -> Result<(u16, String), String> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match port.parse() {
        Ok(port) if port > 0 && ["tcp", "udp"].contains(&protocol) => Ok((port, protocol.into())),
        _ => Err("write it as 80, 80/tcp or 53/udp".into()),
    }
}

fn volume(text: &str) -> Result<DockerVolume, String> {
    let (paths, read_only) = match text.rsplit_once(':') {
        Some((paths, "ro")) => (paths, true),
        Some((paths, "rw")) => (paths, false),
        _ => (text, false),
    };
    match paths.split_once(':') {
        Some((host, inside))
            if (host.starts_with('/') && !inside.is_empty())
                || (inside.starts_with('/') && !host.is_empty()) =>
        {
            Ok(DockerVolume { host_path: host.into(), container_path: inside.into(), read_only })
        }
        _ => Err("write it as /on/the/node:/in/the/container, with :ro behind it or not".into()),
    }
}

/// A flag without a value is set.
fn parameter(text: &str) -> Result<DockerParameter, String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    match key.trim_start_matches('-') {
        "" => Err("write it as NAME=VALUE".into()),
        key => Ok(DockerParameter { key: key.into(), value: value.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{args::tests::parse, plan::Plan};
    use super::*;
    use headroom_proto::v1::PortRange;

    fn docker(line: &[&str]) -> DockerContainer {
        let plan = Plan::of(&parse(line).expect("a line")).expect("a plan");
        let ports = vec![PortRange { first: 31_005, last: 31_006 }];
        let task = plan.task_with(Resources { ports, ..plan.wanted.clone() });
        let Some(Container { kind: Some(container::Kind::Docker(docker)) }) = task.container else {
            panic!("no container: {task:?}");
        };
        docker
    }

    #[test]
    fn the_flags_make_the_container() {
        let line = ["--docker", "web:2", "--network", "bridge", "--publish", "80", "--publish"];
        let line = [&line[..], &["53/udp", "--volume", "/a:/b:ro", "--volume", "/c:d"]].concat();
        let made = docker(&[&line[..], &["--docker-parameter", "init", "--pull"]].concat());
        assert_eq!((made.image.as_str(), made.network()), ("web:2", DockerNetwork::Bridge));
        let ports: Vec<_> = made
            .port_mappings
            .iter()
            .map(|p| (p.host_port, p.container_port, p.protocol.as_str()))
            .collect();
        assert_eq!(ports, [(31_005, 80, "tcp"), (31_006, 53, "udp")]);
        assert!(made.volumes[0].read_only && !made.volumes[1].read_only && made.force_pull);
        assert_eq!(made.volumes[1].container_path, "d");
        assert_eq!(made.parameters[0].key, "init");
        let made = docker(&["--docker", "web", "--network", "blue"]);
        assert_eq!((made.network(), made.network_name.as_str()), (DockerNetwork::User, "blue"));
    }

    #[test]
    fn the_image_s_own_command_user_and_name_will_do() {
        let plan = Plan::of(&parse(&["--docker", "host:5/team/web:2"]).expect("a line"));
        let plan = plan.expect("a plan");
        assert!(plan.task_id.starts_with("web-"), "{}", plan.task_id);
        let task = plan.task_with(plan.wanted.clone());
        let command = task.command.expect("a command");
        assert!(command.argv.is_empty() && command.user.is_empty(), "{command:?}");
    }

    #[test]
    fn wrong_flags_are_named() {
        for line in [
            &["--docker", ""][..],
            &["--docker", "i", "--publish", "0"],
            &["--docker", "i", "--volume", "a:b"],
            &["--docker", "i", "--docker-parameter", "=x"],
            &["--network", "none", "true"],
            &["--pull", "true"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
        let line = ["--docker", "i", "--publish", "80"];
        assert!(Plan::of(&parse(&line).expect("a line")).is_err(), "no bridge");
        let line =
            [&line[..], &["--network", "bridge", "--publish", "81", "--ports", "1"]].concat();
        assert!(Plan::of(&parse(&line).expect("a line")).is_err(), "too few ports");
    }
}
