//! The door for agents: `headroom.v1.AgentLink`, one stream an agent.

mod directory;
mod files;

pub use directory::Directory;
pub use files::{FileError, MAX_READS, READ_TIMEOUT};

use crate::{
    convert::{
        self,
        agent::{FromAgent, Orders, hello_in, message_in, order_out},
    },
    driver::{AgentLink, CallError, Driver, Ended, Feed},
};
use headroom_core::{command::Command, machine::Refusal};
use headroom_proto::v1::{
    self, AgentMessage, AllocatorMessage, agent_link_server::AgentLink as Service,
    agent_message::Message as In, allocator_message::Message as Out,
};
use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

/// A stream must begin with a hello within this time.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Files asked for that wait for one agent's stream.
const READ_QUEUE: usize = 64;

/// The service.
#[derive(Clone, Debug)]
pub struct Door {
    driver: Driver,
    directory: Directory,
    orders: Orders,
}

impl Door {
    /// A door to `driver`, whose orders carry `epoch`.
    #[must_use]
    pub const fn new(driver: Driver, directory: Directory, epoch: u32, step: Duration) -> Self {
        Self { driver, directory, orders: Orders { epoch, step } }
    }

    async fn hello(
        &self,
        hello: v1::Hello,
        from: Option<SocketAddr>,
    ) -> Result<Response<Outgoing>, Status> {
        let (mut hello, introduction) = hello_in(hello)?;
        hello.ip = ip_of(&introduction.address, from);
        let hostname = hello.hostname.clone();
        if introduction.epoch > u64::from(self.orders.epoch) {
            // It would refuse every order of ours (see Launch.epoch).
            let reason = format!(
                "this agent has obeyed epoch {}, this allocator is only at {}: its state directory \
                 is older than the agent's; connect the agent to its own allocator, or start it \
                 with a new state directory",
                introduction.epoch, self.orders.epoch
            );
            warn!(hostname, "{reason}");
            return Ok(Response::new(Outgoing::refused(v1::Refused { reason, ..<_>::default() })));
        }
        let (link, feed) = match self.driver.connect_agent(hello).await {
            Ok(connected) => connected,
            Err(CallError::Refused(refusal @ (Refusal::Invalid(_) | Refusal::UnknownAgent(_)))) => {
                warn!(hostname, "refused an agent: {refusal}");
                let refused = v1::Refused { reason: refusal.to_string(), ..<_>::default() };
                return Ok(Response::new(Outgoing::refused(refused)));
            }
            Err(CallError::Refused(
                refusal @ (Refusal::AgentGone(_) | Refusal::MachineDown(_)),
            )) => {
                warn!(hostname, "refused an agent: {refusal}");
                let epoch = self.orders.epoch.into();
                let refused = v1::Refused { reason: refusal.to_string(), ends_tasks: true, epoch };
                return Ok(Response::new(Outgoing::refused(refused)));
            }
            Err(error) => return Err(error.into()),
        };
        let address = &introduction.address;
        info!(agent = %link.agent, hostname, address, "an agent said hello");
        let (reads, waiting) = mpsc::channel(READ_QUEUE);
        self.directory.enter(link, introduction, reads);
        let standing =
            Standing { link, driver: self.driver.clone(), directory: self.directory.clone() };
        Ok(Response::new(Outgoing::standing(feed, waiting, self.orders, standing)))
    }
}

#[tonic::async_trait]
impl Service for Door {
    type ConnectStream = Outgoing;

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        let from = request.remote_addr();
        let mut messages = request.into_inner();
        let first = tokio::time::timeout(HELLO_TIMEOUT, messages.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(In::Hello(hello)) = first.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("message: the first must be a hello"));
        };
        let response = self.hello(hello, from).await?;
        if let Some(standing) = &response.get_ref().standing {
            let (link, driver) = (standing.link, self.driver.clone());
            let listening = Listening {
                link,
                driver,
                directory: self.directory.clone(),
                trouble: response.get_ref().trouble.clone(),
            };
            tokio::spawn(listening.run(messages, response.get_ref().ended()));
        }
        Ok(response)
    }
}

/// The address that machines are told apart by: the one that the agent serves on, or, where that
/// is for its own node only, the one that it calls from.
fn ip_of(address: &str, from: Option<SocketAddr>) -> String {
    let own = address.parse().map(|address: SocketAddr| address.ip()).ok();
    let own = own.filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    let ip = own.or_else(|| from.map(|from| from.ip().to_canonical()));
    ip.map(|ip| ip.to_string()).unwrap_or_default()
}

