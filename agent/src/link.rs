//! The one stream to the allocator: says hello, sends reports and updates, takes orders, and comes
//! back by itself, waiting longer each time.

use crate::{containers::Layout, identity::Identity, logs, meter, tasks};
use headroom_proto::v1::{
    self as wire, agent_link_client::AgentLinkClient, agent_message::Message as Up,
    allocator_message::Message as Down,
};
use std::time::Duration;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tracing::{error, info, warn};

/// At most so many messages wait to be sent.
const MAX_OUTGOING: usize = 1_024;
/// The first and the longest wait before connecting again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The stream is probed so often, and dropped when no answer comes in twice that time.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What ends a connection.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No allocator answers there.
    #[error("no allocator answers at {address}: {source}")]
    Connect {
        /// Where.
        address: String,
        /// What the transport said.
        source: tonic::transport::Error,
    },
    /// The stream broke.
    #[error("the stream to the allocator broke: {0}")]
    Broken(String),
    /// The allocator does not want this agent.
    #[error("the allocator refuses this agent: {0}")]
    Refused(String),
    /// The keeper or the meter has stopped, or does not keep up.
    #[error("the agent itself does not keep up: {0}")]
    Behind(&'static str),
}

/// All that the link needs.
pub struct Link {
    /// Where the allocator answers.
    pub address: String,
    /// Who we are.
    pub identity: Identity,
    /// What is said at hello; tasks, id and epoch are filled in anew each time.
    pub hello: wire::Hello,
    /// Where sandboxes are.
    pub layout: Layout,
    /// Takes orders.
    pub keeper: mpsc::Sender<tasks::Message>,
    /// Takes the step.
    pub meter: mpsc::Sender<meter::Message>,
    /// Updates to send.
    pub statuses: mpsc::Receiver<wire::StatusUpdate>,
    /// What executors say to their frameworks.
    pub messages: mpsc::Receiver<wire::ExecutorMessage>,
    /// The newest report.
    pub reports: watch::Receiver<Option<wire::Report>>,
    /// The newest change of lending.
    pub lending: watch::Receiver<Option<wire::LendingChange>>,
}

