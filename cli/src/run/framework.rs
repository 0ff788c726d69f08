//! The framework that a run is: its subscription and its calls. Decides nothing.

use std::time::Duration;

use headroom_proto::v1::event::Event as Payload;
use headroom_proto::v1::{
    AcceptRequest, AcknowledgeRequest, Caller, DeclineRequest, Event, FrameworkInfo, KillRequest,
    ReconcileRequest, RequestRequest, ReviveRequest, SubscribeRequest, SuppressRequest, TaskInfo,
    TaskStatus, TeardownRequest, Wanted,
};
use tonic::{Code, Status, Streaming};

use crate::client::{self, Client, Subject};
use crate::failure::Failure;

/// A stream without a sign for this many heartbeats is broken.
const SILENT_HEARTBEATS: u32 = 5;
/// Where the allocator names no heartbeat.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
/// For the last call: a run does not hang on its way out.
const TEARDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a call did not work.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The allocator is away: subscribe again.
    Gone(Failure),
    /// It answered, and no.
    Fatal(Failure),
}

/// One framework with one session.
#[derive(Debug)]
pub(crate) struct Framework {
    client: Client,
    info: FrameworkInfo,
    session: String,
}

/// The stream of events of one session.
#[derive(Debug)]
pub(crate) struct Events {
    stream: Streaming<Event>,
    silence: Duration,
}

impl Events {
    /// The next event; none when the stream has broken.
    pub(crate) async fn next(&mut self) -> Option<Payload> {
        loop {
            let message = tokio::time::timeout(self.silence, self.stream.message()).await;
            match message {
                Ok(Ok(Some(Event { event: Some(event) }))) => return Some(event),
                // A newer allocator's event that we do not know.
                Ok(Ok(Some(Event { event: None }))) => {}
                Ok(Ok(None) | Err(_)) | Err(_) => return None,
            }
        }
    }
}

impl Framework {
    pub(crate) fn new(client: &Client, info: FrameworkInfo) -> Self {
        Framework { client: client.clone(), info, session: String::new() }
    }

    /// Empty until the first subscription.
    pub(crate) fn id(&self) -> &str {
        &self.info.framework_id
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Subscribes, or takes up where the former stream broke off.
    pub(crate) async fn subscribe(&mut self) -> Result<Events, Trouble> {
        let request = SubscribeRequest { framework: Some(self.info.clone()), ..Default::default() };
        let answer = self.client.scheduler().subscribe(request).await;
        let stream = answer.map_err(|e| self.trouble("cannot subscribe", &e))?.into_inner();
        let mut events = Events { stream, silence: client::CALL_TIMEOUT };
        match events.next().await {
            Some(Payload::Subscribed(subscribed)) => {
                self.info.framework_id = subscribed.framework_id;
                self.session = subscribed.session;
                let heartbeat = match subscribed.heartbeat_ms {
                    0 => DEFAULT_HEARTBEAT,
                    ms => Duration::from_millis(ms),
                };
                events.silence = heartbeat.saturating_mul(SILENT_HEARTBEATS);
                Ok(events)
            }
            Some(Payload::Error(error)) => Err(Trouble::Fatal(Failure::Ended(error.message))),
            Some(_) => Err(Trouble::Fatal(Failure::Call {
                action: "cannot subscribe",
                message: "the allocator's first word was not that we are subscribed".into(),
            })),
            None => Err(Trouble::Gone(Failure::Call {
                action: "cannot subscribe",
                message: "the stream ended before its first event".into(),
            })),
        }
    }

    pub(crate) async fn request(&self, wanted: Vec<Wanted>) -> Result<(), Trouble> {
        let request = RequestRequest { caller: self.caller(), wanted };
        self.done("cannot say what is wanted", self.client.scheduler().request(request).await)
    }

    pub(crate) async fn accept(&self, offer_id: String, task: TaskInfo) -> Result<(), Trouble> {
        let request = AcceptRequest {
            caller: self.caller(),
            offer_ids: vec![offer_id],
            tasks: vec![task],
            refuse_ms: None,
            operations: Vec::new(),
        };
        self.done("cannot launch it", self.client.scheduler().accept(request).await)
    }

    pub(crate) async fn decline(&self, offer_ids: Vec<String>) -> Result<(), Trouble> {
        if offer_ids.is_empty() {
            return Ok(());
        }
        let request = DeclineRequest { caller: self.caller(), offer_ids, refuse_ms: None };
        self.done("cannot decline an offer", self.client.scheduler().decline(request).await)
    }

    pub(crate) async fn suppress(&self) -> Result<(), Trouble> {
        let request = SuppressRequest { caller: self.caller(), ..Default::default() };
        self.done("cannot stop the offers", self.client.scheduler().suppress(request).await)
    }

    pub(crate) async fn revive(&self) -> Result<(), Trouble> {
        let request = ReviveRequest { caller: self.caller(), ..Default::default() };
        self.done("cannot ask for offers", self.client.scheduler().revive(request).await)
    }

    pub(crate) async fn kill(&self, task_id: &str, grace_ms: Option<u64>) -> Result<(), Trouble> {
        let request = KillRequest { caller: self.caller(), task_id: task_id.into(), grace_ms };
        self.done("cannot kill it", self.client.scheduler().kill(request).await)
    }

    /// Updates without a uuid are not to be acknowledged.
    pub(crate) async fn acknowledge(&self, status: &TaskStatus) -> Result<(), Trouble> {
        if status.uuid.is_empty() {
            return Ok(());
        }
        let request = AcknowledgeRequest {
            caller: self.caller(),
            task_id: status.task_id.clone(),
            uuid: status.uuid.clone(),
        };
        self.done(
            "cannot acknowledge an update",
            self.client.scheduler().acknowledge(request).await,
        )
    }

    pub(crate) async fn reconcile(&self, task_id: &str) -> Result<(), Trouble> {
        let request =
            ReconcileRequest { caller: self.caller(), task_ids: vec![task_id.to_string()] };
        self.done(
            "cannot ask for the task's state",
            self.client.scheduler().reconcile(request).await,
        )
    }

    /// Ends the framework. It is the last call and may fail: the failover timeout ends it then.
    pub(crate) async fn teardown(&self) {
        if self.id().is_empty() {
            return;
        }
        let request = TeardownRequest { caller: self.caller() };
        let mut scheduler = self.client.scheduler();
        let _ = tokio::time::timeout(TEARDOWN_TIMEOUT, scheduler.teardown(request)).await;
    }

    fn caller(&self) -> Option<Caller> {
        let framework_id = self.info.framework_id.clone();
        Some(Caller { framework_id, session: self.session.clone() })
    }

    fn done<T>(&self, action: &'static str, answer: Result<T, Status>) -> Result<(), Trouble> {
        answer.map(|_| ()).map_err(|e| self.trouble(action, &e))
    }

    fn trouble(&self, action: &'static str, status: &Status) -> Trouble {
        let failure = self.client.failure(action, status, Subject::Nothing);
        match status.code() {
            // Busy or on its way up: as if it were away.
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => {
                Trouble::Gone(failure)
            }
            _ if client::is_transport(status) => Trouble::Gone(failure),
            _ => Trouble::Fatal(failure),
        }
    }
}
