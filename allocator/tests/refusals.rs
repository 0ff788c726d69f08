//! What is wrong is refused, by name, and hurts nobody else.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_allocator::server::MAX_MESSAGE_BYTES;
use headroom_proto::v1::{
    self, AgentMessage, TaskState, agent_message::Message as Said, event::Event,
};
use std::time::Duration;
use support::{Server, hello, info, open, resources, task};
use tonic::Code;

#[tokio::test]
async fn a_malformed_first_message_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let report = Said::Report(v1::Report::default());
    let refused = open(&server.channel, report).await.err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("hello"), "{}", refused.message());
    for (field, wrong) in [
        ("hello.hostname", hello("")),
        ("hello.total", v1::Hello { total: None, ..hello("n") }),
        ("hello.total", v1::Hello { total: Some(resources(-1.0, 1.0)), ..hello("n") }),
        ("hello.total", v1::Hello { total: Some(resources(f64::NAN, 1.0)), ..hello("n") }),
        ("hello.total", v1::Hello { total: Some(resources(1.0, f64::INFINITY)), ..hello("n") }),
        ("hello.total", v1::Hello { total: Some(resources(1.0, 2e9)), ..hello("n") }),
        ("hello.total.ports", v1::Hello { total: Some(ports(1, 70_000)), ..hello("n") }),
        ("hello.total", v1::Hello { total: Some(ports(9, 8)), ..hello("n") }),
        ("hello.agent_id", v1::Hello { agent_id: "x".to_owned(), ..hello("n") }),
        ("hello.version", v1::Hello { version: "v".repeat(300), ..hello("n") }),
        ("hello.absences", v1::Hello { absences: vec![v1::Absence::default(); 65], ..hello("n") }),
        ("hello.tasks[0].role", v1::Hello { tasks: vec![v1::HeldTask::default()], ..hello("n") }),
    ] {
        let refused = server.agent(wrong).await.err().expect(field);
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        let expected = format!("{field}: ");
        assert!(refused.message().starts_with(&expected), "{field}: {}", refused.message());
    }
    assert!(server.cluster().await.agents.is_empty());
    server.running.stop().await.unwrap();
}

fn ports(first: u32, last: u32) -> v1::Resources {
    v1::Resources { ports: vec![v1::PortRange { first, last }], ..resources(1.0, 1.0) }
}

