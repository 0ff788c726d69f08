//! Checks and time limits of tasks in Docker containers, with a real daemon.

use std::fs;

use headroom_proto::v1::{
    Check, Command, Container, DockerContainer, DockerNetwork, FrameworkInfo, HealthCheck,
    HttpCheck, Reason, Resources, TaskInfo, TaskState, TaskStatus, TcpCheck, check, check_status,
    container,
};
use headroom_tests::{Cluster, Docker, Framework, IMAGE, Settings, can_run, task, wait_until};

/// A node with Docker and a framework, or none where the test cannot run.
async fn start(flags: &[&'static str]) -> Option<(Docker, Cluster, Framework)> {
    let docker = can_run().then(|| Docker::start(flags))??;
    let cluster = Cluster::up(&docker.settings(Settings::quick()));
    let info = FrameworkInfo { name: "duties".into(), ..Default::default() };
    let framework = Framework::subscribe(cluster.address(), info).await.expect("in");
    Some((docker, cluster, framework))
}

fn inside(name: &str, network: DockerNetwork, line: &str) -> TaskInfo {
    let docker =
        DockerContainer { image: IMAGE.into(), network: network.into(), ..Default::default() };
    let container = Container { kind: Some(container::Kind::Docker(docker)) };
    let small = Resources { cpus: 0.1, memory_mib: 64.0, ..Default::default() };
    TaskInfo { container: Some(container), ..task(name, small, line) }
}

fn look(kind: check::Kind) -> Check {
    Check { kind: Some(kind), delay_ms: Some(0), interval_ms: Some(50), timeout_ms: Some(10_000) }
}

fn command(line: &str) -> check::Kind {
    check::Kind::Command(Command { shell: line.into(), ..Default::default() })
}

fn health(check: Check) -> Option<HealthCheck> {
    Some(HealthCheck { check: Some(check), consecutive_failures: Some(2), grace_ms: Some(0) })
}

/// What is told of a running task until `is_so`.
async fn until(framework: &mut Framework, is_so: impl Fn(&TaskStatus) -> bool) {
    loop {
        let status = framework.update().await;
        assert_eq!(status.state(), TaskState::Running, "{status:?}");
        if is_so(&status) {
            return;
        }
    }
}

async fn last(framework: &mut Framework) -> TaskStatus {
    loop {
        let status = framework.update().await;
        if status.state() != TaskState::Running {
            return status;
        }
    }
}

async fn launch(framework: &mut Framework, task: TaskInfo) {
    let offer = framework.offer(0.1).await;
    framework.accept(&offer, vec![task]).await.expect("launched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_looks_within_the_container_and_ends_a_task_that_fails_it() {
    let Some((docker, cluster, mut framework)) = start(&[]).await else { return };
    let line = "echo well > $MESOS_SANDBOX/well; trap 'exit 3' TERM; while :; do sleep 0.1; done";
    let watch = command("echo looked >&2; test -e /marker && test -e $MESOS_SANDBOX/well");
    let web =
        TaskInfo { health_check: health(look(watch)), ..inside("web", DockerNetwork::None, line) };
    launch(&mut framework, web).await;
    until(&mut framework, |status| status.healthy == Some(true)).await;
    let told = cluster.sandbox_file("stderr").expect("its output");
    assert!(fs::read_to_string(told).expect("readable").contains("looked"));
    fs::remove_file(cluster.sandbox_file("well").expect("a sandbox")).expect("unwell");
    let status = last(&mut framework).await;
    assert_eq!(status.state(), TaskState::Killed, "{status:?}");
    assert_eq!((status.reason(), status.healthy), (Reason::HealthCheck, Some(false)));
    assert_eq!(status.exit_code, Some(3), "it was asked to end: {status:?}");

    // One that hangs is a failure, and is ended.
    let hangs = Check { timeout_ms: Some(300), ..look(command("sleep 1000")) };
    let slow = TaskInfo {
        health_check: health(hangs),
        kill_grace_ms: Some(100),
        ..inside("slow", DockerNetwork::None, "exec sleep 1000")
    };
    launch(&mut framework, slow).await;
    let status = last(&mut framework).await;
    assert_eq!((status.state(), status.reason()), (TaskState::Killed, Reason::HealthCheck));
    drop(framework);
    cluster.empty();
    wait_until("no container is left", || docker.containers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_listens_is_looked_at_from_the_container_s_network() {
    let Some((docker, cluster, mut framework)) = start(&[]).await else { return };
    // Nobody listens there on the node; 127.0.0.1 is the container's own.
    let line = "echo well > /tmp/index.html; exec busybox httpd -f -h /tmp -p 127.0.0.1:31999";
    let http = HttpCheck { port: 31_999, path: "/index.html".into(), ..Default::default() };
    let tcp = TcpCheck { port: 31_999, ..Default::default() };
    let web = TaskInfo {
        check: Some(look(check::Kind::Http(http))),
        health_check: health(look(check::Kind::Tcp(tcp)))
            .map(|health| HealthCheck { grace_ms: Some(60_000), ..health }),
        kill_grace_ms: Some(100),
        max_completion_ms: Some(15_000),
        ..inside("web", DockerNetwork::None, line)
    };
    launch(&mut framework, web).await;
    let answered = |status: &TaskStatus| {
        let found = status.check.as_ref().and_then(|check| check.kind);
        matches!(found, Some(check_status::Kind::Http(http)) if http.status_code == Some(200))
    };
    until(&mut framework, |status| status.healthy == Some(true) && answered(status)).await;
    let status = last(&mut framework).await;
    assert_eq!((status.state(), status.reason()), (TaskState::Failed, Reason::MaxCompletionTime));
    drop(framework);
    cluster.empty();
    wait_until("no container is left", || docker.containers().is_empty());
}
