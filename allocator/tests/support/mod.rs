//! A real server on a free port, with real clients as an agent and as a framework.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod cluster;
pub mod http;

use headroom_allocator::{Config, Running, start};
use headroom_proto::v1::{
    self, AgentMessage, AllocatorMessage, agent_link_client::AgentLinkClient,
    agent_message::Message as Said, allocator_message::Message as Order, event::Event,
    operator_client::OperatorClient, scheduler_client::SchedulerClient,
};
use std::{path::Path, time::Duration};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

/// Nothing here takes so long unless it is broken.
pub const LONG: Duration = Duration::from_secs(20);

pub fn config(state_dir: &Path) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        state_dir: state_dir.to_owned(),
        step: Duration::from_millis(100),
        ..Config::default()
    }
}

pub struct Server {
    pub running: Running,
    pub channel: Channel,
}

impl Server {
    pub async fn start(state_dir: &Path) -> Self {
        Self::with(&config(state_dir)).await
    }

    pub async fn with(config: &Config) -> Self {
        let running = start(config).await.unwrap();
        let address = format!("http://{}", running.address);
        let channel = Endpoint::try_from(address).unwrap().connect().await.unwrap();
        Self { running, channel }
    }

    pub fn operator(&self) -> OperatorClient<Channel> {
        OperatorClient::new(self.channel.clone())
    }

    pub fn scheduler(&self) -> SchedulerClient<Channel> {
        SchedulerClient::new(self.channel.clone())
    }

    pub async fn cluster(&self) -> v1::Cluster {
        let request = v1::GetClusterRequest { ended: true };
        self.operator().get_cluster(request).await.unwrap().into_inner()
    }

    /// Waits until the cluster is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&v1::Cluster) -> bool) -> v1::Cluster {
        let mut cluster = self.cluster().await;
        for _ in 0..200 {
            if wanted(&cluster) {
                return cluster;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            cluster = self.cluster().await;
        }
        panic!("never came: {what}; last seen: {cluster:#?}");
    }

    pub async fn agent(&self, hello: v1::Hello) -> Result<Agent, Status> {
        Agent::connect(&self.channel, hello).await
    }

    pub async fn framework(&self, info: v1::FrameworkInfo) -> Result<Framework, Status> {
        Framework::subscribe(self.scheduler(), info).await
    }
}

pub fn resources(cpus: f64, memory_mib: f64) -> v1::Resources {
    v1::Resources { cpus, memory_mib, ..Default::default() }
}

pub fn hello(hostname: &str) -> v1::Hello {
    v1::Hello {
        hostname: hostname.to_owned(),
        total: Some(resources(4.0, 4_096.0)),
        version: "test".to_owned(),
        rung: "C".to_owned(),
        ..Default::default()
    }
}

pub fn info(name: &str) -> v1::FrameworkInfo {
    v1::FrameworkInfo { name: name.to_owned(), failover_timeout_ms: 60_000, ..Default::default() }
}

pub fn task(name: &str) -> v1::TaskInfo {
    v1::TaskInfo {
        task_id: name.to_owned(),
        resources: Some(resources(1.0, 128.0)),
        command: Some(v1::Command { shell: "sleep 1000".to_owned(), ..Default::default() }),
        ..Default::default()
    }
}

pub struct Agent {
    pub say: mpsc::Sender<AgentMessage>,
    pub orders: Streaming<AllocatorMessage>,
    pub id: String,
    pub epoch: u64,
}

impl Agent {
    pub async fn connect(channel: &Channel, hello: v1::Hello) -> Result<Self, Status> {
        let (say, mut orders) = open(channel, Said::Hello(hello)).await?;
        match next_order(&mut orders).await? {
            Order::Welcome(welcome) => {
                let v1::Welcome { agent_id, epoch, .. } = welcome;
                Ok(Self { say, orders, id: agent_id, epoch })
            }
            Order::Refused(refused) => Err(Status::permission_denied(refused.reason)),
            other => panic!("not a welcome: {other:?}"),
        }
    }

    pub async fn say(&self, message: Said) {
        self.say.send(AgentMessage { message: Some(message) }).await.unwrap();
    }

    pub async fn order(&mut self) -> Result<Order, Status> {
        next_order(&mut self.orders).await
    }

