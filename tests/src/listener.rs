//! An allocator that only listens: one agent, orders of the test's own, every report as it came.

use std::{
    pin::Pin,
    sync::Mutex,
    time::{Duration, Instant},
};

use headroom_proto::v1::{
    AgentMessage, AllocatorMessage, FrameworkInfo, Hello, Launch, Report, TaskInfo, TaskReport,
    Welcome,
    agent_link_server::{AgentLink, AgentLinkServer},
    agent_message::Message as Said,
    allocator_message::Message as Order,
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, Receiver, Sender},
    time::timeout,
};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::patience::LONG;

/// More than the messages of any test.
const ROOM: usize = 4_096;

/// The allocator's side of the one link.
#[derive(Debug)]
pub struct Listener {
    /// `host:port`.
    pub address: String,
    orders: Sender<Order>,
    heard: Receiver<(Instant, Said)>,
    /// Of the last report: when it came, and its number.
    last: Option<(Instant, u64)>,
}

impl Listener {
    /// Listens; the agent shall report every `step`.
    ///
    /// # Panics
    /// No port is free.
    pub async fn start(step: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let (orders, ordered) = mpsc::channel(ROOM);
        let (tell, heard) = mpsc::channel(ROOM);
        let step_ms = u64::try_from(step.as_millis()).unwrap_or(1_000);
        let door = Door { tell, ordered: Mutex::new(Some(ordered)), step_ms };
        let server = Server::builder().add_service(AgentLinkServer::new(door));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, orders, heard, last: None }
    }

    /// The agent's first words.
    ///
    /// # Panics
    /// It says something else, or nothing.
    pub async fn hello(&mut self) -> Hello {
        match timeout(LONG, self.heard.recv()).await.expect("an agent") {
            Some((_, Said::Hello(hello))) => hello,
            other => panic!("not a hello: {other:?}"),
        }
    }

    /// Launches a guaranteed task.
    ///
    /// # Panics
    /// The agent is gone.
    pub async fn launch(&self, handle: u64, task: TaskInfo) {
        let framework = FrameworkInfo::default();
        let launch = Launch {
            epoch: 1,
            handle,
            framework_id: "F1-1".into(),
            framework_user: framework.user,
            role: "*".into(),
            revocable: false,
            task: Some(task),
            ..Launch::default()
        };
        self.orders.send(Order::Launch(launch)).await.expect("an agent");
    }

    /// The next report, and when it came.
    async fn report(&mut self) -> (Instant, Report) {
        loop {
            match timeout(LONG, self.heard.recv()).await.expect("a report") {
                Some((at, Said::Report(report))) => return (at, report),
                Some(_) => {}
                None => panic!("the agent is gone"),
            }
        }
    }

    /// Reads reports until one is as wanted. None is lost, or this panics; each comes with the
    /// time since the one before.
    ///
    /// # Panics
    /// None is, or one was lost.
    pub async fn until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&[TaskReport]) -> bool,
    ) -> Vec<(Duration, Vec<TaskReport>)> {
        let mut seen = Vec::new();
        let deadline = Instant::now() + LONG;
        loop {
            let (at, report) = self.report().await;
            assert!(Instant::now() < deadline, "waited in vain: {what}; last: {report:?}");
            let Some((before, sequence)) = self.last.replace((at, report.sequence)) else {
                continue;
            };
            assert_eq!(report.sequence, sequence + 1, "a report was lost");
            let done = is_so(&report.tasks);
            seen.push((at - before, report.tasks));
            if done {
                return seen;
            }
        }
    }
}

#[derive(Debug)]
struct Door {
    tell: Sender<(Instant, Said)>,
    ordered: Mutex<Option<Receiver<Order>>>,
    step_ms: u64,
}

#[tonic::async_trait]
impl AgentLink for Door {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<AllocatorMessage, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let mut ordered = self.ordered.lock().ok().and_then(|mut ordered| ordered.take());
        let mut ordered = ordered.take().ok_or_else(|| Status::unavailable("only one link"))?;
        let (say, said) = mpsc::channel(ROOM);
        let welcome = Welcome { agent_id: "A1-1".into(), epoch: 1, step_ms: self.step_ms };
        let message = |order| Ok(AllocatorMessage { message: Some(order) });
        say.try_send(message(Order::Welcome(welcome))).ok();
        tokio::spawn(async move {
            while let Some(order) = ordered.recv().await {
                if say.send(message(order)).await.is_err() {
                    return;
                }
            }
        });
        let (tell, mut heard) = (self.tell.clone(), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(AgentMessage { message: Some(said) })) = heard.message().await {
                if tell.send((Instant::now(), said)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(said))))
    }
}
