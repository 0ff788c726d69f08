//! Reservations, volumes, constraints and minimum over the wire, and over a restart.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::v1::{
    self, AcceptRequest, Operation, Parts, ReserveRequest, Reserved, allocator_message::Message,
    operation::Operation as Kind,
};
use support::{Server, hello, info, resources, task};

fn part(role: &str, resources: v1::Resources) -> Reserved {
    let reservation = v1::Reservation { role: role.to_owned(), ..Default::default() };
    Reserved { resources: Some(resources), reservations: vec![reservation], volume: None }
}

fn disk(mib: f64) -> v1::Resources {
    v1::Resources { disk_mib: mib, ..Default::default() }
}

fn volume(role: &str, id: &str, mib: f64) -> Reserved {
    let (id, container_path) = (id.to_owned(), "data".to_owned());
    let volume = v1::Volume { id, container_path, principal: String::new() };
    Reserved { volume: Some(volume), ..part(role, disk(mib)) }
}

fn with_disk(hostname: &str) -> v1::Hello {
    let total = v1::Resources { disk_mib: 100.0, ..resources(4.0, 4_096.0) };
    v1::Hello { total: Some(total), ..hello(hostname) }
}

fn operation(kind: fn(Parts) -> Kind, part: Reserved) -> Operation {
    Operation { operation: Some(kind(Parts { parts: vec![part] })) }
}

fn request(agent: &str, operation: Operation) -> ReserveRequest {
    ReserveRequest { agent_id: agent.to_owned(), operation: Some(operation) }
}

