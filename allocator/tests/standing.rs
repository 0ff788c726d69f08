//! What operators decide about agents, by gRPC: orders, what frameworks are told, restarts.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::v1::{
    self, AgentStanding, Reason, TaskState, agent_message::Message as Said,
    allocator_message::Message as Order,
};
use support::{Server, hello, info, resources, task};
use tonic::Code;

fn again(agent: &support::Agent) -> v1::Hello {
    v1::Hello { agent_id: agent.id.clone(), epoch: agent.epoch, ..hello("n1") }
}

#[tokio::test]
async fn a_drain_is_ordered_told_and_outlives_the_allocator() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    let launch = agent.launch().await;
    agent.status(&launch, TaskState::Running, 1).await;
    let status = framework.update().await;
    framework.acknowledge(&status).await;
    assert!(matches!(agent.order().await.unwrap(), Order::Acknowledge(_)));

    let drain = v1::Drain { max_grace_ms: Some(7_000), mark_gone: false };
    let request = v1::DrainAgentRequest { agent_id: agent.id.clone(), drain: Some(drain) };
    let state = server.operator().drain_agent(request).await.unwrap().into_inner();
    assert_eq!((state.standing(), state.tasks), (AgentStanding::Draining, 1));
    let Order::Kill(kill) = agent.order().await.unwrap() else { panic!("not a kill") };
    assert_eq!((kill.handle, kill.grace_ms, kill.max_grace_ms), (launch.handle, None, Some(7_000)));
    assert_eq!(kill.reason(), Reason::AgentDraining);
    let reactivate = v1::ReactivateAgentRequest { agent_id: agent.id.clone() };
    let refused = server.operator().reactivate_agent(reactivate.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{}", refused.message());
    assert!(refused.message().contains("still draining"), "{}", refused.message());
    server.running.stop().await.unwrap();

    let server = Server::start(dir.path()).await;
    let held = v1::HeldTask {
        handle: launch.handle,
        framework_id: launch.framework_id.clone(),
        task_id: "t".to_owned(),
        resources: Some(resources(1.0, 128.0)),
        state: TaskState::Running.into(),
        role: "*".to_owned(),
        ..Default::default()
    };
    let back = v1::Hello { tasks: vec![held], ..again(&agent) };
    let mut agent = server.agent(back).await.unwrap();
    let Order::Kill(kill) = agent.order().await.unwrap() else { panic!("not a kill") };
    assert_eq!((kill.handle, kill.max_grace_ms), (launch.handle, Some(7_000)));
    let id = framework.caller.framework_id.clone();
    let mut framework =
        server.framework(v1::FrameworkInfo { framework_id: id, ..info("f") }).await.unwrap();
    agent.status(&launch, TaskState::Killed, 2).await;
    let status = framework.update().await;
    assert_eq!((status.state(), status.reason()), (TaskState::Killed, Reason::AgentDraining));
    framework.acknowledge(&status).await;
    let is_drained = |c: &v1::Cluster| c.agents[0].standing() == AgentStanding::Drained;
    let cluster = server.until("drained", is_drained).await;
    assert!(cluster.warnings.iter().any(|w| w.contains("drained it")), "{:?}", cluster.warnings);
    let state = server.operator().reactivate_agent(reactivate).await.unwrap().into_inner();
    assert_eq!(state.standing(), AgentStanding::Active);
    let offer = framework.offer().await;
    assert_eq!(offer.agent_id, agent.id);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn an_agent_that_is_gone_is_told_to_end_its_tasks_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let gone = v1::MarkAgentGoneRequest { agent_id: agent.id.clone() };
    server.operator().mark_agent_gone(gone).await.unwrap();
    let Order::Refused(refused) = agent.order().await.unwrap() else { panic!("not refused") };
    assert!(refused.ends_tasks, "{refused:?}");
    assert_eq!(refused.epoch, agent.epoch);
    let ended = agent.order().await.unwrap_err();
    assert_eq!(ended.code(), Code::Cancelled, "an orderly end");
    assert!(server.cluster().await.agents.is_empty());
    server.running.stop().await.unwrap();

    let server = Server::start(dir.path()).await;
    let (_say, mut orders) =
        support::open(&server.channel, Said::Hello(again(&agent))).await.unwrap();
    let first = orders.message().await.unwrap().unwrap().message.unwrap();
    let Order::Refused(refused) = first else { panic!("{first:?}") };
    assert!(refused.ends_tasks && refused.reason.contains("new state directory"), "{refused:?}");
    let nobody = v1::DeactivateAgentRequest { agent_id: "A1-99".to_owned() };
    let unknown = server.operator().deactivate_agent(nobody).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    server.running.stop().await.unwrap();
}
