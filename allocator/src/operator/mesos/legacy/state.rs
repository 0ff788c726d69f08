//! `/state` and `/state-summary`.

use super::{
    framework::{Belongings, Frameworks, Summary},
    shown::Shown,
    slave::{Slave, Tally},
};
use crate::{
    mesos::master::{CAPABILITIES, Master, VERSION},
    operator::mesos::snapshot::Snapshot,
};
use headroom_core::ids::{AgentId, FrameworkId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Serialize)]
pub(super) struct State<'a> {
    version: &'static str,
    start_time: f64,
    elected_time: f64,
    id: String,
    pid: String,
    hostname: &'a str,
    capabilities: Vec<&'static str>,
    activated_slaves: usize,
    deactivated_slaves: usize,
    unreachable_slaves: usize,
    leader: String,
    leader_info: Leader<'a>,
    /// Pages offer to show the log where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_log_file: Option<&'a String>,
    flags: &'a BTreeMap<String, String>,
    slaves: Vec<Slave<'a>>,
    recovered_slaves: [(); 0],
    #[serde(flatten)]
    frameworks: Frameworks<'a>,
    orphan_tasks: [(); 0],
}

#[derive(Serialize)]
struct Leader<'a> {
    id: String,
    pid: String,
    port: u16,
    hostname: &'a str,
}

impl<'a> State<'a> {
    pub(super) fn of(
        snapshot: &'a Snapshot,
        master: &'a Master,
        started_s: f64,
        flags: &'a BTreeMap<String, String>,
    ) -> Self {
        let active = snapshot.agents.iter().filter(|agent| agent.is_active()).count();
        Self {
            version: VERSION,
            start_time: started_s,
            elected_time: started_s,
            id: master.id(),
            pid: master.pid(),
            hostname: &master.hostname,
            capabilities: CAPABILITIES.iter().map(|kind| kind.as_str_name()).collect(),
            activated_slaves: active,
            deactivated_slaves: snapshot.agents.len() - active,
            unreachable_slaves: 0,
            leader: master.pid(),
            leader_info: Leader {
                id: master.id(),
                pid: master.pid(),
                port: master.address.port(),
                hostname: &master.hostname,
            },
            external_log_file: flags.get("external_log_file"),
            flags,
            slaves: snapshot.agents.iter().map(|agent| Slave::of(agent, master)).collect(),
            recovered_slaves: [],
            frameworks: Frameworks::of(snapshot, None),
            orphan_tasks: [],
        }
    }
}

#[derive(Serialize)]
pub(super) struct StateSummary<'a> {
    hostname: &'a str,
    slaves: Vec<SlaveSummary<'a>>,
    frameworks: Vec<FrameworkSummary>,
}

#[derive(Serialize)]
struct SlaveSummary<'a> {
    #[serde(flatten)]
    slave: Slave<'a>,
    #[serde(flatten)]
    tally: Tally,
    framework_ids: BTreeSet<Shown<FrameworkId>>,
}

#[derive(Serialize)]
struct FrameworkSummary {
    #[serde(flatten)]
    summary: Summary,
    #[serde(flatten)]
    tally: Tally,
    slave_ids: BTreeSet<Shown<AgentId>>,
}

impl<'a> StateSummary<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, master: &'a Master) -> Self {
        let mut of_slaves: HashMap<AgentId, (Tally, BTreeSet<_>)> = HashMap::new();
        let mut of_frameworks: HashMap<FrameworkId, (Tally, BTreeSet<_>)> = HashMap::new();
        for task in snapshot.proper().chain(&snapshot.ended) {
            let (tally, frameworks) = of_slaves.entry(task.agent).or_default();
            tally.add(task);
            frameworks.insert(Shown(task.framework));
            let (tally, slaves) = of_frameworks.entry(task.framework).or_default();
            tally.add(task);
            slaves.insert(Shown(task.agent));
        }
        let own = Belongings::by_framework(snapshot);
        let none = Belongings::default();
        let slaves = snapshot.agents.iter().map(|agent| {
            let (tally, framework_ids) = of_slaves.remove(&agent.id).unwrap_or_default();
            SlaveSummary { slave: Slave::of(agent, master), tally, framework_ids }
        });
        let frameworks = snapshot.frameworks.iter().map(|one| {
            let (tally, slave_ids) = of_frameworks.remove(&one.id).unwrap_or_default();
            let summary = Summary::of(one, own.get(&one.id).unwrap_or(&none));
            FrameworkSummary { summary, tally, slave_ids }
        });
        Self {
            hostname: &master.hostname,
            slaves: slaves.collect(),
            frameworks: frameworks.collect(),
        }
    }
}
