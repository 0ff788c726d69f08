//! Maintenance: when machines are to be unavailable, and which are down.
//!
//! A machine in the schedule works on; its offers say when it will not, and frameworks are asked to
//! be off by then ([`crate::inverse`]). Once it is down its agent is shut off and refused until an
//! operator takes it up, which takes it out of the schedule. Times are the operators' own: nothing
//! here happens by itself when they come.

use crate::{
    agents::Node,
    command::AgentHello,
    effect::{Effect, Record},
    ids::AgentId,
    machine::{Machine, Refusal, Reply},
    tasks::Reason,
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
    sync::Arc,
};

/// Machines in the schedule: at most.
pub const MAX_MACHINES: usize = 100_000;

/// A machine by its name, its IPv4 address, or both. It is the machine of every agent that has all
/// that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineId {
    /// In small letters; empty: any.
    pub hostname: String,
    /// Empty: any.
    pub ip: String,
}

impl MachineId {
    /// With the name in small letters.
    #[must_use]
    pub fn new(hostname: &str, ip: &str) -> Self {
        Self { hostname: hostname.to_lowercase(), ip: ip.to_owned() }
    }

    fn fault(&self) -> Option<String> {
        if self.hostname.is_empty() && self.ip.is_empty() {
            return Some("both 'hostname' and 'ip' of a machine are empty".to_owned());
        }
        let wrong = !self.ip.is_empty() && self.ip.parse::<Ipv4Addr>().is_err();
        wrong.then(|| format!("{:?} is no IPv4 address of a machine", self.ip))
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.hostname.as_str(), self.ip.as_str()) {
            ("", ip) => f.write_str(ip),
            (hostname, "") => f.write_str(hostname),
            (hostname, ip) => write!(f, "{hostname} ({ip})"),
        }
    }
}

/// When a machine is not to be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailability {
    /// Nanoseconds since 1970.
    pub start_ns: i64,
    /// Nanoseconds; none: nobody knows how long.
    pub duration_ns: Option<i64>,
}

/// Machines that are unavailable at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// At least one.
    pub machines: Vec<MachineId>,
    /// When.
    pub unavailability: Unavailability,
}

/// The schedule, and which of its machines are down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    windows: Vec<Window>,
    down: BTreeSet<MachineId>,
    /// The same by machine.
    index: BTreeMap<MachineId, Unavailability>,
}

impl Maintenance {
    /// What was made durable, or a schedule with nothing down.
    #[must_use]
    pub fn new(windows: Vec<Window>, down: BTreeSet<MachineId>) -> Self {
        let of = |window: &Window| {
            let unavailability = window.unavailability;
            window.machines.clone().into_iter().map(move |machine| (machine, unavailability))
        };
        let index = windows.iter().flat_map(of).collect();
        Self { windows, down, index }
    }

    /// The schedule.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Those of the schedule that are down.
    #[must_use]
    pub const fn down(&self) -> &BTreeSet<MachineId> {
        &self.down
    }

    /// The machine of the schedule that an agent's node is.
    #[must_use]
    pub fn machine(&self, node: &Node) -> Option<&MachineId> {
        if self.index.is_empty() {
            return None;
        }
        let (hostname, ip) = (node.hostname.as_str(), node.ip.as_str());
        let names = [(hostname, ip), (hostname, ""), ("", ip)];
        names.iter().find_map(|(hostname, ip)| {
            self.index.get_key_value(&MachineId::new(hostname, ip)).map(|(machine, _)| machine)
        })
    }

    fn unavailability(&self, node: &Node) -> Option<Unavailability> {
        self.machine(node).and_then(|machine| self.index.get(machine).copied())
    }

    fn schedule_fault(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        for window in &self.windows {
            if window.machines.is_empty() {
                return Some("the list of machines in a maintenance window is empty".to_owned());
            }
            if window.unavailability.duration_ns.is_some_and(|duration| duration < 0) {
                return Some("the duration of an unavailability is negative".to_owned());
            }
            for machine in &window.machines {
                if let Some(fault) = machine.fault() {
                    return Some(fault);
                }
                if !seen.insert(machine) {
                    return Some(format!(
                        "machine {machine} appears more than once in the schedule"
                    ));
                }
            }
        }
        let removed = self.down.iter().find(|machine| !seen.contains(machine));
        removed.map(|machine| {
            format!("machine {machine} is down and cannot be removed from the schedule")
        })
    }

    /// Checks machines that are all to be in the schedule, and `down` or not.
    fn machines_fault(&self, machines: &[MachineId], down: bool) -> Option<String> {
        if machines.is_empty() {
            return Some("the list of machines is empty".to_owned());
        }
        let mut seen = BTreeSet::new();
        for machine in machines {
            if let Some(fault) = machine.fault() {
                return Some(fault);
            }
            if !seen.insert(machine) {
                return Some(format!("machine {machine} is named more than once"));
            }
            if !self.index.contains_key(machine) {
                return Some(format!("machine {machine} is not part of a maintenance schedule"));
            }
            match (down, self.down.contains(machine)) {
                (true, false) => {
                    return Some(format!("machine {machine} is not down and cannot be brought up"));
                }
                (false, true) => return Some(format!("machine {machine} is down already")),
                _ => {}
            }
        }
        None
    }
}

