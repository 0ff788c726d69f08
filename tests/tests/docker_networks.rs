//! The networks of tasks in Docker containers, and where their images come from, with a real daemon, a bridge
//! and a registry.

use std::{fs, net::TcpStream, time::Duration};

use headroom_tests::{
    Cluster, Docker, Done, IMAGE, Registry, Settings, Started, can_run, get, wait_for, wait_until,
};
use nix::sys::signal::Signal;

/// Serves `well` at port 8080 and says which port of the node leads there.
const SERVES: &str = "echo well > /tmp/index.html; echo port $PORT0 name $(hostname); \
                      exec busybox httpd -f -h /tmp -p 8080";

fn start() -> Option<(Docker, Cluster)> {
    let docker = can_run().then(|| Docker::start_bridged(&[])).flatten()?;
    let cluster = Cluster::apart(&docker.settings(Settings::quick()));
    Some((docker, cluster))
}

fn empty(docker: &Docker, cluster: &Cluster) {
    cluster.empty();
    wait_until("no container is left", || docker.containers().is_empty());
}

fn end(run: Started) -> Done {
    run.signal(Signal::SIGINT);
    run.done()
}

fn served(address: &str) -> bool {
    TcpStream::connect(address).is_ok() && get(address, "/index.html") == (200, b"well\n".to_vec())
}

/// What the agent keeps of where the one container with a network of its own is reached.
fn addresses(cluster: &Cluster) -> String {
    let containers = cluster.house.state().join("agent/meta/containers");
    let found = fs::read_dir(containers).expect("a directory").flatten();
    let told = found.filter_map(|dir| fs::read_to_string(dir.path().join("network.json")).ok());
    told.collect()
}

#[test]
fn a_port_of_the_node_leads_into_a_bridged_container_over_a_restart_of_the_agent() {
    let Some((docker, mut cluster)) = start() else { return };
    let line = ["--network", "bridge", "--publish", "8080", "--docker-parameter", "hostname=web"];
    // As the first process of its container it does not hear SIGTERM.
    let line = [&["--grace", "200ms"][..], &line].concat();
    let line = [&line[..], &["--docker", IMAGE, "--", "sh", "-c", SERVES]].concat();
    let web = cluster.run_named("web", &line);
    wait_until("it says where", || web.out().contains("name"));
    let said = web.out();
    let port = said.split(' ').nth(1).expect("a port").to_owned();
    assert!(said.contains("name web"), "{said}");
    let (outside, inside) = (format!("127.0.0.1:{port}"), addresses(&cluster));
    wait_until("it serves", || served(&outside));
    let own = inside.split('"').find(|word| word.starts_with("10.213.")).expect("an address");
    assert!(served(&format!("{own}:8080")), "{inside}");
    cluster.kill_agent();
    cluster.start_agent(&docker.settings(Settings::quick()), &[]);
    cluster.linked();
    cluster.until("web", "running");
    assert!(served(&outside) && addresses(&cluster) == inside);
    let _ = end(web);
    assert!(TcpStream::connect(outside).is_err(), "the port is free again");
    empty(&docker, &cluster);
}

#[test]
fn a_network_of_docker_s_is_joined_by_its_name() {
    let Some((docker, cluster)) = start() else { return };
    let other = docker.bridge().other();
    let other: Vec<_> = other.iter().map(String::as_str).collect();
    let _ = docker.run(&[&["network", "create"][..], &other, &["blue"]].concat());
    let line =
        ["--network", "blue", "--grace", "200ms", "--docker", IMAGE, "--", "sh", "-c", SERVES];
    let web = cluster.run_named("web", &line);
    let own = wait_for("its address", || {
        addresses(&cluster).split('"').find(|word| word.starts_with("10.214.")).map(str::to_owned)
    });
    wait_until("it serves", || served(&format!("{own}:8080")));
    let _ = end(web);
    let line = ["--network", "no-such", "--docker", IMAGE, "--", "true"];
    let done = cluster.run(&line);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains("no-such"), "{done:?}");
    empty(&docker, &cluster);
    let _ = docker.run(&["network", "rm", "blue"]);
}

#[test]
fn a_part_of_the_sandbox_is_seen_elsewhere_too() {
    let Some(docker) = can_run().then(|| Docker::start(&[])).flatten() else { return };
    let cluster = Cluster::up(&docker.settings(Settings::quick()));
    let volume = "work:/work";
    let line = "echo kept > /work/file; cat $MESOS_SANDBOX/work/file";
    let done = cluster.run(&["--docker", IMAGE, "--volume", volume, "--", "sh", "-c", line]);
    assert_eq!((done.code, done.out.as_str()), (0, "kept\n"), "{done:?}");
    empty(&docker, &cluster);
}

#[test]
fn a_docker_that_crashes_is_waited_for() {
    let Some(mut docker) = can_run().then(|| Docker::start(&[])).flatten() else { return };
    let cluster = Cluster::up(&docker.settings(Settings::quick()));
    let run = cluster.run_named("task", &["--docker", IMAGE, "--", "sleep", "1000"]);
    docker.crash();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(cluster.task("task")["state"], "running");
    // It ends what ran before it, as it does without --live-restore, and tells how it ended.
    docker.start_again();
    let done = run.done();
    assert_eq!(done.code, 137, "{done:?}");
    let task = cluster.task("task");
    assert_eq!((&task["state"], &task["reason"]), (&"failed".into(), &"command_failed".into()));
    empty(&docker, &cluster);
}

#[test]
fn an_image_comes_from_a_registry_that_asks_who_wants_it() {
    let Some(docker) = can_run().then(|| Docker::start(&[])).flatten() else { return };
    let Some(registry) = Registry::start() else { return };
    let image = format!("{}/team/app:1", registry.address());
    let config = registry.config();
    let _ = docker.run(&["tag", IMAGE, &image]);
    let _ = docker.run(&["--config", &config.display().to_string(), "push", &image]);
    let _ = docker.run(&["rmi", &image]);
    let pull = ["--docker", &image, "--", "cat", "/marker"];

    let cluster = Cluster::up(&docker.settings(Settings::quick()));
    let done = cluster.run(&[&["--name", "nobody"][..], &pull].concat());
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.err.contains("no basic auth credentials"), "{done:?}");
    // The task brings its own.
    let given = cluster.house.write(".dockercfg", &registry.credentials());
    let uri = given.display().to_string();
    let done = cluster.run(&[&["--name", "somebody", "--uri", &uri][..], &pull].concat());
    assert_eq!((done.code, done.out.as_str()), (0, "in the image\n"), "{done:?}");
    let _ = docker.run(&["rmi", &image]);
    empty(&docker, &cluster);
    drop(cluster);

    // Or the agent has them.
    let told = format!("docker_config = {:?}\n", config.join("config.json"));
    let cluster = Cluster::up(&docker.settings(Settings::quick()).agent(&told));
    let done = cluster.run(&pull);
    assert_eq!((done.code, done.out.as_str()), (0, "in the image\n"), "{done:?}");
    // Asked for again though it is there.
    let done = cluster.run(&[&["--pull"][..], &pull].concat());
    assert_eq!((done.code, done.out.as_str()), (0, "in the image\n"), "{done:?}");
    empty(&docker, &cluster);
}
