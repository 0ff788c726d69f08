//! `/metrics/snapshot`: the agent's figures in one flat object, by Mesos' names where it has one.

use super::{
    answer::Jsonp,
    resources::{scalars, sum},
    sources::{Sources, now_s},
    state::unready,
};
use crate::{cgroup::Class, tasks::View};
use axum::{Router, extract::State, response::Response, routing::any};
use headroom_proto::v1 as wire;
use nix::sys::sysinfo::sysinfo;
use std::collections::BTreeMap;

pub(super) fn router(sources: Sources) -> Router {
    Router::new().route("/metrics/snapshot", any(snapshot)).with_state(sources)
}

async fn snapshot(State(sources): State<Sources>, jsonp: Jsonp) -> Response {
    let Some(view) = sources.view().await else { return unready() };
    let mut figures = Figures::new();
    let about = &sources.about;
    figures.insert("slave/uptime_secs".into(), now_s() - about.start_time);
    figures.insert("slave/registered".into(), f64::from(u8::from(!view.agent_id.is_empty())));
    held(&mut figures, &about.hello.total.clone().unwrap_or_default(), &view);
    tasks(&mut figures, &view);
    node(&mut figures);
    let report = sources.report.borrow().clone();
    if let Some(node) = report.and_then(|report| report.node) {
        measured(&mut figures, &node);
    }
    jsonp.json(&figures)
}

type Figures = BTreeMap<String, f64>;

/// What there is, and what of it is held: promised and lent apart.
fn held(figures: &mut Figures, total: &wire::Resources, view: &View) {
    for (class, kind) in [(Class::Guaranteed, ""), (Class::Revocable, "_revocable")] {
        let own = view.tasks.iter().filter(|task| task.class == class);
        let used = sum(own.map(|task| &task.resources));
        for ((name, all), (_, used)) in scalars(total).into_iter().zip(scalars(&used)) {
            let name = format!("slave/{name}{kind}");
            if class == Class::Guaranteed {
                let share = if all > 0.0 { used / all } else { 0.0 };
                figures.insert(format!("{name}_total"), all);
                figures.insert(format!("{name}_percent"), share);
            }
            figures.insert(format!("{name}_used"), used);
        }
    }
}

fn tasks(figures: &mut Figures, view: &View) {
    use wire::TaskState::{Failed, Finished, Killed, Killing, Lost, Running, Staging};
    for (state, name) in [(Staging, "staging"), (Running, "running"), (Killing, "killing")] {
        let count = view.tasks.iter().filter(|task| task.state == state).count();
        figures.insert(format!("slave/tasks_{name}"), count as f64);
    }
    for (state, name) in
        [(Finished, "finished"), (Failed, "failed"), (Killed, "killed"), (Lost, "lost")]
    {
        let count = view.ends.get(&state).copied().unwrap_or(0);
        figures.insert(format!("slave/tasks_{name}"), count as f64);
    }
    let mut frameworks: Vec<_> = view.tasks.iter().map(|task| &task.framework).collect();
    frameworks.sort_unstable();
    frameworks.dedup();
    figures.insert("slave/frameworks_active".into(), frameworks.len() as f64);
}

fn node(figures: &mut Figures) {
    figures.insert("system/cpus_total".into(), crate::node::cpus());
    let Ok(info) = sysinfo() else { return };
    figures.insert("system/mem_total_bytes".into(), info.ram_total() as f64);
    figures.insert("system/mem_free_bytes".into(), info.ram_unused() as f64);
    let (one, five, fifteen) = info.load_average();
    for (name, load) in [("1min", one), ("5min", five), ("15min", fifteen)] {
        figures.insert(format!("system/load_{name}"), load);
    }
}

/// What Mesos has no name for: what was measured, and what reclaiming did.
fn measured(figures: &mut Figures, node: &wire::NodeReport) {
    let mut add = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            figures.insert(format!("headroom/{name}"), value);
        }
    };
    let usage = node.usage.unwrap_or_default();
    add("node_cpus_used", usage.cpus);
    add("node_memory_mib_used", usage.memory_mib);
    add("lending", Some(f64::from(u8::from(node.lending))));
    add("revocable_quota_cpus", node.revocable_quota_cpus);
    add("reclaims", Some(node.reclaims as f64));
    add("reclaim_ms_max", node.reclaim_ms_max);
}
