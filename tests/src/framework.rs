//! A framework of the test's own, on the wire.

use std::time::Duration;

use headroom_proto::v1::{
    AcceptRequest, AcknowledgeRequest, Caller, Event, FrameworkInfo, Offer, Resources,
    SubscribeRequest, TaskInfo, TaskStatus, event::Event as Said,
    scheduler_client::SchedulerClient,
};
use tokio::time::timeout;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::patience::LONG;

/// Subscribed.
#[derive(Debug)]
pub struct Framework {
    /// Its calls.
    pub client: SchedulerClient<Channel>,
    /// Who it is, for calls.
    pub caller: Caller,
    events: Streaming<Event>,
}

impl Framework {
    /// Subscribes.
    ///
    /// # Errors
    /// It was refused.
    ///
    /// # Panics
    /// Nobody listens there, or no answer comes.
    pub async fn subscribe(address: &str, info: FrameworkInfo) -> Result<Self, Status> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let mut client = SchedulerClient::new(endpoint.connect().await.expect("a connection"));
        let request = SubscribeRequest { framework: Some(info), ..Default::default() };
        let mut events = client.subscribe(request).await?.into_inner();
        let Some(Said::Subscribed(subscribed)) = next(&mut events, LONG).await else {
            panic!("not subscribed")
        };
        let caller = Caller { framework_id: subscribed.framework_id, session: subscribed.session };
        Ok(Self { client, caller, events })
    }

    /// The next event, if one comes in time.
    pub async fn event(&mut self, within: Duration) -> Option<Said> {
        next(&mut self.events, within).await
    }

    /// The next offer of at least so many CPUs; others are passed over.
    ///
    /// # Panics
    /// None comes.
    pub async fn offer(&mut self, cpus: f64) -> Offer {
        loop {
            let Some(said) = self.event(LONG).await else { panic!("no offer came") };
            let Said::Offers(offers) = said else { continue };
            let fits = |offer: &Offer| offer.resources.as_ref().is_some_and(|r| r.cpus >= cpus);
            if let Some(offer) = offers.offers.into_iter().find(fits) {
                return offer;
            }
        }
    }

    /// The next update of a task, acknowledged.
    ///
    /// # Panics
    /// None comes.
    pub async fn update(&mut self) -> TaskStatus {
        loop {
            let Some(said) = self.event(LONG).await else { panic!("no update came") };
            let Said::Update(status) = said else { continue };
            if !status.uuid.is_empty() {
                let (caller, uuid) = (Some(self.caller.clone()), status.uuid.clone());
                let task_id = status.task_id.clone();
                let acknowledge = AcknowledgeRequest { caller, task_id, uuid };
                self.client.acknowledge(acknowledge).await.expect("acknowledged");
            }
            return status;
        }
    }

    /// Launches on an offer.
    ///
    /// # Errors
    /// It was refused.
    pub async fn accept(&mut self, offer: &Offer, tasks: Vec<TaskInfo>) -> Result<(), Status> {
        let request = AcceptRequest {
            caller: Some(self.caller.clone()),
            offer_ids: vec![offer.offer_id.clone()],
            tasks,
            refuse_ms: Some(600_000),
            operations: Vec::new(),
        };
        self.client.accept(request).await.map(drop)
    }
}

/// A task that runs `line` in a shell.
#[must_use]
pub fn task(name: &str, resources: Resources, line: &str) -> TaskInfo {
    let command = headroom_proto::v1::Command { shell: line.into(), ..Default::default() };
    TaskInfo {
        task_id: name.into(),
        resources: Some(resources),
        command: Some(command),
        ..Default::default()
    }
}

async fn next(events: &mut Streaming<Event>, within: Duration) -> Option<Said> {
    timeout(within, events.message()).await.ok()?.ok()??.event
}
