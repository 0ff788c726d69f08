//! Frameworks written for Mesos, with the client libraries as they are published: pymesos, avmesos,
//! and npm's mesos-framework. The scripts in `tests/mesos` are the frameworks and say what they
//! expect; `cargo xtask test mesos` installs the libraries and runs this.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use headroom_tests::{Cluster, Docker, Done, IMAGE, Settings, Started, can_run, wait_until};

/// Where the libraries are, set by `cargo xtask test mesos`.
const CLIENTS: &str = "HEADROOM_MESOS_CLIENTS";

/// A framework of a cluster's, started; its messages are in the cluster's directory.
fn start(cluster: &Cluster, script: &str, arguments: &[&str]) -> Started {
    let clients = PathBuf::from(env::var_os(CLIENTS).expect("cargo xtask test mesos sets it"));
    let is_python = Path::new(script).extension().is_some_and(|ending| ending == "py");
    let interpreter = if is_python { clients.join("venv/bin/python") } else { "node".into() };
    let mut command = Command::new(interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("mesos").join(script));
    command.arg(cluster.address()).args(arguments);
    command.env("NODE_PATH", clients.join("node_modules")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.current_dir(cluster.house.path());
    Started::new(command, cluster.house.path())
}

fn passes(cluster: &Cluster, script: &str, done: &Done) {
    assert_eq!(done.code, 0, "{script}: {}{}{}", done.out, done.err, cluster.agent().log());
}

/// Runs a framework to its end, and checks that it leaves no container.
fn run(cluster: &Cluster, script: &str, arguments: &[&str]) {
    passes(cluster, script, &start(cluster, script, arguments).done());
    cluster.empty();
}

fn check(script: &str) {
    if can_run() {
        run(&Cluster::up(&Settings::quick()), script, &[]);
    }
}

/// A file that lets tasks go on once it is there.
fn go(cluster: &Cluster) -> String {
    cluster.house.path().join("go").display().to_string()
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_registers_and_asks_the_operator_api() {
    check("register.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_runs_200_command_tasks() {
    check("commands.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_runs_20_tasks_on_its_own_executor() {
    check("executor.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn executors_that_fail_or_lie_are_told_of_as_mesos_does() {
    if can_run() {
        let short = Settings::quick().agent("executor_registration_timeout_s = 3\n");
        run(&Cluster::up(&short), "executor_faults.py", &[]);
    }
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_runs_task_groups() {
    check("groups.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_declines_and_is_offered_again() {
    check("decline.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_suppresses_and_revives() {
    check("suppress.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_reconciles() {
    check("reconcile.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_tears_down_what_runs() {
    check("teardown.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn bad_calls_are_refused_with_the_codes_of_mesos() {
    check("bad_calls.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn what_is_told_beside_states_is_right_and_outlives_the_allocator() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let go = go(&cluster);
    let framework = start(&cluster, "facts.py", &[&go]);
    wait_until("all run", || framework.out().contains("all run"));
    cluster.kill_allocator();
    cluster.start_allocator(&settings);
    cluster.linked();
    fs::write(go, "").expect("a file");
    passes(&cluster, "facts.py", &framework.done());
    cluster.empty();
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_is_drained_and_offered_again() {
    check("drain.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_answers_inverse_offers() {
    check("maintenance.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_is_told_of_its_operations() {
    check("operations.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn avmesos_runs_tasks() {
    check("avmesos_tasks.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn npm_mesos_framework_runs_tasks() {
    check("mesos_framework.js");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_example_computes_squares() {
    check("../../examples/pymesos/scheduler.py");
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_fails_over() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    run(&cluster, "failover.py", &[&go(&cluster)]);
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_tasks_outlive_a_restart_of_the_agent() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let go = go(&cluster);
    let framework = start(&cluster, "agent_restart.py", &[&go]);
    wait_until("all run", || framework.out().contains("all run"));
    let before = cluster.house.cgroups.pids_by_container();
    cluster.stop_agent();
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    let after = cluster.house.cgroups.pids_by_container();
    assert!(before.keys().eq(after.keys()), "containers before {before:?}, after {after:?}");
    fs::write(go, "").expect("a file");
    passes(&cluster, "agent_restart.py", &framework.done());
    cluster.empty();
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_task_groups_outlive_a_restart_of_the_agent() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick();
    let mut cluster = Cluster::apart(&settings);
    let go = go(&cluster);
    let framework = start(&cluster, "group_restart.py", &[&go]);
    wait_until("all run", || framework.out().contains("all run"));
    cluster.stop_agent();
    fs::write(format!("{go}.down"), "").expect("a file");
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    wait_until("one group is over", || framework.out().contains("done with one"));
    let logs = cluster.headroom(&["logs", "s0"]);
    assert_eq!(logs.out, "in stays\n", "{logs:?}");
    fs::write(go, "").expect("a file");
    passes(&cluster, "group_restart.py", &framework.done());
    cluster.empty();
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_runs_on_what_is_lent_to_its_role() {
    on_what_is_lent("lent.py", &["lent"]);
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_runs_a_task_group_on_what_is_lent() {
    on_what_is_lent("group_lent.py", &["l0", "l1"]);
}

fn on_what_is_lent(script: &str, tasks: &[&str]) {
    if !can_run() {
        return;
    }
    // As in the tests of lending: more CPUs than the machine has, known within seconds.
    let quick =
        "cpus = 64.0\nforecast_young_s = 1\nforecast_horizon_s = 3\nforecast_average_s = 1\n";
    let cluster = Cluster::up(&Settings::quick().agent(quick));
    let set = cluster.headroom(&["role", "set", "batch", "--opportunistic", "true"]);
    assert_eq!(set.code, 0, "{set:?}");
    let go = go(&cluster);
    let framework = start(&cluster, script, &[&go]);
    wait_until("lent work runs", || framework.out().contains("lent runs"));
    for task in tasks {
        let task = cluster.task(task);
        assert_eq!(task["revocable"], true, "{task}");
        // Each is measured by itself.
        let name = task["task_id"].as_str().expect("a name");
        wait_until("its memory is told", || cluster.task(name)["used"]["memory_mib"].is_number());
    }
    fs::write(go, "").expect("a file");
    passes(&cluster, script, &framework.done());
    cluster.empty();
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_runs_a_task_in_docker() {
    if !can_run() {
        return;
    }
    if let Some(docker) = Docker::start(&[]) {
        let cluster = Cluster::up(&docker.settings(Settings::quick()));
        run(&cluster, "docker.py", &[IMAGE]);
        run(&cluster, "group_docker.py", &[IMAGE]);
        run(&cluster, "../../examples/pymesos/docker.py", &[IMAGE, "cat /marker"]);
    }
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_runs_5_tasks_on_an_executor_in_docker_over_a_restart_of_the_agent() {
    if !can_run() {
        return;
    }
    let Some(docker) = Docker::start(&[]) else { return };
    let settings = docker.settings(Settings::quick());
    let mut cluster = Cluster::apart(&settings);
    let go = go(&cluster);
    let framework = start(&cluster, "docker_executor.py", &[IMAGE, &go, "HOST"]);
    wait_until("all run", || framework.out().contains("all run"));
    let containers = docker.containers();
    assert_eq!(containers.len(), 1, "one executor for all: {containers:?}");
    cluster.stop_agent();
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    assert_eq!(docker.containers(), containers, "it outlived the agent");
    fs::write(go, "").expect("a file");
    passes(&cluster, "docker_executor.py", &framework.done());
    cluster.empty();
    wait_until("no container is left", || docker.containers().is_empty());
}

#[test]
#[ignore = "cargo xtask test mesos"]
fn pymesos_runs_an_executor_in_docker_on_a_bridge() {
    if !can_run() {
        return;
    }
    let Some(docker) = Docker::start_bridged(&[]) else { return };
    // Where those on the bridge reach it.
    let listen = format!("listen = \"{}:0\"\n", docker.bridge().gateway());
    let cluster = Cluster::up(&docker.settings(Settings::quick().agent(&listen)));
    let go = go(&cluster);
    let framework = start(&cluster, "docker_executor.py", &[IMAGE, &go, "BRIDGE"]);
    wait_until("all run", || framework.out().contains("all run"));
    fs::write(go, "").expect("a file");
    passes(&cluster, "docker_executor.py", &framework.done());
    run(&cluster, "docker_bridge.py", &[IMAGE]);
    cluster.empty();
    wait_until("no container is left", || docker.containers().is_empty());
}
