//! `/monitor/statistics` and `/containers`: what each task's cgroup counts, by the names of Mesos'
//! `ResourceStatistics`. What is not counted here is absent.

use super::{
    answer::Jsonp,
    sources::{Sources, now_s},
    state::unready,
};
use crate::{
    cgroup::{Controller, Group, GroupDir},
    files::parse::{cpu_stat, number, value_of},
    tasks::{TaskView, View},
};
use axum::{Router, extract::State, response::Response, routing::any};
use nix::unistd::{SysconfVar, sysconf};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs;
use tokio::task::spawn_blocking;

const MIB: f64 = (1 << 20) as f64;

/// Shares of it are seconds.
const NS: f64 = 1e9;

pub(super) fn router(sources: Sources) -> Router {
    Router::new()
        .route("/monitor/statistics", any(statistics))
        .route("/containers", any(containers))
        .with_state(sources)
}

async fn statistics(State(sources): State<Sources>, jsonp: Jsonp) -> Response {
    let entry = |task: &TaskView| {
        let statistics = of_task(task)?;
        let mut entry = names(task);
        entry.insert("statistics".into(), json!(statistics));
        Some(Value::Object(entry))
    };
    each(sources, jsonp, entry).await
}

async fn containers(State(sources): State<Sources>, jsonp: Jsonp) -> Response {
    let entry = |task: &TaskView| {
        let mut entry = names(task);
        entry.insert("container_id".into(), json!(task.container));
        entry.insert("status".into(), json!({ "container_id": { "value": task.container } }));
        if let Some(statistics) = of_task(task) {
            entry.insert("statistics".into(), json!(statistics));
        }
        Some(Value::Object(entry))
    };
    each(sources, jsonp, entry).await
}

async fn each(
    sources: Sources,
    jsonp: Jsonp,
    entry: impl Fn(&TaskView) -> Option<Value> + Send + 'static,
) -> Response {
    let Some(view) = sources.view().await else { return unready() };
    let read = spawn_blocking(move || of_containers(&view, entry));
    match read.await {
        Ok(entries) => jsonp.json(&entries),
        Err(_) => unready(),
    }
}

/// Those in another's container are counted with that.
fn of_containers(view: &View, entry: impl Fn(&TaskView) -> Option<Value>) -> Vec<Value> {
    view.tasks.iter().filter(|task| task.outer.is_none()).filter_map(entry).collect()
}

fn names(task: &TaskView) -> Map<String, Value> {
    let names = [
        ("framework_id", &task.framework),
        ("executor_id", &task.executor),
        ("executor_name", &task.executor),
        ("source", &task.task),
    ];
    names.into_iter().map(|(key, name)| (key.to_owned(), json!(name))).collect()
}

/// What `mesos.v1.ResourceStatistics` calls the same; `None` is left out.
#[derive(Debug, Default, Serialize)]
struct Statistics {
    timestamp: f64,
    #[serde(flatten)]
    counted: Map<String, Value>,
}

impl Statistics {
    fn add(&mut self, name: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.counted.insert(name.to_owned(), json!(value));
        }
    }
}

/// `None` without a cgroup: nothing is counted then.
fn of_task(task: &TaskView) -> Option<Statistics> {
    let group = task.cgroup.as_ref()?.group();
    let mut statistics = Statistics { timestamp: now_s(), ..Statistics::default() };
    statistics.add("cpus_soft_limit", Some(task.resources.cpus));
    statistics.add("cpus_limit", task.limit_cpus);
    statistics.add("mem_soft_limit_bytes", Some((task.resources.memory_mib * MIB) as u64));
    statistics.add("mem_limit_bytes", Some(task.limit_memory_bytes));
    statistics.add("disk_limit_bytes", Some((task.resources.disk_mib * MIB) as u64));
    processor(group, &mut statistics);
    memory(group, &mut statistics);
    statistics.add("processes", group.procs().ok().map(|pids| pids.len()));
    let threads = group.dir(Controller::Pids).and_then(|dir| read(dir, "pids.current"));
    statistics.add("threads", threads.and_then(|text| number(&text)));
    Some(statistics)
}

fn processor(group: &Group, statistics: &mut Statistics) {
    let seconds = |ns: u64| ns as f64 / NS;
    if let Some(dir) = group.dir(Controller::Cpuacct) {
        let text = read(dir, if dir.v2 { "cpu.stat" } else { "cpuacct.stat" }).unwrap_or_default();
        let keys: [&[u8]; 2] =
            if dir.v2 { [b"user_usec", b"system_usec"] } else { [b"user", b"system"] };
        let unit = if dir.v2 { Some(1e6) } else { ticks_per_second() };
        let [user, system] = keys.map(|key| value_of(&text, key));
        let seconds = |count: Option<u64>| count.zip(unit).map(|(count, unit)| count as f64 / unit);
        statistics.add("cpus_user_time_secs", seconds(user));
        statistics.add("cpus_system_time_secs", seconds(system));
    }
    if let Some(text) = group.dir(Controller::Cpu).and_then(|dir| read(dir, "cpu.stat")) {
        let stat = cpu_stat(&text);
        statistics.add("cpus_nr_periods", stat.periods);
        statistics.add("cpus_nr_throttled", stat.throttled_periods);
        statistics.add("cpus_throttled_time_secs", stat.throttled_ns.map(seconds));
    }
}

fn memory(group: &Group, statistics: &mut Statistics) {
    let Some(dir) = group.dir(Controller::Memory) else { return };
    let level = if dir.v2 { "memory.current" } else { "memory.usage_in_bytes" };
    statistics.add("mem_total_bytes", read(dir, level).and_then(|text| number(&text)));
    let text = read(dir, "memory.stat").unwrap_or_default();
    // By the name of version 2, that of version 1 for the whole subtree, and Mesos' names.
    let parts: [(&[u8], &[u8], &[&str]); 4] = [
        (b"file", b"total_cache", &["mem_file_bytes", "mem_cache_bytes"]),
        (b"anon", b"total_rss", &["mem_anon_bytes", "mem_rss_bytes"]),
        (b"file_mapped", b"total_mapped_file", &["mem_mapped_file_bytes"]),
        (b"unevictable", b"total_unevictable", &["mem_unevictable_bytes"]),
    ];
    for (v2, v1, names) in parts {
        let bytes = value_of(&text, if dir.v2 { v2 } else { v1 });
        names.iter().for_each(|name| statistics.add(name, bytes));
    }
    let swap = match dir.v2 {
        true => read(dir, "memory.swap.current").and_then(|text| number(&text)),
        false => value_of(&text, b"total_swap"),
    };
    statistics.add("mem_swap_bytes", swap);
}

fn read(dir: &GroupDir, file: &str) -> Option<Vec<u8>> {
    fs::read(dir.path.join(file)).ok()
}

/// The unit of `cpuacct.stat`.
fn ticks_per_second() -> Option<f64> {
    sysconf(SysconfVar::CLK_TCK).ok().flatten().map(|ticks| ticks as f64)
}
