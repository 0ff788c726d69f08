//! The allocator is killed and comes back: nothing ends, everything is known again.

use std::{thread::sleep, time::Duration};

use headroom_tests::{Cluster, Settings, can_run, wait_until};
use nix::sys::signal::Signal;

const WAITS: &str = "echo ready; while [ ! -e go ]; do sleep 0.05; done; echo bye; exit 6";

#[test]
fn tasks_run_on_and_agent_and_framework_come_back() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let run = cluster.run_named("one", &["--", "sh", "-c", WAITS]);
    wait_until("it is ready", || run.out().contains("ready"));
    let requested = cluster.task("one")["requested"].clone();
    let epoch = cluster.status()["epoch"].clone();
    let agent_id = cluster.node()["agent_id"].clone();
    let before = cluster.house.cgroups.containers();
    assert!(!before.is_empty());

    cluster.kill_allocator();
    wait_until("the agent notices", || cluster.agent().log().contains("again in"));
    assert!(!cluster.house.cgroups.task_pids().is_empty(), "the task ended with the allocator");
    sleep(Duration::from_millis(300));

    cluster.start_allocator(&settings);
    cluster.linked();
    let task = cluster.until("one", "running");
    assert_eq!(task["requested"], requested, "it was relearned as it was");
    assert_eq!(cluster.node()["agent_id"], agent_id);
    assert!(cluster.status()["epoch"].as_u64() > epoch.as_u64(), "a new epoch");
    assert_eq!(cluster.house.cgroups.containers(), before, "nothing was ended or started");
    wait_until("run is back", || {
        let done = cluster.headroom(&["frameworks", "--json"]).json();
        done["frameworks"].as_array().is_some_and(|all| all.iter().any(|f| f["connected"] == true))
    });

    let output = cluster.sandbox_file("stdout").expect("a sandbox");
    std::fs::write(output.with_file_name("go"), "").expect("go");
    let done = run.done();
    assert_eq!((done.code, done.out.as_str()), (6, "ready\nbye\n"), "{done:?}");
    cluster.empty();
}

#[test]
fn what_ended_while_the_allocator_was_away_is_told() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let run = cluster.run_named("one", &["--", "sh", "-c", WAITS]);
    wait_until("it is ready", || run.out().contains("ready"));
    cluster.kill_allocator();
    let output = cluster.sandbox_file("stdout").expect("a sandbox");
    std::fs::write(output.with_file_name("go"), "").expect("go");
    cluster.empty();
    cluster.start_allocator(&settings);
    let done = run.done();
    assert_eq!(done.code, 6, "{done:?}");
    let task = cluster.task("one");
    assert_eq!((&task["state"], &task["exit_code"]), (&"failed".into(), &6.into()), "{task}");
}

#[test]
fn headroom_up_goes_on_where_it_was_killed() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::up(&settings);
    let web = ["run", "--memory", "64MiB", "--detach", "--name", "web", "--", "sleep", "1000"];
    let started = cluster.headroom(&web);
    assert_eq!((started.code, started.out.as_str()), (0, "web\n"), "{started:?}");
    let pids = cluster.task_pids();
    assert_eq!(pids.len(), 1);
    cluster.kill_allocator();
    cluster.restart_up(&settings);
    cluster.until("web", "running");
    assert_eq!(cluster.house.cgroups.task_pids(), pids);
    assert_eq!(cluster.headroom(&["kill", "web"]).code, 0);
    cluster.until("web", "killed");
    cluster.empty();
}

/// The agent is held up, so that the framework is back long before it.
#[test]
fn a_framework_that_is_back_before_the_agent_loses_nothing() {
    if !can_run() {
        return;
    }
    for interrupted in [false, true] {
        let settings = Settings::quick();
        let mut cluster = Cluster::apart(&settings);
        let run = cluster.run_named("one", &["--", "sh", "-c", WAITS]);
        wait_until("it is ready", || run.out().contains("ready"));
        cluster.agent().signal(Signal::SIGSTOP);
        cluster.kill_allocator();
        cluster.start_allocator(&settings);
        wait_until("run is back", || {
            let told = cluster.headroom(&["frameworks", "--json"]);
            told.code == 0 && told.json()["frameworks"][0]["connected"] == true
        });
        if interrupted {
            run.signal(Signal::SIGINT);
            sleep(Duration::from_millis(300));
        }
        cluster.agent().signal(Signal::SIGCONT);
        if !interrupted {
            cluster.until("one", "running");
            let output = cluster.sandbox_file("stdout").expect("a sandbox");
            std::fs::write(output.with_file_name("go"), "").expect("go");
        }
        let done = run.done();
        assert_eq!(done.code, if interrupted { 143 } else { 6 }, "{done:?}");
        cluster.empty();
    }
}
