//! The single owner of the machine: commands in batches, records made durable, effects to streams.
//!
//! One thread owns the core; everybody else holds a [`Driver`] and sends to it. When its queue is
//! full, senders wait. A stream that does not keep up is ended: it never holds up the rest.

mod durability;
mod feed;
mod news;
mod owner;
mod streams;

pub use feed::{Ended, Feed};
pub use news::MAX_NEWS;
pub(crate) use news::News;

use crate::{history::History, metrics::DriverMetrics, registry::Registry};
use headroom_core::{
    command::{AgentHello, Command, FrameworkInfo},
    ids::{AgentId, FrameworkId, TaskHandle},
    machine::{Machine, Refusal, Reply},
    time::Time,
};
use std::{io, sync::Arc, thread};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Inputs that wait for the owner; more make their senders wait.
pub const INPUT_QUEUE: usize = 8_192;
/// Inputs decided on together, at most.
pub const BATCH: usize = 1_024;
/// Effects that wait for one agent's stream; one more ends it.
pub const AGENT_QUEUE: usize = 16_384;
/// Effects that wait for one framework's stream; one more ends it.
pub const FRAMEWORK_QUEUE: usize = 16_384;

/// Why a call to the driver came to nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CallError {
    /// The core refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What was asked for has to be durable and cannot be made so now.
    #[error("{0}")]
    NotDurable(String),
    /// The allocator is shutting down.
    #[error("the allocator is shutting down; try again in a few seconds")]
    Stopped,
}

type Query = Box<dyn FnOnce(&Machine, &History, Time) + Send>;
/// What an agent says again of its tasks, for those that ask later.
pub(crate) type Abouts = Vec<(TaskHandle, Arc<[u8]>)>;
type Answer = oneshot::Sender<Result<Reply, CallError>>;

/// All that the owner takes.
pub(crate) enum Input {
    Command(Command, Option<Answer>),
    Hello(Box<AgentHello>, Abouts, feed::Outlet, oneshot::Sender<Result<AgentLink, CallError>>),
    Subscribe(Box<Subscribing>, feed::Outlet, Answer),
    FromAgent(AgentId, u64, Command),
    Query(Query),
    Stop,
}

pub(crate) struct Subscribing {
    framework: Option<FrameworkId>,
    info: FrameworkInfo,
    suppressed: Vec<String>,
    session: u64,
}

/// One standing stream of an agent: its number tells it from older ones of the same agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentLink {
    /// The agent.
    pub agent: AgentId,
    /// Which of its streams.
    pub number: u64,
}

/// The way to the owner; cheap to copy.
#[derive(Clone, Debug)]
pub struct Driver {
    inputs: mpsc::Sender<Input>,
    trouble: watch::Receiver<Option<String>>,
    herald: news::Herald,
}

/// The owner's thread, seen from outside.
#[derive(Debug)]
pub struct Owner {
    over: oneshot::Receiver<()>,
}

impl Owner {
    /// Comes back when the owner has ended and the registry is closed, for whatever reason.
    pub async fn over(&mut self) {
        // An error says the sender is gone, which is the news itself.
        let _ = (&mut self.over).await;
    }
}

