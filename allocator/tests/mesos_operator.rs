//! Operators who speak Mesos' API, against a real allocator.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::{
    mesos::{
        json,
        recordio::Decoder,
        v1::{
            TaskState,
            master::{Call, Event, Response, call, call::Type, event},
        },
        wire,
    },
    v1::{self, event::Event::Offers as Offered},
};
use prost::Message as _;
use serde_json::{Value, json};
use std::net::SocketAddr;
use support::{
    LONG, Server,
    cluster::Cluster,
    hello,
    http::{JSON, ask, asked, get, open, post},
    info, task,
};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

#[tokio::test]
async fn the_state_is_told_by_both_apis() {
    let cluster = Cluster::start().await;
    let address = cluster.address();
    let (agent, framework) = (&cluster.agent.id, &cluster.framework.caller.framework_id);

    let state = get(address, "/state").await.json();
    assert_eq!(state["version"], "1.11.0");
    assert_eq!(state["activated_slaves"], 1);
    assert_eq!(state["leader"], format!("master@{address}"));
    let slave = &state["slaves"][0];
    assert_eq!((&slave["id"], &slave["hostname"]), (&json!(agent), &json!("n1")));
    assert_eq!(slave["resources"]["cpus"], 4.0);
    assert_eq!(slave["used_resources"]["mem"], 128.0);
    let told = &state["frameworks"][0];
    assert_eq!((&told["id"], &told["active"]), (&json!(framework), &json!(true)));
    assert_eq!(told["used_resources"]["cpus"], 1.0);
    let task = &told["tasks"][0];
    assert_eq!((&task["id"], &task["state"]), (&json!("t"), &json!("TASK_RUNNING")));
    assert_eq!((&task["slave_id"], &task["executor_id"]), (&json!(agent), &json!("")));

    let state = asked(address, "GET_STATE").await;
    let task = &state["get_tasks"]["tasks"][0];
    assert_eq!(task["task_id"]["value"], "t");
    assert_eq!(task["resources"][0]["allocation_info"]["role"], task_role());
    assert_eq!(state["get_agents"]["agents"][0]["agent_info"]["id"]["value"], json!(agent));
    assert_eq!(state["get_frameworks"]["frameworks"][0]["framework_info"]["name"], "f");
    cluster.stop().await;
}

fn task_role() -> &'static str {
    "*"
}

#[tokio::test]
async fn protobuf_is_spoken_too() {
    let cluster = Cluster::start().await;
    let call = Call { r#type: Some(Type::GetTasks.into()), ..Call::default() };
    let headers = "Content-Type: application/x-protobuf\r\nAccept: application/x-protobuf\r\n";
    let line = "POST /master/api/v1/";
    let answer = ask(cluster.address(), line, headers, &call.encode_to_vec()).await;
    assert!(answer.head.contains("content-type: application/x-protobuf"), "{}", answer.head);
    let response: Response = wire::decode(&answer.body).unwrap();
    let tasks = response.get_tasks.unwrap().tasks;
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].state(), TaskState::TaskRunning);
    // What is asked by one and answered by the other.
    let headers = "Content-Type: application/x-protobuf\r\n";
    let answer = ask(cluster.address(), line, headers, &call.encode_to_vec()).await;
    assert_eq!(answer.json()["type"], "GET_TASKS");
    cluster.stop().await;
}

