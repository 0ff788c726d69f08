//! Tasks in Docker containers, with a real daemon: they are run, limited, measured, lent to and taken
//! back like any other, and nothing of them is left.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use headroom_tests::{Cluster, Docker, IMAGE, Settings, Started, can_run, wait_for, wait_until};
use nix::sys::signal::Signal;

/// Runs until there is a file of its name in the volume, then ends with code 5.
const WAITS: &str = "echo ready; while [ ! -e /go/$NAME ]; do sleep 0.05; done; echo gone; exit 5";
/// More CPUs than the machine has are promised, so that other work on it leaves something to lend.
const LENDS: &str =
    "cpus = 64.0\nforecast_young_s = 1\nforecast_horizon_s = 3\nforecast_average_s = 1\n";
const PATIENCE: Duration = Duration::from_secs(30);

/// A node with Docker, or none where the test cannot run.
fn start(flags: &[&'static str]) -> Option<(Docker, Cluster)> {
    let docker = can_run().then(|| Docker::start(flags))??;
    let cluster = Cluster::apart(&docker.settings(Settings::quick()));
    Some((docker, cluster))
}

/// Starts [`WAITS`] and comes back when it is there.
fn waiting(cluster: &Cluster, name: &str) -> Started {
    let gate = gate(cluster);
    fs::create_dir_all(&gate).expect("a directory");
    let (volume, name_is) = (format!("{}:/go", gate.display()), format!("NAME={name}"));
    let line = ["--docker", IMAGE, "--volume", &volume, "--env", &name_is, "--", "sh", "-c", WAITS];
    let run = cluster.run_named(name, &line);
    wait_until("it is ready", || run.out().contains("ready"));
    run
}

fn let_go(cluster: &Cluster, name: &str) {
    fs::write(gate(cluster).join(name), "").expect("go");
}

fn gate(cluster: &Cluster) -> PathBuf {
    cluster.house.path().join("go")
}

/// The task's end left nothing, at Docker neither.
fn empty(docker: &Docker, cluster: &Cluster) {
    cluster.empty();
    wait_until("no container is left", || docker.containers().is_empty());
}

#[test]
fn a_command_runs_in_its_image_and_passes_its_output_and_code_on() {
    let Some((docker, cluster)) = start(&[]) else { return };
    let line = "echo out; echo err >&2; cat /marker; echo $A $MESOS_SANDBOX; \
                echo kept > $MESOS_SANDBOX/file; exit 7";
    let done = cluster.run(&["--docker", IMAGE, "--env", "A=b", "--", "sh", "-c", line]);
    assert_eq!(done.code, 7, "{done:?}");
    assert_eq!(done.out, "out\nin the image\nb /mnt/mesos/sandbox\n", "{done:?}");
    assert!(done.err.contains("err"), "{done:?}");
    let kept = cluster.sandbox_file("file").expect("what it wrote into its sandbox");
    assert_eq!(fs::read_to_string(kept).expect("readable"), "kept\n");
    empty(&docker, &cluster);
    assert!(docker.run(&["images", "--quiet"]).lines().count() == 1, "the image stays");

    docker.image_with("own:1", r#"CMD ["/bin/echo", "by itself"]"#);
    let done = cluster.run(&["--docker", "own:1"]);
    assert_eq!((done.code, done.out.as_str()), (0, "by itself\n"), "{done:?}");
    docker.image_with("entry:1", r#"ENTRYPOINT ["/bin/echo", "first"]"#);
    let done = cluster.run(&["--docker", "entry:1", "--", "second"]);
    assert_eq!((done.code, done.out.as_str()), (0, "first second\n"), "{done:?}");
    empty(&docker, &cluster);
}

#[test]
fn its_files_are_fetched_before_it_is_started() {
    let Some((docker, cluster)) = start(&[]) else { return };
    let given = cluster.house.path().join("given");
    fs::write(&given, "from the node\n").expect("a file");
    let uri = given.display().to_string();
    let line = "cat $MESOS_SANDBOX/given";
    let line = ["--uri", &uri, "--docker", IMAGE, "--", "sh", "-c", line];
    let done = cluster.run(&[&["--name", "fetches"][..], &line].concat());
    assert_eq!((done.code, done.out.as_str()), (0, "from the node\n"), "{done:?}");
    // A user that only the image knows reads them too.
    let done = cluster.run(&[&["--name", "other", "--user", "1234"][..], &line].concat());
    assert_eq!((done.code, done.out.as_str()), (0, "from the node\n"), "{done:?}");
    let line = ["--name", "in-vain", "--uri", "/no/such/file", "--docker", IMAGE, "--", "true"];
    let done = cluster.run(&line);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains("/no/such/file"), "{done:?}");
    assert_eq!(cluster.task("in-vain")["reason"], "launch_failed");
    empty(&docker, &cluster);
}

#[test]
fn volumes_network_parameters_and_user_are_as_asked() {
    let Some((docker, cluster)) = start(&[]) else { return };
    let data = cluster.house.path().join("data");
    fs::create_dir(&data).expect("a directory");
    fs::write(data.join("in"), "given\n").expect("a file");
    let volume = format!("{}:/data:ro", data.display());
    let line = "cat /data/in; touch /data/out 2>/dev/null || echo read-only; hostname; id -u; \
                ls /sys/class/net";
    let done = cluster.run(
        &[
            &["--docker", IMAGE, "--volume", &volume, "--network", "none", "--user", "1234"][..],
            &["--docker-parameter", "hostname=inside", "--", "sh", "-c", line],
        ]
        .concat(),
    );
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "given\nread-only\ninside\n1234\nlo\n"),
        "{done:?}"
    );
    // Its own control group tells it how much memory it may use.
    let seen =
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
    let done = cluster.run(&["--docker", IMAGE, "--memory", "96MiB", "--", "sh", "-c", seen]);
    let limit: u64 = done.out.trim().parse().unwrap_or_else(|e| panic!("{e}: {done:?}"));
    assert!((96 << 20..97 << 20).contains(&limit), "{done:?}");
    for (line, why) in [
        (["--docker-parameter", "cgroup-parent=/"], "ulimit"),
        (["--docker-parameter", "label=headroom.agent=x"], "label"),
        (["--volume", "/no/such/place:/data"], "/no/such/place"),
    ] {
        let done = cluster.run(&[&["--docker", IMAGE][..], &line, &["--", "true"]].concat());
        assert_eq!(done.code, 125, "{done:?}");
        assert!(done.err.contains(why), "{done:?}");
    }
    empty(&docker, &cluster);
}