#[tokio::test]
async fn a_stream_that_says_what_it_may_not_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let usage = v1::Usage { cpus: Some(f64::NAN), memory_mib: None };
    let nan = v1::NodeReport { usage: Some(usage), ..Default::default() };
    let node = |node| Said::Report(v1::Report { node: Some(node), ..Default::default() });
    let negative = v1::NodeReport { reclaim_ms_max: Some(-1.0), ..Default::default() };
    for (field, wrong) in [
        ("hello", Said::Hello(hello("n1"))),
        ("report.node.usage", node(nan)),
        ("report.node.reclaim_ms_max", node(negative)),
        ("status.status", Said::Status(v1::StatusUpdate::default())),
    ] {
        let mut agent = server.agent(hello("n1")).await.unwrap();
        agent.say(wrong).await;
        let ended = agent.order().await.unwrap_err();
        assert_eq!(ended.code(), Code::InvalidArgument, "{field}: {ended}");
        assert!(ended.message().starts_with(field), "{field}: {}", ended.message());
    }
    let seen = server
        .until("all gone", |cluster| cluster.agents.iter().all(|agent| !agent.connected))
        .await;
    assert_eq!(seen.agents.len(), 4);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn bad_tasks_are_refused_by_name_and_the_offer_stands() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    let command = |command| v1::TaskInfo { command: Some(command), ..task("t") };
    let shell = |shell: &str| v1::Command { shell: shell.to_owned(), ..Default::default() };
    let variable = |name: &str| v1::Command {
        environment: [(name.to_owned(), "1".to_owned())].into(),
        ..shell("true")
    };
    let argv = |argv: &[&str]| v1::Command {
        argv: argv.iter().map(|text| (*text).to_owned()).collect(),
        ..Default::default()
    };
    let both = v1::Command { shell: "true".to_owned(), ..argv(&["true"]) };
    let docker = |docker: v1::DockerContainer| {
        let kind = Some(v1::container::Kind::Docker(docker));
        v1::TaskInfo { container: Some(v1::Container { kind }), ..task("t") }
    };
    let image = |image: &str| v1::DockerContainer { image: image.to_owned(), ..Default::default() };
    let mapping = v1::PortMapping { host_port: 31_000, container_port: 80, ..Default::default() };
    let mapped = v1::DockerContainer { port_mappings: vec![mapping], ..image("i") };
    let bridge = v1::DockerNetwork::Bridge.into();
    let uri = |value: &str, output_file: &str| {
        let uri = v1::Uri {
            value: value.to_owned(),
            output_file: output_file.to_owned(),
            ..Default::default()
        };
        command(v1::Command { uris: vec![uri], ..shell("true") })
    };
    let check =
        |kind| v1::TaskInfo { check: Some(v1::Check { kind, ..Default::default() }), ..task("t") };
    let http = |port, path: &str| {
        v1::check::Kind::Http(v1::HttpCheck { port, path: path.to_owned(), ..Default::default() })
    };
    let health = |health| v1::TaskInfo { health_check: Some(health), ..task("t") };
    let never = v1::HealthCheck {
        check: Some(v1::Check { kind: Some(http(80, "/")), ..Default::default() }),
        consecutive_failures: Some(0),
        ..Default::default()
    };
    for (named, wrong) in [
        ("container", v1::TaskInfo { container: Some(v1::Container::default()), ..task("t") }),
        ("container.docker.image", docker(image(""))),
        ("network: 9", docker(v1::DockerContainer { network: 9, ..image("i") })),
        ("need network BRIDGE or USER", docker(mapped.clone())),
        ("port 31000", docker(v1::DockerContainer { network: bridge, ..mapped })),
        ("no URI", uri(" ", "")),
        ("output_file", uri("http://h/x", "../x")),
        ("output_file", uri("http://h/x", "/etc/x")),
        ("neither command, http nor tcp", check(None)),
        ("0 is no port", check(Some(http(0, "/")))),
        ("70000 is no port", check(Some(http(70_000, "/")))),
        ("is no path", check(Some(http(80, "/a b")))),
        ("shell or argv", check(Some(v1::check::Kind::Command(v1::Command::default())))),
        ("health_check.check", health(v1::HealthCheck::default())),
        ("consecutive_failures", health(never)),
        ("max_completion_ms", v1::TaskInfo { max_completion_ms: Some(0), ..task("t") }),
        ("tasks[0].task_id", task("")),
        ("tasks[0].task_id", task("..")),
        ("tasks[0].task_id", task("a/b")),
        ("tasks[0].task_id", task("a\nb")),
        ("tasks[0].task_id", task(&"x".repeat(256))),
        ("resources", v1::TaskInfo { resources: None, ..task("t") }),
        ("cpus: -1", v1::TaskInfo { resources: Some(resources(-1.0, 1.0)), ..task("t") }),
        ("resources", v1::TaskInfo { resources: Some(resources(0.0, 0.0)), ..task("t") }),
        ("memory_mib", v1::TaskInfo { resources: Some(resources(1.0, 0.0)), ..task("t") }),
        ("limit_cpus", v1::TaskInfo { limit_cpus: Some(0.5), ..task("t") }),
        ("limit_memory_mib", v1::TaskInfo { limit_memory_mib: Some(1.0), ..task("t") }),
        ("kill_grace_ms", v1::TaskInfo { kill_grace_ms: Some(u64::MAX), ..task("t") }),
        ("command", v1::TaskInfo { command: None, ..task("t") }),
        ("shell or argv", command(v1::Command::default())),
        ("not both", command(both)),
        ("argv[0]", command(argv(&["", "x"]))),
        ("NUL", command(shell("a\0b"))),
        ("variable", command(variable(""))),
        ("variable", command(variable("A=B"))),
    ] {
        let refused = framework.accept(&offer, vec![wrong]).await.expect_err(named);
        assert_eq!(refused.code(), Code::InvalidArgument, "{named}");
        assert!(refused.message().contains(named), "{named}: {}", refused.message());
    }
    let twice = framework.accept(&offer, vec![task("t"), task("t")]).await.unwrap_err();
    assert_eq!(twice.code(), Code::InvalidArgument);
    // The core heard of none of it: the offer can still be used.
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    assert_eq!(agent.launch().await.task, Some(task("t")));
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn wrong_callers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let framework = server.framework(info("f")).await.unwrap();
    let v1::Caller { framework_id, session } = framework.caller.clone();
    let mut client = server.scheduler();
    let cases = [
        (framework_id.clone(), "1".to_owned(), Code::Unauthenticated),
        (framework_id.clone(), "not hex".to_owned(), Code::InvalidArgument),
        ("F9-9".to_owned(), session.clone(), Code::NotFound),
        ("nonsense".to_owned(), session.clone(), Code::InvalidArgument),
    ];
    for (framework_id, session, code) in cases {
        let caller = Some(v1::Caller { framework_id, session });
        let revived =
            client.revive(v1::ReviveRequest { caller: caller.clone(), ..Default::default() }).await;
        assert_eq!(revived.unwrap_err().code(), code, "{caller:?}");
        let torn = client.teardown(v1::TeardownRequest { caller: caller.clone() }).await;
        assert_eq!(torn.unwrap_err().code(), code, "{caller:?}");
    }
    assert_eq!(
        client.revive(v1::ReviveRequest::default()).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let wrong = [
        ("framework.name", info("")),
        ("framework.role", v1::FrameworkInfo { role: "a b".to_owned(), ..info("f") }),
        ("framework.role", v1::FrameworkInfo { role: "-x".to_owned(), ..info("f") }),
        ("framework.user", v1::FrameworkInfo { user: "a\nb".to_owned(), ..info("f") }),
        ("framework.framework_id", v1::FrameworkInfo { framework_id: "7".to_owned(), ..info("f") }),
    ];
    for (field, wrong) in wrong {
        let refused = server.framework(wrong).await.err().expect(field);
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{field}: {}", refused.message());
    }
    client
        .revive(v1::ReviveRequest { caller: framework.caller(), ..Default::default() })
        .await
        .unwrap();
    client.teardown(v1::TeardownRequest { caller: framework.caller() }).await.unwrap();
    assert!(server.cluster().await.frameworks.is_empty());
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn oversize_messages_are_refused_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let huge = "x".repeat(MAX_MESSAGE_BYTES + 1);
    let refused = server.framework(info(&huge)).await.err().unwrap();
    assert!(
        matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted),
        "{:?}",
        refused.code()
    );
    let agent = server.agent(hello("n1")).await.unwrap();
    let message = Said::Lending(v1::LendingChange { lending: true, reason: huge });
    let _ = agent.say.send(AgentMessage { message: Some(message) }).await;
    server.until("the agent gone", |cluster| !cluster.agents[0].connected).await;
    let wanted = vec![
        v1::Wanted {
            name: "w".to_owned(),
            resources: Some(resources(1.0, 1.0)),
            ..Default::default()
        };
        10_001
    ];
    let mut framework = server.framework(info("f")).await.unwrap();
    let request = v1::RequestRequest { caller: framework.caller(), wanted };
    let refused = framework.client.request(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn long_texts_of_agents_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    let launch = agent.launch().await;
    let status = v1::TaskStatus {
        task_id: "t".to_owned(),
        state: TaskState::Failed.into(),
        message: "ä".repeat(10_000),
        uuid: vec![1; 16],
        ..Default::default()
    };
    let framework_id = launch.framework_id.clone();
    let update = v1::StatusUpdate { handle: launch.handle, framework_id, status: Some(status) };
    agent.say(Said::Status(update)).await;
    let update = framework.update().await;
    assert_eq!(update.message.len(), 4_096);
    server.running.stop().await.unwrap();
}

