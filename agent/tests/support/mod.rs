//! A containerizer on a cgroup tree and state directory of the test's own, removed afterwards.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use headroom_agent::cgroup::{Class, Hierarchy, Tree};
use headroom_agent::containers::{
    Command, Container, ContainerSpec, Layout, Nesting, ProcessContainerizer,
};
use headroom_agent::supervisor::{Exit, Outcome};

/// Far above what any test needs; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Whether the test can run here; says why not.
pub(crate) fn can_run() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: only root can make cgroups and switch users");
    }
    root && match Hierarchy::detect() {
        Ok(_) => true,
        Err(e) => {
            println!("skipped: {e}");
            false
        }
    }
}

/// The state directory and the tree of one test.
pub(crate) struct Bench {
    pub(crate) state: tempfile::TempDir,
    pub(crate) tree: Tree,
    pub(crate) containers: ProcessContainerizer,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with_cgroups(true)
    }

    /// Without cgroups: as an agent that may not make any.
    pub(crate) fn without_cgroups() -> Bench {
        Bench::with_cgroups(false)
    }

    fn with_cgroups(cgroups: bool) -> Bench {
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let parent = format!("headroom-test-{}-{unique}", std::process::id());
        let hierarchy = Hierarchy::detect().expect("cgroups");
        let tree = Tree::create(&hierarchy, &parent).expect("tree");
        let state = tempfile::tempdir().expect("state dir");
        let exe = PathBuf::from(env!("CARGO_BIN_EXE_headroom-agent"));
        // The task's user must be able to pass through to its sandbox.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(state.path(), open).expect("permissions");
        let containers = ProcessContainerizer::new(
            Layout::new(state.path()),
            exe,
            cgroups.then(|| tree.clone()),
        )
        .expect("containerizer");
        Bench { state, tree, containers }
    }

    /// Launches, waits for the end, and checks that the container is empty.
    pub(crate) fn run(&self, spec: &ContainerSpec) -> (Container, Exit) {
        let container = self.containers.launch(spec).expect("launch");
        let exit = wait_exit(&container);
        assert!(procs(&container).is_empty(), "left: {:?}", procs(&container));
        (container, exit)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for slice in [self.tree.guaranteed(), self.tree.revocable()] {
            let _ = slice.thaw();
            let _ = slice.group().kill_all(Duration::from_secs(5));
        }
        wait(|| self.tree.supervisors().procs().is_ok_and(|pids| pids.is_empty()));
        if let Err(e) = self.tree.remove() {
            eprintln!("the test's cgroups stay: {e}");
        }
    }
}

pub(crate) fn shell(line: &str) -> ContainerSpec {
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    ContainerSpec {
        id: format!("c-{unique}"),
        agent: "a-1".into(),
        framework: "f-1".into(),
        task: format!("t-{unique}"),
        name: "test".into(),
        command: Command::Shell(line.into()),
        uris: Vec::new(),
        env: BTreeMap::new(),
        user: None,
        class: Class::Guaranteed,
        request_cpus: 0.5,
        limit_cpus: None,
        memory_bytes: 256 << 20,
        pids_limit: Some(256),
        grace_ms: 5_000,
        no_new_privs: false,
        volumes: Vec::new(),
        docker: None,
        duties: Default::default(),
        nesting: Nesting::default(),
        payload: String::new(),
    }
}

pub(crate) fn wait(mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

pub(crate) fn wait_exit(container: &Container) -> Exit {
    let mut exit = None;
    wait(|| {
        exit = container.exit().expect("exit document");
        exit.is_some()
    });
    let log = std::fs::read_to_string(container.dir().join("supervisor.log")).unwrap_or_default();
    exit.unwrap_or_else(|| panic!("no exit; supervisor's log: {log}"))
}

pub(crate) fn procs(container: &Container) -> Vec<i32> {
    container.cgroup().expect("cgroup").procs().expect("procs")
}

pub(crate) fn output(container: &Container, name: &str) -> String {
    // The supervisor makes it shortly after the launch.
    std::fs::read_to_string(container.sandbox().join(name)).unwrap_or_default()
}

pub(crate) fn is_there(path: &Path) -> bool {
    path.exists()
}

pub(crate) fn exited(code: i32) -> Outcome {
    Outcome::Exited(code)
}