#[test]
fn what_cannot_be_started_is_told_in_docker_s_words() {
    let Some((docker, cluster)) = start(&[]) else { return };
    // Nobody listens there.
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let image = format!("{gone}/no/such:1");
    let done = cluster.run(&["--name", "no-image", "--docker", &image, "--", "true"]);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains(&format!("pull the image {image}")), "{done:?}");
    assert!(done.err.contains("refused"), "{done:?}");
    assert_eq!(cluster.task("no-image")["reason"], "launch_failed");
    let done = cluster.run(&["--docker", IMAGE, "--", "/no/such/program"]);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains("/no/such/program"), "{done:?}");
    // What is there is fetched again when asked for, and that fails here.
    let done = cluster.run(&["--docker", IMAGE, "--pull", "--", "true"]);
    assert_eq!(done.code, 125, "{done:?}");
    empty(&docker, &cluster);
}

#[test]
fn a_slow_pull_holds_nobody_up_and_can_be_killed() {
    let Some((docker, cluster)) = start(&[]) else { return };
    // A registry that takes every connection and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let image = format!("{}/slow:1", silent.local_addr().expect("bound"));
    let line = ["run", "--cpus", "0.1", "--memory", "64MiB", "--name", "slow", "--docker", &image];
    let slow = cluster.start(&line);
    cluster.until("slow", "staging");
    let (_asked, _) = silent.accept().expect("Docker asks the registry");
    let done = cluster.run(&["--docker", IMAGE, "--", "echo", "meanwhile"]);
    assert_eq!((done.code, done.out.as_str()), (0, "meanwhile\n"), "{done:?}");
    assert_eq!(cluster.task("slow")["state"], "staging");
    assert_eq!(cluster.headroom(&["kill", "slow"]).code, 0);
    let done = slow.done();
    assert_eq!(done.code, 143, "{done:?}");
    let task = cluster.task("slow");
    assert_eq!(task["state"], "killed", "{task}");
    empty(&docker, &cluster);
}

