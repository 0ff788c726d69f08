//! Maintenance by gRPC: schedules outlive the allocator, frameworks are asked, machines go down and up.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::v1::{
    self, Machine, agent_message::Message as Said, allocator_message::Message as Order,
    event::Event,
};
use support::{Server, hello, info, task};
use tonic::Code;

const WHEN: v1::Unavailability =
    v1::Unavailability { start_ns: 5_000_000_000, duration_ns: Some(60_000_000_000) };

fn machine() -> Machine {
    Machine { hostname: "n1".to_owned(), ..Machine::default() }
}

fn schedule() -> v1::SetMaintenanceRequest {
    let window = v1::MaintenanceWindow { machines: vec![machine()], unavailability: Some(WHEN) };
    v1::SetMaintenanceRequest { windows: vec![window] }
}

#[tokio::test]
async fn frameworks_are_asked_and_machines_go_down_and_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    assert_eq!(offer.unavailability, None);
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    agent.launch().await;
    let scheduled = server.operator().set_maintenance(schedule()).await.unwrap().into_inner();
    assert_eq!(scheduled.machines[0].agent_ids, std::slice::from_ref(&agent.id));
    let asked = loop {
        match framework.event().await.unwrap() {
            Event::InverseOffers(mut asked) => break asked.inverse_offers.remove(0),
            Event::Offers(_) | Event::Rescind(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((&asked.agent_id, asked.unavailability), (&agent.id, Some(WHEN)));
    let answer = v1::AnswerInverseOffersRequest {
        caller: framework.caller(),
        inverse_offer_ids: vec![asked.inverse_offer_id],
        accept: true,
        refuse_ms: Some(600_000),
    };
    framework.client.answer_inverse_offers(answer).await.unwrap();
    let told = server.operator().get_maintenance(v1::GetMaintenanceRequest {}).await.unwrap();
    assert_eq!(told.into_inner().machines[0].answers[0].accepted, Some(true));

    let machines = vec![machine()];
    let start = v1::StartMaintenanceRequest { machines: machines.clone() };
    server.operator().start_maintenance(start.clone()).await.unwrap();
    let Order::Refused(refused) = agent.order().await.unwrap() else { panic!("not refused") };
    assert!(refused.ends_tasks, "{refused:?}");
    let status = framework.update().await;
    assert_eq!((status.task_id.as_str(), status.state()), ("t", v1::TaskState::Lost));
    let again = server.operator().start_maintenance(start).await.unwrap_err();
    assert_eq!(again.code(), Code::InvalidArgument, "{}", again.message());
    server.running.stop().await.unwrap();

    let server = Server::start(dir.path()).await;
    let hello = || v1::Hello { agent_id: agent.id.clone(), epoch: agent.epoch, ..hello("n1") };
    let (_say, mut orders) = support::open(&server.channel, Said::Hello(hello())).await.unwrap();
    let first = orders.message().await.unwrap().unwrap().message.unwrap();
    let Order::Refused(refused) = first else { panic!("{first:?}") };
    assert!(refused.reason.contains("machine n1 down"), "{refused:?}");
    let emptied = v1::SetMaintenanceRequest { windows: vec![] };
    let refused = server.operator().set_maintenance(emptied).await.unwrap_err();
    assert!(refused.message().contains("cannot be removed"), "{}", refused.message());
    let stop = v1::StopMaintenanceRequest { machines };
    let after = server.operator().stop_maintenance(stop).await.unwrap().into_inner();
    assert_eq!(after, v1::Maintenance::default());
    server.agent(hello()).await.unwrap();
    server.running.stop().await.unwrap();
}
