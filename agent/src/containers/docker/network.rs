//! Where a container is reached, told by its supervisor in `network.json`.

use std::path::Path;

use bollard::models::NetworkSettings;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, CheckpointError};

const FILE: &str = "network.json";

/// The addresses a container has of its own: none on the node's network, and none on no network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// IPv4 before IPv6.
    pub ip_addresses: Vec<String>,
}

impl Addresses {
    pub(super) fn of(settings: Option<NetworkSettings>) -> Addresses {
        let networks = settings.and_then(|settings| settings.networks).unwrap_or_default();
        let of = |address: Option<String>| address.filter(|address| !address.is_empty());
        let v4 = networks.values().filter_map(|at| of(at.ip_address.clone()));
        let v6 = networks.values().filter_map(|at| of(at.global_ipv6_address.clone()));
        Addresses { ip_addresses: v4.chain(v6).collect() }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), CheckpointError> {
        checkpoint::save(&dir.join(FILE), self)
    }

    /// Those of the container with these documents; none before it runs.
    pub(in crate::containers) fn read(dir: &Path) -> Option<Addresses> {
        checkpoint::load(&dir.join(FILE)).ok().flatten()
    }
}