#[test]
fn it_ends_politely_or_by_force() {
    let Some((docker, cluster)) = start(&[]) else { return };
    let polite = "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    let run = cluster.run_named("polite", &["--docker", IMAGE, "--", "sh", "-c", polite]);
    wait_until("it is ready", || run.out().contains("ready"));
    run.signal(Signal::SIGINT);
    let done = run.done();
    assert_eq!(done.code, 9, "{done:?}");
    assert!(done.out.contains("bye"), "{done:?}");
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let line = ["--grace", "500ms", "--docker", IMAGE, "--", "sh", "-c", deaf];
    let run = cluster.run_named("deaf", &line);
    wait_until("it is ready", || run.out().contains("ready"));
    run.signal(Signal::SIGTERM);
    let done = run.done();
    assert_eq!(done.code, 137, "{done:?}");
    let task = cluster.task("deaf");
    assert!(task["message"].as_str().is_some_and(|why| why.contains("forced")), "{task}");
    empty(&docker, &cluster);
}

#[test]
fn passing_the_memory_limit_is_told_apart_from_a_kill() {
    let Some((docker, cluster)) = start(&[]) else { return };
    let done = cluster.run(&["--name", "hog", "--docker", IMAGE, "--", "tail", "/dev/zero"]);
    assert_eq!(done.code, 137, "{done:?}");
    assert!(done.err.contains("memory limit"), "{done:?}");
    let task = cluster.task("hog");
    assert_eq!((&task["state"], &task["reason"]), (&"failed".into(), &"memory_limit".into()));
    let run = cluster.run_named("shot", &["--docker", IMAGE, "--", "sleep", "1000"]);
    let _ = docker.run(&["kill", &docker.containers()[0]]);
    let done = run.done();
    assert_eq!(done.code, 137, "{done:?}");
    assert!(!done.err.contains("memory limit"), "{done:?}");
    assert_eq!(cluster.task("shot")["reason"], "command_failed");
    let run = cluster.run_named("gone", &["--docker", IMAGE, "--", "sleep", "1000"]);
    let _ = docker.run(&["rm", "--force", &docker.containers()[0]]);
    let done = run.done();
    assert!(done.code != 0 && !done.err.contains("memory limit"), "{done:?}");
    empty(&docker, &cluster);
}

#[test]
fn it_runs_on_without_its_agent_and_is_adopted() {
    let Some((docker, mut cluster)) = start(&[]) else { return };
    let settings = docker.settings(Settings::quick());
    let run = waiting(&cluster, "one");
    let before = docker.containers();
    cluster.kill_agent();
    sleep(Duration::from_millis(500));
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    cluster.until("one", "running");
    assert_eq!(docker.containers(), before, "it is the same container");
    wait_until("its memory is told", || cluster.task("one")["used"]["memory_mib"].is_number());
    let_go(&cluster, "one");
    let done = run.done();
    assert_eq!((done.code, done.out.as_str()), (5, "ready\ngone\n"), "{done:?}");
    empty(&docker, &cluster);

    let run = waiting(&cluster, "two");
    cluster.kill_agent();
    let_go(&cluster, "two");
    wait_until("it ends", || docker.containers().is_empty());
    cluster.start_agent(&settings, &[]);
    let done = run.done();
    assert_eq!((done.code, done.out.as_str()), (5, "ready\ngone\n"), "{done:?}");
    empty(&docker, &cluster);
}

#[test]
fn orphans_of_ours_are_removed_at_a_restart_and_others_are_not() {
    let Some((docker, mut cluster)) = start(&[]) else { return };
    let settings = docker.settings(Settings::quick());
    let run = cluster.run_named("lost", &["--docker", IMAGE, "--", "sleep", "1000"]);
    let _ = docker.run(&["create", "--name", "foreign", IMAGE, "true"]);
    let label = "headroom.agent=/somewhere/else";
    let _ = docker.run(&["create", "--name", "another", "--label", label, IMAGE, "true"]);
    cluster.kill_agent();
    // Nobody knows of the task any more, and nobody supervises it.
    fs::remove_dir_all(cluster.house.state().join("agent/meta/containers")).expect("documents");
    cluster.start_agent(&settings, &[]);
    cluster.empty();
    let mut others = vec!["another".to_owned(), "foreign".to_owned()];
    wait_until("only the others are left", || {
        let mut left = docker.containers();
        left.sort();
        left == others
    });
    assert_eq!(run.done().code, 125);
    others.iter_mut().for_each(|name| drop(docker.run(&["rm", name])));
}

