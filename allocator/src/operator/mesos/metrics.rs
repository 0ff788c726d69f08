//! Figures by the names that Mesos has for them, those that are known here.

use super::snapshot::Snapshot;
use crate::mesos::resources::NAMES;
use headroom_core::resources::Amounts;
use headroom_proto::mesos::v1::TaskState;
use std::collections::BTreeMap;

/// Names and values.
pub(super) fn metrics(snapshot: &Snapshot, started_s: f64, now_s: f64) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: f64| {
        all.insert(format!("master/{name}"), value);
    };
    set("elected", 1.0);
    set("uptime_secs", now_s - started_s);
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
    set("outstanding_offers", snapshot.offers.len() as f64);
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
    let sum = |of: &dyn Fn(&super::snapshot::AgentSeen) -> Amounts| {
        snapshot
            .agents
            .iter()
            .filter(|agent| agent.connected)
            .map(of)
            .fold(Amounts::ZERO, Amounts::plus)
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
    all
}
