//! From hello to acknowledged end, over the wire.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::v1::{
    self, TaskState, agent_message::Message as Said, allocator_message::Message as Order,
    event::Event,
};
use std::time::{Duration, Instant};
use support::{Server, hello, info, task};
use tonic::Code;

#[tokio::test]
async fn a_task_goes_from_offer_to_acknowledged_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server
        .framework(v1::FrameworkInfo { user: "nobody".to_owned(), ..info("f") })
        .await
        .unwrap();
    let offer = framework.offer().await;
    assert_eq!((offer.agent_id.as_str(), offer.hostname.as_str()), (agent.id.as_str(), "n1"));
    assert_eq!(offer.resources.as_ref().unwrap().cpus, 4.0);
    assert_eq!(offer.role, "*");

    framework.accept(&offer, vec![task("t")]).await.unwrap();
    let launch = agent.launch().await;
    assert_eq!(launch.task, Some(task("t")), "the agent gets what the framework wrote");
    assert_eq!(launch.framework_user, "nobody");
    assert_eq!(launch.epoch, agent.epoch);

    agent.status(&launch, TaskState::Running, 1).await;
    let update = framework.update().await;
    assert_eq!((update.state(), update.task_id.as_str()), (TaskState::Running, "t"));
    framework.acknowledge(&update).await;
    let Order::Acknowledge(acknowledged) = agent.order().await.unwrap() else { panic!() };
    assert_eq!((acknowledged.handle, acknowledged.uuid), (launch.handle, vec![1; 16]));

    let cluster = server.cluster().await;
    assert_eq!(cluster.agents[0].guaranteed.as_ref().unwrap().cpus, 1.0);
    assert_eq!(cluster.tasks[0].state(), TaskState::Running);
    assert_eq!(cluster.frameworks[0].tasks, 1);

    let kill =
        v1::KillRequest { caller: framework.caller(), task_id: "t".to_owned(), grace_ms: Some(7) };
    framework.client.kill(kill).await.unwrap();
    let Order::Kill(kill) = agent.order().await.unwrap() else { panic!() };
    assert_eq!((kill.handle, kill.grace_ms), (launch.handle, Some(7)));
    assert_eq!(kill.reason(), v1::Reason::KilledByFramework);
    agent.status(&launch, TaskState::Killed, 2).await;
    let update = framework.update().await;
    assert_eq!(update.state(), TaskState::Killed);
    framework.acknowledge(&update).await;
    let Order::Acknowledge(_) = agent.order().await.unwrap() else { panic!() };
    let cluster = server
        .until("the end", |cluster| cluster.tasks.iter().any(|t| t.state() == TaskState::Killed))
        .await;
    assert_eq!(cluster.tasks.len(), 1, "told once, active or ended: {cluster:#?}");
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn an_operator_kills_and_reads_logs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut launches = Vec::new();
    let mut frameworks = Vec::new();
    for name in ["f", "g"] {
        let mut framework = server.framework(info(name)).await.unwrap();
        let offer = framework.offer().await;
        framework.accept(&offer, vec![task("same")]).await.unwrap();
        launches.push(agent.launch().await);
        frameworks.push(framework);
    }
    let mut operator = server.operator();
    let mut kill = v1::OperatorKillRequest { task_id: "same".to_owned(), ..Default::default() };
    let refused = operator.kill_task(kill.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for launch in &launches {
        assert!(refused.message().contains(&launch.framework_id), "{}", refused.message());
    }
    kill.framework_id = "g".to_owned();
    operator.kill_task(kill.clone()).await.unwrap();
    let Order::Kill(order) = agent.order().await.unwrap() else { panic!() };
    assert_eq!((order.handle, order.reason()), (launches[1].handle, v1::Reason::KilledByOperator));
    kill.task_id = "other".to_owned();
    assert_eq!(operator.kill_task(kill).await.unwrap_err().code(), Code::NotFound);

    let read = v1::ReadLogRequest {
        task_id: "same".to_owned(),
        framework_id: launches[0].framework_id.clone(),
        file: "stdout".to_owned(),
        offset: 3,
        max_bytes: 1 << 30,
    };
    let mut asking = server.operator();
    let wanted = read.clone();
    let asked = tokio::spawn(async move { asking.read_log(wanted).await });
    let Order::ReadFile(first) = agent.order().await.unwrap() else { panic!() };
    assert_eq!((first.offset, first.max_bytes), (3, 256 << 10));
    assert_eq!(first.framework_id, launches[0].framework_id);
    // Nothing new yet: the allocator asks again by itself.
    agent.say(Said::FileChunk(chunk(first.request_id, b"", 3))).await;
    let Order::ReadFile(second) = agent.order().await.unwrap() else { panic!() };
    assert_ne!(first.request_id, second.request_id);
    agent.say(Said::FileChunk(chunk(second.request_id, b"hello", 8))).await;
    let answer = asked.await.unwrap().unwrap().into_inner();
    assert_eq!(
        (answer.data.as_slice(), answer.next_offset, answer.ended),
        (&b"hello"[..], 8, false)
    );

    drop(agent);
    server.until("the agent gone", |cluster| !cluster.agents[0].connected).await;
    let refused = operator.read_log(read).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{}", refused.message());
    assert!(!server.cluster().await.warnings.is_empty());
    server.running.stop().await.unwrap();
}

