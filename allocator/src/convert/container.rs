//! In what a task runs: what the allocator checks of it, before a node is troubled. The node's agent
//! checks the rest, which is Docker's business.

use super::{MAX_NAME_BYTES, Wrong, at_most, plain, wrong};
use headroom_core::{ports::Ports, resources::Resources};
use headroom_proto::v1;
use prost::Message as _;

/// Port mappings, volumes and parameters: at most so many each.
pub(crate) const MAX_PARTS: usize = 64;
/// A container's description: at most so many bytes.
pub(crate) const MAX_CONTAINER_BYTES: usize = 64 << 10;

/// Checks a container of a task that holds `request`.
pub(crate) fn container_in(
    field: &dyn Fn(&str) -> String,
    request: &Resources,
    container: &v1::Container,
) -> Result<(), Wrong> {
    let Some(v1::container::Kind::Docker(docker)) = &container.kind else {
        return Err(wrong(field("container"), "is of no kind that is known"));
    };
    if container.encoded_len() > MAX_CONTAINER_BYTES {
        let problem = format_args!("has more than {MAX_CONTAINER_BYTES} bytes");
        return Err(wrong(field("container"), problem));
    }
    let field = |part: &str| field(&format!("container.docker.{part}"));
    if docker.image.is_empty() {
        return Err(wrong(field("image"), "is empty"));
    }
    plain(field("image"), docker.image.clone(), MAX_NAME_BYTES)?;
    plain(field("hostname"), docker.hostname.clone(), MAX_NAME_BYTES)?;
    if v1::DockerNetwork::try_from(docker.network).is_err() {
        return Err(wrong(field("network"), format_args!("{} is none", docker.network)));
    }
    at_most(field("port_mappings"), docker.port_mappings.len(), MAX_PARTS)?;
    at_most(field("volumes"), docker.volumes.len(), MAX_PARTS)?;
    at_most(field("parameters"), docker.parameters.len(), MAX_PARTS)?;
    plain(field("network_name"), docker.network_name.clone(), MAX_NAME_BYTES)?;
    if docker.network() == v1::DockerNetwork::User && docker.network_name.is_empty() {
        return Err(wrong(field("network_name"), "is missing: network USER needs one"));
    }
    let is_own = matches!(docker.network(), v1::DockerNetwork::Bridge | v1::DockerNetwork::User);
    if !is_own && !docker.port_mappings.is_empty() {
        return Err(wrong(field("port_mappings"), "need network BRIDGE or USER"));
    }
    for mapping in &docker.port_mappings {
        let port = u16::try_from(mapping.host_port).ok();
        let port = port.and_then(|port| Ports::from_ranges(&[(port, port)]));
        if !port.is_some_and(|port| request.ports.contains(&port)) {
            let problem = format_args!("the task does not hold port {}", mapping.host_port);
            return Err(wrong(field("port_mappings"), problem));
        }
    }
    Ok(())
}
