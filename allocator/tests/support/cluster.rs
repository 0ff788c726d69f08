//! An allocator with something in it.

use super::{Agent, Framework, Server, hello, info, task};
use headroom_proto::v1;
use std::net::SocketAddr;

pub struct Cluster {
    pub server: Server,
    pub agent: Agent,
    pub framework: Framework,
    pub launch: v1::Launch,
    _dir: tempfile::TempDir,
}

impl Cluster {
    /// An agent, a framework, and a task that runs.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path()).await;
        let mut agent = server.agent(hello("n1")).await.unwrap();
        let mut framework = server.framework(info("f")).await.unwrap();
        let offer = framework.offer().await;
        framework.accept(&offer, vec![task("t")]).await.unwrap();
        let launch = agent.launch().await;
        agent.status(&launch, v1::TaskState::Running, 1).await;
        framework.update().await;
        Self { server, agent, framework, launch, _dir: dir }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.running.address
    }

    pub async fn stop(self) {
        let Self { server, agent, framework, .. } = self;
        drop((agent, framework));
        server.running.stop().await.unwrap();
    }
}
