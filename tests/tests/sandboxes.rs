//! Sandboxes as Mesos' clients know them, and the duties of its command executor, over the whole product.

use std::fs;

use headroom_proto::v1::{
    Check, Command, FrameworkInfo, HealthCheck, HttpCheck, Reason, Resources, TaskInfo, TaskState,
    check, check_status,
};
use headroom_tests::{
    Cluster, Framework, Settings, can_run, get, get_json, task, wait_for, wait_until,
};

fn small() -> Resources {
    Resources { cpus: 0.1, memory_mib: 64.0, ..Default::default() }
}

async fn subscribed(cluster: &Cluster) -> Framework {
    // It lives on while the agent is away.
    let info =
        FrameworkInfo { name: "duties".into(), failover_timeout_ms: 600_000, ..Default::default() };
    Framework::subscribe(cluster.address(), info).await.expect("in")
}

#[test]
fn a_task_finds_itself_in_the_agents_pages() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let line = "env; while [ ! -e go ]; do sleep 0.05; done";
    let run = cluster.run_named("web", &["--", "sh", "-c", line]);
    let pages = cluster.pages();
    let state = wait_for("it is shown to run", || {
        let state = get_json(&pages, "/slave(1)/state");
        let task = &state["frameworks"][0]["executors"][0]["tasks"][0];
        (task["state"] == "TASK_RUNNING").then(|| state.clone())
    });
    let agent = state["id"].as_str().expect("an id");
    assert_eq!(state["pid"], format!("slave(1)@{pages}"));
    assert_eq!(
        state["flags"]["work_dir"],
        cluster.house.state().join("agent").display().to_string()
    );
    assert!(state["resources"]["cpus"].as_f64() > Some(0.0), "{state}");
    let framework = &state["frameworks"][0];
    let executor = &framework["executors"][0];
    let place = executor["directory"].as_str().expect("a directory");
    let id = framework["id"].as_str().expect("an id");
    let container = executor["container"].as_str().expect("an id");
    let below = format!("/slaves/{agent}/frameworks/{id}/executors/web/runs/{container}");
    assert!(place.ends_with(&below), "{place}");
    // What it was told of itself, read as a browser reads it.
    let text = wait_for("its output", || {
        let piece = get_json(&pages, &format!("/files/read?path={place}/stdout&offset=0"));
        piece["data"].as_str().filter(|data| data.contains("MESOS_SANDBOX=")).map(str::to_owned)
    });
    for line in [
        format!("MESOS_SANDBOX={place}"),
        format!("MESOS_DIRECTORY={place}"),
        format!("MESOS_SLAVE_ID={agent}"),
        format!("MESOS_FRAMEWORK_ID={id}"),
        "MESOS_EXECUTOR_ID=web".to_owned(),
        format!("MESOS_AGENT_ENDPOINT={pages}"),
        format!("MESOS_SLAVE_PID=slave(1)@{pages}"),
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=5secs".to_owned(),
        "MESOS_ALLOCATION_ROLE=*".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in {text}");
    }
    let latest = format!("/frameworks/{id}/executors/web/runs/latest/stdout");
    let (status, whole) = get(&pages, &format!("/files/download?path={latest}"));
    assert_eq!((status, String::from_utf8(whole).expect("utf-8")), (200, text));
    let statistics = get_json(&pages, "/monitor/statistics");
    let own = &statistics[0];
    assert_eq!((&own["executor_id"], &own["framework_id"]), (&"web".into(), &id.into()));
    assert!(own["statistics"]["mem_total_bytes"].as_u64() > Some(0), "{own}");
    assert!(own["statistics"]["cpus_user_time_secs"].is_number(), "{own}");
    assert_eq!(own["statistics"]["mem_limit_bytes"], 64 << 20);
    assert_eq!(own["statistics"]["processes"], 2);
    assert_eq!(get_json(&pages, "/containers")[0]["container_id"], container);
    let figures = get_json(&pages, "/metrics/snapshot");
    assert_eq!(figures["slave/tasks_running"], 1.0);
    assert!(figures["slave/cpus_used"].as_f64() > Some(0.0), "{figures}");
    // Ended, it is still to be found.
    fs::write(std::path::Path::new(place).join("go"), "").expect("go");
    assert_eq!(run.done().code, 0);
    wait_until("it is shown as ended", || {
        let ended = &get_json(&pages, "/state")["frameworks"][0]["completed_executors"][0];
        ended["completed_tasks"][0]["state"] == "TASK_FINISHED" && ended["directory"] == place
    });
    cluster.empty();
}

