//! However a task behaves, its end leaves nothing behind and is told truly.

use headroom_tests::{Cluster, Settings, can_run, wait_until};
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
