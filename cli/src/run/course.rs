//! The course of a run: wait for an offer, launch, follow, end; and subscribe again whenever the
//! stream breaks.

use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use headroom_proto::v1::event::Event;
use headroom_proto::v1::{
    Offer, Reason, Resources, TaskState, TaskStatus, Wanted, WhyAnswer, WhyRequest,
};
use nix::sys::signal::Signal;
use serde_json::json;

use super::args::{FAILOVER, Plan};
use super::ending::{self, Ending};
use super::fit;
use super::follow::Followers;
use super::framework::{Events, Framework, Trouble};
use super::signals::Signals;
use super::teller::Teller;
use crate::failure::Failure;
use crate::{exit, span, state};

/// Waiting longer than this is explained.
const EXPLAIN_AFTER: Duration = Duration::from_secs(3);
/// Between two tries to subscribe again: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// How often an offer may be gone before we get to use it.
const MAX_PLACEMENTS: u32 = 20;

/// One run, from its first subscription to its end.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    plan: &'a Plan,
    detach: bool,
    framework: Framework,
    teller: &'a Teller,
    launched: bool,
    /// The allocator took the launch; else it may never have heard of it.
    launch_taken: bool,
    placements: u32,
    /// How often we were asked to end.
    stops: u32,
    followers: Option<Followers>,
    /// Our own output is closed or full: nobody wants the task's.
    unwritable: Option<io::Error>,
    explain_at: Option<Instant>,
    place_by: Option<Instant>,
    timeout: Option<Duration>,
    away_since: Option<Instant>,
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
            return self.framework.request(self.wish()).await;
        }
        self.framework.request(Vec::new()).await?;
        self.framework.suppress().await?;
        self.framework.reconcile(&self.plan.task_id).await?;
        if self.stops > 0 { self.kill().await } else { Ok(()) }
    }

    fn wish(&self) -> Vec<Wanted> {
        let resources = Some(self.plan.wanted.clone());
        vec![Wanted { name: self.plan.task_id.clone(), resources }]
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
            Event::Subscribed(_) | Event::Heartbeat(_) => Ok(None),
        }
    }

    /// Takes the first offer that fits and declines the others.
    async fn choose(&mut self, offers: Vec<Offer>) -> Result<(), Trouble> {
        let mut declined = Vec::new();
        let mut taken = None;
        for offer in offers {
            let free = !self.launched && self.stops == 0 && taken.is_none();
            match fit::take(self.plan, &offer).filter(|_| free) {
                Some(resources) => taken = Some((offer, resources)),
                None => declined.push(offer.offer_id),
            }
        }
        if let Some((offer, resources)) = taken {
            self.launch(offer, resources).await?;
        }
        self.framework.decline(declined).await
    }

    async fn launch(&mut self, offer: Offer, resources: Resources) -> Result<(), Trouble> {
        let lent = if offer.revocable { ", on lent resources" } else { "" };
        let text = format!("launching {} on {}{lent}", self.plan.task_id, offer.hostname);
        let fields = json!({
            "agent_id": offer.agent_id, "hostname": offer.hostname, "revocable": offer.revocable,
        });
        self.teller.detail("launching", &text, fields);
        self.launched = true;
        self.launch_taken = false;
        self.placements += 1;
        self.framework.accept(offer.offer_id, self.plan.task_with(resources)).await?;
        self.launch_taken = true;
        self.framework.request(Vec::new()).await?;
        self.framework.suppress().await
    }

    async fn update(&mut self, status: &TaskStatus) -> Result<Option<Ending>, Trouble> {
        if status.task_id == self.plan.task_id {
            self.teller.state(status);
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
            self.framework.request(self.wish()).await?;
            return Ok(None);
        }
        Ok(Some(ending::of(status, self.stops > 0)))
    }

    fn follow(&self) -> Followers {
        let (client, json) = (self.framework.client(), self.teller.json_task());
        Followers::start(client, &self.plan.task_id, self.framework.id(), json.as_deref())
    }

    /// It cannot have run: the offer was gone, or the launch never arrived.
    fn may_place_again(&self, status: &TaskStatus) -> bool {
        let reason = Reason::try_from(status.reason).unwrap_or_default();
        let never_ran = reason == Reason::InvalidOffers
            || (reason == Reason::Reconciliation && !self.launch_taken);
        never_ran && self.followers.is_none() && self.stops == 0 && self.placements < MAX_PLACEMENTS
    }

    /// A signal to us: first politely, then at once, then without waiting.
    async fn stop(&mut self, signal: i32) -> Result<Option<Ending>, Trouble> {
        self.stops += 1;
        if !self.launched {
            return Ok(Some(Ending::withdrawn(signal)));
        }
        let (event, text) = match self.stops {
            1 => ("stopping", "asked the task to end; Ctrl-C again kills it at once"),
            2 => ("killing", "killing the task"),
            _ => {
                let code = exit::of_signal(signal);
                let message = Some("did not wait for its end; it is being killed".into());
                return Ok(Some(Ending { code, message, hint: None }));
            }
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

    async fn explain(&mut self) -> Option<Ending> {
        self.explain_at = None;
        let subject = self.framework.id().to_string();
        // It is a courtesy; without an answer the run goes on.
        if let Ok(answer) = self.framework.client().operator().why(WhyRequest { subject }).await {
            let answer: WhyAnswer = answer.into_inner();
            self.teller.why(&answer);
        }
        None
    }

    fn not_placed(&self) -> Failure {
        Failure::NotPlaced {
            task: self.plan.task_id.clone(),
            waited: self.timeout.map(span::print).unwrap_or_default(),
        }
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
