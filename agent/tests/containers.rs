//! Containers on the real kernel: how they start, end, and what they leave.

mod support;

use std::time::{Duration, Instant};

use headroom_agent::cgroup::{Class, Controller};
use headroom_agent::checkpoint::Condition;
use headroom_agent::containers::{Command, Container, ContainerError, ContainerSpec};
use headroom_agent::supervisor::{Outcome, SupervisorHandle};

use support::{Bench, can_run, exited, output, procs, shell, wait, wait_exit};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

#[test]
fn the_exit_code_output_and_figures_of_a_task_are_kept() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let line =
        "echo to out; echo to err >&2; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 7";
    let (container, exit) = bench.run(&shell(line));
    assert_eq!(exit.outcome, exited(7));
    assert!(!exit.oom && !exit.kill_requested && !exit.forced);
    assert_eq!(output(&container, "stdout"), "to out\n");
    assert_eq!(output(&container, "stderr"), "to err\n");
    assert!(exit.usage.cpu_usage_ns.is_some_and(|ns| ns > 1_000_000), "{:?}", exit.usage);
    assert!(exit.usage.memory_peak_bytes.is_some_and(|bytes| bytes > 4096), "{:?}", exit.usage);
    assert_eq!(exit.usage.oom_kills, Some(0));
    container.cleanup().expect("cleanup");
    assert!(!container.cgroup().expect("cgroup").exists());
    container.cleanup().expect("cleanup again");
}

#[test]
fn passing_the_memory_limit_is_told_apart_from_being_killed() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    // tail keeps a line without end in memory.
    let hog = ContainerSpec { memory_bytes: 16 << 20, ..shell("exec tail /dev/zero") };
    let (_, exit) = bench.run(&hog);
    assert_eq!(exit.outcome, Outcome::Signaled(SIGKILL));
    assert!(exit.oom && exit.usage.oom_kills >= Some(1), "{exit:?}");
    assert!(exit.usage.memory_peak_bytes.is_some_and(|bytes| bytes <= 16 << 20), "{exit:?}");

    let (_, exit) = bench.run(&shell("kill -KILL $$"));
    assert_eq!(exit.outcome, Outcome::Signaled(SIGKILL));
    assert!(!exit.oom && exit.usage.oom_kills == Some(0), "{exit:?}");
}

#[test]
fn memory_that_runs_out_above_a_task_is_told_apart_from_its_own_limit() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let slice = bench.tree.guaranteed();
    let Some(dir) = slice.group().dir(Controller::Memory).filter(|dir| dir.v2) else {
        return println!("skipped: cgroup v1 does not tell the two apart");
    };
    std::fs::write(dir.path.join("memory.max"), (32 << 20).to_string()).expect("a limit above it");
    let (_, exit) = bench.run(&shell("exec tail /dev/zero"));
    assert_eq!(exit.outcome, Outcome::Signaled(SIGKILL));
    assert!(exit.oom_elsewhere && !exit.oom, "{exit:?}");
    assert_eq!(exit.usage.limit_ooms, Some(0));
}