#[test]
fn docker_may_be_restarted_under_a_task() {
    let Some((mut docker, cluster)) = start(&["--live-restore"]) else { return };
    let run = waiting(&cluster, "one");
    docker.stop();
    sleep(Duration::from_millis(500));
    assert_eq!(cluster.task("one")["state"], "running");
    // Without Docker nothing new is started, and that is said.
    let done = cluster.run(&["--docker", IMAGE, "--", "true"]);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains("does not answer"), "{done:?}");
    docker.start_again();
    // What it writes from now on is heard again.
    sleep(Duration::from_secs(3));
    let_go(&cluster, "one");
    let done = run.done();
    assert_eq!((done.code, done.out.as_str()), (5, "ready\ngone\n"), "{done:?}");
    // A task is killed without it too; how it ended Docker tells when it is back.
    let run = waiting(&cluster, "two");
    docker.stop();
    assert_eq!(cluster.headroom(&["kill", "--grace", "200ms", "two"]).code, 0);
    wait_until("its processes end", || cluster.house.cgroups.task_pids().is_empty());
    docker.start_again();
    let done = run.done();
    assert_eq!(done.code, 137, "{done:?}");
    assert_eq!(cluster.task("two")["state"], "killed");
    empty(&docker, &cluster);
}

#[test]
fn a_node_without_docker_says_so_and_runs_what_it_can() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick().agent("docker_socket = \"/no/such/socket\"\n");
    let cluster = Cluster::up(&settings);
    let status = cluster.status().to_string();
    assert!(status.contains("/no/such/socket"), "{status}");
    let done = cluster.run(&["--docker", "busybox", "--", "true"]);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains("/no/such/socket"), "{done:?}");
    assert_eq!(cluster.run(&["--", "true"]).code, 0);
    cluster.empty();
}

/// A service that asks for most of the node, sleeps until the file `busy` is there, and is old enough
/// to be known.
fn idle_service(cluster: &Cluster) -> (Started, PathBuf) {
    let line = "echo ready; burn() { while [ -e busy ]; do :; done; }; while :; do \
        if [ -e busy ]; then for cpu in $(seq $(nproc)); do burn & done; wait; fi; sleep 0.02; done";
    let line = ["--cpus", "63", "--role", "web", "--", "sh", "-c", line];
    let service = cluster.run_named("service", &line);
    let output = wait_for("its sandbox", || cluster.sandbox_file("stdout"));
    wait_until("its idle part can be lent", || {
        cluster.node()["lendable"]["cpus"].as_f64() > Some(4.0)
    });
    (service, output.with_file_name("busy"))
}

fn has_group_below(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|entries| entries.flatten().any(|entry| entry.path().is_dir()))
}

#[test]
fn it_runs_on_lent_cpus_is_measured_and_gives_way() {
    let Some(docker) = can_run().then(|| Docker::start(&[])).flatten() else { return };
    let cluster = Cluster::up(&docker.settings(Settings::quick().agent(LENDS)));
    let (service, busy) = idle_service(&cluster);
    let burn = "while :; do :; done";
    let line = ["--revocable", "--cpus", "2", "--docker", IMAGE, "--", "sh", "-c", burn];
    let batch = cluster.run_named("batch", &line);
    let task = cluster.task("batch");
    assert_eq!(task["revocable"], true, "{task}");
    cluster.until_used("batch", "cpus", 0.05);
    cluster.until_used("batch", "memory_mib", 0.0);
    // By the kernel programs: Docker's group below the task's is found and counted for it.
    if !cluster.status().to_string().contains("run-queue wait") {
        wait_until("its waits are told", || cluster.task("batch")["wait_p99_ms"].is_number());
    }
    let quota = || cluster.house.cgroups.lent_quota_cpus();
    let used = |name: &str| cluster.task(name)["used"]["cpus"].as_f64().unwrap_or(0.0);
    let until = Instant::now() + PATIENCE;
    while quota().is_some_and(|quota| quota < 0.5) && Instant::now() < until {
        sleep(Duration::from_millis(200));
    }
    let in_its_class = cluster.house.cgroups.containers().into_iter().any(|dir| {
        dir.parent().is_some_and(|class| class.ends_with("revocable")) && has_group_below(&dir)
    });
    assert!(in_its_class, "Docker's group is below the one that is lent");
    if quota().is_some_and(|quota| quota < 0.5) {
        println!("other work keeps the machine busy: it never has more than its quota");
        wait_until("it is held to its quota", || used("batch") < 0.7);
    } else {
        fs::write(&busy, "").expect("busy");
        wait_until("the quota of lent work falls", || quota().is_some_and(|q| q < 0.5));
        wait_until("the owner has its CPUs", || used("service") > 5.0 * used("batch"));
        assert_eq!(cluster.task("batch")["state"], "running", "it was throttled, not killed");
    }
    for run in [batch, service] {
        run.signal(Signal::SIGINT);
        let _ = run.done();
    }
    empty(&docker, &cluster);
}
