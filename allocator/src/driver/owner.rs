//! The loop: take a batch, decide, make durable, carry out, answer.

use super::{
    Abouts, AgentLink, BATCH, CallError, Input, Subscribing, durability::Durability, feed::Outlet,
    news::Herald, streams::Streams,
};
use crate::{
    history::{History, now_ms},
    metrics::DriverMetrics,
    registry::Registry,
};
use headroom_core::{
    command::{AgentHello, Command},
    effect::Effect,
    ids::FrameworkId,
    machine::{Machine, Refusal, Reply},
    time::Time,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval, sleep_until},
};
use tracing::debug;

/// Two wakes are at least so far apart, whatever deadline the core names.
const LEAST_WAKE_GAP: Duration = Duration::from_millis(1);

/// What has to be undone if the batch cannot be made durable.
enum Undo {
    Nothing,
    Framework(FrameworkId),
    Command(Box<Command>),
    /// It can't be undone: it is made durable when that is possible, and the answer says so.
    Never,
}

/// An answer held back until its batch is durable.
struct Held {
    answer: Option<super::Answer>,
    result: Result<Reply, CallError>,
    undo: Undo,
}

pub(super) struct Loop {
    start: Instant,
    machine: Machine,
    history: History,
    streams: Streams,
    durability: Durability,
    metrics: Arc<DriverMetrics>,
    effects: Vec<Effect>,
    held: Vec<Held>,
    welcomed: Vec<(oneshot::Sender<Result<AgentLink, CallError>>, AgentLink)>,
    stopping: bool,
}

impl Loop {
    pub(super) fn new(
        machine: Machine,
        history: History,
        registry: Registry,
        trouble: watch::Sender<Option<String>>,
        metrics: Arc<DriverMetrics>,
        herald: Herald,
    ) -> Self {
        Self {
            start: Instant::now(),
            machine,
            history,
            streams: Streams::new(Arc::clone(&metrics), herald),
            durability: Durability::new(registry, trouble, Arc::clone(&metrics)),
            metrics,
            effects: Vec::new(),
            held: Vec::new(),
            welcomed: Vec::new(),
            stopping: false,
        }
    }

