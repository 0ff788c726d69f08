//! A state directory of the older layout, with a task that runs in it.

mod support;

use std::fs;
use std::path::PathBuf;

use headroom_agent::checkpoint::{self, Condition};
use headroom_agent::containers::{ContainerSpec, Launch, Layout, ProcessContainerizer};
use headroom_agent::supervisor::SupervisorHandle;
use support::{exited, shell, wait, wait_exit};

#[test]
fn a_task_of_an_older_agent_runs_on_and_is_found_in_the_new_place() {
    let state = tempfile::tempdir().expect("a directory");
    let exe = PathBuf::from(env!("CARGO_BIN_EXE_headroom-agent"));
    let at = |path: &str| state.path().join(path);
    let line = "echo ready > $HOME/ready; while [ ! -e go ]; do sleep 0.01; done; pwd; exit 5";
    let spec =
        ContainerSpec { id: "c1".into(), task: "t1".into(), agent: String::new(), ..shell(line) };
    let (dir, sandbox) = (at("containers/c1"), at("sandboxes/f-1/t1/c1"));
    for path in [&dir, &sandbox] {
        fs::create_dir_all(path).expect("directories");
    }
    // As an older agent started it.
    let launch = Launch { spec, sandbox: sandbox.clone(), cgroup: None, fetch: None };
    checkpoint::save(&dir.join("spec.json"), &launch).expect("written");
    fs::write(dir.join("starting"), "").expect("written");
    drop(SupervisorHandle::spawn(&dir, &exe).expect("spawned"));
    assert!(wait(|| sandbox.join("ready").exists()), "it does not run");

    let layout = Layout::new(state.path());
    let containers = ProcessContainerizer::new(layout.clone(), exe, None).expect("migrated");
    layout.migrate_sandboxes("A1").expect("migrated");
    let found = containers.recover().expect("recovered");
    assert!(found.quarantined.is_empty(), "{:?}", found.quarantined);
    assert!(matches!(found.containers[0].condition, Condition::Running(_)));
    let new = at("slaves/A1/frameworks/f-1/executors/t1/runs/c1");
    assert_eq!(layout.newest_sandbox("f-1", "t1"), Some(new.clone()));
    let adopted = containers.adopt(&found.containers[0].dir).expect("adopted");
    assert_eq!(
        (adopted.dir(), adopted.sandbox()),
        (at("meta/containers/c1").as_path(), new.as_path())
    );
    fs::write(new.join("go"), "").expect("go");
    assert_eq!(wait_exit(&adopted).outcome, exited(5));
    let said = fs::read_to_string(new.join("stdout")).expect("output");
    assert!(said.trim().ends_with("c1"), "{said}");
    assert!(wait(|| adopted.supervisor().is_none_or(|supervisor| !supervisor.is_running())));
    adopted.cleanup().expect("cleaned up");
    adopted.forget().expect("forgotten");
    fs::remove_dir_all(&new).expect("collected");
    layout.drop_old_links();
    assert!(!at("sandboxes").exists() && !at("containers").exists());
}
