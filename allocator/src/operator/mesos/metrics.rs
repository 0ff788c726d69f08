//! Figures by the names that Mesos has for them, those that are known here.

use super::snapshot::{AgentSeen, FrameworkSeen, Snapshot};
use crate::mesos::resources::NAMES;
use form_urlencoded::byte_serialize;
use headroom_core::resources::Amounts;
use headroom_proto::mesos::v1::TaskState;
use std::collections::BTreeMap;

/// What is not in a snapshot.
pub(super) struct Around {
    /// Seconds since this allocator started.
    pub(super) uptime_s: f64,
    /// Readers of the event stream.
    pub(super) subscribers: usize,
}

/// Takes a figure by its name below `master/`.
type Set<'a> = dyn FnMut(&str, f64) + 'a;

/// Names and values.
pub(super) fn metrics(snapshot: &Snapshot, around: &Around) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: f64| {
        all.insert(format!("master/{name}"), value);
    };
    set("elected", 1.0);
    set("uptime_secs", around.uptime_s);
    set("operator_event_stream_subscribers", around.subscribers as f64);
    set("outstanding_offers", snapshot.offers.len() as f64);
    standing(snapshot, &mut set);
    tasks(snapshot, &mut set);
    amounts(snapshot, &mut set);
    snapshot.counts.named().for_each(|(name, count)| set(name, count as f64));
    snapshot.frameworks.iter().for_each(|framework| own(framework, &mut set));
    all
}

fn standing(snapshot: &Snapshot, set: &mut Set<'_>) {
    let count = |connected: bool| {
        let agents = snapshot.agents.iter().filter(|agent| agent.connected == connected).count();
        let frameworks = snapshot.frameworks.iter().filter(|one| one.connected == connected);
        (agents as f64, frameworks.count() as f64)
    };
    let active = snapshot.agents.iter().filter(|agent| agent.is_active()).count();
    set("slaves_active", active as f64);
    set("slaves_inactive", (snapshot.agents.len() - active) as f64);
    for (connected, standing, able) in
        [(true, "connected", "active"), (false, "disconnected", "inactive")]
    {
        let (agents, frameworks) = count(connected);
        set(&format!("slaves_{standing}"), agents);
        set(&format!("frameworks_{standing}"), frameworks);
        set(&format!("frameworks_{able}"), frameworks);
    }
}

fn tasks(snapshot: &Snapshot, set: &mut Set<'_>) {
    for (name, state) in [
        ("tasks_staging", TaskState::TaskStaging),
        ("tasks_starting", TaskState::TaskStarting),
        ("tasks_running", TaskState::TaskRunning),
        ("tasks_killing", TaskState::TaskKilling),
        ("tasks_unreachable", TaskState::TaskUnreachable),
    ] {
        let tasks = snapshot.proper().filter(|task| task.wire_state() == state).count();
        set(name, tasks as f64);
    }
}

fn amounts(snapshot: &Snapshot, set: &mut Set<'_>) {
    let sum = |of: &dyn Fn(&AgentSeen) -> Amounts| {
        let connected = snapshot.agents.iter().filter(|agent| agent.connected);
        connected.map(of).fold(Amounts::ZERO, Amounts::plus)
    };
    let promised = (sum(&|agent| agent.total.amounts), sum(&|agent| agent.held.amounts));
    let lent = (sum(&|agent| agent.lendable), sum(&|agent| agent.lent));
    for (suffix, (total, used)) in [("", promised), ("_revocable", lent)] {
        for ((name, total), used) in NAMES.iter().zip(total.units()).zip(used.units()) {
            set(&format!("{name}{suffix}_total"), total);
            set(&format!("{name}{suffix}_used"), used);
            let part = if total > 0.0 { used / total } else { 0.0 };
            set(&format!("{name}{suffix}_percent"), part);
        }
    }
}

/// A framework's own figures.
fn own(framework: &FrameworkSeen, set: &mut Set<'_>) {
    let name: String = byte_serialize(framework.info.name.as_bytes()).collect();
    let prefix = format!("frameworks/{}.{}", name.replace('+', "%20"), framework.id);
    set(&format!("{prefix}/subscribed"), f64::from(u8::from(framework.connected)));
    for (name, count) in framework.offers.named() {
        set(&format!("{prefix}/offers/{name}"), count as f64);
    }
}