impl Link {
    /// Keeps the link up for ever.
    pub async fn run(mut self) {
        let mut wait = BACKOFF.0;
        loop {
            let (ended, was_welcome) = self.session().await;
            if was_welcome {
                wait = BACKOFF.0;
            }
            warn!("{ended}; again in {} ms", wait.as_millis());
            sleep(jittered(wait)).await;
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    /// One connection, from hello to its end; says why it ended and whether it was ever welcome.
    async fn session(&mut self) -> (LinkError, bool) {
        let mut was_welcome = false;
        let ended = match self.connect().await {
            Ok((up, down)) => self.serve(up, down, &mut was_welcome).await,
            Err(fault) => fault,
        };
        (ended, was_welcome)
    }

    async fn connect(
        &mut self,
    ) -> Result<
        (mpsc::Sender<wire::AgentMessage>, tonic::Streaming<wire::AllocatorMessage>),
        LinkError,
    > {
        let connect = |source| LinkError::Connect { address: self.address.clone(), source };
        let channel: Channel = Endpoint::from_shared(self.address.clone())
            .map_err(connect)?
            .connect_timeout(KEEPALIVE)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .connect()
            .await
            .map_err(connect)?;
        let (up, outgoing) = mpsc::channel(MAX_OUTGOING);
        send(&up, Up::Hello(self.hello().await?))?;
        let down = AgentLinkClient::new(channel)
            .connect(ReceiverStream::new(outgoing))
            .await
            .map_err(|status| LinkError::Broken(status.message().to_owned()))?;
        Ok((up, down.into_inner()))
    }

    async fn hello(&self) -> Result<wire::Hello, LinkError> {
        let (answer, tasks) = oneshot::channel();
        self.order(tasks::Message::Inventory(answer))?;
        Ok(wire::Hello {
            agent_id: self.identity.agent_id.clone(),
            epoch: self.identity.epoch,
            tasks: tasks.await.map_err(|_| LinkError::Behind("the keeper has stopped"))?,
            ..self.hello.clone()
        })
    }

    async fn serve(
        &mut self,
        up: mpsc::Sender<wire::AgentMessage>,
        mut down: tonic::Streaming<wire::AllocatorMessage>,
        was_welcome: &mut bool,
    ) -> LinkError {
        self.reports.mark_unchanged();
        self.lending.mark_unchanged();
        loop {
            let done = tokio::select! {
                message = down.message() => match message {
                    Ok(Some(wire::AllocatorMessage { message: Some(message) })) => {
                        self.obey(&up, message, was_welcome)
                    }
                    Ok(Some(_)) => Ok(()),
                    Ok(None) => Err(LinkError::Broken("the allocator ended it".into())),
                    Err(status) => Err(LinkError::Broken(status.message().to_owned())),
                },
                passed = pass(&mut self.statuses, &up, Up::Status) => passed,
                passed = pass(&mut self.messages, &up, Up::FromExecutor), if *was_welcome => passed,
                Ok(()) = self.reports.changed(), if *was_welcome => {
                    let report = self.reports.borrow_and_update().clone();
                    report.map_or(Ok(()), |report| send(&up, Up::Report(report)))
                }
                Ok(()) = self.lending.changed(), if *was_welcome => {
                    let change = self.lending.borrow_and_update().clone();
                    change.map_or(Ok(()), |change| send(&up, Up::Lending(change)))
                }
                () = up.closed() => Err(LinkError::Broken("the allocator reads no more".into())),
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    fn obey(
        &mut self,
        up: &mpsc::Sender<wire::AgentMessage>,
        message: Down,
        was_welcome: &mut bool,
    ) -> Result<(), LinkError> {
        match message {
            Down::Welcome(welcome) => {
                *was_welcome = true;
                self.welcome(&welcome)
            }
            Down::Refused(refused) => {
                if refused.ends_tasks && self.is_current(refused.epoch) {
                    self.order(tasks::Message::EndAll)?;
                }
                Err(LinkError::Refused(refused.reason))
            }
            Down::Launch(launch) if self.is_current(launch.epoch) => {
                self.order(tasks::Message::Launch(Box::new(launch)))
            }
            Down::Kill(kill) if self.is_current(kill.epoch) => {
                self.order(tasks::Message::Kill(kill))
            }
            Down::DestroyVolume(order) if self.is_current(order.epoch) => {
                self.order(tasks::Message::DestroyVolume(order))
            }
            Down::Promote(order) if self.is_current(order.epoch) => {
                self.order(tasks::Message::Promote(order))
            }
            Down::LaunchGroup(group)
                if group.launches.iter().all(|launch| self.is_current(launch.epoch)) =>
            {
                self.order(tasks::Message::LaunchGroup(group))
            }
            Down::Launch(_)
            | Down::LaunchGroup(_)
            | Down::Kill(_)
            | Down::DestroyVolume(_)
            | Down::Promote(_) => {
                error!("an order of an older allocator is refused");
                Ok(())
            }
            Down::ToExecutor(said) => self.order(tasks::Message::ToExecutor(said)),
            Down::Acknowledge(acknowledged) => {
                self.order(tasks::Message::Acknowledge(acknowledged))
            }
            Down::ReadFile(request) => {
                let (layout, up) = (self.layout.clone(), up.clone());
                tokio::task::spawn_blocking(move || {
                    let _ = send(&up, Up::FileChunk(logs::read(&layout, &request)));
                });
                Ok(())
            }
        }
    }

    fn welcome(&mut self, welcome: &wire::Welcome) -> Result<(), LinkError> {
        info!(agent = welcome.agent_id, epoch = welcome.epoch, "linked to {}", self.address);
        if let Err(fault) = self.identity.welcome(&welcome.agent_id, welcome.epoch) {
            warn!("the agent's id is not durable: {fault}");
        }
        let step = Duration::from_millis(welcome.step_ms.max(10));
        self.meter
            .try_send(meter::Message::Step(step))
            .map_err(|_| LinkError::Behind("the meter"))?;
        self.order(tasks::Message::Linked(welcome.agent_id.clone()))
    }

    fn is_current(&self, epoch: u64) -> bool {
        epoch >= self.identity.epoch
    }

    fn order(&self, message: tasks::Message) -> Result<(), LinkError> {
        self.keeper.try_send(message).map_err(|_| LinkError::Behind("the keeper of tasks"))
    }
}

/// Sends one thing once there is room for it: a thousand at once wait, and the link stays.
async fn pass<T>(
    queue: &mut mpsc::Receiver<T>,
    up: &mpsc::Sender<wire::AgentMessage>,
    message: impl FnOnce(T) -> Up,
) -> Result<(), LinkError> {
    let Ok(room) = up.reserve().await else {
        return Err(LinkError::Broken("the allocator reads no more".into()));
    };
    match queue.recv().await {
        Some(one) => room.send(wire::AgentMessage { message: Some(message(one)) }),
        None => std::future::pending().await,
    }
    Ok(())
}

fn send(up: &mpsc::Sender<wire::AgentMessage>, message: Up) -> Result<(), LinkError> {
    up.try_send(wire::AgentMessage { message: Some(message) })
        .map_err(|_| LinkError::Behind("the stream to the allocator"))
}

/// Between half of it and all of it: agents that lost one allocator do not come back as one.
fn jittered(wait: Duration) -> Duration {
    let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    wait / 2 + wait * random / 510
}
