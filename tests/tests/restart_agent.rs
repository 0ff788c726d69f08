//! The agent is killed and comes back: tasks never notice, and no outcome is lost.

use std::{fs, path::Path, thread::sleep, time::Duration};

use headroom_tests::{Cluster, Settings, can_run, wait_until};
use nix::sys::signal::Signal;

/// Runs until the file `go` is in its sandbox, then ends with code 5.
const WAITS: &str = "echo ready; while [ ! -e go ]; do sleep 0.05; done; exit 5";

fn let_go(cluster: &Cluster) {
    let output = cluster.sandbox_file("stdout").expect("a sandbox");
    fs::write(output.with_file_name("go"), "").expect("go");
}

#[test]
fn a_task_runs_on_is_adopted_and_its_outcome_is_told() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let run = cluster.run_named("one", &["--", "sh", "-c", WAITS]);
    wait_until("it is ready", || run.out().contains("ready"));
    let shell = cluster.house.cgroups.pids_by_container();
    let (id, first) = shell.iter().next().expect("a container");
    let pid = *first.iter().min().expect("a process");

    cluster.kill_agent();
    sleep(Duration::from_millis(500));
    let still = || cluster.house.cgroups.pids_by_container();
    assert!(still()[id].contains(&pid), "the task ended with its agent: {:?}", still());

    cluster.start_agent(&settings, &[]);
    cluster.linked();
    cluster.until("one", "running");
    let still = cluster.house.cgroups.pids_by_container();
    assert!(still[id].contains(&pid), "it was not adopted: {still:?}");
    assert_eq!(still.len(), 1, "nothing was started again: {still:?}");
    // It is measured again.
    wait_until("its memory is told", || cluster.task("one")["used"]["memory_mib"].is_number());

    let_go(&cluster);
    let done = run.done();
    assert_eq!((done.code, done.out.as_str()), (5, "ready\n"), "{done:?}");
    cluster.empty();
}

/// A task in a frozen group is started, and gets no further than that.
#[test]
fn a_start_in_progress_is_told_by_the_next_agent_when_it_succeeds() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let runs = vec![cluster.run_named("first", &["--", "sleep", "1000"])];
    let Some(own) = cluster.house.cgroups.container_file(&["cgroup.freeze"]) else {
        return println!("skipped: there is no cgroup v2 tree to freeze with");
    };
    let class = own.parent().and_then(Path::parent).expect("a class").join("cgroup.freeze");
    let freeze = |frozen: &str| fs::write(&class, frozen).expect("frozen or thawed");
    let start = |cluster: &Cluster, name: &str, tasks: usize| {
        let line = ["run", "--cpus", "0.1", "--memory", "64MiB", "--name", name, "--", "sleep"];
        let run = cluster.start(&[&line[..], &["1000"]].concat());
        wait_until("its process is in its group", || {
            let found = cluster.house.cgroups.pids_by_container();
            found.len() == tasks && found.values().all(|pids| !pids.is_empty())
        });
        run
    };
    // It starts after the agent is back.
    freeze("1");
    let mut runs = runs;
    runs.push(start(&cluster, "second", 2));
    cluster.until("second", "staging");
    cluster.kill_agent();
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    cluster.until("second", "staging");
    freeze("0");
    cluster.until("second", "running");
    // It starts while nobody looks.
    freeze("1");
    runs.push(start(&cluster, "third", 3));
    cluster.kill_agent();
    freeze("0");
    sleep(Duration::from_millis(500));
    cluster.start_agent(&settings, &[]);
    cluster.until("third", "running");
    for run in runs {
        run.signal(Signal::SIGINT);
        let _ = run.done();
    }
    cluster.empty();
}

#[test]
fn what_ended_meanwhile_is_told_with_its_true_code() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let run = cluster.run_named("one", &["--", "sh", "-c", WAITS]);
    wait_until("it is ready", || run.out().contains("ready"));
    cluster.kill_agent();
    let_go(&cluster);
    wait_until("it ends", || cluster.house.cgroups.task_pids().is_empty());
    cluster.start_agent(&settings, &[]);
    let done = run.done();
    assert_eq!((done.code, done.out.as_str()), (5, "ready\n"), "{done:?}");
    cluster.empty();
}

#[test]
fn recover_kill_ends_what_runs_and_says_so() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let run = cluster.run_named("one", &["--", "sleep", "1000"]);
    cluster.kill_agent();
    cluster.start_agent(&settings, &["--recover", "kill"]);
    let done = run.done();
    assert_eq!(done.code, 143, "{done:?}");
    assert!(done.err.contains("--recover kill"), "{done:?}");
    cluster.empty();
    // The agent itself is well.
    assert_eq!(cluster.run(&["--", "true"]).code, 0);
}

/// Its forecasts go on too; a document that can't be read only makes it begin anew.
#[test]
fn what_it_learnt_is_kept_and_damage_is_said_once() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick().agent("cpus = 64.0\nforecast_horizon_s = 3\n");
    let mut cluster = Cluster::apart(&settings);
    let lends = |cluster: &Cluster| {
        wait_until("it lends", || cluster.node()["lendable"]["cpus"].as_f64() > Some(4.0));
    };
    lends(&cluster);
    cluster.stop_agent();
    let document = cluster.house.state().join("agent/forecast.json");
    assert!(document.exists());
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    assert!(cluster.agent().log().contains("forecasts go on from"), "{}", cluster.agent().log());
    lends(&cluster);

    cluster.kill_agent();
    fs::write(&document, "{\"version\":1,\"node\":").expect("damaged");
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    let log = cluster.agent().log();
    assert_eq!(log.matches("was set aside").count(), 1, "{log}");
    assert!(document.with_file_name("forecast.json.bad").exists());
    lends(&cluster);
}

#[test]
fn a_stray_container_is_ended_at_the_restart() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let run = cluster.run_named("one", &["--", "sleep", "1000"]);
    cluster.kill_agent();
    let documents = cluster.house.state().join("agent/meta/containers");
    fs::remove_dir_all(&documents).expect("the documents are there");
    cluster.start_agent(&settings, &[]);
    cluster.empty();
    // Its framework hears that nobody can tell how it ended.
    assert_eq!(run.done().code, 125);
}
