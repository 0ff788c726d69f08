//! Containers where something is missing: space, cgroups, time.

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use headroom_agent::checkpoint;
use headroom_agent::containers::{
    Container, ContainerError, ContainerSpec, Launch, LaunchCgroup, Layout, ProcessContainerizer,
};
use headroom_agent::supervisor::{Exit, KillRequest, Outcome, SupervisorHandle};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use support::{Bench, can_run, exited, output, shell, wait, wait_exit};

fn exe() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_headroom-agent"))
}

/// A small file system of the test's own.
struct Small(tempfile::TempDir);

impl Small {
    fn new(mebibytes: u32) -> Option<Small> {
        let dir = tempfile::tempdir().expect("temp dir");
        let size = format!("size={mebibytes}m,mode=711");
        let none = None::<&Path>;
        let kind = Some("tmpfs");
        match mount(none, dir.path(), kind, MsFlags::empty(), Some(size.as_str())) {
            Ok(()) => Some(Small(dir)),
            Err(e) => {
                println!("skipped: a tmpfs cannot be mounted: {e}");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_state_directory_refuses_launches_with_its_path_and_space() {
    if !can_run() {
        return;
    }
    let Some(small) = Small::new(8) else { return };
    let layout = Layout::new(small.0.path());
    let containers = ProcessContainerizer::new(layout, exe(), None).expect("containerizer");
    let error = containers.launch(&shell("true")).expect_err("full");
    assert!(error.is_full());
    let ContainerError::StateDirFull { path, free_bytes, .. } = &error else { panic!("{error}") };
    assert_eq!(path, small.0.path());
    assert!(*free_bytes <= 8 << 20);
    assert!(containers.recover().expect("recover").containers.is_empty());
}

#[test]
fn an_exit_on_a_full_disk_is_written_when_there_is_room_again() {
    if !can_run() {
        return;
    }
    let Some(small) = Small::new(80) else { return };
    let layout = Layout::new(small.0.path());
    let containers = ProcessContainerizer::new(layout, exe(), None).expect("containerizer");
    // The output is on the same file system, as it is on most nodes.
    let line = "cat /dev/zero > filler 2>/dev/null; touch full; exit 4";
    let container = containers.launch(&shell(line)).expect("launch");
    let filler = container.sandbox().join("filler");
    assert!(wait(|| container.sandbox().join("full").exists()));
    let mut updates = checkpoint::Updates::open(container.dir()).expect("open");
    let update = checkpoint::Update {
        uuid: "u".into(),
        state: "FINISHED".into(),
        message: "x".repeat(8192),
        timestamp_unix_ms: 0,
        payload: String::new(),
    };
    let error = updates.push(update.clone()).expect_err("full");
    assert!(error.is_full() && error.to_string().contains("updates.json"), "{error}");
    assert!(updates.is_empty(), "what is not durable is not queued");
    assert!(container.exit().expect("exit").is_none());
    std::fs::remove_file(filler).expect("make room");
    assert_eq!(wait_exit(&container).outcome, exited(4));
    updates.push(update).expect("push");
}

#[test]
fn without_cgroups_all_descendants_still_end_and_figures_are_absent() {
    if !can_run() {
        return;
    }
    let bench = Bench::without_cgroups();
    let line = "(setsid sh -c 'trap \"\" TERM; echo $$ > daemon; exec sleep 1000' &); \
                while [ ! -s daemon ]; do sleep 0.01; done; echo ready; exec sleep 1000";
    let spec = ContainerSpec { grace_ms: 200, ..shell(line) };
    let container = bench.containers.launch(&spec).expect("launch");
    assert!(container.cgroup().is_none());
    assert!(wait(|| output(&container, "stdout") == "ready\n"));
    container.kill(None).expect("kill");
    let exit = wait_exit(&container);
    assert!(exit.kill_requested && exit.forced && exit.leftovers.is_empty(), "{exit:?}");
    assert_eq!(exit.usage.cpu_usage_ns, None);
    assert_eq!(exit.usage.absences.len(), 4);
    let pid = output(&container, "daemon");
    assert!(!support::is_there(Path::new(&format!("/proc/{}", pid.trim()))));
}

#[test]
fn a_kill_that_came_before_the_supervisor_is_obeyed() {
    if !can_run() {
        return;
    }
    let dir = tempfile::tempdir().expect("temp dir");
    let launch = Launch {
        spec: shell("touch ran"),
        sandbox: dir.path().to_owned(),
        cgroup: None,
        docker: None,
        fetch: None,
    };
    let request = KillRequest { grace_ms: None };
    checkpoint::save(&dir.path().join("kill.json"), &request).expect("kill");
    let exit = supervise(dir.path(), &launch);
    assert!(matches!(exit.outcome, Outcome::NotStarted(_)) && exit.kill_requested, "{exit:?}");
    assert!(!dir.path().join("ran").exists());
}

#[test]
fn a_task_never_runs_outside_the_groups_it_was_promised() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let removed = format!("{}-removed", bench.tree.parent());
    for (parent, controllers) in [
        (removed, bench.tree.controllers()),
        (bench.tree.parent().to_owned(), bench.tree.controllers()),
        (bench.tree.parent().to_owned(), Vec::new()),
    ] {
        let dir = tempfile::tempdir().expect("temp dir");
        let launch = Launch {
            spec: shell("touch ran"),
            sandbox: dir.path().to_owned(),
            cgroup: Some(LaunchCgroup { parent, controllers }),
            docker: None,
            fetch: None,
        };
        let exit = supervise(dir.path(), &launch);
        let Outcome::NotStarted(why) = &exit.outcome else { panic!("{exit:?}") };
        assert!(why.contains("control group"), "{why}");
        assert!(!dir.path().join("ran").exists());
    }
}

/// Runs a supervisor on a document of the test's own.
fn supervise(dir: &Path, launch: &Launch) -> Exit {
    checkpoint::save(&dir.join("spec.json"), launch).expect("spec");
    SupervisorHandle::spawn(dir, &exe()).expect("spawn");
    let mut exit: Option<Exit> = None;
    assert!(wait(|| {
        exit = checkpoint::load(&dir.join("exit.json")).expect("exit");
        exit.is_some()
    }));
    exit.expect("exit")
}

#[test]
fn many_short_tasks_are_launched_and_none_is_lost() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let started = Instant::now();
    let containers: Vec<Container> =
        (0..40).map(|_| bench.containers.launch(&shell("exit 3")).expect("launch")).collect();
    let launched = started.elapsed();
    for container in &containers {
        assert_eq!(wait_exit(container).outcome, exited(3));
        container.cleanup().expect("cleanup");
    }
    println!("40 launched in {launched:?}, ended and cleaned up in {:?}", started.elapsed());
}

#[test]
fn a_supervisor_is_small_and_idle() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let container = bench.containers.launch(&shell("echo ready; exec sleep 1000")).expect("launch");
    assert!(wait(|| output(&container, "stdout") == "ready\n"));
    let pid = container.supervisor().expect("supervisor").identity().pid;
    let field = |file: &str, name: &str| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("proc");
        let line = text.lines().find(|line| line.starts_with(name)).expect("field");
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("number")
    };
    println!(
        "VmRSS {} KiB, RssAnon {} KiB, threads {}",
        field("status", "VmRSS:"),
        field("status", "RssAnon:"),
        field("status", "Threads:")
    );
    assert!(field("status", "RssAnon:") < 2048);
    assert_eq!(field("status", "Threads:"), 1);
    // Once it has seen the task start, nothing wakes it.
    let mut woken = 0;
    assert!(wait(|| {
        std::thread::sleep(Duration::from_millis(200));
        let now = field("status", "voluntary_ctxt_switches:");
        std::mem::replace(&mut woken, now) == now
    }));
}