/// What one agent says, from its hello to its end.
struct Listening {
    link: AgentLink,
    driver: Driver,
    directory: Directory,
    trouble: watch::Sender<Option<Status>>,
}

impl Listening {
    async fn run(
        self,
        mut messages: Streaming<AgentMessage>,
        ended: Option<watch::Receiver<Option<Ended>>>,
    ) {
        let Some(mut ended) = ended else { return };
        let agent = self.link.agent;
        loop {
            let message = tokio::select! {
                message = messages.message() => message,
                // Ended from here: replaced, too slow, or all is stopping.
                _ = ended.wait_for(Option::is_some) => break,
            };
            match message {
                Ok(Some(message)) => {
                    if let Err(wrong) = self.take(message).await {
                        warn!(%agent, "{wrong}; ended its stream");
                        self.trouble.send_replace(Some(wrong.into()));
                        break;
                    }
                }
                Ok(None) => break,
                Err(status) => {
                    debug!(%agent, "its stream broke: {}", status.message());
                    break;
                }
            }
        }
        info!(%agent, "its stream ended");
        self.directory.leave(self.link);
        self.driver.from_agent(self.link, Command::AgentGone(agent)).await;
    }

    async fn take(&self, message: AgentMessage) -> Result<(), convert::Wrong> {
        match message_in(self.link.agent, message)? {
            FromAgent::Command(command) => self.driver.from_agent(self.link, command).await,
            FromAgent::File(chunk) => self.directory.answer(self.link.agent, chunk),
        }
        Ok(())
    }
}

/// Dropping it, whoever does, tells the core that the stream broke.
#[derive(Debug)]
struct Standing {
    link: AgentLink,
    driver: Driver,
    directory: Directory,
}

impl Drop for Standing {
    fn drop(&mut self) {
        let (driver, link) = (self.driver.clone(), self.link);
        self.directory.leave(link);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                driver.from_agent(link, Command::AgentGone(link.agent)).await;
            });
        }
    }
}

/// What one agent is told.
#[derive(Debug)]
pub struct Outgoing {
    feed: Option<Feed>,
    reads: Option<mpsc::Receiver<v1::ReadFile>>,
    orders: Orders,
    refusal: Option<v1::Refused>,
    /// Set by the listening side when the agent said what it may not.
    trouble: watch::Sender<Option<Status>>,
    standing: Option<Standing>,
}

impl Outgoing {
    fn refused(refused: v1::Refused) -> Self {
        let orders = Orders { epoch: 0, step: Duration::ZERO };
        let trouble = watch::Sender::new(None);
        Self { feed: None, reads: None, orders, refusal: Some(refused), trouble, standing: None }
    }

    fn standing(
        feed: Feed,
        reads: mpsc::Receiver<v1::ReadFile>,
        orders: Orders,
        standing: Standing,
    ) -> Self {
        Self {
            feed: Some(feed),
            reads: Some(reads),
            orders,
            refusal: None,
            trouble: watch::Sender::new(None),
            standing: Some(standing),
        }
    }

    fn ended(&self) -> Option<watch::Receiver<Option<Ended>>> {
        self.feed.as_ref().map(Feed::watch)
    }
}

impl Stream for Outgoing {
    type Item = Result<AllocatorMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(refused) = self.refusal.take() {
            let refused = Out::Refused(refused);
            return Poll::Ready(Some(Ok(AllocatorMessage { message: Some(refused) })));
        }
        let this = &mut *self;
        let Some(feed) = &mut this.feed else { return Poll::Ready(None) };
        loop {
            match feed.poll_next(context) {
                Poll::Ready(Some(effect)) => match order_out(this.orders, effect) {
                    Some(message) => return Poll::Ready(Some(Ok(message))),
                    None => continue,
                },
                Poll::Ready(None) => {
                    let said = this.trouble.borrow().clone();
                    let ended = || convert::ended(feed.ended());
                    let status = said.or_else(ended);
                    this.feed = None;
                    return Poll::Ready(status.map(Err));
                }
                Poll::Pending => break,
            }
        }
        if let Some(reads) = &mut this.reads {
            match reads.poll_recv(context) {
                Poll::Ready(Some(read)) => {
                    let message = Some(Out::ReadFile(read));
                    return Poll::Ready(Some(Ok(AllocatorMessage { message })));
                }
                Poll::Ready(None) => this.reads = None,
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}