#[tokio::test]
async fn every_call_that_asks_is_answered_with_what_it_asked_for() {
    let cluster = Cluster::start().await;
    for kind in [
        "GET_HEALTH",
        "GET_FLAGS",
        "GET_VERSION",
        "GET_METRICS",
        "GET_LOGGING_LEVEL",
        "GET_STATE",
        "GET_AGENTS",
        "GET_FRAMEWORKS",
        "GET_EXECUTORS",
        "GET_OPERATIONS",
        "GET_TASKS",
        "GET_ROLES",
        "GET_WEIGHTS",
        "GET_MASTER",
        "GET_MAINTENANCE_STATUS",
        "GET_MAINTENANCE_SCHEDULE",
        "GET_QUOTA",
    ] {
        let answer = post(cluster.address(), &json!({ "type": kind })).await;
        assert_eq!(answer.json()["type"], kind);
        // With all its required fields.
        json::from_slice::<Response>(&answer.body).unwrap();
        assert!(answer.json()[kind.to_ascii_lowercase()].is_object(), "{}", answer.text());
    }
    let health = asked(cluster.address(), "GET_HEALTH").await;
    assert_eq!(health["healthy"], true);
    let version = asked(cluster.address(), "GET_VERSION").await;
    assert_eq!(version["version_info"]["version"], "1.11.0");
    cluster.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_answered_by_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.running.address;
    let health = br#"{"type":"GET_HEALTH"}"#;
    for (line, headers, body, status) in [
        ("POST /api/v1", "", &health[..], 400),
        ("POST /api/v1", "Content-Type: text/plain\r\n", health, 415),
        ("POST /api/v1", "Content-Type: application/json\r\nAccept: text/html\r\n", health, 406),
        ("GET /api/v1", JSON, health, 405),
        ("POST /api/v1", JSON, b"{", 400),
        ("POST /api/v1", JSON, br#"{"type":"NO_SUCH_CALL"}"#, 501),
        ("POST /api/v1", JSON, br#"{"type":"TEARDOWN"}"#, 400),
        ("POST /api/v1", JSON, br#"{"type":"TEARDOWN","teardown":{}}"#, 400),
        (
            "POST /api/v1",
            JSON,
            br#"{"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":"A"}}}"#,
            400,
        ),
        ("POST /machine/down", JSON, b"[]", 400),
        ("POST /machine/up", JSON, br#"[{"hostname":"x"}]"#, 400),
        ("POST /maintenance/schedule", JSON, br#"{"windows":[{}]}"#, 400),
        ("POST /api/v1", JSON, br#"{"type":"SET_LOGGING_LEVEL"}"#, 400),
        ("POST /api/v1", JSON, br#"{"type":"READ_FILE"}"#, 400),
        ("POST /api/v1", JSON, br#"{"type":"LIST_FILES","list_files":{"path":"/"}}"#, 404),
        ("GET /files/browse?path=/master/log", "", b"", 404),
        ("GET /files/read?path=/master/log", "", b"", 404),
        ("GET /files/download?path=/master/log", "", b"", 404),
        ("GET /nothing", "", b"", 404),
    ] {
        let answer = ask(address, line, headers, body).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(answer.status, status, "{line} {headers} {shown}: {}", answer.text());
        assert!(status == 405 || answer.body.len() > 10, "it says why: {:?}", answer.text());
    }
    let missing = ask(address, "POST /api/v1", JSON, br#"{"type":"TEARDOWN","teardown":{}}"#).await;
    assert_eq!(missing.text(), "missing required field: teardown.framework_id\n");
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn old_paths_answer_wherever_clients_look() {
    let cluster = Cluster::start().await;
    let address = cluster.address();
    for path in ["/version", "/master/version", "/version/", "/version?timeout=1secs"] {
        assert_eq!(get(address, path).await.json()["version"], "1.11.0", "{path}");
    }
    let agent = &cluster.agent.id;
    for line in [
        format!("POST /slaves/{agent}"),
        format!("GET /master/slaves?slave_id={agent}"),
        "GET /slaves".to_owned(),
    ] {
        let slaves = ask(address, &line, "", b"").await.json();
        assert_eq!(slaves["slaves"][0]["id"], json!(agent), "{line}");
        assert_eq!(slaves["slaves"][0]["unreserved_resources_full"][0]["role"], "*");
    }
    assert_eq!(get(address, "/slaves?slave_id=A9-9").await.json()["slaves"], json!([]));
    let found = ask(address, "POST /tasks/?task_id=t&framework_id=", "", b"").await.json();
    assert_eq!(found["tasks"][0]["id"], "t");
    assert_eq!(get(address, "/tasks?task_id=other").await.json()["tasks"], json!([]));
    assert_eq!(get(address, "/tasks?limit=0").await.json()["tasks"], json!([]));
    let summary = get(address, "/state-summary").await.json();
    assert_eq!(summary["slaves"][0]["TASK_RUNNING"], 1);
    assert_eq!(summary["frameworks"][0]["slave_ids"], json!([agent]));
    let metrics = get(address, "/metrics/snapshot").await.json();
    assert_eq!(metrics["master/tasks_running"], 1.0);
    assert_eq!(metrics["master/cpus_used"], 1.0);
    assert!(get(address, "/metrics").await.text().contains("# EOF"), "for Prometheus, as before");
    let script = get(address, "/version?jsonp=angular.callbacks._0").await;
    assert_eq!(script.text(), r#"angular.callbacks._0({"version":"1.11.0"});"#);
    assert!(script.head.contains("content-type: text/javascript"), "{}", script.head);
    assert_eq!(get(address, "/version?jsonp=alert(1)//").await.status, 400);
    let redirect = get(address, "/redirect").await;
    assert_eq!(redirect.status, 307);
    assert!(redirect.head.contains(&format!("location: //{address}\r\n")), "{}", redirect.head);
    assert_eq!(get(address, "/health").await.status, 200);
    cluster.stop().await;
}

#[tokio::test]
async fn roles_are_weighed_and_given_quota() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.running.address;
    let weights = json!({ "type": "UPDATE_WEIGHTS", "update_weights": { "weight_infos": [{ "role": "a", "weight": 2.5 }] } });
    assert_eq!(post(address, &weights).await.status, 200);
    assert_eq!(get(address, "/weights").await.json(), json!([{ "role": "a", "weight": 2.5 }]));
    let wrong = json!({ "type": "UPDATE_WEIGHTS", "update_weights": { "weight_infos": [
        { "role": "a", "weight": 3 }, { "role": "/", "weight": 1 }] } });
    assert_eq!(post(address, &wrong).await.status, 400);
    assert_eq!(get(address, "/weights").await.json()[0]["weight"], 2.5, "all or nothing");

    let quota = json!({ "type": "UPDATE_QUOTA", "update_quota": { "quota_configs": [
        { "role": "b", "guarantees": { "cpus": { "value": 1 } }, "limits": { "cpus": { "value": 2 }, "mem": { "value": 0 } } }] } });
    assert_eq!(post(address, &quota).await.status, 200);
    let told = asked(address, "GET_QUOTA").await;
    let limits = json!({ "cpus": { "value": 2.0 }, "mem": { "value": 0.0 } });
    assert_eq!(told["status"]["configs"][0]["limits"], limits);
    let none = json!({ "type": "REMOVE_QUOTA", "remove_quota": { "role": "b" } });
    assert_eq!(post(address, &none).await.status, 200);
    assert_eq!(post(address, &none).await.status, 400, "there is none any more");

    let old = br#"{"role":"c","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":3}}]}"#;
    assert_eq!(ask(address, "POST /quota", "", old).await.status, 200);
    assert_eq!(ask(address, "POST /quota", "", old).await.status, 400, "there is one already");
    let roles = get(address, "/roles").await.json();
    let role = roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == "c").unwrap();
    assert_eq!(role["quota"]["guarantee"], json!({ "cpus": 3.0 }));
    assert_eq!(role["quota"]["limit"], json!({ "cpus": 3.0 }));
    assert_eq!(ask(address, "DELETE /quota/c", "", b"").await.status, 200);
    let put = ask(address, "PUT /weights", "", br#"[{"role":"a","weight":1.0}]"#).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(get(address, "/weights").await.json(), json!([]));
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn resources_are_reserved_and_made_volumes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.running.address;
    let mut hello = hello("n1");
    hello.total.as_mut().unwrap().disk_mib = 1_000.0;
    let agent = server.agent(hello).await.unwrap();
    let disk = |volume: Value| {
        json!({ "name": "disk", "type": "SCALAR", "scalar": { "value": 100 }, "disk": volume,
                "reservations": [{ "type": "DYNAMIC", "role": "db", "principal": "ann" }] })
    };
    let volume = json!({ "persistence": { "id": "v", "principal": "ann" },
                         "volume": { "container_path": "data", "mode": "RW" } });
    let on = |kind: &str, field: &str, what: &str, entry: Value| json!({ "type": kind, field: { "agent_id": { "value": agent.id }, what: [entry] } });
    let reserve = on("RESERVE_RESOURCES", "reserve_resources", "resources", disk(Value::Null));
    assert_eq!(post(address, &reserve).await.status, 202);
    let create = on("CREATE_VOLUMES", "create_volumes", "volumes", disk(volume.clone()));
    assert_eq!(post(address, &create).await.status, 202);
    let slave = &get(address, "/slaves").await.json()["slaves"][0];
    assert_eq!(slave["reserved_resources"]["db"]["disk"], 100.0);
    let full = slave["reserved_resources_full"]["db"][0].clone();
    assert_eq!(full["disk"]["persistence"]["id"], "v");
    assert_eq!(full["reservation"]["principal"], "ann", "in the old form too");
    let unreserve =
        on("UNRESERVE_RESOURCES", "unreserve_resources", "resources", disk(Value::Null));
    let refused = post(address, &unreserve).await;
    assert_eq!(refused.status, 409, "the volume is there: {}", refused.text());
    // An operator writes back what the endpoint told.
    let encoded: String =
        form_urlencoded::byte_serialize(json!([full]).to_string().as_bytes()).collect();
    let form = format!("slaveId={}&volumes={encoded}", agent.id);
    let destroyed = ask(address, "POST /master/destroy-volumes", "", form.as_bytes()).await;
    assert_eq!(destroyed.status, 202, "{}", destroyed.text());
    assert_eq!(post(address, &unreserve).await.status, 202);
    assert_eq!(get(address, "/slaves").await.json()["slaves"][0]["reserved_resources"], json!({}));
    drop(agent);
    server.running.stop().await.unwrap();
}

/// The event stream, record by record.
struct Events {
    stream: TcpStream,
    chunks: Vec<u8>,
    decoder: Decoder,
}

impl Events {
    async fn subscribe(address: SocketAddr) -> Self {
        let body = br#"{"type":"SUBSCRIBE"}"#;
        let mut stream = open(address, "POST /api/v1", JSON, body).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(LONG, stream.read_u8()).await.expect("no head").unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200") && head.contains("chunked"), "{head}");
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        Self { stream, chunks: Vec::new(), decoder: Decoder::new(1 << 20) }
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(timeout(LONG, self.stream.read_u8()).await.expect("no event").unwrap());
        }
        String::from_utf8(line).unwrap().trim().to_owned()
    }

    /// Reads the next chunk; 0: that was the last.
    async fn next_size(&mut self) -> usize {
        let size = usize::from_str_radix(&self.line().await, 16).unwrap();
        self.chunks.resize(size, 0);
        timeout(LONG, self.stream.read_exact(&mut self.chunks)).await.unwrap().unwrap();
        assert_eq!(self.line().await, "");
        size
    }

    /// The next event, which is one chunk.
    async fn next(&mut self) -> Event {
        self.next_size().await;
        self.decoder.push(&self.chunks);
        let record = self.decoder.next_record().unwrap().expect("a chunk is a record");
        assert_eq!(self.decoder.next_record(), Ok(None));
        json::from_slice(&record).unwrap()
    }

    async fn until(&mut self, kind: event::Type) -> Event {
        loop {
            let event = self.next().await;
            if event.r#type() == kind {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn watchers_are_told_what_happens() {
    let mut cluster = Cluster::start().await;
    let address = cluster.address();
    let mut events = Events::subscribe(address).await;
    let subscribed = events.next().await.subscribed.unwrap();
    assert_eq!(subscribed.heartbeat_interval_seconds, Some(15.0));
    let state = subscribed.get_state.unwrap();
    assert_eq!(state.get_tasks.unwrap().tasks.len(), 1);
    assert_eq!(state.get_agents.unwrap().agents.len(), 1);
    assert_eq!(events.next().await.r#type(), event::Type::Heartbeat, "at once");

    cluster.agent.status(&cluster.launch, v1::TaskState::Finished, 2).await;
    let updated = events.until(event::Type::TaskUpdated).await.task_updated.unwrap();
    assert_eq!(updated.state(), TaskState::TaskFinished);
    assert_eq!(updated.status.task_id.value, "t");

    let second = cluster.server.agent(hello("n2")).await.unwrap();
    let added = events.until(event::Type::AgentAdded).await.agent_added.unwrap().agent;
    assert_eq!(added.agent_info.id.unwrap().value, second.id);
    assert_eq!(added.agent_info.hostname, "n2");

    let other = cluster.server.framework(info("g")).await.unwrap();
    let added = events.until(event::Type::FrameworkAdded).await.framework_added.unwrap();
    assert_eq!(added.framework.framework_info.name, "g");
    let offer = loop {
        match cluster.framework.event().await.unwrap() {
            Offered(mut offers) if offers.offers[0].agent_id == second.id => {
                break offers.offers.remove(0);
            }
            _ => {}
        }
    };
    cluster.framework.accept(&offer, vec![task("u")]).await.unwrap();
    let added = events.until(event::Type::TaskAdded).await.task_added.unwrap().task;
    assert_eq!((added.name.as_str(), added.state()), ("u", TaskState::TaskStaging));

    let teardown = Call {
        r#type: Some(Type::Teardown.into()),
        teardown: Some(call::Teardown {
            framework_id: headroom_proto::mesos::v1::FrameworkId {
                value: other.caller.framework_id.clone(),
            },
        }),
        ..Call::default()
    };
    let answer =
        ask(address, "POST /api/v1/operator", JSON, json::to_string(&teardown).as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let removed = events.until(event::Type::FrameworkRemoved).await.framework_removed.unwrap();
    assert_eq!(removed.framework_info.name, "g");
    let form = format!("frameworkId={}", other.caller.framework_id);
    let again = ask(address, "POST /master/teardown", "", form.as_bytes()).await;
    assert_eq!(again.status, 400, "it is gone");
    drop((second, other, events));
    cluster.stop().await;
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.running.address;
    let mut events = Events::subscribe(address).await;
    // Enough to fill the buffers of the connection, and then what may wait behind them.
    let label = json!({ "labels": [{ "key": "k", "value": "v".repeat(20_000) }] });
    let mut framework =
        json!({ "user": "u", "name": "f", "labels": label, "failover_timeout": 60 });
    let mut call = json!({ "type": "SUBSCRIBE", "subscribe": { "framework_info": framework } });
    let mut streams = Vec::new();
    const TOLD: usize = 1_600;
    for at in 0..TOLD {
        let body = call.to_string();
        let mut stream = open(address, "POST /api/v1/scheduler", JSON, body.as_bytes()).await;
        let mut some = [0; 2_048];
        let count = timeout(LONG, stream.read(&mut some)).await.expect("no answer").unwrap();
        if at == 0 {
            let text = String::from_utf8_lossy(&some[..count]).into_owned();
            let id = text.split("\"framework_id\":{\"value\":\"").nth(1).expect(&text);
            let id = json!({ "value": id.split('"').next().unwrap() });
            framework["id"] = id.clone();
            call["framework_id"] = id;
            call["subscribe"]["framework_info"] = framework.clone();
        }
        streams.clear();
        streams.push(stream);
    }
    let mut told = 0;
    while events.next_size().await > 0 {
        told += 1;
    }
    assert!(told < TOLD, "{told} events came");
    drop(streams);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn agents_are_deactivated_drained_and_gone() {
    let mut cluster = Cluster::start().await;
    let address = cluster.address();
    let id = cluster.agent.id.clone();
    let agent = |kind: &str, more: Value| {
        let mut body = json!({ "agent_id": { "value": id } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "type": kind, kind.to_ascii_lowercase(): body })
    };
    let reactivate = agent("REACTIVATE_AGENT", json!({}));
    assert_eq!(post(address, &reactivate).await.status, 400, "it is active");
    assert_eq!(post(address, &agent("DEACTIVATE_AGENT", json!({}))).await.status, 200);
    let told = asked(address, "GET_AGENTS").await["agents"][0].clone();
    assert_eq!((&told["active"], &told["deactivated"]), (&json!(false), &json!(true)));
    assert_eq!(told["drain_info"], Value::Null);
    assert_eq!(post(address, &reactivate).await.status, 200);

    let drain = json!({ "max_grace_period": { "seconds": 9 }, "mark_gone": true });
    assert_eq!(post(address, &agent("DRAIN_AGENT", drain)).await.status, 200);
    let told = asked(address, "GET_AGENTS").await["agents"][0].clone();
    let config =
        json!({ "max_grace_period": { "nanoseconds": 9_000_000_000u64 }, "mark_gone": true });
    assert_eq!(told["drain_info"], json!({ "state": "DRAINING", "config": config }));
    let slave = get(address, "/slaves").await.json()["slaves"][0].clone();
    assert_eq!((&slave["drain_info"], &slave["deactivated"]), (&told["drain_info"], &json!(true)));
    let state = get(address, "/state").await.json();
    assert_eq!((&state["activated_slaves"], &state["deactivated_slaves"]), (&json!(0), &json!(1)));
    assert_eq!(post(address, &reactivate).await.status, 400, "it is draining");

    let gone = agent("MARK_AGENT_GONE", json!({}));
    assert_eq!(post(address, &gone).await.status, 200);
    assert_eq!(post(address, &gone).await.status, 200, "again");
    assert_eq!(asked(address, "GET_AGENTS").await["agents"], Value::Null);
    let status = cluster.framework.update().await;
    assert_eq!((status.state(), status.reason()), (v1::TaskState::Lost, v1::Reason::AgentGone));
    let nobody = json!({ "type": "MARK_AGENT_GONE", "mark_agent_gone": { "agent_id": { "value": "A1-99" } } });
    assert_eq!(post(address, &nobody).await.status, 404);
    cluster.stop().await;
}

#[tokio::test]
async fn maintenance_by_both_apis() {
    let cluster = Cluster::start().await;
    let address = cluster.address();
    let when = json!({ "start": { "nanoseconds": 5 }, "duration": { "nanoseconds": 7 } });
    let machine = json!({ "hostname": "N1" });
    let windows = |machine: &Value| json!({ "windows": [{ "machine_ids": [machine], "unavailability": when }] });
    let body = windows(&machine).to_string();
    let answer = ask(address, "POST /maintenance/schedule", JSON, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let named = json!({ "hostname": "n1" });
    assert_eq!(get(address, "/master/maintenance/schedule").await.json(), windows(&named));
    let schedule = asked(address, "GET_MAINTENANCE_SCHEDULE").await;
    assert_eq!(schedule["schedule"], windows(&named));
    let status = get(address, "/maintenance/status").await.json();
    assert_eq!(status["draining_machines"][0]["id"], named);
    let id = cluster.agent.id.clone();
    let drain = json!({ "type": "DRAIN_AGENT", "drain_agent": { "agent_id": { "value": id } } });
    let refused = post(address, &drain).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("part of a maintenance schedule"), "{}", refused.text());

    let machines = json!([named]).to_string();
    let down = || ask(address, "POST /machine/down", JSON, machines.as_bytes());
    assert_eq!(down().await.status, 200);
    assert_eq!(down().await.status, 400, "it is down already");
    let status = asked(address, "GET_MAINTENANCE_STATUS").await["status"].clone();
    assert_eq!(status, json!({ "down_machines": [named] }));
    let stop = json!({ "type": "STOP_MAINTENANCE", "stop_maintenance": { "machines": [named] } });
    assert_eq!(post(address, &stop).await.status, 200);
    assert_eq!(post(address, &stop).await.status, 400, "it is not in the schedule");
    assert_eq!(get(address, "/maintenance/status").await.json(), json!({}));
    cluster.stop().await;
}

#[tokio::test]
async fn flags_are_told_by_mesos_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = support::config(dir.path());
    config.completed.frameworks = 7;
    let server = Server::with(&config).await;
    let flags = get(server.running.address, "/flags").await.json()["flags"].clone();
    assert_eq!(flags["max_completed_frameworks"], "7");
    assert_eq!(flags["max_completed_tasks_per_framework"], "1000");
    assert_eq!(flags["external_log_file"], Value::Null, "there is none");
    server.running.stop().await.unwrap();
}