fn chunk(request_id: u64, data: &[u8], next_offset: u64) -> v1::FileChunk {
    v1::FileChunk { request_id, data: data.to_vec(), next_offset, ..Default::default() }
}

#[tokio::test]
async fn an_operator_sets_roles_and_asks_why() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut operator = server.operator();
    let set = v1::SetRoleRequest {
        name: "batch".to_owned(),
        weight: Some(2.5),
        opportunistic: Some(true),
    };
    let role = operator.set_role(set.clone()).await.unwrap().into_inner();
    assert_eq!((role.weight, role.opportunistic), (2.5, true));
    for weight in [0.0, -1.0, f64::NAN, 1e12] {
        let refused = operator
            .set_role(v1::SetRoleRequest { weight: Some(weight), ..set.clone() })
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with("weight: "), "{}", refused.message());
    }
    let why = v1::WhyRequest { subject: "nobody".to_owned() };
    assert_eq!(operator.why(why).await.unwrap_err().code(), Code::NotFound);
    operator.reset_role(v1::ResetRoleRequest { name: "batch".to_owned() }).await.unwrap();
    let cluster = server.cluster().await;
    let role = cluster.roles.iter().find(|role| role.name == "batch").unwrap();
    assert_eq!((role.weight, role.opportunistic), (1.0, false));
    let unknown = v1::ResetRoleRequest { name: "none".to_owned() };
    assert_eq!(operator.reset_role(unknown).await.unwrap_err().code(), Code::NotFound);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_framework_that_vanishes_is_seen_to_be_gone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework =
        server.framework(v1::FrameworkInfo { failover_timeout_ms: 0, ..info("f") }).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    let launch = agent.launch().await;
    drop(framework);
    // Its failover timeout is 0: what it ran is killed at once.
    let Order::Kill(kill) = agent.order().await.unwrap() else { panic!() };
    assert_eq!((kill.handle, kill.reason()), (launch.handle, v1::Reason::FrameworkRemoved));
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_newer_stream_ends_the_older() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut old = server.agent(hello("n1")).await.unwrap();
    let again = v1::Hello { agent_id: old.id.clone(), ..hello("n1") };
    let mut new = server.agent(again).await.unwrap();
    assert_eq!(new.id, old.id);
    assert_eq!(old.order().await.unwrap_err().code(), Code::Aborted);
    // The end of the old stream is not taken for the end of the new.
    drop(old);
    let mut framework = server.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    new.launch().await;

    let again =
        v1::FrameworkInfo { framework_id: framework.caller.framework_id.clone(), ..info("f") };
    let newer = server.framework(again).await.unwrap();
    let ended = loop {
        match framework.event().await.unwrap() {
            Event::Error(error) => break error.message,
            Event::Offers(_) | Event::Rescind(_) | Event::Update(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(!ended.is_empty());
    assert_eq!(framework.event().await.unwrap_err().code(), Code::Cancelled);
    let old_caller = framework.caller();
    let refused = framework
        .client
        .revive(v1::ReviveRequest { caller: old_caller, ..Default::default() })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    drop(framework);
    let cluster = server.cluster().await;
    assert!(cluster.frameworks[0].connected && cluster.agents[0].connected, "{cluster:#?}");
    drop(newer);
    server.running.stop().await.unwrap();
}

/// With Nagle's algorithm on the server's side an order waits 40 ms for the one before it.
#[tokio::test]
async fn orders_are_sent_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut framework = server.framework(info("f")).await.unwrap();
    let mut took = Vec::new();
    for round in 0..15 {
        let asked = Instant::now();
        let reconcile =
            v1::ReconcileRequest { caller: framework.caller(), task_ids: vec![round.to_string()] };
        framework.client.reconcile(reconcile).await.unwrap();
        framework.update().await;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    assert!(took[7] < Duration::from_millis(35), "the median of {took:?}");
    server.running.stop().await.unwrap();
}
