//! One port for gRPC, pages and metrics.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_allocator::{ServeError, driver::CallError};
use headroom_proto::v1::{self, agent_message::Message as Said};
use support::{Server, get, hello, info, task};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

#[tokio::test]
async fn pages_are_served_beside_grpc() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.running.address;
    assert_eq!(get(address, "/healthz").await, (200, "ok\n".to_owned()));
    let (status, front) = get(address, "/").await;
    assert_eq!(status, 200);
    assert!(front.contains("Headroom") && front.contains("/metrics"), "{front}");
    assert_eq!(get(address, "/nothing").await.0, 404);
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn metrics_say_what_happened_and_nothing_unmeasured() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    agent.launch().await;
    let id = &agent.id;
    let of_agent = |name: &str| format!("headroom_{name}{{agent=\"{id}\",hostname=\"n1\"}}");
    let text = get(server.running.address, "/metrics").await.1;
    for line in [
        "headroom_agents_connected 1.0".to_owned(),
        "headroom_launches_total 1".to_owned(),
        "headroom_tasks{state=\"staging\"} 1.0".to_owned(),
        "headroom_registry_ok 1.0".to_owned(),
        format!("{} 1.0", of_agent("agent_requested_cpus")),
        "headroom_held_cpu_seconds_total".to_owned(),
        "headroom_decision_seconds_bucket".to_owned(),
        "headroom_batch_commands_bucket".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(&of_agent("agent_used_cpus")), "nothing was measured yet\n{text}");

    let usage = v1::Usage { cpus: Some(0.5), memory_mib: None };
    let judged = v1::ForecastQuality {
        resource: v1::ForecastResource::Cpus.into(),
        horizon_ms: 600_000,
        target: 0.01,
        forecasts: Some(96.0),
        violation_rate: Some(0.02),
        severity: Some(0.001),
        savings: Some(0.5),
        ..Default::default()
    };
    let unjudged = v1::ForecastQuality {
        resource: v1::ForecastResource::Memory.into(),
        horizon_ms: 600_000,
        reason: "no forecast of 600 s has come due yet".into(),
        ..Default::default()
    };
    let node = v1::NodeReport {
        usage: Some(usage),
        reclaims: 3,
        forecast_quality: vec![judged, unjudged],
        ..Default::default()
    };
    agent.say(Said::Report(v1::Report { node: Some(node), ..Default::default() })).await;
    server.until("the report", |cluster| cluster.agents[0].reclaims == 3).await;
    let text = get(server.running.address, "/metrics").await.1;
    assert!(text.contains(&format!("{} 0.5", of_agent("agent_used_cpus"))), "{text}");
    assert!(!text.contains(&of_agent("agent_used_memory_mib")), "{text}");
    let figures = [("violation_rate", "0.02"), ("severity", "0.001"), ("savings", "0.5")];
    for (figure, value) in figures {
        let name = format!("headroom_agent_forecast_{figure}{{");
        let mut lines = text.lines().filter(|line| line.starts_with(&name));
        let line = lines.next().expect("the figure of the CPU");
        let told = line.contains("resource=\"cpus\",horizon_seconds=\"600\"");
        assert!(told && line.ends_with(&format!("}} {value}")), "{line}");
        assert_eq!(lines.next(), None, "what is not judged is not zero");
    }
    assert!(!text.contains("headroom_agent_forecast_held_over_used{"), "{text}");
    assert!(text.ends_with("# EOF\n"));
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let service = "headroom.v1.Scheduler".to_owned();
    let mut health = HealthClient::new(server.channel.clone());
    let answer = health.check(HealthCheckRequest { service: service.clone() }).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
    let mut reflection = ServerReflectionClient::new(server.channel.clone());
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = tokio_stream::once(question);
    let mut answers = reflection.server_reflection_info(asked).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    assert!(list.service.iter().any(|known| known.name == service), "{list:?}");
    drop((answers, reflection, health));
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_core_that_falls_over_ends_the_allocator_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("f")).await.unwrap();
    framework.offer().await;
    let fallen = server.running.driver().query(|_, _| panic!("this panic is the test")).await;
    assert_eq!(fallen, Err(CallError::Stopped));
    assert_eq!(agent.order().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(framework.event().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(get(server.running.address, "/healthz").await.0, 503);
    let ended = server.running.until(std::future::pending()).await.unwrap_err();
    assert!(matches!(ended, ServeError::CoreEnded), "{ended}");
    Server::start(dir.path()).await.running.stop().await.unwrap();
}
