//! `/state`: the agent and its tasks, by the keys of Mesos' agents.

use super::{
    answer::{self, Jsonp},
    resources::{less, sum, summary},
    sources::Sources,
    status::MESOS_VERSION,
};
use crate::{
    cgroup::Class,
    containers::Command,
    tasks::{TaskView, View},
};
use axum::{Router, extract::State, http::StatusCode, response::Response, routing::any};
use headroom_proto::v1 as wire;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn router(sources: Sources) -> Router {
    Router::new().route("/state", any(state)).with_state(sources)
}

async fn state(State(sources): State<Sources>, jsonp: Jsonp) -> Response {
    match sources.view().await {
        Some(view) => jsonp.json(&whole(&sources, &view)),
        None => unready(),
    }
}

/// The answer while the keeper does not answer.
pub(super) fn unready() -> Response {
    answer::plain(StatusCode::SERVICE_UNAVAILABLE, "Agent has not finished recovery")
}

fn whole(sources: &Sources, view: &View) -> Value {
    let about = &sources.about;
    let hello = &about.hello;
    let total = hello.total.clone().unwrap_or_default();
    let reserved = by_role(&hello.reserved);
    let unreserved = less(&total, &sum(reserved.values()));
    let held: Vec<_> = view.tasks.iter().flat_map(|task| task.reserved.iter().cloned()).collect();
    let held = by_role(&held);
    let promised = view.tasks.iter().filter(|task| task.class == Class::Guaranteed);
    let free = less(&sum(promised.map(|task| &task.resources)), &sum(held.values()));
    json!({
        "version": MESOS_VERSION,
        "headroom_version": env!("CARGO_PKG_VERSION"),
        "build_date": "", "build_time": 0.0, "build_user": "",
        "start_time": about.start_time,
        "id": view.agent_id,
        "pid": about.pid(),
        "hostname": hello.hostname,
        "master_hostname": about.allocator.split_once("://").map(|(_, place)| place),
        "attributes": hello.attributes,
        "capabilities": ["MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT"],
        "resources": summary(&total, false),
        "unreserved_resources": summary(&unreserved, false),
        "reserved_resources": summaries(&reserved),
        "reserved_resources_allocated": summaries(&held),
        "unreserved_resources_allocated": summary(&free, false),
        "flags": {
            "hostname": hello.hostname,
            "ip": about.address.ip().to_string(),
            "port": about.address.port().to_string(),
            "work_dir": about.layout.state().display().to_string(),
        },
        "frameworks": frameworks(view),
        "completed_frameworks": [],
    })
}

fn by_role(parts: &[wire::Reserved]) -> BTreeMap<String, wire::Resources> {
    let mut roles: BTreeMap<String, wire::Resources> = BTreeMap::new();
    for part in parts {
        if let (Some(innermost), Some(resources)) = (part.reservations.last(), &part.resources) {
            let of_role = roles.entry(innermost.role.clone()).or_default();
            *of_role = sum([&*of_role, resources].into_iter());
        }
    }
    roles
}

fn summaries(roles: &BTreeMap<String, wire::Resources>) -> Value {
    let of_role = |(role, resources): (&String, _)| (role.clone(), summary(resources, false));
    Value::Object(roles.iter().map(of_role).collect())
}

/// Each framework that has, or had, a task here.
fn frameworks(view: &View) -> Vec<Value> {
    let mut ids: Vec<&str> = view.tasks.iter().map(|task| task.framework.as_str()).collect();
    ids.extend(view.ended.iter().map(|task| task.framework.as_str()));
    ids.sort_unstable();
    ids.dedup();
    let of = |id: &str| {
        let own = |tasks: &[TaskView], over: bool| -> Vec<Value> {
            // Those in another's container are told with that.
            let own = tasks.iter().filter(|task| task.framework == id && task.outer.is_none());
            own.map(|task| executor(task, view, over)).collect()
        };
        let any = view.tasks.iter().chain(&view.ended).find(|task| task.framework == id);
        json!({
            "id": id,
            // Agents are told of no more than the id.
            "name": "",
            "user": any.and_then(|task| task.user.clone()).unwrap_or_default(),
            "role": any.map(|task| task.role.clone()).unwrap_or_default(),
            "failover_timeout": 0.0,
            "checkpoint": true,
            "hostname": "",
            "executors": own(&view.tasks, false),
            "completed_executors": own(&view.ended, true),
        })
    };
    ids.into_iter().map(of).collect()
}

fn executor(own: &TaskView, view: &View, over: bool) -> Value {
    let inner = |tasks: &'_ [TaskView]| -> Vec<TaskView> {
        let inner = tasks.iter().filter(|task| task.outer.as_ref() == Some(&own.container));
        inner.cloned().collect()
    };
    let (tasks, completed) = match (own.is_outer, over) {
        (true, _) => (inner(&view.tasks), inner(&view.ended)),
        (false, false) => (vec![own.clone()], Vec::new()),
        (false, true) => (Vec::new(), vec![own.clone()]),
    };
    let mut held = own.resources.clone();
    if own.is_outer {
        held = sum(std::iter::once(&held).chain(tasks.iter().map(|task| &task.resources)));
    }
    let name = match own.is_outer {
        true => String::new(),
        false => format!("Command Executor (Task: {}) ({})", own.task, program(&own.command)),
    };
    let all = |tasks: &[TaskView]| -> Vec<Value> {
        tasks.iter().map(|one| task(one, &view.agent_id)).collect()
    };
    let mut executor = json!({
        "id": own.executor,
        "name": name,
        "source": if own.is_outer { "" } else { &own.task },
        "container": own.container,
        "directory": own.sandbox.display().to_string(),
        "resources": summary(&held, own.class == Class::Revocable),
        "role": own.role,
        "tasks": all(&tasks),
        "queued_tasks": [],
        "completed_tasks": all(&completed),
    });
    if own.is_outer
        && let Some(executor) = executor.as_object_mut()
    {
        executor.insert("type".into(), json!("DEFAULT"));
    }
    executor
}

fn task(view: &TaskView, agent: &str) -> Value {
    let statuses: Vec<Value> = view.told.iter().map(status).collect();
    let mut task = json!({
        "id": view.task,
        "name": view.task,
        "framework_id": view.framework,
        // As Mesos: a task without an executor of its own has none to name.
        "executor_id": if view.executor == view.task { "" } else { &view.executor },
        "slave_id": agent,
        "state": state_name(view.state),
        "resources": summary(&view.resources, view.class == Class::Revocable),
        "role": view.role,
        "statuses": statuses,
    });
    if let (Some(user), Some(task)) = (&view.user, task.as_object_mut()) {
        task.insert("user".into(), json!(user));
    }
    task
}

fn status(told: &wire::TaskStatus) -> Value {
    let mut status = Map::new();
    status.insert("state".into(), json!(state_name(told.state())));
    status.insert("timestamp".into(), json!(told.timestamp_ms as f64 / 1e3));
    if let Some(healthy) = told.healthy {
        status.insert("healthy".into(), json!(healthy));
    }
    Value::Object(status)
}

/// By Mesos' name: TASK_RUNNING.
fn state_name(state: wire::TaskState) -> String {
    state.as_str_name().replacen("TASK_STATE_", "TASK_", 1)
}

fn program(command: &Command) -> String {
    match command {
        Command::Shell(line) => format!("Command: sh -c '{line}'"),
        Command::Argv(words) => format!("Command: {}", words.join(" ")),
    }
}