#[test]
fn what_a_task_names_is_there_before_it_runs() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let data = cluster.house.write("data.txt", "fetched\n");
    let data = data.display().to_string();
    let done = cluster.run(&["--uri", &data, "--", "cat", "data.txt"]);
    assert_eq!((done.code, done.out.as_str()), (0, "fetched\n"), "{done:?}");
    let missing = format!("{data}.missing");
    let done = cluster.run(&["--uri", &missing, "--", "true"]);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains(&missing) && done.err.contains("No such file"), "{done:?}");
    cluster.empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_over_a_restart_of_the_agent_and_ends_the_task() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let mut framework = subscribed(&cluster).await;
    let look = Command { shell: "test -e well".into(), ..Default::default() };
    let check = Check {
        kind: Some(check::Kind::Command(look)),
        delay_ms: Some(0),
        interval_ms: Some(50),
        timeout_ms: None,
    };
    let health =
        HealthCheck { check: Some(check), consecutive_failures: Some(2), grace_ms: Some(0) };
    let line = "touch well; exec sleep 1000";
    let web = TaskInfo { health_check: Some(health), ..task("web", small(), line) };
    let offer = framework.offer(0.1).await;
    framework.accept(&offer, vec![web]).await.expect("launched");
    loop {
        let status = framework.update().await;
        assert_eq!(status.state(), TaskState::Running, "{status:?}");
        if status.healthy == Some(true) {
            assert_eq!(status.reason(), Reason::HealthCheck);
            break;
        }
    }
    cluster.kill_agent();
    fs::remove_file(cluster.sandbox_file("well").expect("a sandbox")).expect("unwell");
    wait_until("its supervisor ends it alone", || cluster.house.cgroups.task_pids().is_empty());
    cluster.start_agent(&settings, &[]);
    loop {
        let status = framework.update().await;
        if status.state() != TaskState::Running {
            assert_eq!(status.state(), TaskState::Killed, "{status:?}");
            assert_eq!((status.reason(), status.healthy), (Reason::HealthCheck, Some(false)));
            break;
        }
    }
    drop(framework);
    cluster.empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_told_and_a_time_limit_is_a_failure() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let mut framework = subscribed(&cluster).await;
    // The agent itself is what is looked at.
    let port =
        cluster.pages().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let http = HttpCheck { port, path: "/health".into(), ..Default::default() };
    let look = Check {
        kind: Some(check::Kind::Http(http)),
        delay_ms: Some(0),
        interval_ms: Some(50),
        timeout_ms: None,
    };
    let slow = TaskInfo {
        check: Some(look),
        max_completion_ms: Some(3_000),
        ..task("slow", small(), "sleep 1000")
    };
    let offer = framework.offer(0.1).await;
    framework.accept(&offer, vec![slow]).await.expect("launched");
    let mut found = Vec::new();
    let last = loop {
        let status = framework.update().await;
        if status.state() != TaskState::Running {
            break status;
        }
        found.extend(status.check.and_then(|check| check.kind));
    };
    let answered = |kind: &check_status::Kind| matches!(kind, check_status::Kind::Http(result) if result.status_code == Some(200));
    assert!(found.iter().any(answered), "{found:?}");
    assert_eq!(last.state(), TaskState::Failed, "{last:?}");
    assert_eq!(last.reason(), Reason::MaxCompletionTime);
    drop(framework);
    cluster.empty();
}
