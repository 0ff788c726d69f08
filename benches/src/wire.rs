//! A framework and an agent as a client sees them: real streams to a real allocator.

use crate::fault::Fault;
use headroom_proto::v1::{
    self, AgentMessage, AllocatorMessage, agent_link_client::AgentLinkClient,
    agent_message::Message as Said, allocator_message::Message as Order, event::Event,
    scheduler_client::SchedulerClient,
};
use std::time::Duration;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

/// Nothing here takes so long unless it is broken.
pub const LONG: Duration = Duration::from_secs(20);
const OUTGOING: usize = 1_024;

/// A connection of its own.
///
/// # Errors
/// Nobody answers.
pub async fn connect(address: &str) -> Result<Channel, Fault> {
    let fault = |source| Fault::Connect { address: address.to_owned(), source };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(fault)?;
    endpoint.tcp_nodelay(true).connect().await.map_err(fault)
}

/// What comes next in time.
///
/// # Errors
/// Nothing came, or the stream broke.
pub async fn next<T>(stream: &mut Streaming<T>, what: &'static str) -> Result<T, Fault> {
    let message = timeout(LONG, stream.message()).await;
    let message = message.map_err(|_| Fault::Waited(what.to_owned()))?;
    message.map_err(Fault::call(what))?.ok_or_else(|| Fault::Waited(what.to_owned()))
}

/// CPUs and memory.
#[must_use]
pub fn resources(cpus: f64, memory_mib: f64) -> v1::Resources {
    v1::Resources { cpus, memory_mib, ..Default::default() }
}

/// An agent's two directions.
#[derive(Debug)]
pub struct Agent {
    /// To the allocator.
    pub say: mpsc::Sender<AgentMessage>,
    /// From it.
    pub orders: Streaming<AllocatorMessage>,
    /// What the allocator calls it.
    pub id: String,
}

impl Agent {
    /// Says hello and waits for the welcome.
    ///
    /// # Errors
    /// It was not welcome.
    pub async fn connect(address: &str, hello: v1::Hello) -> Result<Self, Fault> {
        let (say, said) = mpsc::channel(OUTGOING);
        let hello = AgentMessage { message: Some(Said::Hello(hello)) };
        say.send(hello).await.map_err(|_| Fault::Waited("a hello to be taken".to_owned()))?;
        let mut client = AgentLinkClient::new(connect(address).await?);
        let call = client.connect(ReceiverStream::new(said)).await;
        let mut orders = call.map_err(Fault::call("connect"))?.into_inner();
        match next(&mut orders, "a welcome").await?.message {
            Some(Order::Welcome(welcome)) => Ok(Self { say, orders, id: welcome.agent_id }),
            other => Err(Fault::Core(format!("not a welcome: {other:?}"))),
        }
    }
}

/// A framework's calls, and its stream of events.
#[derive(Debug)]
pub struct Framework {
    client: SchedulerClient<Channel>,
    caller: v1::Caller,
}

impl Framework {
    /// Subscribes; the events come by the stream.
    ///
    /// # Errors
    /// It was refused.
    pub async fn subscribe(
        address: &str,
        info: v1::FrameworkInfo,
    ) -> Result<(Self, Streaming<v1::Event>), Fault> {
        let mut client = SchedulerClient::new(connect(address).await?);
        let request = v1::SubscribeRequest { framework: Some(info), ..Default::default() };
        let call = client.subscribe(request).await;
        let mut events = call.map_err(Fault::call("subscribe"))?.into_inner();
        match next(&mut events, "a subscription").await?.event {
            Some(Event::Subscribed(subscribed)) => {
                let v1::Subscribed { framework_id, session, .. } = subscribed;
                Ok((Self { client, caller: v1::Caller { framework_id, session } }, events))
            }
            other => Err(Fault::Core(format!("not subscribed: {other:?}"))),
        }
    }

    fn caller(&self) -> Option<v1::Caller> {
        Some(self.caller.clone())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.caller.framework_id
    }

    /// Says what it wants.
    ///
    /// # Errors
    /// The call failed.
    pub async fn want(&mut self, wanted: Vec<v1::Wanted>) -> Result<(), Fault> {
        let request = v1::RequestRequest { caller: self.caller(), wanted };
        self.client.request(request).await.map(drop).map_err(Fault::call("request"))
    }

    /// Launches on an offer.
    ///
    /// # Errors
    /// The call failed.
    pub async fn accept(&mut self, offer_id: &str, tasks: Vec<v1::TaskInfo>) -> Result<(), Fault> {
        let request = v1::AcceptRequest {
            caller: self.caller(),
            offer_ids: vec![offer_id.to_owned()],
            tasks,
            refuse_ms: None,
            operations: Vec::new(),
        };
        self.client.accept(request).await.map(drop).map_err(Fault::call("accept"))
    }

    /// Wants nothing more.
    ///
    /// # Errors
    /// The call failed.
    pub async fn suppress(&mut self) -> Result<(), Fault> {
        let request = v1::SuppressRequest { caller: self.caller(), ..Default::default() };
        self.client.suppress(request).await.map(drop).map_err(Fault::call("suppress"))
    }

    /// Acknowledges an update, if it asks for that.
    ///
    /// # Errors
    /// The call failed.
    pub async fn acknowledge(&mut self, status: &v1::TaskStatus) -> Result<(), Fault> {
        if status.uuid.is_empty() {
            return Ok(());
        }
        let request = v1::AcknowledgeRequest {
            caller: self.caller(),
            task_id: status.task_id.clone(),
            uuid: status.uuid.clone(),
        };
        self.client.acknowledge(request).await.map(drop).map_err(Fault::call("acknowledge"))
    }

    /// Ends itself and its tasks.
    ///
    /// # Errors
    /// The call failed.
    pub async fn teardown(&mut self) -> Result<(), Fault> {
        let request = v1::TeardownRequest { caller: self.caller() };
        self.client.teardown(request).await.map(drop).map_err(Fault::call("teardown"))
    }
}
