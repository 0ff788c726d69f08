//! In what a task runs, as Mesos frameworks say it.

use headroom_proto::{
    mesos::v1::{
        ContainerInfo, LinuxInfo, NetworkInfo, Volume, container_info,
        container_info::docker_info::Network, image, volume, volume::source::sandbox_path,
    },
    v1,
};

/// The container; `None`: a process of the node, as it is.
pub(super) fn container_in(info: &ContainerInfo) -> Result<Option<v1::DockerContainer>, String> {
    left_out(info)?;
    let docker = match info.r#type() {
        container_info::Type::Docker => {
            let given = info.docker.as_ref().ok_or("container.docker is not set")?;
            docker_in(given)?
        }
        container_info::Type::Mesos => {
            let image = info.mesos.as_ref().and_then(|mesos| mesos.image.as_ref());
            let Some(image) = image else {
                return match info.volumes.is_empty() {
                    true => Ok(None),
                    false => Err("container.volumes need an image here".to_owned()),
                };
            };
            let (image::Type::Docker, Some(named)) = (image.r#type(), &image.docker) else {
                return Err("container: images other than Docker's are not supported".to_owned());
            };
            if named.config.is_some() {
                return Err(
                    "container.mesos.image.docker.config: secrets are not supported; have \
                            the file fetched as .docker/config.json, or see docker_config of the \
                            agents"
                        .to_owned(),
                );
            }
            v1::DockerContainer {
                image: named.name.clone(),
                force_pull: !image.cached(),
                ..v1::DockerContainer::default()
            }
        }
    };
    let volumes = info.volumes.iter().map(volume_in).collect::<Result<_, _>>()?;
    let hostname = info.hostname.clone().unwrap_or_default();
    let network_name = info.network_infos.first().and_then(|info| info.name.clone());
    let network_name = network_name.unwrap_or_default();
    Ok(Some(v1::DockerContainer { volumes, hostname, network_name, ..docker }))
}

/// What is asked for and would be left out without a word.
fn left_out(info: &ContainerInfo) -> Result<(), String> {
    let asked = [
        (!info.network_infos.is_empty() && !names_network(info), "network_infos"),
        (info.linux_info.as_ref().is_some_and(asks_more), "linux_info"),
        (info.rlimit_info.is_some(), "rlimit_info"),
        (info.tty_info.is_some(), "tty_info"),
    ];
    match asked.into_iter().find(|(there, _)| *there) {
        Some((_, what)) => Err(format!("container.{what} is not supported")),
        None => Ok(()),
    }
}

/// Whether it asks for more than a say about limits, which is the group's to judge (`group`).
fn asks_more(info: &LinuxInfo) -> bool {
    *info != LinuxInfo { share_cgroups: info.share_cgroups, ..LinuxInfo::default() }
}

/// Whether all that is said of networks is the name of one.
fn names_network(info: &ContainerInfo) -> bool {
    let is_docker = info.r#type() == container_info::Type::Docker;
    let network = info.docker.as_ref().map(|docker| docker.network());
    let is_user = is_docker && network == Some(Network::User);
    let alone = |given: &NetworkInfo| {
        *given == NetworkInfo { name: given.name.clone(), ..NetworkInfo::default() }
    };
    is_user && info.network_infos.len() == 1 && info.network_infos.iter().all(alone)
}

fn docker_in(given: &container_info::DockerInfo) -> Result<v1::DockerContainer, String> {
    let network = match given.network() {
        Network::Host => v1::DockerNetwork::Host,
        Network::Bridge => v1::DockerNetwork::Bridge,
        Network::None => v1::DockerNetwork::None,
        Network::User => v1::DockerNetwork::User,
    };
    let ports = given.port_mappings.iter().map(|mapping| v1::PortMapping {
        host_port: mapping.host_port,
        container_port: mapping.container_port,
        protocol: mapping.protocol.clone().unwrap_or_default(),
    });
    let parameters = given.parameters.iter().map(|parameter| v1::DockerParameter {
        key: parameter.key.clone(),
        value: parameter.value.clone(),
    });
    Ok(v1::DockerContainer {
        image: given.image.clone(),
        network: network.into(),
        port_mappings: ports.collect(),
        parameters: parameters.collect(),
        privileged: given.privileged(),
        force_pull: given.force_pull_image(),
        ..v1::DockerContainer::default()
    })
}

fn volume_in(given: &Volume) -> Result<v1::DockerVolume, String> {
    let source = given.source.as_ref();
    let by_source = source.and_then(|source| source.host_path.as_ref()).map(|host| &host.path);
    let own = source.and_then(|source| source.sandbox_path.as_ref());
    let own = own.filter(|own| own.r#type() == sandbox_path::Type::Self_).map(|own| &own.path);
    let Some(host_path) = given.host_path.as_ref().or(by_source).or(own) else {
        return Err(format!(
            "container.volumes: {} has no host_path, and others are not supported",
            given.container_path
        ));
    };
    Ok(v1::DockerVolume {
        host_path: host_path.clone(),
        container_path: given.container_path.clone(),
        read_only: given.mode() == volume::Mode::Ro,
    })
}
