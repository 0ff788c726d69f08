//! Containers in containers: the tasks of a group in their executor's, which runs nothing itself.

mod support;

use std::fs;

use headroom_agent::cgroup::Controller;
use headroom_agent::checkpoint::Condition;
use headroom_agent::containers::{Command, Container, ContainerSpec, Nesting, Outer};
use headroom_agent::supervisor::Outcome;
use support::{Bench, can_run, exited, output, procs, shell, wait, wait_exit};

const MIB: u64 = 1 << 20;

fn outer(bench: &Bench, memory_bytes: u64) -> Container {
    let command = Command::Argv(Vec::new());
    let (nesting, pids_limit) = (Nesting::Outer, None);
    let spec = ContainerSpec { command, nesting, pids_limit, memory_bytes, ..shell("") };
    bench.containers.launch(&spec).expect("an outer container")
}

fn inner(outer: &Container, line: &str, shares_limits: bool) -> ContainerSpec {
    let (executor, container) = (outer.spec().task.clone(), outer.spec().id.clone());
    let nesting = Nesting::Inner(Outer { executor, container, shares_limits, shared: Vec::new() });
    ContainerSpec { nesting, ..shell(line) }
}

#[test]
fn an_inner_container_has_its_group_and_sandbox_in_the_outer_one() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let outer = outer(&bench, 512 * MIB);
    let spec = inner(&outer, "echo here; pwd; exec sleep 1000", true);
    let one = bench.containers.launch(&spec).expect("launch");
    let two = bench.containers.launch(&inner(&outer, "exec sleep 1000", true)).expect("launch");
    assert!(wait(|| output(&one, "stdout").lines().count() == 2));
    assert_eq!(one.sandbox(), outer.sandbox().join("containers").join(&spec.id));
    assert!(output(&one, "stdout").ends_with(&format!("{}\n", one.sandbox().display())));
    let by_task = outer.sandbox().join("tasks").join(&spec.task);
    assert_eq!(fs::canonicalize(&by_task).unwrap(), fs::canonicalize(one.sandbox()).unwrap());
    let layout = bench.containers.layout();
    assert_eq!(layout.newest_sandbox("f-1", &spec.task).as_deref(), Some(one.sandbox()));
    assert_eq!(
        layout.newest_sandbox("f-1", &outer.spec().task).as_deref(),
        Some(outer.sandbox()),
        "the executor's own"
    );

    // The outer group knows all of them, and each only its own.
    assert!(wait(|| procs(&outer).len() == 2));
    let mut both = [procs(&one), procs(&two)].concat();
    both.sort_unstable();
    assert_eq!((procs(&one).len(), procs(&outer)), (1, both));

    two.kill(Some(0)).expect("kill");
    wait_exit(&two);
    two.cleanup().expect("cleanup");
    assert_eq!(procs(&outer), procs(&one));
    // The outer one takes what is left in it along.
    outer.cleanup().expect("cleanup");
    let exit = wait_exit(&one);
    assert!(matches!(exit.outcome, Outcome::Signaled(9)), "{exit:?}");
    assert!(!outer.cgroup().unwrap().exists() && !one.cgroup().unwrap().exists());
}

#[test]
fn inner_containers_share_the_outer_limit_unless_they_have_their_own() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let outer = outer(&bench, 96 * MIB);
    // More than it asks for itself, and less than all have together.
    let hog = |mebibytes: u64| {
        format!("head -c {}M /dev/zero | tail -c {}M > /dev/null", mebibytes, mebibytes)
    };
    let sharing = |mebibytes| ContainerSpec {
        memory_bytes: 32 * MIB,
        ..inner(&outer, &hog(mebibytes), true)
    };
    let (_, exit) = bench.run(&sharing(48));
    assert_eq!((exit.outcome, exit.oom), (exited(0), false));
    let (container, exit) = bench.run(&sharing(256));
    assert!(exit.oom && !exit.oom_elsewhere, "{exit:?}");
    container.cleanup().expect("cleanup");
    let own = ContainerSpec { memory_bytes: 32 * MIB, ..inner(&outer, &hog(48), false) };
    let (container, exit) = bench.run(&own);
    assert!(exit.oom, "its own limit holds: {exit:?}");
    let limit = |container: &Container| {
        let group = container.cgroup().unwrap().group();
        let dir = group.dir(Controller::Memory).expect("memory");
        let name = if dir.v2 { "memory.max" } else { "memory.limit_in_bytes" };
        fs::read_to_string(dir.path.join(name)).unwrap().trim().to_owned()
    };
    assert_eq!(limit(&container), (32 * MIB).to_string());
    assert_eq!(limit(&outer), (96 * MIB).to_string());
    outer.cleanup().expect("cleanup");
}

#[test]
fn an_outer_container_is_found_again_without_a_supervisor() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let outer = outer(&bench, 64 * MIB);
    let one = bench.containers.launch(&inner(&outer, "exec sleep 1000", true)).expect("launch");
    let found = bench.containers.recover().expect("recover");
    assert!(found.quarantined.is_empty());
    let of = |id: &str| {
        let found = found.containers.iter().find(|found| found.spec.id == id);
        &found.expect("found").condition
    };
    assert!(matches!(of(&outer.spec().id), Condition::Outer));
    assert!(matches!(of(&one.spec().id), Condition::Running(_)));
    let adopted = bench.containers.adopt(one.dir()).expect("adopt");
    assert!(wait(|| procs(&adopted).len() == 1));
    adopted.kill(Some(0)).expect("kill");
    wait_exit(&adopted);
    adopted.cleanup().expect("cleanup");
    outer.cleanup().expect("cleanup");
}
