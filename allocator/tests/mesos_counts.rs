//! What is counted under Mesos' names, by what really happens.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::v1::{self, event::Event::Offers as Offered};
use serde_json::{Value, json};
use support::{
    cluster::Cluster,
    hello,
    http::{asked, get, post},
    info, resources, task,
};

#[tokio::test]
async fn what_happens_is_counted() {
    let mut cluster = Cluster::start().await;
    let address = cluster.address();
    let figures = || async { get(address, "/metrics/snapshot").await.json() };
    let of_framework = |what: &str| {
        format!("master/frameworks/f.{}/{what}", cluster.framework.caller.framework_id)
    };
    let [sent, accepted, declined, rescinded] = ["sent", "accepted", "declined", "rescinded"]
        .map(|of| of_framework(&format!("offers/{of}")));
    let now = figures().await;
    for (name, count) in [
        ("messages_register_framework", 1.0),
        ("messages_reregister_framework", 0.0),
        ("messages_register_slave", 1.0),
        ("slave_registrations", 1.0),
        ("slave_reregistrations", 0.0),
        ("messages_launch_tasks", 1.0),
        ("messages_status_update", 1.0),
        ("valid_status_updates", 1.0),
        ("tasks_finished", 0.0),
    ] {
        assert_eq!(now[format!("master/{name}")], count, "{name}: {now:#}");
    }
    assert_eq!((&now[&sent], &now[&accepted]), (&json!(1.0), &json!(1.0)), "{now:#}");
    assert_eq!(now[of_framework("subscribed")], 1.0);
    assert_eq!(now["master/tasks_lost"], Value::Null, "nothing is called so here");

    // Two acknowledgements of which one is for nothing, and a task that ends.
    let running =
        v1::TaskStatus { task_id: "t".to_owned(), uuid: vec![1; 16], ..v1::TaskStatus::default() };
    cluster.framework.acknowledge(&running).await;
    cluster.framework.acknowledge(&running).await;
    cluster.agent.status(&cluster.launch, v1::TaskState::Finished, 2).await;
    let finished = cluster.framework.update().await;
    cluster.framework.acknowledge(&finished).await;

    // A second agent: its first offer is declined, its second is taken for what can't be.
    let second = cluster.server.agent(hello("n2")).await.unwrap();
    let mut offers = Vec::new();
    while offers.is_empty() {
        if let Offered(made) = cluster.framework.event().await.unwrap() {
            offers.extend(made.offers.into_iter().filter(|offer| offer.agent_id == second.id));
        }
    }
    let decline = v1::DeclineRequest {
        caller: cluster.framework.caller(),
        offer_ids: vec![offers.remove(0).offer_id],
        ..v1::DeclineRequest::default()
    };
    cluster.framework.client.decline(decline).await.unwrap();
    let revive = v1::ReviveRequest { caller: cluster.framework.caller(), ..Default::default() };
    cluster.framework.client.revive(revive).await.unwrap();
    let offer = cluster.framework.offer().await;
    let mut too_much = task("u");
    too_much.resources = Some(resources(1_000.0, 1.0));
    cluster.framework.accept(&offer, vec![too_much]).await.unwrap();
    assert_eq!(cluster.framework.update().await.state(), v1::TaskState::Error);
    let gone = json!({ "type": "MARK_AGENT_GONE", "mark_agent_gone": { "agent_id": { "value": second.id } } });
    assert_eq!(post(address, &gone).await.status, 200);

    let now = figures().await;
    for (name, count) in [
        ("messages_status_update_acknowledgement", 3.0),
        ("valid_status_update_acknowledgements", 2.0),
        ("invalid_status_update_acknowledgements", 1.0),
        ("messages_status_update", 2.0),
        ("messages_register_slave", 2.0),
        ("messages_decline_offers", 1.0),
        ("messages_revive_offers", 1.0),
        ("messages_launch_tasks", 2.0),
        ("slave_registrations", 2.0),
        ("slave_removals", 1.0),
        ("tasks_finished", 1.0),
        ("tasks_error", 1.0),
        ("tasks_failed", 0.0),
    ] {
        assert_eq!(now[format!("master/{name}")], count, "{name}: {now:#}");
    }
    assert_eq!((&now[&accepted], &now[&declined]), (&json!(2.0), &json!(1.0)), "{now:#}");
    // What was sent stands, or something became of it.
    let sum: f64 = [&accepted, &declined, &rescinded, &"master/outstanding_offers".to_owned()]
        .iter()
        .map(|name| now[*name].as_f64().unwrap())
        .sum();
    assert_eq!(now[&sent], sum, "{now:#}");
    let told = asked(address, "GET_METRICS").await;
    let told = told["metrics"].as_array().unwrap();
    let removals = told.iter().find(|metric| metric["name"] == "master/slave_removals").unwrap();
    assert_eq!(removals["value"], 1.0);
    drop(second);
    cluster.stop().await;
}