#[test]
fn a_fork_bomb_is_bounded_and_leaves_an_empty_group() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let bomb = ContainerSpec {
        pids_limit: Some(64),
        grace_ms: 100,
        ..shell("f() { (f &); (f &); exec sleep 1000; }; f")
    };
    let container = bench.containers.launch(&bomb).expect("launch");
    assert!(wait(|| procs(&container).len() >= 40), "the bomb never grew");
    assert!(procs(&container).len() <= 64);
    container.kill(None).expect("kill");
    let exit = wait_exit(&container);
    assert!(exit.kill_requested && exit.leftovers.is_empty(), "{exit:?}");
    assert!(procs(&container).is_empty());
    container.cleanup().expect("cleanup");
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_after_its_grace() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let spec = ContainerSpec {
        grace_ms: 60_000,
        ..shell("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    };
    let container = bench.containers.launch(&spec).expect("launch");
    assert!(wait(|| output(&container, "stdout") == "ready\n"));
    let started = Instant::now();
    container.kill(None).expect("kill");
    // The second request shortens the first one's minute.
    container.kill(Some(300)).expect("kill sooner");
    let exit = wait_exit(&container);
    assert!(started.elapsed() >= Duration::from_millis(250), "no grace was given");
    assert_eq!(exit.outcome, Outcome::Signaled(SIGKILL));
    assert!(exit.kill_requested && exit.forced && !exit.oom, "{exit:?}");
}

#[test]
fn the_whole_task_gets_its_grace_though_its_shell_ends_at_once() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let inner =
        "trap 'sleep 0.3; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let spec = shell(&format!("sh -c \"{inner}\"; true"));
    let container = bench.containers.launch(&spec).expect("launch");
    assert!(wait(|| output(&container, "stdout") == "ready\n"));
    container.kill(None).expect("kill");
    let exit = wait_exit(&container);
    assert_eq!(exit.outcome, Outcome::Signaled(SIGTERM));
    assert!(exit.kill_requested && !exit.forced, "{exit:?}");
    assert_eq!(output(&container, "stdout"), "ready\nsaved\n");
}

#[test]
fn what_double_forks_into_its_own_session_ends_with_the_task() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let line = "(setsid sh -c 'trap \"\" TERM HUP; echo $$ > daemon; sleep 1000' &); \
                while [ ! -s daemon ]; do sleep 0.01; done; exit 3";
    let (container, exit) = bench.run(&shell(line));
    assert_eq!(exit.outcome, exited(3));
    let pid = output(&container, "daemon");
    assert!(!support::is_there(std::path::Path::new(&format!("/proc/{}", pid.trim()))));
}

#[test]
fn a_task_runs_as_the_user_it_was_given() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let spec = ContainerSpec {
        user: Some("nobody".into()),
        no_new_privs: true,
        ..shell(
            "id -un; id -G; touch mine && grep NoNewPrivs /proc/self/status; pwd; ls /proc/self/fd | wc -l",
        )
    };
    let (container, exit) = bench.run(&spec);
    assert_eq!(exit.outcome, exited(0), "{}", output(&container, "stderr"));
    let out = output(&container, "stdout");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "nobody");
    assert!(!lines[1].split(' ').any(|gid| gid == "0"), "root's group was kept: {out}");
    assert_eq!(lines[2], "NoNewPrivs:\t1");
    assert_eq!(lines[3], container.sandbox().to_str().expect("utf-8"));
    // 0, 1, 2 and the directory ls reads.
    assert_eq!(lines[4].trim(), "4");
    let unknown = ContainerSpec { user: Some("no-such-user".into()), ..shell("true") };
    let (_, exit) = bench.run(&unknown);
    assert!(matches!(&exit.outcome, Outcome::NotStarted(why) if why.contains("no-such-user")));
}

#[test]
fn a_command_that_cannot_be_executed_is_reported_apart() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let argv = |words: &[&str]| Command::Argv(words.iter().map(|w| (*w).to_owned()).collect());
    let spec = ContainerSpec { command: argv(&["/no/such/program", "x"]), ..shell("") };
    let (_, exit) = bench.run(&spec);
    let Outcome::NotStarted(why) = &exit.outcome else { panic!("{exit:?}") };
    assert!(why.contains("/no/such/program") && why.contains("No such file"), "{why}");
    let spec = ContainerSpec { command: argv(&["sh", "-c", "exit 127"]), ..shell("") };
    assert_eq!(bench.run(&spec).1.outcome, exited(127));
}

