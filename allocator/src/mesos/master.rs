//! What a framework is told of the allocator as its master, and where agents are.

use crate::agents::Directory;
use headroom_core::ids::AgentId;
use headroom_proto::mesos::v1::{
    Address, MasterInfo, Url,
    master_info::{Capability, capability},
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The Mesos version whose API this is. Clients compare the numbers, so it has nothing else in it.
const VERSION: &str = "1.11.0";
/// The port that Mesos' agents listen on, told of agents that say none.
const AGENT_PORT: u16 = 5051;

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
        let can = |kind: capability::Type| Capability { r#type: Some(kind.into()) };
        MasterInfo {
            id: format!("headroom-{}", self.epoch),
            ip: in_addr(ip),
            port,
            pid: Some(format!("master@{}", self.address)),
            hostname: Some(self.hostname.clone()),
            version: Some(VERSION.to_owned()),
            address: Some(Address {
                hostname: Some(self.hostname.clone()),
                ip: Some(ip.to_string()),
                port: port as i32,
            }),
            domain: None,
            capabilities: vec![can(capability::Type::AgentUpdate), can(capability::Type::QuotaV2)],
        }
    }

    /// Where an agent's own HTTP server is.
    pub(crate) fn agent_url(&self, agent: AgentId, hostname: &str) -> Option<Url> {
        let told = self.directory.address(agent);
        let address: Option<SocketAddr> = told.as_deref().and_then(|told| told.parse().ok());
        let (ip, port) = match address {
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