#[tokio::test]
async fn those_who_come_back_and_what_is_refused_are_counted_apart() {
    let mut cluster = Cluster::start().await;
    let address = cluster.address();
    // The agent's stream breaks, and it comes back with the task.
    let held = v1::HeldTask {
        handle: cluster.launch.handle,
        framework_id: cluster.launch.framework_id.clone(),
        state: v1::TaskState::Running.into(),
        task_id: "t".to_owned(),
        resources: Some(resources(1.0, 128.0)),
        role: "*".to_owned(),
        ..v1::HeldTask::default()
    };
    let agent_id = cluster.agent.id.clone();
    let again = v1::Hello { agent_id, tasks: vec![held], ..hello("n1") };
    let mut agent = cluster.server.agent(again).await.unwrap();
    assert_eq!(agent.id, cluster.agent.id);
    std::mem::swap(&mut agent, &mut cluster.agent);
    drop(agent);
    let known = v1::FrameworkInfo {
        framework_id: cluster.framework.caller.framework_id.clone(),
        ..info("f")
    };
    cluster.framework = cluster.server.framework(known).await.unwrap();
    // What it has not acknowledged comes first.
    cluster.framework.update().await;
    let offer = cluster.framework.offer().await;

    // An acceptance that is refused as a whole leaves its offer standing.
    let reservation = v1::Reservation { role: "r".to_owned(), ..Default::default() };
    let unreserve = v1::operation::Operation::Unreserve(v1::Parts {
        parts: vec![v1::Reserved {
            resources: Some(resources(1.0, 0.0)),
            reservations: vec![reservation],
            volume: None,
        }],
    });
    let accept = v1::AcceptRequest {
        caller: cluster.framework.caller(),
        offer_ids: vec![offer.offer_id],
        operations: vec![v1::Operation { operation: Some(unreserve) }],
        ..v1::AcceptRequest::default()
    };
    cluster.framework.client.accept(accept).await.unwrap_err();
    let kill = v1::KillRequest {
        caller: cluster.framework.caller(),
        task_id: "nobody".to_owned(),
        ..v1::KillRequest::default()
    };
    cluster.framework.client.kill(kill).await.unwrap();
    let reconcile =
        v1::ReconcileRequest { caller: cluster.framework.caller(), ..Default::default() };
    cluster.framework.client.reconcile(reconcile).await.unwrap();
    let suppress = v1::SuppressRequest { caller: cluster.framework.caller(), ..Default::default() };
    cluster.framework.client.suppress(suppress).await.unwrap();

    let now = get(address, "/metrics/snapshot").await.json();
    let accepted =
        format!("frameworks/f.{}/offers/accepted", cluster.framework.caller.framework_id);
    for (name, count) in [
        ("messages_register_slave", 1.0),
        ("messages_reregister_slave", 1.0),
        ("slave_registrations", 1.0),
        ("slave_reregistrations", 1.0),
        ("slave_removals", 0.0),
        ("messages_register_framework", 1.0),
        ("messages_reregister_framework", 1.0),
        ("messages_kill_task", 1.0),
        ("messages_reconcile_tasks", 1.0),
        ("messages_suppress_offers", 1.0),
        ("messages_launch_tasks", 1.0),
        (&accepted, 1.0),
    ] {
        assert_eq!(now[format!("master/{name}")], count, "{name}: {now:#}");
    }
    cluster.stop().await;
}