    pub async fn launch(&mut self) -> v1::Launch {
        match self.order().await.unwrap() {
            Order::Launch(launch) => launch,
            other => panic!("not a launch: {other:?}"),
        }
    }

    pub async fn status(&self, launch: &v1::Launch, state: v1::TaskState, uuid: u8) {
        let status = v1::TaskStatus {
            task_id: launch.task.as_ref().unwrap().task_id.clone(),
            agent_id: self.id.clone(),
            state: state.into(),
            uuid: if uuid == 0 { Vec::new() } else { vec![uuid; 16] },
            timestamp_ms: 1,
            ..Default::default()
        };
        self.say(Said::Status(v1::StatusUpdate {
            handle: launch.handle,
            framework_id: launch.framework_id.clone(),
            status: Some(status),
        }))
        .await;
    }
}

/// Opens an agent's stream with any first message.
pub async fn open(
    channel: &Channel,
    first: Said,
) -> Result<(mpsc::Sender<AgentMessage>, Streaming<AllocatorMessage>), Status> {
    let (say, said) = mpsc::channel(64);
    say.send(AgentMessage { message: Some(first) }).await.unwrap();
    let stream = ReceiverStream::new(said);
    let call = AgentLinkClient::new(channel.clone()).connect(stream).await?;
    Ok((say, call.into_inner()))
}

async fn next_order(orders: &mut Streaming<AllocatorMessage>) -> Result<Order, Status> {
    let message = timeout(LONG, orders.message()).await.expect("no order came")?;
    let message = message.ok_or_else(|| Status::cancelled("the stream ended"))?;
    Ok(message.message.unwrap())
}

pub struct Framework {
    pub client: SchedulerClient<Channel>,
    pub events: Streaming<v1::Event>,
    pub caller: v1::Caller,
}

impl Framework {
    pub async fn subscribe(
        mut client: SchedulerClient<Channel>,
        info: v1::FrameworkInfo,
    ) -> Result<Self, Status> {
        let request = v1::SubscribeRequest { framework: Some(info), ..Default::default() };
        let mut events = client.subscribe(request).await?.into_inner();
        let first = timeout(LONG, events.message()).await.expect("no event came")?.unwrap();
        let Some(Event::Subscribed(subscribed)) = first.event else {
            panic!("not subscribed: {first:?}")
        };
        let v1::Subscribed { framework_id, session, .. } = subscribed;
        Ok(Self { client, events, caller: v1::Caller { framework_id, session } })
    }

    pub async fn event(&mut self) -> Result<Event, Status> {
        let event = timeout(LONG, self.events.message()).await.expect("no event came")?;
        Ok(event.ok_or_else(|| Status::cancelled("the stream ended"))?.event.unwrap())
    }

    pub async fn offer(&mut self) -> v1::Offer {
        match self.event().await.unwrap() {
            Event::Offers(mut offers) => offers.offers.remove(0),
            other => panic!("not offers: {other:?}"),
        }
    }

    pub async fn update(&mut self) -> v1::TaskStatus {
        loop {
            match self.event().await.unwrap() {
                Event::Update(status) => return status,
                Event::Offers(_) | Event::Rescind(_) => {}
                other => panic!("not an update: {other:?}"),
            }
        }
    }

    pub fn caller(&self) -> Option<v1::Caller> {
        Some(self.caller.clone())
    }

    pub async fn accept(
        &mut self,
        offer: &v1::Offer,
        tasks: Vec<v1::TaskInfo>,
    ) -> Result<(), Status> {
        let request = v1::AcceptRequest {
            caller: self.caller(),
            offer_ids: vec![offer.offer_id.clone()],
            tasks,
            refuse_ms: Some(600_000),
            operations: Vec::new(),
        };
        self.client.accept(request).await.map(drop)
    }

    pub async fn acknowledge(&mut self, status: &v1::TaskStatus) {
        let request = v1::AcknowledgeRequest {
            caller: self.caller(),
            task_id: status.task_id.clone(),
            uuid: status.uuid.clone(),
        };
        self.client.acknowledge(request).await.unwrap();
    }
}

/// A plain HTTP/1.1 question: status and body.
pub async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, stream.read_to_string(&mut answer)).await.expect("no answer").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