/// A framework that stops reading holds nobody up: its stream is ended, the others go on.
#[tokio::test]
async fn a_framework_that_does_not_read_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut deaf = server.framework(info("deaf")).await.unwrap();
    // Far more answers than its queue and the connection's window hold, none of them read.
    let names: Vec<_> = (0..10_000).map(|n| format!("{n}-{}", "x".repeat(200))).collect();
    let mut ended = None;
    for _ in 0..20 {
        let request = v1::ReconcileRequest { caller: deaf.caller(), task_ids: names.clone() };
        let _ = deaf.client.reconcile(request).await;
        let cluster = server.cluster().await;
        if !cluster.frameworks.iter().any(|f| f.name == "deaf" && f.connected) {
            ended = Some(());
            break;
        }
    }
    ended.expect("a stream that nobody reads still stands");
    let _agent = server.agent(hello("n1")).await.unwrap();
    let mut other = server.framework(info("other")).await.unwrap();
    other.offer().await;
    // What was queued before can still be read, then the reason.
    let last = loop {
        match deaf.event().await {
            Ok(Event::Update(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(status) => break status,
        }
    };
    assert_eq!(last.code(), Code::ResourceExhausted, "{}", last.message());
    tokio::time::timeout(Duration::from_secs(20), server.running.stop()).await.unwrap().unwrap();
}
