//! Statuses of tasks as the old endpoints tell them.

use crate::{
    convert::task::container_status,
    frameworks::mesos::status::protocol,
    operator::mesos::states::{told, wire_state},
};
use headroom_core::tasks::TaskStatus;
use headroom_proto::{
    mesos::{json, v1 as mesos},
    v1,
};
use prost::Name;
use serde::Serialize;
use serde_json::value::RawValue;

/// One update.
#[derive(Serialize)]
pub(super) struct Status {
    state: &'static str,
    timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<Label>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_status: Option<Container>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_status: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Container {
    /// What an executor said of it.
    Said(Box<RawValue>),
    Known {
        container_id: Id,
        network_infos: [Network; 1],
    },
}

#[derive(Serialize)]
struct Id {
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Box<Id>>,
}

#[derive(Serialize)]
struct Network {
    ip_addresses: Vec<Address>,
}

#[derive(Serialize)]
struct Address {
    protocol: &'static str,
    ip_address: String,
}

#[derive(Serialize)]
pub(super) struct Label {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

impl Status {
    pub(super) fn of(status: &TaskStatus) -> Self {
        let timestamp = status.timestamp_ms as f64 / 1_000.0;
        if status.payload.is_empty() {
            return Self {
                state: wire_state(status).as_str_name(),
                timestamp,
                labels: None,
                container_status: container_status(status.container.as_deref()).map(known),
                healthy: status.healthy,
                check_status: status.check.and_then(|_| as_json(&told(status).check_status?)),
            };
        }
        let said = told(status);
        Self {
            state: said.state().as_str_name(),
            timestamp,
            labels: said.labels.map(labels),
            container_status: said.container_status.as_ref().and_then(said_container),
            healthy: said.healthy,
            check_status: said.check_status.as_ref().and_then(as_json),
        }
    }
}

fn known(container: v1::ContainerStatus) -> Container {
    let address =
        |ip_address: String| Address { protocol: protocol(&ip_address).as_str_name(), ip_address };
    let ip_addresses = container.ip_addresses.into_iter().map(address).collect();
    let parent = Some(container.parent_id).filter(|parent| !parent.is_empty());
    let parent = parent.map(|value| Id { value, parent: None });
    Container::Known {
        container_id: Id { value: container.container_id, parent: parent.map(Box::new) },
        network_infos: [Network { ip_addresses }],
    }
}

/// What was said of a container. The usual is written at once: reflection takes its time for each task.
fn said_container(said: &mesos::ContainerStatus) -> Option<Container> {
    let mesos::ContainerStatus { container_id: Some(id), network_infos, .. } = said else {
        return as_json(said).map(Container::Said);
    };
    let usual = mesos::ContainerStatus {
        container_id: said.container_id.clone(),
        network_infos: network_infos.iter().take(1).map(only_addresses).collect(),
        ..mesos::ContainerStatus::default()
    };
    if id.parent.is_some() || *said != usual {
        return as_json(said).map(Container::Said);
    }
    let addresses = network_infos.iter().flat_map(|network| &network.ip_addresses);
    let ip_addresses = addresses.filter_map(|address| address.ip_address.clone()).collect();
    let container_id = id.value.clone();
    Some(known(v1::ContainerStatus { container_id, ip_addresses, ..<_>::default() }))
}

fn only_addresses(network: &mesos::NetworkInfo) -> mesos::NetworkInfo {
    let ip_addresses = network.ip_addresses.clone();
    mesos::NetworkInfo { ip_addresses, ..mesos::NetworkInfo::default() }
}

pub(super) fn labels(labels: mesos::Labels) -> Vec<Label> {
    let labels = labels.labels.into_iter();
    labels.map(|label| Label { key: label.key, value: label.value }).collect()
}

/// As Mesos writes messages in JSON.
pub(super) fn as_json(message: &impl Name) -> Option<Box<RawValue>> {
    // What `json` writes is JSON.
    RawValue::from_string(json::to_string(message)).ok()
}
