//! Frameworks by gRPC: `headroom.v1.Scheduler`.

use crate::{
    convert::{self, scheduler as wire},
    driver::{Driver, Feed},
};
use headroom_core::command::{Caller, Command};
use headroom_proto::v1::{self, CallResponse, event::Event as Kind, scheduler_server::Scheduler};
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tracing::info;
use uuid::Uuid;

/// A stream on which nothing else comes shows so often that it stands.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// The service.
#[derive(Clone, Debug)]
pub struct Door {
    driver: Driver,
}

impl Door {
    /// A door to `driver`.
    #[must_use]
    pub const fn new(driver: Driver) -> Self {
        Self { driver }
    }

    async fn call(&self, command: Command) -> Result<Response<CallResponse>, Status> {
        self.driver.call(command).await?;
        Ok(Response::new(CallResponse {}))
    }
}

/// 64 random bits: two calls never share a session.
fn new_session() -> u64 {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    high ^ low.rotate_left(32)
}

#[tonic::async_trait]
impl Scheduler for Door {
    type SubscribeStream = Events;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Events>, Status> {
        let v1::SubscribeRequest { framework, suppressed_roles } = request.into_inner();
        let (id, info) = wire::framework_in(framework)?;
        let session = new_session();
        let name = info.name.clone();
        let (framework, feed) = self.driver.subscribe(id, info, suppressed_roles, session).await?;
        info!(%framework, name, "subscribed");
        let caller = Caller { framework, session };
        Ok(Response::new(Events::new(feed, caller, self.driver.clone())))
    }

    async fn request(
        &self,
        request: Request<v1::RequestRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(wire::want_in(request.into_inner())?).await
    }

    async fn accept(
        &self,
        request: Request<v1::AcceptRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(wire::accept_in(request.into_inner())?).await
    }

    async fn promote(
        &self,
        request: Request<v1::PromoteRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(wire::promote_in(request.into_inner())?).await
    }

    async fn decline(
        &self,
        request: Request<v1::DeclineRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(wire::decline_in(request.into_inner())?).await
    }

    async fn revive(
        &self,
        request: Request<v1::ReviveRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        let v1::ReviveRequest { caller, roles } = request.into_inner();
        let (caller, roles) = wire::named_in(caller, roles)?;
        self.call(Command::Revive(caller, roles)).await
    }

    async fn suppress(
        &self,
        request: Request<v1::SuppressRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        let v1::SuppressRequest { caller, roles } = request.into_inner();
        let (caller, roles) = wire::named_in(caller, roles)?;
        self.call(Command::Suppress(caller, roles)).await
    }

    async fn update_framework(
        &self,
        request: Request<v1::UpdateFrameworkRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(wire::update_in(request.into_inner())?).await
    }

    async fn kill(
        &self,
        request: Request<v1::KillRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(wire::kill_in(request.into_inner())?).await
    }

    async fn acknowledge(
        &self,
        request: Request<v1::AcknowledgeRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(wire::acknowledge_in(request.into_inner())?).await
    }

    async fn reconcile(
        &self,
        request: Request<v1::ReconcileRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(wire::reconcile_in(request.into_inner())?).await
    }

    async fn answer_inverse_offers(
        &self,
        request: Request<v1::AnswerInverseOffersRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        self.call(convert::maintenance::answer_in(request.into_inner())?).await
    }

    async fn teardown(
        &self,
        request: Request<v1::TeardownRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        let caller = wire::caller_in(request.into_inner().caller)?;
        // Teardown itself carries no session: it is also the operator's.
        let newest = self.driver.query(move |machine, _| {
            machine.state().frameworks.get(&caller.framework).map(|framework| framework.session)
        });
        if newest.await?.is_some_and(|session| session != caller.session) {
            let refusal = headroom_core::machine::Refusal::WrongSession(caller.framework);
            return Err(crate::driver::CallError::Refused(refusal).into());
        }
        self.call(Command::Teardown(caller.framework)).await
    }
}

/// One framework's events. Dropping it, whoever does, tells the core that the stream broke.
#[derive(Debug)]
pub struct Events {
    feed: Feed,
    waiting: VecDeque<v1::Event>,
    heartbeat: Interval,
    over: bool,
    caller: Caller,
    driver: Driver,
}

impl Events {
    fn new(feed: Feed, caller: Caller, driver: Driver) -> Self {
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { feed, waiting: VecDeque::new(), heartbeat, over: false, caller, driver }
    }
}

impl Stream for Events {
    type Item = Result<v1::Event, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if self.over {
                return Poll::Ready(None);
            }
            match self.feed.poll_next(context) {
                Poll::Ready(Some(effect)) => {
                    self.waiting.extend(wire::events_out(HEARTBEAT, effect));
                }
                Poll::Ready(None) => {
                    self.over = true;
                    let status = convert::ended(self.feed.ended());
                    return Poll::Ready(status.map(Err));
                }
                Poll::Pending => {
                    std::task::ready!(self.heartbeat.poll_tick(context));
                    let heartbeat = Kind::Heartbeat(v1::Heartbeat {});
                    return Poll::Ready(Some(Ok(v1::Event { event: Some(heartbeat) })));
                }
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let (driver, caller) = (self.driver.clone(), self.caller);
        // Without a runtime the whole allocator is going, and nobody asks any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { driver.tell(Command::FrameworkGone(caller)).await });
        }
    }
}
