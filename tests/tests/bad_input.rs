//! What is wrong is refused with a sentence that says what, and the rest goes on.

use headroom_proto::v1::{
    self, FrameworkInfo, RequestRequest, Resources, SetRoleRequest, Wanted,
    operator_client::OperatorClient,
};
use headroom_tests::{
    Cluster, Framework, House, Settings, Started, can_run, task, up_command, wait_for,
};
use std::{net::TcpListener, time::Duration};
use tonic::{Code, transport::Endpoint};

fn resources(cpus: f64, memory_mib: f64) -> Resources {
    Resources { cpus, memory_mib, ..Default::default() }
}

fn info(name: &str) -> FrameworkInfo {
    FrameworkInfo { name: name.into(), ..Default::default() }
}

#[test]
fn absurd_amounts_on_the_command_line_name_their_flag() {
    let house = House::new();
    for (flag, value) in [
        ("--cpus", "-1"),
        ("--cpus", "NaN"),
        ("--cpus", "1e30"),
        ("--memory", "0MiB"),
        ("--memory", "-1GiB"),
        ("--limit-cpus", "inf"),
        ("--gpus", "-0"),
        ("--ports", "99999999999"),
        ("--timeout", "-1s"),
        ("--name", "a/b"),
    ] {
        let mut command = headroom_tests::program("headroom");
        command.args(["--address", "127.0.0.1:1", "run", &format!("{flag}={value}"), "--", "true"]);
        let done = Started::new(command, house.path()).done();
        assert_eq!(done.code, 2, "{flag}={value}: {done:?}");
        assert!(done.err.contains(flag), "{flag}={value}: {done:?}");
    }
}

#[test]
fn wrong_settings_name_their_key_and_file() {
    let house = House::new();
    for (settings, words) in [
        (Settings::quick().agent("memory_mb = 5\n"), ["memory_mb", "agent.toml"]),
        (Settings::quick().agent("cpus = -2.0\n"), ["cpus", "-2"]),
        (Settings::quick().agent("cpus = nan\n"), ["cpus", "NaN"]),
        (Settings::quick().agent("cpus = \"two\"\n"), ["cpus", "agent.toml"]),
        (
            Settings::quick().allocator("offer_timout = \"1s\"\n"),
            ["offer_timout", "allocator.toml"],
        ),
        (Settings::quick().allocator("agent_timeout = \"0s\"\n"), ["agent_timeout", "0s"]),
        (Settings::quick().allocator("[lending]\ncpu_margin = 1.5\n"), ["cpu_margin", "1.5"]),
        (Settings::quick().allocator("[roles.web]\nweight = -1\n"), ["roles.web.weight", "-1"]),
    ] {
        let command = up_command(&settings, &house, &house.state());
        let done = Started::new(command, house.path()).done();
        assert_eq!(done.code, 2, "{settings:?}: {done:?}");
        assert!(words.iter().all(|word| done.err.contains(word)), "{words:?}: {done:?}");
    }
}

#[test]
fn a_port_or_a_state_directory_in_use_is_named() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let other = House::new();
    let there = Settings { listen: cluster.address().into(), ..Settings::quick() };
    let same_port = up_command(&there, &other, &other.state());
    let done = Started::new(same_port, other.path()).done();
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains(cluster.address()) && done.err.contains("in use"), "{done:?}");

    let state = cluster.house.state();
    let same_state = up_command(&Settings::quick(), &other, &state);
    let done = Started::new(same_state, other.path()).done();
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains(&*state.to_string_lossy()), "{done:?}");
    // The first one never noticed.
    assert_eq!(cluster.run(&["--", "true"]).code, 0);

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let mut nobody = headroom_tests::program("headroom");
    nobody.args(["--address", &format!("127.0.0.1:{port}"), "ps"]);
    let done = Started::new(nobody, other.path()).done();
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains(&port.to_string()), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_amounts_on_the_wire_are_refused_by_field() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let mut framework = Framework::subscribe(cluster.address(), info("odd")).await.expect("in");
    let offer = framework.offer(1.0).await;
    for (amount, field) in [
        (resources(-1.0, 64.0), "cpus"),
        (resources(f64::NAN, 64.0), "cpus"),
        (resources(f64::INFINITY, 64.0), "cpus"),
        (resources(1.0, 1e30), "memory"),
    ] {
        let wanted = vec![Wanted {
            name: "t".into(),
            resources: Some(amount.clone()),
            ..Default::default()
        }];
        let request = RequestRequest { caller: Some(framework.caller.clone()), wanted };
        let refused = framework.client.request(request).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains(field), "{refused:?}");
        // An offer stands until it is used well: the task is refused, or the call.
        match framework.accept(&offer, vec![task("t", amount, "true")]).await {
            Err(refused) => assert!(refused.message().contains(field), "{refused:?}"),
            Ok(()) => {
                let told = framework.update().await;
                assert_eq!(told.state(), v1::TaskState::Error, "{told:?}");
                assert!(told.message.contains(field), "{told:?}");
            }
        }
    }
    let endpoint = Endpoint::from_shared(format!("http://{}", cluster.address())).expect("address");
    let mut operator = OperatorClient::new(endpoint.connect().await.expect("a connection"));
    for weight in [f64::NAN, -1.0, 0.0, 1e30] {
        let role =
            SetRoleRequest { name: "web".into(), weight: Some(weight), ..Default::default() };
        let refused = operator.set_role(role).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains("weight"), "{refused:?}");
    }
    drop(framework);
    assert_eq!(cluster.run(&["--", "true"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_message_ends_its_call_only() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let mut framework = Framework::subscribe(cluster.address(), info("large")).await.expect("in");
    let offer = framework.offer(1.0).await;
    let mut large = task("large", resources(1.0, 64.0), "true");
    large.labels.insert("much".into(), "x".repeat(8 << 20));
    let refused = framework.accept(&offer, vec![large]).await.expect_err("refused");
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
    framework
        .accept(&offer, vec![task("small", resources(1.0, 64.0), "exit 4")])
        .await
        .expect("ok");
    loop {
        let told = framework.update().await;
        if told.state() == v1::TaskState::Failed {
            assert_eq!(told.exit_code, Some(4));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offer_of_a_framework_that_vanishes_goes_to_another() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let mut first = Framework::subscribe(cluster.address(), info("first")).await.expect("in");
    let offer = first.offer(1.0).await;
    let mut second = Framework::subscribe(cluster.address(), info("second")).await.expect("in");
    assert!(
        second
            .event(Duration::from_millis(500))
            .await
            .is_none_or(|event| !matches!(event, v1::event::Event::Offers(_))),
        "the first one has all there is"
    );
    drop(first);
    let theirs = second.offer(1.0).await;
    assert_eq!(theirs.agent_id, offer.agent_id);
    assert_eq!(theirs.resources, offer.resources);
}

#[test]
fn a_task_no_node_can_hold_is_told_to_be_impossible() {
    if !can_run() {
        return;
    }
    let cluster = Cluster::up(&Settings::quick());
    let run = cluster.start(&["run", "--name", "huge", "--memory", "900000GiB", "--", "true"]);
    let why = wait_for("why knows it", || {
        let why = cluster.headroom(&["why", "huge", "--json"]);
        (why.code == 5).then_some(why)
    });
    let answer = why.json();
    assert_eq!(answer["impossible"], true, "{answer}");
    assert!(answer["summary"].as_str().is_some_and(|said| said.contains("can never")), "{answer}");
    run.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(run.done().code, 130);
    assert_eq!(cluster.headroom(&["why", "nobody"]).code, 4);
}
