//! Agents as the old endpoints tell them.

use super::{bag::Bag, shown::Shown};
use crate::{
    mesos::{
        master::{AGENT_CAPABILITIES, AGENT_PORT, Master, VERSION},
        resources::{Style, resources_out},
    },
    operator::mesos::snapshot::{AgentSeen, Snapshot, TaskSeen},
};
use headroom_core::{ids::AgentId, reservation::Parts, resources::Resources};
use headroom_proto::mesos::{json, v1};
use prost::{Message, Name};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};

#[derive(Serialize)]
pub(super) struct Slave<'a> {
    id: Shown<AgentId>,
    hostname: &'a str,
    port: u16,
    attributes: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<Domain<'a>>,
    pid: String,
    resources: Bag,
    used_resources: Bag,
    offered_resources: Bag,
    reserved_resources: BTreeMap<&'a str, Bag>,
    unreserved_resources: Bag,
    active: bool,
    deactivated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_info: Option<Box<RawValue>>,
    version: &'static str,
    capabilities: Vec<&'static str>,
    #[serde(flatten)]
    full: Option<Full<'a>>,
}

#[derive(Serialize)]
struct Domain<'a> {
    fault_domain: FaultDomain<'a>,
}

#[derive(Serialize)]
struct FaultDomain<'a> {
    region: Named<'a>,
    zone: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

/// Entry by entry, with reservations and volumes: what an operator writes to end them.
#[derive(Serialize)]
struct Full<'a> {
    reserved_resources_full: BTreeMap<&'a str, Vec<Box<RawValue>>>,
    unreserved_resources_full: Vec<Box<RawValue>>,
    used_resources_full: Vec<Box<RawValue>>,
    offered_resources_full: Vec<Box<RawValue>>,
}

impl<'a> Slave<'a> {
    pub(super) fn of(agent: &'a AgentSeen, master: &Master) -> Self {
        let node = &*agent.node;
        let mut by_role: BTreeMap<&str, Bag> = BTreeMap::new();
        for (tag, part) in agent.kept.all().iter() {
            by_role.entry(tag.role().unwrap_or("*")).or_default().add(part, false);
        }
        let unreserved = agent.total.minus(&agent.kept.all().sum());
        let name = |name| Named { name };
        Self {
            id: Shown(agent.id),
            hostname: &node.hostname,
            port: master.agent_address(agent.id).map_or(AGENT_PORT, |address| address.port()),
            attributes: &node.attributes,
            domain: node.domain.as_ref().map(|domain| {
                let (region, zone) = (name(&domain.region), name(&domain.zone));
                Domain { fault_domain: FaultDomain { region, zone } }
            }),
            pid: master.agent_pid(agent.id, &node.hostname),
            resources: Bag::both(&agent.total, agent.lendable),
            used_resources: Bag::both(&agent.held, agent.lent),
            offered_resources: Bag::both(&agent.offered, agent.lent_offered),
            reserved_resources: by_role,
            unreserved_resources: Bag::both(&unreserved, agent.lendable),
            active: agent.is_active(),
            deactivated: !agent.standing.is_active(),
            drain_info: agent.drain_info().as_ref().and_then(raw),
            version: VERSION,
            capabilities: AGENT_CAPABILITIES.iter().map(|kind| kind.as_str_name()).collect(),
            full: None,
        }
    }

    fn with_full(self, agent: &'a AgentSeen) -> Self {
        let kept = agent.kept.all();
        let mut reserved: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (tag, part) in kept.iter() {
            let one = [(tag.clone(), part.clone())].into_iter().collect();
            let entries = full(part, &one, false);
            reserved.entry(tag.role().unwrap_or("*")).or_default().extend(entries);
        }
        let none = Parts::default();
        let lent = |amounts| full(&Resources::from(amounts), &none, true);
        let mut used = full(&agent.held, agent.kept.held(), false);
        used.extend(lent(agent.lent));
        let mut offered = full(&agent.offered, agent.kept.offered(), false);
        offered.extend(lent(agent.lent_offered));
        let mut unreserved = full(&agent.total.minus(&kept.sum()), &none, false);
        unreserved.extend(lent(agent.lendable));
        let full = Full {
            reserved_resources_full: reserved,
            unreserved_resources_full: unreserved,
            used_resources_full: used,
            offered_resources_full: offered,
        };
        Self { full: Some(full), ..self }
    }
}

fn full(resources: &Resources, reserved: &Parts, revocable: bool) -> Vec<Box<RawValue>> {
    let style = Style { revocable, refined: true, allocated_to: None };
    let entries = resources_out(resources, reserved, style).into_iter().map(both_forms);
    entries.filter_map(|entry| raw(&entry)).collect()
}

fn raw<M: Message + Name>(message: &M) -> Option<Box<RawValue>> {
    // What `json` writes is JSON.
    RawValue::from_string(json::to_string(message)).ok()
}

/// The old endpoints tell reservations in the old form too, where that can say them.
fn both_forms(mut entry: v1::Resource) -> v1::Resource {
    match &entry.reservations[..] {
        [] => entry.role = Some("*".to_owned()),
        [one] => {
            entry.role.clone_from(&one.role);
            if one.r#type() == v1::resource::reservation_info::Type::Dynamic {
                let old = v1::resource::ReservationInfo { r#type: None, role: None, ..one.clone() };
                entry.reservation = Some(old);
            }
        }
        _ => {}
    }
    entry
}

#[derive(Serialize)]
pub(super) struct Slaves<'a> {
    slaves: Vec<Slave<'a>>,
    recovered_slaves: [(); 0],
}

impl<'a> Slaves<'a> {
    /// All of them, or the one that is `wanted`.
    pub(super) fn of(snapshot: &'a Snapshot, master: &Master, wanted: Option<AgentId>) -> Self {
        let agents = snapshot.agents.iter();
        let agents = agents.filter(|agent| wanted.is_none_or(|wanted| agent.id == wanted));
        let slaves = agents.map(|agent| Slave::of(agent, master).with_full(agent)).collect();
        Self { slaves, recovered_slaves: [] }
    }
}

/// Tasks by state, of an agent or a framework.
#[derive(Clone, Default)]
pub(super) struct Tally(HashMap<&'static str, usize>);

impl Tally {
    pub(super) fn add(&mut self, task: &TaskSeen) {
        *self.0.entry(task.wire_state().as_str_name()).or_default() += 1;
    }
}

impl Serialize for Tally {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use v1::TaskState as State;
        let states = [
            State::TaskStaging,
            State::TaskStarting,
            State::TaskRunning,
            State::TaskKilling,
            State::TaskFinished,
            State::TaskKilled,
            State::TaskFailed,
            State::TaskLost,
            State::TaskError,
            State::TaskUnreachable,
        ];
        let named = states.iter().map(|state| state.as_str_name());
        serializer.collect_map(named.map(|name| (name, self.0.get(name).copied().unwrap_or(0))))
    }
}