impl Machine {
    /// What frameworks are told of the node of a hello.
    pub(crate) fn node(&self, hello: &AgentHello) -> Node {
        let node = Node {
            hostname: hello.hostname.clone(),
            ip: hello.ip.clone(),
            attributes: hello.attributes.clone(),
            domain: hello.domain.clone(),
            unavailability: None,
        };
        Node { unavailability: self.state.maintenance.unavailability(&node), ..node }
    }

    /// Refuses the agent of a machine that is down.
    pub(crate) fn check_is_up(&self, hello: &AgentHello) -> Result<(), Refusal> {
        let node = self.node(hello);
        match self.state.maintenance.machine(&node) {
            Some(machine) if self.state.maintenance.down.contains(machine) => {
                Err(Refusal::MachineDown(machine.to_string()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn restore_maintenance(&mut self, maintenance: Maintenance) {
        self.state.maintenance = maintenance;
        for id in self.unsettled() {
            self.settle_node(id);
        }
    }

    /// The agents whose nodes say otherwise than the schedule.
    fn unsettled(&self) -> Vec<AgentId> {
        let maintenance = &self.state.maintenance;
        let changed =
            self.state.agents.iter().filter(|agent| {
                agent.node.unavailability != maintenance.unavailability(&agent.node)
            });
        changed.map(|agent| agent.id).collect()
    }

    fn settle_node(&mut self, id: AgentId) {
        let Some(agent) = self.state.agents.get(id) else { return };
        let unavailability = self.state.maintenance.unavailability(&agent.node);
        let node = Arc::new(Node { unavailability, ..(*agent.node).clone() });
        self.state.agents.update(id, |agent| agent.node = node);
    }

    /// Takes a new schedule for valid, and tells whom it concerns.
    fn schedule_changed(&mut self, maintenance: Maintenance, effects: &mut Vec<Effect>) {
        self.state.maintenance = maintenance.clone();
        effects.push(Effect::Persist(Record::Maintenance(maintenance)));
        for id in self.unsettled() {
            // What was answered was about another time.
            self.forget_inverse_offers(id, effects);
            self.rescind_all(id, "the maintenance of this agent has changed", effects);
            self.settle_node(id);
            self.summoning.insert(id);
            self.state.agents.look_at(id);
        }
    }

    pub(crate) fn set_schedule(
        &mut self,
        windows: Vec<Window>,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let machines: usize = windows.iter().map(|window| window.machines.len()).sum();
        if machines > MAX_MACHINES {
            let hint = "schedule fewer at a time";
            let what = "machines in a schedule";
            return Err(Refusal::Bound { what, bound: MAX_MACHINES, hint });
        }
        let maintenance = Maintenance::new(windows, self.state.maintenance.down.clone());
        if let Some(fault) = maintenance.schedule_fault() {
            return Err(Refusal::Invalid(fault));
        }
        self.schedule_changed(maintenance, effects);
        Ok(Reply::Done)
    }

    pub(crate) fn start_maintenance(
        &mut self,
        now: Time,
        machines: &[MachineId],
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if let Some(fault) = self.state.maintenance.machines_fault(machines, false) {
            return Err(Refusal::Invalid(fault));
        }
        let mut maintenance = self.state.maintenance.clone();
        maintenance.down.extend(machines.iter().cloned());
        self.schedule_changed(maintenance, effects);
        let maintenance = &self.state.maintenance;
        let down = self.state.agents.iter().filter_map(|agent| {
            let machine = maintenance.machine(&agent.node)?;
            maintenance.down.contains(machine).then_some(agent.id)
        });
        for id in down.collect::<Vec<_>>() {
            let why = format!("an operator has taken the machine of agent {id} down");
            self.give_up(now, id, Reason::AgentLost, &why, effects);
            effects.push(Effect::Dismiss(id, why));
        }
        Ok(Reply::Done)
    }

    pub(crate) fn stop_maintenance(
        &mut self,
        machines: &[MachineId],
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        if let Some(fault) = self.state.maintenance.machines_fault(machines, true) {
            return Err(Refusal::Invalid(fault));
        }
        let Maintenance { mut windows, mut down, .. } = self.state.maintenance.clone();
        for window in &mut windows {
            window.machines.retain(|machine| !machines.contains(machine));
        }
        windows.retain(|window| !window.machines.is_empty());
        down.retain(|machine| !machines.contains(machine));
        self.schedule_changed(Maintenance::new(windows, down), effects);
        Ok(Reply::Done)
    }
}
