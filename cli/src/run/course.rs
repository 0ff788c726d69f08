//! The course of a run: wait for an offer, launch, follow, end; and subscribe again whenever the
//! stream breaks.

use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use headroom_proto::v1::event::Event;
use headroom_proto::v1::{Reason, TaskState, TaskStatus};
use nix::sys::signal::Signal;
use serde_json::json;

use super::ending::{self, Ending};
use super::follow::Followers;
use super::framework::{Events, Framework, Trouble};
use super::plan::{FAILOVER, Plan};
use super::teller::Teller;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::{exit, span, state};

/// Waiting longer than this is explained.
const EXPLAIN_AFTER: Duration = Duration::from_secs(3);
/// Between two tries to subscribe again: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// One run, from its first subscription to its end.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    pub(super) plan: &'a Plan,
    pub(super) detach: bool,
    pub(super) framework: Framework,
    pub(super) teller: &'a Teller,
    pub(super) launched: bool,
    /// The allocator took the launch; else it may never have heard of it.
    pub(super) launch_taken: bool,
    pub(super) placements: u32,
    /// The newest update that was told.
    pub(super) told: Vec<u8>,
    /// How often we were asked to end.
    pub(super) stops: u32,
    pub(super) followers: Option<Followers>,
    /// Our own output is closed or full: nobody wants the task's.
    pub(super) unwritable: Option<io::Error>,
    pub(super) explain_at: Option<Instant>,
    pub(super) place_by: Option<Instant>,
    pub(super) timeout: Option<Duration>,
    pub(super) away_since: Option<Instant>,
}