impl Driver {
    /// Gives `machine` its own thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(
        machine: Machine,
        history: History,
        registry: Registry,
        metrics: Arc<DriverMetrics>,
    ) -> io::Result<(Self, Owner)> {
        let (inputs, queue) = mpsc::channel(INPUT_QUEUE);
        let (trouble_seen, trouble) = watch::channel(None);
        let (ended, over) = oneshot::channel();
        let herald = news::Herald::new();
        let heralding = herald.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new().name("headroom-core".to_owned()).spawn(move || {
            let owner =
                owner::Loop::new(machine, history, registry, trouble_seen, metrics, heralding);
            runtime.block_on(owner.run(queue));
            drop(ended);
        })?;
        Ok((Self { inputs, trouble, herald }, Owner { over }))
    }

    /// Has a command decided on, and waits for the answer.
    ///
    /// # Errors
    /// It was refused, or cannot be made durable, or the allocator stops.
    pub async fn call(&self, command: Command) -> Result<Reply, CallError> {
        let (answer, answered) = oneshot::channel();
        self.send(Input::Command(command, Some(answer))).await?;
        answered.await.map_err(|_| CallError::Stopped)?
    }

    /// Hands a command over without waiting for what becomes of it.
    pub async fn tell(&self, command: Command) {
        // A stopped driver has no use for news.
        let _ = self.send(Input::Command(command, None)).await;
    }

    /// Reads the machine between two batches.
    ///
    /// # Errors
    /// The allocator stops.
    pub async fn query<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Machine, Time) -> R + Send + 'static,
    ) -> Result<R, CallError> {
        self.look(move |machine, _, now| read(machine, now)).await
    }

    /// Reads the machine, and what was, between two batches.
    ///
    /// # Errors
    /// The allocator stops.
    pub(crate) async fn look<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Machine, &History, Time) -> R + Send + 'static,
    ) -> Result<R, CallError> {
        let (answer, answered) = oneshot::channel();
        let query = Box::new(move |machine: &Machine, history: &History, now| {
            // Nobody waits for it any more: fine.
            let _ = answer.send(read(machine, history, now));
        });
        self.send(Input::Query(query)).await?;
        answered.await.map_err(|_| CallError::Stopped)
    }

    /// Opens an agent's stream.
    ///
    /// # Errors
    /// The agent is refused, or is new and cannot be made durable.
    pub(crate) async fn connect_agent(
        &self,
        hello: AgentHello,
        abouts: Abouts,
    ) -> Result<(AgentLink, Feed), CallError> {
        let (outlet, feed) = feed::channel(AGENT_QUEUE);
        let (answer, answered) = oneshot::channel();
        self.send(Input::Hello(Box::new(hello), abouts, outlet, answer)).await?;
        let link = answered.await.map_err(|_| CallError::Stopped)??;
        Ok((link, feed))
    }

    /// Hands over what came by an agent's stream; dropped if a newer stream stands.
    pub async fn from_agent(&self, link: AgentLink, command: Command) {
        let _ = self.send(Input::FromAgent(link.agent, link.number, command)).await;
    }

    /// Opens a framework's stream; it wants no offers in the roles `suppressed`, and `session` must
    /// be new.
    ///
    /// # Errors
    /// The framework is refused, or is new and cannot be made durable.
    pub async fn subscribe(
        &self,
        framework: Option<FrameworkId>,
        info: FrameworkInfo,
        suppressed: Vec<String>,
        session: u64,
    ) -> Result<(FrameworkId, Feed), CallError> {
        let (outlet, feed) = feed::channel(FRAMEWORK_QUEUE);
        let (answer, answered) = oneshot::channel();
        let subscribing = Box::new(Subscribing { framework, info, suppressed, session });
        self.send(Input::Subscribe(subscribing, outlet, answer)).await?;
        match answered.await.map_err(|_| CallError::Stopped)?? {
            Reply::Framework(id) => Ok((id, feed)),
            other => Err(owner::unexpected("a subscription", other)),
        }
    }

    /// Why nothing can be made durable now; `None`: it can.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// All that happens from now on.
    pub(crate) fn news(&self) -> broadcast::Receiver<News> {
        self.herald.0.subscribe()
    }

    /// Comes back when the owner takes nothing more.
    pub(crate) async fn stopped(&self) {
        self.inputs.closed().await;
    }

    /// Whether the owner still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        !self.inputs.is_closed()
    }

    /// Ends all streams and then the owner.
    pub async fn stop(&self) {
        let _ = self.send(Input::Stop).await;
    }

    async fn send(&self, input: Input) -> Result<(), CallError> {
        self.inputs.send(input).await.map_err(|_| CallError::Stopped)
    }
}
