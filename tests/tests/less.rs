//! With less than it would like to have - no root, no eBPF, no ring, no space - it says what is
//! missing and goes on with the rest.

use std::{
    fs,
    os::unix::fs::{chown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use headroom_tests::{Cluster, House, Json, Settings, Started, can_run, program, wait_until};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::User,
};

fn absent(node: &Json, signal: &str) -> Option<String> {
    let all = node["absences"].as_array()?;
    let found = all.iter().find(|a| a["signal"].as_str().is_some_and(|s| s.contains(signal)))?;
    found["reason"].as_str().map(str::to_owned)
}

#[test]
fn without_root_it_measures_nothing_says_so_and_runs_tasks() {
    if !can_run() {
        return;
    }
    let Some(nobody) = User::from_name("nobody").expect("users") else {
        return println!("skipped: there is no user nobody");
    };
    let house = House::new();
    // Where the programs are, nobody may not look.
    let copy = house.path().join("headroom");
    fs::copy(program("headroom").get_program(), &copy).expect("a copy");
    let state = house.path().join("nobody");
    fs::create_dir(&state).expect("a directory");
    chown(&state, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).expect("given away");
    let cluster = Cluster::up_with(&Settings::quick(), house, state, |up| {
        let mut command = Command::new("setpriv");
        let ids = [nobody.uid.to_string(), nobody.gid.to_string()];
        command.args(["--reuid", &ids[0], "--regid", &ids[1], "--clear-groups"]).arg(&copy);
        command.args(up.get_args());
        command
    });
    let node = cluster.node();
    assert_eq!(node["rung"], "F", "{node}");
    let said = cluster.agent().log();
    assert!(said.contains("no cgroups") && said.contains("without limits"), "{said}");
    let done = cluster.run(&["--user", "nobody", "--", "sh", "-c", "id -un; exit 3"]);
    assert_eq!((done.code, done.out.as_str()), (3, "nobody\n"), "{done:?}");
    let run = cluster.run_named("idle", &["--user", "nobody", "--", "sleep", "1000"]);
    let told = cluster.task("idle");
    assert!(told["used"]["cpus"].is_null() && told["wait_ms"].is_null(), "never zero: {told}");
    // Its own user is all it can give.
    let done = cluster.run(&["--user", "root", "--", "true"]);
    assert_eq!(done.code, 125, "{done:?}");
    run.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(run.done().code, 143);
}

#[test]
fn without_ebpf_it_says_why_and_still_measures_cpu_and_memory() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick().agent("ebpf = \"off\"\n"));
    let node = cluster.node();
    assert_eq!(node["rung"], "E", "{node}");
    let reason = absent(&node, "wait").or_else(|| absent(&node, "sched"));
    assert!(reason.is_some_and(|reason| !reason.is_empty()), "{node}");
    let run = cluster.run_named("busy", &["--", "sh", "-c", "while :; do :; done"]);
    wait_until("its use is told", || cluster.task("busy")["used"]["cpus"].as_f64() > Some(0.05));
    wait_until("its memory too", || {
        cluster.task("busy")["used"]["memory_mib"].as_f64() > Some(0.0)
    });
    run.signal(nix::sys::signal::Signal::SIGINT);
    let _ = run.done();
    cluster.empty();
}

/// That both read the same bytes is agent/tests/files.rs; here, that both carry the product.
#[test]
fn both_file_readers_work_and_agree() {
    if !can_run() {
        return;
    }
    let mut told = Vec::new();
    for reader in ["uring", "pread"] {
        let settings = Settings::quick().agent(&format!("file_reader = \"{reader}\"\n"));
        let cluster = Cluster::up(&settings);
        let log = cluster.agent().log().to_lowercase();
        assert!(log.contains(&format!("cgroup files are read by {reader}")), "{log}");
        // Holds 40 MiB for as long as it sleeps.
        let line = "x=$(head -c 20M /dev/zero | tr '\\0' x); echo ready; sleep 1000; : $x";
        let run = cluster.run_named("still", &["--memory", "512MiB", "--", "bash", "-c", line]);
        wait_until("it is ready", || run.out().contains("ready"));
        let memory = || cluster.task("still")["used"]["memory_mib"].as_f64();
        cluster.until_used("still", "memory_mib", 15.0);
        // Twice the same: it has settled.
        let mut last = None;
        wait_until("its memory is still", || {
            std::thread::sleep(std::time::Duration::from_millis(1_200));
            last == memory() || {
                last = memory();
                false
            }
        });
        told.push(last.expect("told"));
        run.signal(nix::sys::signal::Signal::SIGINT);
        let _ = run.done();
    }
    let (a, b) = (told[0], told[1]);
    assert!((a - b).abs() < 0.2 * a.max(b), "uring {a} MiB, pread {b} MiB");
}

/// A small file system at `small` in the house, for which the guard knows what to do.
struct Small(PathBuf);

impl Small {
    fn mount(house: &House, mebibytes: u32) -> Option<Self> {
        let path = house.path().join("small");
        fs::create_dir(&path).expect("a directory");
        let options = format!("size={mebibytes}m,mode=711");
        let none = None::<&Path>;
        match mount(none, &path, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())) {
            Ok(()) => Some(Self(path)),
            Err(e) => {
                println!("skipped: a tmpfs cannot be mounted: {e}");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_state_directory_takes_no_new_work_and_harms_nothing_that_runs() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let Some(small) = Small::mount(&house, 128) else { return };
    let cluster = Cluster::up_in(&Settings::quick(), house, small.0.clone());
    let line = "echo ready; while [ ! -e go ]; do sleep 0.1; done; exit 8";
    let run = cluster.run_named("before", &["--", "sh", "-c", line]);
    wait_until("it is ready", || run.out().contains("ready"));
    let shell = || cluster.house.cgroups.task_pids().first().copied();
    let before = shell();
    assert!(before.is_some());

    // To the last byte: nothing can be written down any more.
    let filler = small.0.join("filler");
    let _ = std::io::copy(
        &mut std::io::Read::take(std::io::repeat(0), 1 << 30),
        &mut fs::File::create(&filler).expect("a file"),
    );
    wait_until("it says so", || cluster.node()["refusing_work"].is_string());
    let node = cluster.node();
    let why = node["refusing_work"].as_str().unwrap_or_default();
    assert!(why.contains(&*small.0.to_string_lossy()), "{why}");
    let done = cluster.run(&["--name", "new", "--timeout", "2s", "--", "true"]);
    assert_eq!(done.code, 125, "{done:?}");
    assert_eq!(cluster.task("before")["state"], "running");
    assert_eq!(shell(), before);

    // It ends while nothing can be written: told as soon as there is room.
    let output = cluster.sandbox_file("stdout").expect("a sandbox");
    symlink("/", output.with_file_name("go")).expect("a link takes no space in a tmpfs");
    wait_until("it ends", || cluster.house.cgroups.task_pids().is_empty());
    fs::remove_file(&filler).expect("room again");
    let done = run.done();
    assert_eq!(done.code, 8, "{done:?}");
    wait_until("it takes work again", || cluster.node()["refusing_work"].is_null());
    assert_eq!(cluster.run(&["--timeout", "30s", "--", "true"]).code, 0);
    drop(cluster);
    drop(small);
}

#[test]
fn what_cannot_be_a_state_directory_is_named() {
    let house = House::new();
    let file = house.write("file", "");
    let command = headroom_tests::up_command(&Settings::quick(), &house, &file);
    let done = Started::new(command, house.path()).done();
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains(&*file.to_string_lossy()), "{done:?}");
}