impl<'a> Course<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        framework: Framework,
        teller: &'a Teller,
        timeout: Option<Duration>,
        detach: bool,
    ) -> Self {
        let now = Instant::now();
        Course {
            plan,
            detach,
            framework,
            teller,
            launched: false,
            launch_taken: false,
            placements: 0,
            told: Vec::new(),
            stops: 0,
            followers: None,
            unwritable: None,
            explain_at: Some(now + EXPLAIN_AFTER),
            place_by: timeout.and_then(|timeout| now.checked_add(timeout)),
            timeout,
            away_since: None,
        }
    }

    pub(crate) fn framework(&self) -> &Framework {
        &self.framework
    }

    /// From here to the end, whatever becomes of the allocator in between.
    pub(crate) async fn run(&mut self, signals: &mut Signals) -> Result<Ending, Failure> {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            match self.session(signals).await {
                Ok(Some(ending)) => return self.finish(ending, signals).await,
                Ok(None) => self.lost_sight("its stream broke"),
                Err(Trouble::Fatal(failure)) => return Err(failure),
                Err(Trouble::Gone(failure)) if self.framework.id().is_empty() => {
                    return Err(failure);
                }
                Err(Trouble::Gone(failure)) => self.lost_sight(&failure.to_string()),
            }
            let away = self.away_since.get_or_insert_with(Instant::now).elapsed();
            if away > FAILOVER {
                return Err(self.abandoned(away));
            }
            pause =
                if began.elapsed() > LAST_PAUSE { FIRST_PAUSE } else { LAST_PAUSE.min(pause * 2) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                signal = signals.next() => {
                    self.stops += 1;
                    if !self.launched {
                        return Ok(Ending::withdrawn(signal));
                    }
                    if self.stops > 1 {
                        return Err(self.abandoned(away));
                    }
                    let text = "the task will be told to end when the allocator is back";
                    self.teller.say("stopping", text, json!({}));
                }
            }
        }
    }

    fn lost_sight(&mut self, why: &str) {
        if self.away_since.is_none() {
            self.away_since = Some(Instant::now());
            let text = format!("the allocator is gone ({why}), trying again; the task goes on");
            self.teller.say("disconnected", &text, json!({ "reason": why }));
        }
    }

    fn abandoned(&self, away: Duration) -> Failure {
        Failure::Abandoned {
            address: self.framework.client().address().to_string(),
            task: self.plan.task_id.clone(),
            gone: span::print(away),
        }
    }

    /// One subscription. None: its stream broke.
    async fn session(&mut self, signals: &mut Signals) -> Result<Option<Ending>, Trouble> {
        let mut events: Events = self.framework.subscribe().await?;
        let word = if self.away_since.take().is_some() { "again " } else { "" };
        let id = self.framework.id();
        let text = format!("subscribed {word}as framework {id}");
        self.teller.detail("subscribed", &text, json!({ "framework_id": id }));
        self.greet().await?;
        loop {
            let (explain_at, place_by) = match self.launched {
                true => (None, None),
                false => (self.explain_at, self.place_by),
            };
            let ending = tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.hear(event).await?,
                    None => return Ok(None),
                },
                signal = signals.next() => self.stop(signal).await?,
                () = at(explain_at) => self.explain().await,
                () = at(place_by) => return Err(Trouble::Fatal(self.not_placed())),
                error = unwritable(&mut self.followers) => self.give_up_output(error).await?,
            };
            if ending.is_some() {
                return Ok(ending);
            }
        }
    }

    /// Says where we stand; after a break it may be elsewhere than the allocator thinks.
    async fn greet(&self) -> Result<(), Trouble> {
        if !self.launched {
            return self.wish(false).await;
        }
        self.wish(true).await?;
        self.framework.suppress().await?;
        self.framework.reconcile(&self.plan.task_id).await?;
        if self.stops > 0 { self.kill().await } else { Ok(()) }
    }

    async fn hear(&mut self, event: Event) -> Result<Option<Ending>, Trouble> {
        match event {
            Event::Offers(offers) => self.choose(offers.offers).await.map(|()| None),
            Event::Update(status) => self.update(&status).await,
            Event::Rescind(rescind) => {
                let text = format!("an offer was taken back: {}", rescind.reason);
                self.teller.detail("rescinded", &text, json!({ "reason": rescind.reason }));
                Ok(None)
            }
            Event::Failure(failure) => {
                let text = format!("agent {} failed: {}", failure.agent_id, failure.reason);
                let fields = json!({ "agent_id": failure.agent_id, "reason": failure.reason });
                self.teller.detail("agent_failed", &text, fields);
                Ok(None)
            }
            Event::Error(error) => Err(Trouble::Fatal(Failure::Ended(error.message))),
            // A task that is moved by hand has nothing to promise.
            Event::InverseOffers(_)
            | Event::RescindInverseOffer(_)
            | Event::Subscribed(_)
            | Event::Heartbeat(_) => Ok(None),
        }
    }

    async fn update(&mut self, status: &TaskStatus) -> Result<Option<Ending>, Trouble> {
        if status.task_id == self.plan.task_id {
            // An update is sent again until it is acknowledged.
            if status.uuid.is_empty() || status.uuid != self.told {
                self.teller.state(status);
                self.told.clone_from(&status.uuid);
            }
            // Before the acknowledgement, which lets the agent forget the task.
            if has_output(status) && !self.detach && self.followers.is_none() {
                self.followers = Some(self.follow());
            }
        }
        self.framework.acknowledge(status).await?;
        if status.task_id != self.plan.task_id {
            return Ok(None);
        }
        if status.state == TaskState::Running as i32 && self.detach {
            return Ok(Some(Ending::detached()));
        }
        if !state::is_terminal(status.state) {
            return Ok(None);
        }
        if self.may_place_again(status) {
            self.launched = false;
            self.framework.revive().await?;
            self.wish(false).await?;
            return Ok(None);
        }
        Ok(Some(ending::of(status, self.stops > 0)))
    }

    fn follow(&self) -> Followers {
        let (client, json) = (self.framework.client(), self.teller.json_task());
        Followers::start(client, &self.plan.task_id, self.framework.id(), json.as_deref())
    }

    /// A signal to us: first politely, then at once.
    async fn stop(&mut self, signal: i32) -> Result<Option<Ending>, Trouble> {
        self.stops += 1;
        if !self.launched {
            return Ok(Some(Ending::withdrawn(signal)));
        }
        let (event, text) = match self.stops {
            1 => ("stopping", "asked the task to end; Ctrl-C again kills it at once"),
            _ => ("killing", "killing the task; Ctrl-C again does not wait for it"),
        };
        self.teller.say(event, text, json!({}));
        self.kill().await.map(|()| None)
    }

    async fn kill(&self) -> Result<(), Trouble> {
        let grace_ms = (self.stops > 1).then_some(0);
        self.framework.kill(&self.plan.task_id, grace_ms).await
    }

    async fn give_up_output(&mut self, error: io::Error) -> Result<Option<Ending>, Trouble> {
        if self.unwritable.is_none() {
            self.unwritable = Some(error);
            self.kill().await?;
        }
        Ok(None)
    }

    /// Lets the rest of the output through.
    async fn finish(&mut self, ending: Ending, signals: &mut Signals) -> Result<Ending, Failure> {
        if let Some(followers) = self.followers.take() {
            tokio::select! {
                whole = followers.drain() => if !whole {
                    let text = "the rest of the output cannot be read";
                    self.teller.say("output_incomplete", text, json!({}));
                },
                _ = signals.next() => {}
            }
        }
        match self.unwritable.take() {
            None => Ok(ending),
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                let code = exit::of_signal(Signal::SIGPIPE as i32);
                Ok(Ending { code, message: None, hint: None })
            }
            Some(source) => Err(Failure::Io { action: "cannot write the output", source }),
        }
    }
}

/// It started, so that there is something to read.
fn has_output(status: &TaskStatus) -> bool {
    let reason = Reason::try_from(status.reason).unwrap_or_default();
    let state = TaskState::try_from(status.state).unwrap_or_default();
    reason != Reason::LaunchFailed
        && matches!(
            state,
            TaskState::Running | TaskState::Killing | TaskState::Finished | TaskState::Failed
        )
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => pending().await,
    }
}

async fn unwritable(followers: &mut Option<Followers>) -> io::Error {
    match followers {
        Some(followers) => followers.unwritable().await,
        None => pending().await,
    }
}
