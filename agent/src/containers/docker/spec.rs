//! What a Docker container is, and whether it can be asked for at all.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// Port mappings, volumes, and parameters: at most so many each.
pub const MAX_PARTS: usize = 64;
/// Where a task sees its sandbox (Mesos: the agent's flag `sandbox_directory`).
pub const SANDBOX: &str = "/mnt/mesos/sandbox";

/// The container to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerSpec {
    /// As `docker run` takes it.
    pub image: String,
    /// What it sees of the network.
    #[serde(default)]
    pub network: Network,
    /// For [`Network::User`]: which.
    #[serde(default)]
    pub network_name: Option<String>,
    /// For networks of the container's own.
    #[serde(default)]
    pub ports: Vec<PortMapping>,
    /// Directories and files of the node.
    #[serde(default)]
    pub volumes: Vec<HostVolume>,
    /// Flags of `docker run`, without their dashes, and their values.
    #[serde(default)]
    pub parameters: Vec<(String, String)>,
    /// With all the powers of the node's root.
    #[serde(default)]
    pub privileged: bool,
    /// Whether the registry is asked though the image is there.
    #[serde(default)]
    pub force_pull: bool,
    /// Docker's choice if absent.
    #[serde(default)]
    pub hostname: Option<String>,
    /// A user of the image; the image's own if absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether its limit on memory changes while it runs: Docker is then told of none.
    #[serde(default)]
    pub grows: bool,
}

/// What a container sees of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The node's.
    #[default]
    Host,
    /// Nothing.
    None,
    /// One of its own, through Docker's bridge.
    Bridge,
    /// One of its own, in a network that somebody made at Docker.
    User,
}

/// A port of the node that leads to one of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// The node's.
    pub host_port: u16,
    /// The container's.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A directory or file of the node that the container sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostVolume {
    /// Absolute, or below the task's sandbox, where it is made.
    pub host_path: String,
    /// Absolute, or below [`SANDBOX`].
    pub container_path: String,
    /// Whether it can't be written.
    pub read_only: bool,
}

impl DockerSpec {
    /// Checks everything that can be checked without the daemon; the error is a sentence.
    pub fn validate(&self) -> Result<(), String> {
        if self.image.is_empty() || self.image.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(format!("{:?} is no name of an image", self.image));
        }
        let parts = [
            ("port mappings", self.ports.len()),
            ("volumes", self.volumes.len()),
            ("parameters", self.parameters.len()),
        ];
        if let Some((what, count)) = parts.into_iter().find(|(_, count)| *count > MAX_PARTS) {
            return Err(format!("{count} {what} are more than {MAX_PARTS}"));
        }
        let is_own = matches!(self.network, Network::Bridge | Network::User);
        if !is_own && !self.ports.is_empty() {
            return Err("port mappings need network BRIDGE or USER".into());
        }
        let name = self.network_name.as_deref().unwrap_or_default();
        if self.network == Network::User && !is_network(name) {
            return Err(format!("{name:?} is no name of a network of Docker's"));
        }
        for port in &self.ports {
            if port.host_port == 0 || port.container_port == 0 {
                return Err("a port mapping has no port".into());
            }
            if !["tcp", "udp"].contains(&port.protocol.as_str()) {
                return Err(format!("the protocol {:?} is not \"tcp\" or \"udp\"", port.protocol));
            }
        }
        self.volumes.iter().try_for_each(HostVolume::validate)
    }

    /// Docker's word for its network.
    pub(super) fn network_mode(&self) -> &str {
        match self.network {
            Network::Host => "host",
            Network::None => "none",
            Network::Bridge => "bridge",
            Network::User => self.network_name.as_deref().unwrap_or_default(),
        }
    }

    /// The image with its tag: without one Docker would fetch all there are.
    pub(super) fn tagged(&self) -> String {
        let name = self.image.rsplit('/').next().unwrap_or(&self.image);
        if name.contains([':', '@']) {
            self.image.clone()
        } else {
            format!("{}:latest", self.image)
        }
    }
}

/// By Docker's rule for names; its own words for networks are none (`container:ID` would join another's).
fn is_network(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
        && !["host", "none", "default"].contains(&name)
}

impl HostVolume {
    fn validate(&self) -> Result<(), String> {
        let plain = |path: &str| !Path::new(path).components().any(|c| c == Component::ParentDir);
        if self.host_path.is_empty() || !plain(&self.host_path) {
            return Err(format!("{:?} is no host path of a volume", self.host_path));
        }
        let inside = &self.container_path;
        if self.is_own() && !inside.starts_with('/') {
            return Err(format!(
                "the volume {:?} is of the sandbox, and so is {inside:?}: one of them must be absolute",
                self.host_path
            ));
        }
        if inside.is_empty() || inside == "/" || !plain(inside) {
            return Err(format!("a volume cannot be seen at {inside:?} in a container"));
        }
        Ok(())
    }

    /// Whether it is a directory of the task's sandbox.
    pub(in crate::containers) fn is_own(&self) -> bool {
        !self.host_path.starts_with('/')
    }

    /// Where the container sees it.
    pub(super) fn target(&self) -> String {
        below_sandbox(&self.container_path)
    }
}

/// A path of the container; a relative one is below the sandbox.
pub(super) fn below_sandbox(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{SANDBOX}/{path}") }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::containers::docker) fn docker(image: &str) -> DockerSpec {
        DockerSpec { image: image.into(), ..DockerSpec::default() }
    }

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        for (image, tagged) in [
            ("busybox", "busybox:latest"),
            ("busybox:1.36", "busybox:1.36"),
            ("host:5000/team/app", "host:5000/team/app:latest"),
            ("host:5000/team/app:2", "host:5000/team/app:2"),
            ("app@sha256:0a", "app@sha256:0a"),
        ] {
            assert_eq!(docker(image).tagged(), tagged);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        assert_eq!(docker("busybox").validate(), Ok(()));
        let port = |protocol: &str| {
            vec![PortMapping { host_port: 1, container_port: 1, protocol: protocol.into() }]
        };
        let volume = |host: &str, inside: &str| DockerSpec {
            volumes: vec![HostVolume {
                host_path: host.into(),
                container_path: inside.into(),
                read_only: false,
            }],
            ..docker("i")
        };
        for (wrong, word) in [
            (docker(""), "image"),
            (docker("a b"), "image"),
            (DockerSpec { ports: port("tcp"), ..docker("i") }, "BRIDGE"),
            (
                DockerSpec { ports: port("sctp"), network: Network::Bridge, ..docker("i") },
                "protocol",
            ),
            (DockerSpec { parameters: vec![Default::default(); 65], ..docker("i") }, "65"),
            (volume("data", "data"), "absolute"),
            (volume("/a/../etc", "/data"), "host path"),
            (DockerSpec { network: Network::User, ..docker("i") }, "network"),
            (
                DockerSpec {
                    network: Network::User,
                    network_name: Some("container:other".into()),
                    ..docker("i")
                },
                "network",
            ),
            (volume("/data", "/"), "seen"),
            (volume("/data", "../data"), "seen"),
        ] {
            let error = wrong.validate().expect_err(word);
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(volume("data", "/data").validate(), Ok(()));
        let good = volume("/data", "in/data");
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(good.volumes[0].target(), "/mnt/mesos/sandbox/in/data");
    }
}