    pub(super) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut step = interval(self.machine.settings().step);
        step.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // The first tick comes at once; no step has passed then.
        step.tick().await;
        let mut last_wake = self.start;
        while !self.stopping {
            let wake = self.machine.next_deadline().map(|deadline| {
                let due = self.start + Duration::from_nanos(deadline.as_nanos());
                due.max(last_wake + LEAST_WAKE_GAP)
            });
            tokio::select! {
                biased;
                _ = step.tick() => {
                    self.durability.retry();
                    self.streams.sweep();
                    self.turn([Input::Command(Command::Step, None)]);
                }
                () = sleep_until(wake.unwrap_or(self.start).into()), if wake.is_some() => {
                    last_wake = Instant::now();
                    self.turn([Input::Command(Command::Wake, None)]);
                }
                taken = inputs.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.metrics.batch_commands.observe(taken as f64);
                    self.turn(batch.drain(..));
                }
            }
        }
        self.streams.end_all();
    }

    fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let now = self.now();
        let start = Instant::now();
        for input in inputs {
            self.take(now, input);
        }
        self.machine.make_offers(now, &mut self.effects);
        self.metrics.decision_seconds.observe(start.elapsed().as_secs_f64());
        self.finish(now);
        // Streams that were dropped because nobody read them; telling that may drop others.
        loop {
            let gone = self.streams.take_gone();
            if gone.is_empty() {
                break;
            }
            for command in gone {
                self.decide(now, command, None, Undo::Nothing);
            }
            self.machine.make_offers(now, &mut self.effects);
            self.finish(now);
        }
    }

    /// Makes durable, carries out, answers.
    fn finish(&mut self, now: Time) {
        if !self.durability.take(&self.effects) {
            self.undo(now);
        }
        let now_ms = if self.effects.is_empty() { 0 } else { now_ms() };
        for mut effect in self.effects.drain(..) {
            self.history.observe(&self.machine, &mut effect, now_ms);
            self.streams.dispatch(effect);
        }
        // Whoever asked may have gone since; the answers are then for nobody.
        for (answer, link) in self.welcomed.drain(..) {
            let _ = answer.send(Ok(link));
        }
        for held in self.held.drain(..) {
            if let Some(answer) = held.answer {
                let _ = answer.send(held.result);
            }
        }
    }

    fn take(&mut self, now: Time, input: Input) {
        match input {
            Input::Command(command, answer) => {
                if let Command::FrameworkGone(caller) = &command {
                    self.streams.framework_left(*caller);
                }
                let undo = match &command {
                    Command::SetRole(name, ..) | Command::ResetRole(name) => {
                        if let Some(problem) = self.durability.trouble() {
                            return self.refuse(answer, problem);
                        }
                        self.former_role(name)
                    }
                    Command::Reserve(agent, operation) => {
                        if let Some(problem) = self.durability.trouble() {
                            return self.refuse(answer, problem);
                        }
                        let back = Command::Reserve(*agent, operation.opposite());
                        Undo::Command(Box::new(back))
                    }
                    Command::SetQuota(name, _) => {
                        if let Some(problem) = self.durability.trouble() {
                            return self.refuse(answer, problem);
                        }
                        self.former_quota(name)
                    }
                    Command::Deactivate(_)
                    | Command::Drain(..)
                    | Command::Reactivate(_)
                    | Command::MarkGone(_)
                    | Command::SetSchedule(_)
                    | Command::StartMaintenance(_)
                    | Command::StopMaintenance(_) => {
                        if let Some(problem) = self.durability.trouble() {
                            return self.refuse(answer, problem);
                        }
                        Undo::Never
                    }
                    _ => Undo::Nothing,
                };
                self.decide(now, command, answer, undo);
            }
            Input::Hello(hello, abouts, outlet, answer) => {
                self.hello(now, *hello, abouts, outlet, answer);
            }
            Input::Subscribe(wish, outlet, answer) => self.subscribe(now, *wish, outlet, answer),
            Input::FromAgent(agent, number, command) => {
                if self.streams.is_newest(agent, number) {
                    if matches!(command, Command::AgentGone(_)) {
                        self.streams.agent_left(agent, number);
                    }
                    self.decide(now, command, None, Undo::Nothing);
                }
            }
            Input::Query(read) => read(&self.machine, &self.history, now),
            Input::Stop => self.stopping = true,
        }
    }

    fn decide(&mut self, now: Time, command: Command, answer: Option<super::Answer>, undo: Undo) {
        let asked = self.history.asked(&self.machine, &command);
        let result = self.machine.decide(now, command, &mut self.effects);
        self.history.decided(asked, result.is_ok());
        if let Err(refusal) = &result {
            debug!("refused: {refusal}");
        }
        if answer.is_some() {
            let undo = if result.is_ok() { undo } else { Undo::Nothing };
            self.held.push(Held { answer, result: result.map_err(CallError::from), undo });
        }
    }

    fn refuse(&mut self, answer: Option<super::Answer>, problem: String) {
        let result = Err(CallError::NotDurable(problem));
        self.held.push(Held { answer, result, undo: Undo::Nothing });
    }

    fn hello(
        &mut self,
        now: Time,
        hello: AgentHello,
        abouts: Abouts,
        outlet: Outlet,
        answer: oneshot::Sender<Result<AgentLink, CallError>>,
    ) {
        let known = hello.agent.is_some_and(|id| self.machine.state().agents.get(id).is_some());
        if let (false, Some(problem)) = (known, self.durability.trouble()) {
            let _ = answer.send(Err(CallError::NotDurable(problem)));
            return;
        }
        self.history.counts.hello(hello.agent.is_some());
        match self.machine.decide(now, Command::AgentHello(hello), &mut self.effects) {
            Ok(Reply::Agent(agent)) => {
                self.history.counts.welcomed(known);
                for (handle, about) in abouts {
                    if self.machine.state().tasks.by_handle.contains_key(&handle) {
                        self.history.retold(handle, about);
                    }
                }
                let number = self.streams.agent_arrives(agent, outlet);
                self.welcomed.push((answer, AgentLink { agent, number }));
            }
            Ok(other) => drop(answer.send(Err(unexpected("a hello", other)))),
            Err(refusal) => drop(answer.send(Err(refusal.into()))),
        }
    }

    fn subscribe(&mut self, now: Time, wish: Subscribing, outlet: Outlet, answer: super::Answer) {
        let known = |id| self.machine.state().frameworks.contains_key(&id);
        let new = !wish.framework.is_some_and(known);
        if let (true, Some(problem)) = (new, self.durability.trouble()) {
            return self.refuse(Some(answer), problem);
        }
        let Subscribing { framework, info, suppressed, session } = wish;
        self.history.counts.subscribes(framework.is_some());
        let command = Command::Subscribe(framework, info, suppressed, session);
        let result = self.machine.decide(now, command, &mut self.effects);
        let mut undo = Undo::Nothing;
        if let Ok(Reply::Framework(id)) = result {
            self.streams.framework_arrives(id, session, outlet);
            if new {
                undo = Undo::Framework(id);
            }
        }
        let result = result.map_err(CallError::from);
        self.held.push(Held { answer: Some(answer), result, undo });
    }

    /// How to bring a role back to what it is now.
    fn former_role(&self, name: &str) -> Undo {
        let roles = &self.machine.state().roles;
        let command = match roles.find(name).map(|slot| roles.get(slot)) {
            Some(role) => {
                Command::SetRole(name.to_owned(), Some(role.weight_milli), Some(role.opportunistic))
            }
            None => Command::ResetRole(name.to_owned()),
        };
        Undo::Command(Box::new(command))
    }

    /// How to bring a role's quota back to what it is now.
    fn former_quota(&self, name: &str) -> Undo {
        let roles = &self.machine.state().roles;
        let quota = roles.find(name).map(|slot| roles.get(slot).quota);
        let special = quota.filter(|quota| *quota != Default::default());
        Undo::Command(Box::new(Command::SetQuota(name.to_owned(), special)))
    }

    /// The batch could not be made durable: what promised to be is taken back, newest first.
    fn undo(&mut self, now: Time) {
        let Some(problem) = self.durability.trouble() else { return };
        for held in self.held.iter_mut().rev() {
            let command = match std::mem::replace(&mut held.undo, Undo::Nothing) {
                Undo::Nothing => continue,
                Undo::Never => {
                    let problem = format!("{problem}; done, and durable when there is room");
                    held.result = Err(CallError::NotDurable(problem));
                    continue;
                }
                Undo::Framework(id) => {
                    self.streams.framework_turned_away(id);
                    Command::Teardown(id)
                }
                Undo::Command(command) => *command,
            };
            held.result = Err(CallError::NotDurable(problem.clone()));
            if let Err(refusal) = self.machine.apply(now, command, &mut self.effects) {
                debug!("an undoing was refused: {refusal}");
            }
        }
        // What the undoing wants to persist replaces what could not be; kept for the next step.
        self.durability.take(&self.effects);
    }
}

/// The core answered with something that is no answer to what was asked.
pub(super) fn unexpected(what: &str, reply: Reply) -> CallError {
    CallError::Refused(Refusal::Invalid(format!("{what} was answered by {reply:?}")))
}