#[tokio::test]
async fn an_operator_keeps_a_part_of_a_node_for_a_role_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path()).await;
    let agent = first.agent(with_disk("n1")).await.unwrap();
    let reserve = operation(Kind::Reserve, part("db", resources(3.0, 3_000.0)));
    let answer = first.operator().reserve(request(&agent.id, reserve.clone())).await.unwrap();
    assert_eq!(answer.into_inner().reserved, [part("db", resources(3.0, 3_000.0))]);
    let refused = first.operator().reserve(request(&agent.id, reserve)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("only 1 cpus"), "{}", refused.message());
    let odd = operation(Kind::Unreserve, part("a b", resources(1.0, 1.0)));
    let refused = first.operator().reserve(request(&agent.id, odd)).await.unwrap_err();
    assert!(refused.message().contains("\"a b\" is no role"), "{}", refused.message());
    first.running.stop().await.unwrap();

    let second = Server::start(dir.path()).await;
    let again = v1::Hello { agent_id: agent.id.clone(), epoch: agent.epoch, ..with_disk("n1") };
    let agent = second.agent(again).await.unwrap();
    let mut other = second.framework(info("other")).await.unwrap();
    let offer = other.offer().await;
    assert_eq!(offer.resources.unwrap().cpus, 1.0);
    assert!(offer.reserved.is_empty());
    let db = v1::FrameworkInfo { role: "db".to_owned(), ..info("db") };
    let mut db = second.framework(db).await.unwrap();
    let offer = db.offer().await;
    assert_eq!(offer.reserved, [part("db", resources(3.0, 3_000.0))]);
    let unreserve = operation(Kind::Unreserve, part("db", resources(3.0, 3_000.0)));
    let answer = second.operator().reserve(request(&agent.id, unreserve)).await.unwrap();
    assert_eq!(answer.into_inner().reserved, []);
    second.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_framework_makes_a_volume_uses_it_and_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(with_disk("n1")).await.unwrap();
    let db = v1::FrameworkInfo { role: "db".to_owned(), ..info("db") };
    let mut db = server.framework(db).await.unwrap();
    let offer = db.offer().await;
    let mut uses = task("t");
    uses.resources = Some(v1::Resources { disk_mib: 50.0, ..resources(1.0, 128.0) });
    uses.reserved = vec![volume("db", "v1", 50.0)];
    let mut accept = AcceptRequest {
        caller: db.caller(),
        offer_ids: vec![offer.offer_id.clone()],
        tasks: vec![uses],
        refuse_ms: Some(0),
        operations: vec![
            operation(Kind::Reserve, part("other", disk(50.0))),
            operation(Kind::Create, volume("db", "v1", 50.0)),
        ],
    };
    let refused = db.client.accept(accept.clone()).await.unwrap_err();
    assert!(
        refused.message().contains("only for the role that was offered it"),
        "{}",
        refused.message()
    );
    accept.operations[0] = operation(Kind::Reserve, part("db", disk(50.0)));
    db.client.accept(accept).await.unwrap();
    let launch = agent.launch().await;
    assert_eq!(launch.reserved, [volume("db", "v1", 50.0)]);

    let destroy = || request(&agent.id, operation(Kind::Destroy, volume("db", "v1", 50.0)));
    let refused = server.operator().reserve(destroy()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "a task holds it");
    agent.status(&launch, v1::TaskState::Finished, 1).await;
    let ended = db.update().await;
    db.acknowledge(&ended).await;
    server.operator().reserve(destroy()).await.unwrap();
    loop {
        match agent.order().await.unwrap() {
            Message::DestroyVolume(order) => {
                assert_eq!((order.role.as_str(), order.volume_id.as_str()), ("db", "v1"));
                break;
            }
            Message::Acknowledge(_) => {}
            other => panic!("not the end of a volume: {other:?}"),
        }
    }
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn constraints_and_minimum_choose_what_is_offered_and_why_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let rack = |rack: &str| [("rack".to_owned(), rack.to_owned())].into();
    let _one = server.agent(v1::Hello { attributes: rack("r1"), ..hello("n1") }).await.unwrap();
    let _two = server.agent(v1::Hello { attributes: rack("r2"), ..hello("n2") }).await.unwrap();
    let on = |rack: &str| {
        let constraint = v1::Constraint {
            selector: Some(v1::constraint::Selector::Attribute("rack".to_owned())),
            predicate: Some(v1::constraint::Predicate::Equals(rack.to_owned())),
        };
        vec![v1::ConstraintGroup { constraints: vec![constraint] }]
    };
    let nowhere = v1::FrameworkInfo { constraints: on("r9"), ..info("nowhere") };
    let _nowhere = server.framework(nowhere).await.unwrap();
    let subject = "nowhere".to_owned();
    let why = server.operator().why(v1::WhyRequest { subject }).await.unwrap().into_inner();
    let reason = &why.agents[0].reason;
    assert!(reason.contains("takes only agents whose attribute rack is \"r9\""), "{reason}");
    let second = v1::FrameworkInfo { constraints: on("r2"), ..info("second") };
    let mut second = server.framework(second).await.unwrap();
    assert_eq!(second.offer().await.hostname, "n2");
    let any_of = vec![resources(8.0, 1.0)];
    let minimum = Some(v1::Minimum { any_of });
    let large = v1::FrameworkInfo { minimum, ..info("large") };
    let _large = server.framework(large).await.unwrap();
    let subject = "large".to_owned();
    let why = server.operator().why(v1::WhyRequest { subject }).await.unwrap().into_inner();
    assert!(why.agents.iter().any(|a| a.reason.contains("wants at least 8 cpus")), "{why:?}");
    let matching = |pattern: &str| {
        let constraint = v1::Constraint {
            selector: Some(v1::constraint::Selector::Fact(v1::NodeFact::Hostname.into())),
            predicate: Some(v1::constraint::Predicate::Matches(pattern.to_owned())),
        };
        vec![v1::ConstraintGroup { constraints: vec![constraint] }]
    };
    let first = v1::FrameworkInfo { constraints: matching("[mn]1|o"), ..info("first") };
    let mut first = server.framework(first).await.unwrap();
    assert_eq!(first.offer().await.hostname, "n1");
    let wrong = v1::FrameworkInfo { constraints: matching("n["), ..info("wrong") };
    let refused = server.framework(wrong).await.err().unwrap();
    assert!(refused.message().contains("\"n[\" is no regular"), "{}", refused.message());
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn what_an_agent_can_not_reserve_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let fixed = |role: &str, cpus: f64| {
        let mut part = part(role, resources(cpus, 1.0));
        part.reservations[0].fixed = true;
        part
    };
    for (reserved, says) in [
        (fixed("db", 5.0), "more than the agent has"),
        (part("db", resources(1.0, 1.0)), "by the agent's configuration"),
        (fixed("*", 1.0), "by the agent's configuration"),
        (volume("db", "v", 1.0), "by the agent's configuration"),
    ] {
        let hello = v1::Hello { reserved: vec![reserved], ..hello("n1") };
        let refused = server.agent(hello).await.err().unwrap();
        assert!(refused.message().contains(says), "{}", refused.message());
    }
    let good = v1::Hello { reserved: vec![fixed("db", 2.0)], ..hello("n1") };
    let _agent = server.agent(good).await.unwrap();
    assert_eq!(server.cluster().await.agents[0].reserved, [fixed("db", 2.0)]);
    server.running.stop().await.unwrap();
}
