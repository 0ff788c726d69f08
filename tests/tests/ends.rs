//! However a task behaves, its end leaves nothing behind and is told truly.

use std::collections::BTreeMap;

use headroom_proto::v1::{Command, FrameworkInfo, Reason, Resources, TaskState, TaskStatus};
use headroom_tests::{Cluster, Framework, Settings, can_run, task, wait_until};
use nix::sys::signal::Signal;

#[test]
fn exit_code_output_and_signals_pass_through() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let done = cluster.run(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((done.code, done.out.as_str()), (7, "out\n"), "{done:?}");
    assert!(done.err.contains("err"), "{done:?}");
    assert_eq!(cluster.run(&["--", "true"]).code, 0);
    assert_eq!(cluster.run(&["--", "sh", "-c", "kill -SEGV $$"]).code, 139);
    let done = cluster.run(&["--", "/no/such/program"]);
    assert_eq!(done.code, 125);
    assert!(done.err.contains("/no/such/program"), "{done:?}");
    cluster.empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_executed_is_never_told_to_run() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let info = FrameworkInfo { name: "starts".into(), ..Default::default() };
    let mut framework = Framework::subscribe(cluster.address(), info).await.expect("in");
    let resources = Resources { cpus: 0.1, memory_mib: 64.0, ..Default::default() };
    let mut broken = task("broken", resources.clone(), "");
    broken.command = Some(Command { argv: vec!["/no/such/program".into()], ..Default::default() });
    // However short the others are.
    let tasks = vec![
        broken,
        task("short", resources.clone(), "exit 0"),
        task("long", resources, "sleep 1"),
    ];
    let offer = framework.offer(0.3).await;
    framework.accept(&offer, tasks).await.expect("launched");
    let mut told: BTreeMap<String, Vec<TaskStatus>> = BTreeMap::new();
    let mut ended = 0;
    while ended < 3 {
        let status = framework.update().await;
        ended += u32::from(status.state > TaskState::Killing.into());
        told.entry(status.task_id.clone()).or_default().push(status);
    }
    let states = |name: &str| told[name].iter().map(TaskStatus::state).collect::<Vec<_>>();
    assert_eq!(states("broken"), [TaskState::Failed], "{told:?}");
    assert_eq!(states("short"), [TaskState::Running, TaskState::Finished], "{told:?}");
    assert_eq!(states("long"), [TaskState::Running, TaskState::Finished], "{told:?}");
    let failed = &told["broken"][0];
    assert_eq!(failed.reason(), Reason::LaunchFailed, "{failed:?}");
    assert!(failed.message.contains("/no/such/program"), "{failed:?}");
    assert!(failed.message.contains("No such file"), "{failed:?}");
    drop(framework);
    cluster.empty();
}

#[test]
fn a_fork_bomb_ends_with_its_task() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick().agent("pids_limit = 200\n"));
    let bomb = "b() { b | b & }; b 2>/dev/null; while :; do b 2>/dev/null; sleep 0.1; done";
    let run = cluster.run_named("bomb", &["--grace", "1s", "--", "bash", "-c", bomb]);
    wait_until("the bomb goes off", || cluster.house.cgroups.task_pids().len() > 50);
    let killed = cluster.headroom(&["kill", "bomb"]);
    assert_eq!(killed.code, 0, "{killed:?}");
    let done = run.done();
    assert!([137, 143].contains(&done.code), "{done:?}");
    cluster.empty();
}

#[test]
fn who_ignores_sigterm_is_forced_after_its_grace() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let line = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let run = cluster.run_named("deaf", &["--grace", "500ms", "--", "sh", "-c", line]);
    wait_until("it is ready", || run.out().contains("ready"));
    run.signal(Signal::SIGTERM);
    let done = run.done();
    assert_eq!(done.code, 137, "{done:?}");
    cluster.empty();
    let task = cluster.task("deaf");
    assert_eq!(task["state"], "killed", "{task}");
    assert!(task["message"].as_str().is_some_and(|why| why.contains("forced")), "{task}");
}

#[test]
fn who_leaves_its_session_twice_ends_with_its_task() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let line = "(setsid sh -c 'trap \"\" TERM HUP; (setsid sleep 1000 &); sleep 1000' &); \
                sleep 0.3; exit 3";
    assert_eq!(cluster.run(&["--", "sh", "-c", line]).code, 3);
    cluster.empty();
}

#[test]
fn ctrl_c_ends_the_task_politely_and_twice_at_once() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let polite = "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    let run = cluster.run_named("polite", &["--", "sh", "-c", polite]);
    wait_until("it is ready", || run.out().contains("ready"));
    run.signal(Signal::SIGINT);
    let done = run.done();
    assert_eq!(done.code, 9, "{done:?}");
    assert!(done.out.contains("bye"), "{done:?}");

    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let run = cluster.run_named("deaf", &["--grace", "1h", "--", "sh", "-c", deaf]);
    wait_until("it is ready", || run.out().contains("ready"));
    run.signal(Signal::SIGINT);
    cluster.until("deaf", "killing");
    run.signal(Signal::SIGINT);
    assert_eq!(run.done().code, 137);
    cluster.empty();
}

#[test]
fn a_task_runs_as_the_user_it_names() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let done = cluster.run(&["--user", "nobody", "--", "sh", "-c", "id -un; touch mine && pwd"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.starts_with("nobody\n"), "{done:?}");
    let done = cluster.run(&["--user", "no-such-user", "--", "true"]);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains("no-such-user"), "{done:?}");
}
