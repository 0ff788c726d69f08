//! A full state directory: what is known goes on, what would have to be durable is refused.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::v1::{self, TaskState};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::{fs, io::Write, path::Path};
use support::{Server, config, hello, info, task};
use tonic::Code;

/// A small filesystem, gone when this is.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mounted = mount(
            Some("tmpfs"),
            dir.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        );
        match mounted {
            Ok(()) => Some(Self(dir)),
            Err(error) => {
                eprintln!("skipped: cannot mount a tmpfs ({error}); this test needs root");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = fs::File::create(self.path().join("filler")).unwrap();
        while file.write_all(&[1; 4_096]).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(self.path(), MntFlags::MNT_DETACH);
    }
}

#[tokio::test]
async fn a_full_state_directory_is_said_survived_and_healed() {
    let Some(small) = Small::mount(16 << 20) else { return };
    let dir = small.path().join("state");
    let server = Server::start(&dir).await;
    let mut agent = server.agent(hello("n1")).await.unwrap();
    let mut framework = server.framework(info("known")).await.unwrap();
    let offer = framework.offer().await;
    small.fill();

    // redb may have room in its file for a while; then it is told.
    let mut refused = None;
    for round in 0..2_000 {
        let name = format!("new-{round}-{}", "x".repeat(200));
        if let Err(status) = server.framework(info(&name)).await {
            refused = Some((name, status));
            break;
        }
    }
    let (name, refused) = refused.expect("a full disk took 2,000 frameworks");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("is full"), "{}", refused.message());
    assert!(refused.message().contains(&dir.display().to_string()), "{}", refused.message());
    let before = server.cluster().await;
    assert!(before.frameworks.iter().all(|framework| framework.name != name));
    assert!(before.warnings.iter().any(|warning| warning.contains("is full")), "{before:#?}");
    assert_eq!(support::get(server.running.address, "/healthz").await.0, 503);
    assert!(support::get(server.running.address, "/metrics").await.1.contains("registry_ok 0"));

    // New ones and changes of roles are refused and leave nothing behind ...
    let refused = server.framework(info("late")).await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let refused = server.agent(hello("n2")).await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let set = v1::SetRoleRequest { name: "*".to_owned(), weight: Some(9.0), opportunistic: None };
    let refused = server.operator().set_role(set.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let now = server.cluster().await;
    assert_eq!(now.frameworks.len(), before.frameworks.len());
    assert_eq!(now.agents.len(), 1);
    assert!(now.roles.iter().all(|role| role.weight != 9.0));

    // ... and what is known goes on.
    framework.accept(&offer, vec![task("t")]).await.unwrap();
    let launch = agent.launch().await;
    agent.status(&launch, TaskState::Running, 1).await;
    assert_eq!(framework.update().await.state(), TaskState::Running);
    let id = framework.caller.framework_id.clone();
    drop(framework);
    let again = v1::FrameworkInfo { framework_id: id, ..info("known") };
    server.framework(again).await.unwrap();

    small.free();
    let healed = server
        .until("all well again", |cluster| {
            !cluster.warnings.iter().any(|warning| warning.contains("is full"))
        })
        .await;
    assert_eq!(support::get(server.running.address, "/healthz").await.0, 200);
    server.operator().set_role(set).await.unwrap();
    server.framework(info("late")).await.unwrap();
    server.running.stop().await.unwrap();

    // All that was promised is there after a restart.
    let server = Server::start(&dir).await;
    let cluster = server.cluster().await;
    assert_eq!(cluster.frameworks.len(), healed.frameworks.len() + 1);
    assert!(cluster.frameworks.iter().any(|framework| framework.name == "late"));
    assert!(cluster.roles.iter().any(|role| role.name == "*" && role.weight == 9.0));
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_on_a_full_disk_says_so() {
    let Some(small) = Small::mount(64 << 10) else { return };
    small.fill();
    let refused = headroom_allocator::start(&config(&small.path().join("state"))).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("is full"), "{text}");
}
