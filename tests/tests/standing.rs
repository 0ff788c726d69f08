//! What operators do with nodes on the command line: deactivate, drain, reactivate, gone, maintenance.

use headroom_tests::{Cluster, Settings, can_run, wait_until};

#[test]
fn a_node_is_deactivated_drained_and_has_work_again() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let name = cluster.node()["hostname"].as_str().expect("a name").to_owned();
    // It ignores being asked: only the forced end of a bounded grace ends it.
    let deaf = "trap '' TERM; while :; do sleep 0.1; done";
    let runs = cluster.run_named("deaf", &["--grace", "10m", "--", "sh", "-c", deaf]);

    let done = cluster.headroom(&["deactivate", &name]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("no new work; 1 tasks run on"), "{done:?}");
    assert_eq!(cluster.node()["standing"], "deactivated");
    let waits = cluster.start(&["run", "--name", "waits", "--memory", "64MiB", "--", "true"]);
    wait_until("the second task waits", || {
        let why = cluster.headroom(&["why", "waits"]);
        why.out.contains("an operator has deactivated it")
            && why.out.contains("headroom reactivate")
    });
    assert_eq!(cluster.task("deaf")["state"], "running");

    let done = cluster.headroom(&["drain", &name, "--max-grace", "300ms", "--wait"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("is drained"), "{done:?}");
    let ended = runs.done();
    assert_ne!(ended.code, 0, "{ended:?}");
    assert_eq!(cluster.task("deaf")["reason"], "agent_draining");
    cluster.empty();
    let listed = cluster.headroom(&["agents"]);
    assert!(listed.out.contains("drained") && listed.out.contains(&name), "{listed:?}");
    let why = cluster.headroom(&["why", &name]);
    assert!(why.out.contains("an operator has drained it"), "{why:?}");

    let done = cluster.headroom(&["reactivate", &name]);
    assert!(done.out.contains("takes work again"), "{done:?}");
    assert_eq!(waits.done().code, 0);
    let refused = cluster.headroom(&["reactivate", &name]);
    assert_ne!(refused.code, 0);
    assert!(refused.err.contains("was not deactivated"), "{refused:?}");
    let unknown = cluster.headroom(&["drain", "nowhere"]);
    assert!(unknown.err.contains("headroom agents"), "{unknown:?}");
}

#[test]
fn a_node_that_is_gone_ends_its_tasks_and_is_not_let_in_again() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let id = cluster.node()["agent_id"].as_str().expect("an id").to_owned();
    let runs = cluster.run_named("t", &["--", "sleep", "1000"]);
    let done = cluster.headroom(&["gone", &id]);
    assert_eq!(done.code, 0, "{done:?}");
    cluster.empty();
    let ended = runs.done();
    assert_ne!(ended.code, 0, "{ended:?}");
    cluster.stop_agent();
    cluster.start_agent(&settings, &[]);
    wait_until("it is refused", || cluster.agent().log().contains("new state directory"));
    assert_eq!(cluster.status()["agents"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_machine_is_scheduled_taken_down_and_up() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let cluster = Cluster::apart(&settings);
    let name = cluster.node()["hostname"].as_str().expect("a name").to_owned();
    let runs = cluster.run_named("t", &["--", "sleep", "1000"]);
    let change = |line: &[&str]| cluster.headroom(&[&["maintenance"], line].concat());
    assert!(change(&[]).out.contains("no maintenance"), "{:?}", change(&[]));
    let early = change(&["down", &name]);
    assert!(early.err.contains("not part of a maintenance schedule"), "{early:?}");
    let done = change(&["schedule", &name, "--start", "2030-01-31T22:00:00Z", "--for", "30m"]);
    assert!(done.out.contains("2030-01-31T22:00:00Z") && done.out.contains("30m"), "{done:?}");
    let asked = cluster.headroom(&["maintenance", "--json"]).json();
    let machine = &asked["machines"][0];
    assert_eq!(
        (&machine["state"], machine["answers"][0]["answer"].is_null()),
        (&"draining".into(), true)
    );
    assert_eq!(cluster.task("t")["state"], "running");

    let done = change(&["down", &name]);
    assert!(done.out.contains("down"), "{done:?}");
    cluster.empty();
    assert_ne!(runs.done().code, 0);
    let cancelled = change(&["cancel", &name]);
    assert!(cancelled.err.contains("cannot be removed"), "{cancelled:?}");
    let done = change(&["up", &name]);
    assert!(done.out.contains("no maintenance"), "{done:?}");
    cluster.linked();
    assert_eq!(cluster.run(&["--", "true"]).code, 0);
}
