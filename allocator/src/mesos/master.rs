//! What a framework is told of the allocator as its master, and where agents are.

use crate::agents::Directory;
use headroom_core::ids::AgentId;
use headroom_proto::mesos::v1::{
    Address, MasterInfo, Url, agent_info,
    master_info::{Capability, capability},
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The Mesos version whose API this is. Clients compare the numbers, so it has nothing else in it.
pub(crate) const VERSION: &str = "1.11.0";
/// The port that Mesos' agents listen on, told of agents that say none.
pub(crate) const AGENT_PORT: u16 = 5051;

/// What every agent here can, by Mesos' names.
pub(crate) const AGENT_CAPABILITIES: [agent_info::capability::Type; 4] = {
    use agent_info::capability::Type;
    [Type::MultiRole, Type::HierarchicalRole, Type::ReservationRefinement, Type::AgentDraining]
};
/// What the allocator can, by Mesos' names.
pub(crate) const CAPABILITIES: [capability::Type; 3] = {
    use capability::Type;
    [Type::AgentUpdate, Type::AgentDraining, Type::QuotaV2]
};

/// The allocator, as one client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Master {
    pub(crate) epoch: u32,
    /// The address by which the client reached it.
    pub(crate) address: SocketAddr,
    pub(crate) hostname: String,
    pub(crate) directory: Directory,
}

impl Master {
    pub(crate) fn info(&self) -> MasterInfo {
        let (ip, port) = (self.address.ip(), u32::from(self.address.port()));
        MasterInfo {
            id: self.id(),
            ip: in_addr(ip),
            port,
            pid: Some(self.pid()),
            hostname: Some(self.hostname.clone()),
            version: Some(VERSION.to_owned()),
            address: Some(Address {
                hostname: Some(self.hostname.clone()),
                ip: Some(ip.to_string()),
                port: port as i32,
            }),
            domain: None,
            capabilities: CAPABILITIES
                .iter()
                .map(|kind| Capability { r#type: Some((*kind).into()) })
                .collect(),
        }
    }

    pub(crate) fn id(&self) -> String {
        format!("headroom-{}", self.epoch)
    }

    /// As Mesos' actors are called.
    pub(crate) fn pid(&self) -> String {
        format!("master@{}", self.address)
    }

    /// The address of an agent's own HTTP server, if it told one.
    pub(crate) fn agent_address(&self, agent: AgentId) -> Option<SocketAddr> {
        self.directory.address(agent)?.parse().ok()
    }

    /// As Mesos' agents are called: clients take the address from it.
    pub(crate) fn agent_pid(&self, agent: AgentId, hostname: &str) -> String {
        match self.agent_address(agent) {
            Some(address) => format!("slave(1)@{address}"),
            None => format!("slave(1)@{hostname}:{AGENT_PORT}"),
        }
    }

    /// Where an agent's own HTTP server is.
    pub(crate) fn agent_url(&self, agent: AgentId, hostname: &str) -> Option<Url> {
        let (ip, port) = match self.agent_address(agent) {
            Some(address) => (Some(address.ip().to_string()), address.port()),
            None => (None, AGENT_PORT),
        };
        Some(Url {
            scheme: "http".to_owned(),
            address: Address { hostname: Some(hostname.to_owned()), ip, port: port.into() },
            path: Some("/slave(1)".to_owned()),
            ..Url::default()
        })
    }
}

/// As `in_addr` holds it: the first byte at the lowest address.
fn in_addr(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(ip) => u32::from_ne_bytes(ip.octets()),
        IpAddr::V6(ip) => {
            u32::from_ne_bytes(ip.to_ipv4().unwrap_or(Ipv4Addr::UNSPECIFIED).octets())
        }
    }
}
