//! What survives a restart, and who may open a state directory.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_allocator::{ServeError, registry::RegistryError, start};
use headroom_proto::v1::{self, TaskState, agent_message::Message as Said};
use std::fs;
use support::{Server, config, hello, info, resources, task};

#[tokio::test]
async fn a_restart_keeps_frameworks_roles_and_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path()).await;
    let mut agent = first.agent(hello("n1")).await.unwrap();
    let mut framework = first.framework(info("f")).await.unwrap();
    let offer = framework.offer().await;
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    let launch = agent.launch().await;
    let set = v1::SetRoleRequest { name: "r".to_owned(), weight: Some(3.0), opportunistic: None };
    first.operator().set_role(set).await.unwrap();
    first.running.stop().await.unwrap();
    let ended = framework.event().await.unwrap_err();
    assert_eq!(ended.code(), tonic::Code::Unavailable, "{}", ended.message());

    let second = Server::start(dir.path()).await;
    let cluster = second.cluster().await;
    assert!(cluster.epoch > agent.epoch);
    let role = cluster.roles.iter().find(|role| role.name == "r").unwrap();
    assert_eq!(role.weight, 3.0);
    assert_eq!(cluster.frameworks[0].name, "f");
    assert!(!cluster.frameworks[0].connected);

    let held = v1::HeldTask {
        handle: launch.handle,
        framework_id: launch.framework_id.clone(),
        task_id: "t".to_owned(),
        resources: Some(resources(1.0, 128.0)),
        state: TaskState::Running.into(),
        role: "*".to_owned(),
        revocable: false,
        ..Default::default()
    };
    let again = v1::Hello {
        agent_id: agent.id.clone(),
        epoch: agent.epoch,
        tasks: vec![held],
        ..hello("n1")
    };
    let back = second.agent(again).await.unwrap();
    assert_eq!(back.id, agent.id);
    let id = framework.caller.framework_id.clone();
    let again = v1::FrameworkInfo { framework_id: id.clone(), ..info("f") };
    let framework = second.framework(again).await.unwrap();
    assert_eq!(framework.caller.framework_id, id);
    let cluster = second.cluster().await;
    assert_eq!(cluster.tasks.len(), 1);
    assert_eq!(cluster.tasks[0].state(), TaskState::Running);
    second.running.stop().await.unwrap();
}

#[tokio::test]
async fn an_agent_of_a_later_epoch_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let refused = server.agent(v1::Hello { epoch: 99, ..hello("n1") }).await.err().unwrap();
    assert!(refused.message().contains("epoch 99"), "{}", refused.message());
    assert!(server.cluster().await.agents.is_empty());
    let open = support::open(&server.channel, Said::Hello(v1::Hello { epoch: 1, ..hello("n1") }));
    open.await.unwrap();
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_allocator_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let refused = start(&config(dir.path())).await.unwrap_err();
    assert!(matches!(refused, ServeError::Registry(RegistryError::InUse { .. })), "{refused}");
    let text = refused.to_string();
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    server.running.stop().await.unwrap();
    start(&config(dir.path())).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_refused_and_costs_no_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let mut taken = config(other.path());
    taken.listen = server.running.address;
    let refused = start(&taken).await.unwrap_err();
    assert!(matches!(refused, ServeError::AddressInUse(_)), "{refused}");
    assert!(!other.path().join("registry.redb").exists());
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_registry_is_named_and_left() {
    for damage in
        [b"not a registry at all, but long enough to have a head".to_vec(), vec![0; 9_000]]
    {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("registry.redb");
        fs::write(&file, &damage).unwrap();
        let refused = start(&config(dir.path())).await.unwrap_err();
        assert!(
            matches!(refused, ServeError::Registry(RegistryError::Damaged { .. })),
            "{refused}"
        );
        assert!(refused.to_string().contains("registry.redb"), "{refused}");
        assert_eq!(fs::read(&file).unwrap(), damage, "the file was changed");
    }
}

#[tokio::test]
async fn a_flipped_page_is_named_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    for name in ["a", "b", "c"] {
        drop(server.framework(info(name)).await.unwrap());
    }
    server.running.stop().await.unwrap();
    let file = dir.path().join("registry.redb");
    let mut bytes = fs::read(&file).unwrap();
    let needle = b"\"failover_timeout_ms\"";
    let at: Vec<_> = (0..bytes.len() - needle.len())
        .filter(|at| &bytes[*at..*at + needle.len()] == needle)
        .collect();
    assert!(!at.is_empty(), "the registry is not written in readable form");
    for at in at {
        bytes[at + 3] ^= 0xff;
    }
    fs::write(&file, &bytes).unwrap();
    let refused = start(&config(dir.path())).await.unwrap_err();
    assert!(matches!(refused, ServeError::Registry(RegistryError::Damaged { .. })), "{refused}");
    assert!(file.exists());
}
