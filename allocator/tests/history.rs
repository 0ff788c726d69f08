//! What is told of tasks, frameworks and agents beside what they hold: names, statuses, times, and
//! those that are over.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_allocator::{Config, config::Completed};
use headroom_proto::v1::{self, TaskState, agent_message::Message as Said};
use serde_json::{Value, json};
use std::net::SocketAddr;
use support::{Server, config, hello, info, resources, task};

async fn state(address: SocketAddr) -> Value {
    told(address, "/state").await
}

async fn told(address: SocketAddr, path: &str) -> Value {
    let (status, body) = support::get(address, path).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn described(id: &str) -> v1::TaskInfo {
    let labels = [("tier".to_owned(), "web".to_owned())];
    v1::TaskInfo { name: "shop".into(), labels: labels.into_iter().collect(), ..task(id) }
}

/// As an agent tells it, with the container it runs in.
async fn housed(agent: &support::Agent, launch: &v1::Launch, state: TaskState, uuid: u8, at: u64) {
    let status = v1::TaskStatus {
        task_id: launch.task.as_ref().unwrap().task_id.clone(),
        state: state.into(),
        uuid: vec![uuid; 16],
        timestamp_ms: at,
        container: Some(v1::ContainerStatus {
            container_id: "c1".into(),
            ip_addresses: vec!["192.0.2.7".into()],
            executor_id: "t".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let (handle, framework_id) = (launch.handle, launch.framework_id.clone());
    agent.say(Said::Status(v1::StatusUpdate { handle, framework_id, status: Some(status) })).await;
}

#[tokio::test]
async fn names_and_labels_are_told_and_outlive_the_allocator() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path()).await;
    let mut agent = first.agent(hello("n1")).await.unwrap();
    let mut framework = first.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![described("t")]).await.unwrap();
    let launch = agent.launch().await;
    let address = first.running.address;
    let task = &state(address).await["frameworks"][0]["tasks"][0];
    assert_eq!((&task["id"], &task["name"]), (&json!("t"), &json!("shop")));
    assert_eq!(task["labels"], json!([{ "key": "tier", "value": "web" }]));
    assert_eq!(task["statuses"], json!([]), "nothing was told of it yet");
    assert_eq!(first.cluster().await.tasks[0].name, "shop");
    housed(&agent, &launch, TaskState::Running, 1, 1_500).await;
    framework.update().await;
    let task = &state(address).await["frameworks"][0]["tasks"][0];
    let network = json!([{ "ip_addresses": [{ "protocol": "IPv4", "ip_address": "192.0.2.7" }] }]);
    let container = json!({ "container_id": { "value": "c1" }, "network_infos": network });
    let status =
        json!({ "state": "TASK_RUNNING", "timestamp": 1.5, "container_status": container });
    assert_eq!(task["statuses"], json!([status]));
    first.running.stop().await.unwrap();

    let second = Server::start(dir.path()).await;
    let held = v1::HeldTask {
        handle: launch.handle,
        framework_id: launch.framework_id.clone(),
        task_id: "t".to_owned(),
        resources: Some(resources(1.0, 128.0)),
        state: TaskState::Running.into(),
        role: "*".to_owned(),
        about: launch.task.unwrap().about,
        ..Default::default()
    };
    let again = v1::Hello {
        agent_id: agent.id.clone(),
        epoch: agent.epoch,
        tasks: vec![held],
        ..hello("n1")
    };
    let _agent = second.agent(again).await.unwrap();
    let framework = &state(second.running.address).await["frameworks"][0];
    assert_eq!(framework["tasks"][0]["name"], "shop");
    assert_eq!(framework["tasks"][0]["labels"][0]["value"], "web");
    assert_eq!(framework["recovered"], true, "it has not come back to this one");
    second.running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_over_is_remembered_with_its_statuses_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.running.address;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![described("t")]).await.unwrap();
    let launch = agent.launch().await;
    housed(&agent, &launch, TaskState::Running, 1, 1_000).await;
    let running = framework.update().await;
    assert_eq!(running.container.as_ref().unwrap().container_id, "c1");
    framework.acknowledge(&running).await;
    housed(&agent, &launch, TaskState::Finished, 2, 2_000).await;
    let finished = framework.update().await;
    let told_of = &state(address).await["frameworks"][0];
    assert_eq!(told_of["tasks"][0]["state"], "TASK_FINISHED", "it waits to be acknowledged");
    assert_eq!(told_of["completed_tasks"], json!([]));
    framework.acknowledge(&finished).await;
    let over = |state: &Value| {
        let task = &state["completed_tasks"][0];
        let states: Vec<_> = task["statuses"].as_array().unwrap().iter().collect();
        let told: Vec<_> =
            states.iter().map(|s| (s["state"].clone(), s["timestamp"].clone())).collect();
        assert_eq!(
            told,
            [(json!("TASK_RUNNING"), json!(1.0)), (json!("TASK_FINISHED"), json!(2.0))]
        );
        assert_eq!((&task["name"], &task["state"]), (&json!("shop"), &json!("TASK_FINISHED")));
    };
    let told_of = &state(address).await["frameworks"][0];
    assert_eq!(told_of["tasks"], json!([]));
    over(told_of);
    assert!(told_of["registered_time"].as_f64().unwrap() > 1e9);
    assert_eq!(told_of["unregistered_time"], 0.0);
    assert!(state(address).await["slaves"][0]["registered_time"].as_f64().unwrap() > 1e9);
    assert_eq!(told(address, "/tasks?task_id=t").await["tasks"][0]["name"], "shop");

    let caller = framework.caller();
    framework.client.teardown(v1::TeardownRequest { caller }).await.unwrap();
    let all = state(address).await;
    assert_eq!(all["frameworks"], json!([]));
    let told_of = &all["completed_frameworks"][0];
    assert_eq!((&told_of["name"], &told_of["active"]), (&json!("f"), &json!(false)));
    assert!(told_of["unregistered_time"].as_f64() >= told_of["registered_time"].as_f64());
    over(told_of);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn tasks_of_an_agent_that_was_given_up_are_told_as_unreachable() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        agent_timeout: std::time::Duration::from_millis(200),
        completed: Completed { frameworks: 1, tasks_per_framework: 1 },
        ..config(dir.path())
    };
    let server = Server::with(&config).await;
    let address = server.running.address;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![described("t"), described("u")]).await.unwrap();
    agent.launch().await;
    drop(agent);
    for _ in 0..2 {
        assert_eq!(framework.update().await.state(), TaskState::Lost);
    }
    let told_of = &state(address).await["frameworks"][0];
    assert_eq!((&told_of["tasks"], &told_of["completed_tasks"]), (&json!([]), &json!([])));
    let unreachable = told_of["unreachable_tasks"].as_array().unwrap();
    assert_eq!(unreachable.len(), 1, "one of a framework is remembered");
    assert_eq!((&unreachable[0]["id"], &unreachable[0]["name"]), (&json!("u"), &json!("shop")));
    server.running.stop().await.unwrap();
}