#[test]
fn a_task_outlives_the_agents_handle_and_is_found_again() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let spec = shell("echo ready; while [ ! -e go ]; do sleep 0.01; done; exit 5");
    let container = bench.containers.launch(&spec).expect("launch");
    let dir = container.dir().to_owned();
    assert!(wait(|| output(&container, "stdout") == "ready\n"));
    drop(container);

    let found = bench.containers.recover().expect("recover");
    assert!(found.quarantined.is_empty(), "{:?}", found.quarantined);
    assert_eq!(found.containers.len(), 1);
    assert_eq!(found.containers[0].spec, spec);
    assert!(matches!(found.containers[0].condition, Condition::Running(_)));

    let adopted = bench.containers.adopt(&dir).expect("adopt");
    assert!(adopted.supervisor().is_some_and(SupervisorHandle::is_running));
    std::fs::write(adopted.sandbox().join("go"), "").expect("go");
    assert_eq!(wait_exit(&adopted).outcome, exited(5));
    let supervisor = adopted.supervisor().expect("supervisor");
    assert!(wait(|| !supervisor.is_running()), "the supervisor stays");
    let found = bench.containers.recover().expect("recover");
    assert!(
        matches!(&found.containers[0].condition, Condition::Exited(e) if e.outcome == exited(5))
    );
    adopted.kill(None).expect("killing what has ended is harmless");
    adopted.cleanup().expect("cleanup");
    adopted.forget().expect("forget");
    assert!(bench.containers.recover().expect("recover").containers.is_empty());
}

#[test]
fn a_supervisor_that_was_killed_leaves_a_lost_container_that_can_be_cleaned_up() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let container = bench.containers.launch(&shell("exec sleep 1000")).expect("launch");
    assert!(wait(|| procs(&container).len() == 1), "the task never ran");
    let supervisor = container.supervisor().expect("supervisor");
    let pid = nix::unistd::Pid::from_raw(supervisor.identity().pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("kill");
    assert!(wait(|| !supervisor.is_running()));
    let found = bench.containers.recover().expect("recover");
    assert!(matches!(&found.containers[0].condition, Condition::Lost(why) if why.contains("gone")));
    assert_eq!(procs(&container).len(), 1, "the task itself still runs");
    container.cleanup().expect("cleanup");
}

#[test]
fn a_damaged_document_is_set_aside_and_stops_nothing() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let (bad, _) = bench.run(&shell("true"));
    let (good, _) = bench.run(&shell("true"));
    let running = |of: &Container| of.supervisor().is_some_and(SupervisorHandle::is_running);
    assert!(wait(|| !running(&bad) && !running(&good)), "a supervisor stays");
    std::fs::write(bad.dir().join("spec.json"), "{").expect("damage");
    std::fs::write(good.dir().join("updates.json"), "[").expect("damage");
    std::fs::write(good.dir().join("exit.json"), "x").expect("damage");
    let found = bench.containers.recover().expect("recover");
    assert_eq!(found.containers.len(), 1);
    assert!(matches!(&found.containers[0].condition, Condition::Lost(_)));
    assert_eq!(found.quarantined.len(), 3, "{:?}", found.quarantined);
    assert!(bad.dir().join("spec.json.bad").exists());
    bad.cleanup().expect("cleanup");
    good.cleanup().expect("cleanup");
}

#[test]
fn a_frozen_container_can_be_killed() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let spec = ContainerSpec {
        class: Class::Revocable,
        grace_ms: 200,
        ..shell("echo ready; while :; do sleep 0.01; done")
    };
    let container = bench.containers.launch(&spec).expect("launch");
    assert!(wait(|| output(&container, "stdout") == "ready\n"));
    bench.tree.revocable().freeze().expect("freeze");
    container.kill(None).expect("kill");
    let exit = wait_exit(&container);
    assert!(exit.kill_requested && exit.leftovers.is_empty(), "{exit:?}");
    container.cleanup().expect("cleanup");
}

#[test]
fn what_cannot_be_launched_leaves_nothing_behind() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let bad = ContainerSpec { task: "..".into(), ..shell("true") };
    assert!(matches!(bench.containers.launch(&bad), Err(ContainerError::Spec { .. })));
    let spec = shell("true");
    let (first, _) = bench.run(&spec);
    assert!(matches!(bench.containers.launch(&spec), Err(ContainerError::Exists { .. })));
    first.cleanup().expect("cleanup");
    first.forget().expect("forget");
    assert!(bench.containers.recover().expect("recover").containers.is_empty());
}
