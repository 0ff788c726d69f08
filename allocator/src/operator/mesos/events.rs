//! SUBSCRIBE: how everything is, and then what happens, as a response that does not end.

use super::{
    Door, answers,
    snapshot::{AgentSeen, FrameworkSeen, Snapshot, TaskSeen},
    states::told,
    writes::refused,
};
use crate::{
    driver::{Driver, News},
    history::History,
    mesos::{
        http::{Format, refuse},
        master::Master,
    },
};
use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use headroom_core::{
    ids::{AgentId, FrameworkId, TaskHandle},
    machine::Machine,
};
use headroom_proto::mesos::{
    recordio,
    v1::{
        FrameworkInfo,
        master::{Event, event, event::Type},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        broadcast::{Receiver, error::RecvError},
        mpsc::{self, error::TrySendError},
    },
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tracing::{debug, warn};

/// How often something comes, if nothing else does (Mesos: 15 s).
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events that wait for one reader; one more ends its stream.
pub(super) const MAX_WAITING: usize = 1_024;
/// News that are looked up at a time, at most.
const MAX_LOOKED_UP: usize = 1_024;

/// Why a stream ends.
#[derive(Debug, Error)]
enum Ended {
    #[error("more than {MAX_WAITING} events waited for it to be read")]
    TooSlow,
    #[error("its reader is gone")]
    Unread,
    #[error("the allocator is shutting down")]
    Stopping,
}

/// The answer to a SUBSCRIBE.
pub(super) async fn subscribe(
    door: &Door,
    format: Format,
    master: Master,
) -> Result<Response, Box<Response>> {
    let Ok(permit) = door.0.subscribers.clone().try_acquire_owned() else {
        let why = "as many read the event stream already as can at a time; try again later";
        return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, why));
    };
    // First the news, then the look: what happens between is told twice at most, never missed.
    let news = door.0.driver.news();
    let turn = door.turn().await;
    let snapshot = door.look().await.map_err(|error| refused(&error))?;
    let (records, queue) = mpsc::channel(MAX_WAITING);
    let known = Known::of(&snapshot);
    let driver = door.0.driver.clone();
    let watcher = Watcher { driver, master, format, known, records };
    let first = tokio::task::spawn_blocking(move || {
        watcher.subscribed(&snapshot)?;
        drop(turn);
        Ok::<_, Ended>(watcher)
    });
    let unavailable = |why| refuse(StatusCode::SERVICE_UNAVAILABLE, why);
    let first = first.await.map_err(|error| unavailable(error.to_string()))?;
    let mut watcher = first.map_err(|ended| unavailable(ended.to_string()))?;
    tokio::spawn(async move {
        let ended = watcher.watch(news, permit).await;
        match ended {
            Ended::TooSlow => warn!("ended the stream of an operator's tool: {ended}"),
            Ended::Unread | Ended::Stopping => debug!("ended a stream: {ended}"),
        }
    });
    let headers = [(header::CONTENT_TYPE, format.media_type())];
    let body = Body::from_stream(ReceiverStream::new(queue).map(Ok::<_, Infallible>));
    Ok((headers, body).into_response())
}

/// What the reader was told that there is.
struct Known {
    agents: BTreeSet<AgentId>,
    frameworks: BTreeMap<FrameworkId, FrameworkInfo>,
    /// Tasks of the first event: a launch of theirs is no news. The rest comes in order.
    tasks: BTreeSet<TaskHandle>,
}

impl Known {
    fn of(snapshot: &Snapshot) -> Self {
        let frameworks = snapshot.frameworks.iter();
        Self {
            agents: snapshot.agents.iter().map(|agent| agent.id).collect(),
            frameworks: frameworks
                .map(|seen| (seen.id, answers::framework(seen).framework_info))
                .collect(),
            tasks: snapshot.tasks.iter().map(|task| task.handle).collect(),
        }
    }
}

/// What news are about, as it is when they are told.
#[derive(Default)]
struct Found {
    tasks: HashMap<TaskHandle, TaskSeen>,
    agents: HashMap<AgentId, AgentSeen>,
    frameworks: HashMap<FrameworkId, FrameworkSeen>,
}

impl Found {
    fn of(machine: &Machine, history: &History, news: &[News]) -> Self {
        let state = machine.state();
        let mut found = Self::default();
        for one in news {
            match one {
                News::Launched(handle) => {
                    let Some(task) = TaskSeen::find(machine, history, *handle) else { continue };
                    if let headroom_core::executor::Kind::In(executor) = task.kind
                        && let Some(executor) = TaskSeen::find(machine, history, executor)
                    {
                        found.tasks.insert(executor.task.handle, executor);
                    }
                    found.tasks.insert(*handle, task);
                }
                News::AgentStands(id) => {
                    let agent = state.agents.get(*id).map(|a| AgentSeen::of(a, history));
                    found.agents.extend(agent.map(|agent| (*id, agent)));
                }
                News::FrameworkStands(id) => {
                    let framework = state.frameworks.get(id).map(|f| FrameworkSeen::of(f, history));
                    found.frameworks.extend(framework.map(|framework| (*id, framework)));
                }
                News::Updated(..) | News::AgentRemoved(_) | News::FrameworkRemoved(_) => {}
            }
        }
        found
    }
}

/// One reader's stream.
struct Watcher {
    driver: Driver,
    master: Master,
    format: Format,
    known: Known,
    records: mpsc::Sender<Bytes>,
}

impl Watcher {
    fn subscribed(&self, snapshot: &Snapshot) -> Result<(), Ended> {
        let subscribed = event::Subscribed {
            get_state: Some(answers::state(snapshot, &self.master)),
            heartbeat_interval_seconds: Some(HEARTBEAT.as_secs_f64()),
        };
        self.tell(&Event { subscribed: Some(subscribed), ..of(Type::Subscribed) })?;
        // Readers of lines take an event for whole when the next one begins.
        self.tell(&of(Type::Heartbeat))
    }

    async fn watch(&mut self, mut news: Receiver<News>, _permit: OwnedSemaphorePermit) -> Ended {
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                first = news.recv() => self.tell_news(first, &mut news).await,
                _ = heartbeat.tick() => self.tell(&of(Type::Heartbeat)),
                () = self.records.closed() => Err(Ended::Unread),
                () = self.driver.stopped() => Err(Ended::Stopping),
            };
            if let Err(ended) = told {
                return ended;
            }
        }
    }

    /// Tells the first of some news and all that came with it.
    async fn tell_news(
        &mut self,
        first: Result<News, RecvError>,
        more: &mut Receiver<News>,
    ) -> Result<(), Ended> {
        let first = first.map_err(|error| match error {
            RecvError::Lagged(_) => Ended::TooSlow,
            RecvError::Closed => Ended::Stopping,
        })?;
        let mut news = vec![first];
        // What is missed here is told of by the next `recv`.
        while news.len() < MAX_LOOKED_UP
            && let Ok(next) = more.try_recv()
        {
            news.push(next);
        }
        let (found, news) = self
            .driver
            .look(move |machine, history, _| (Found::of(machine, history, &news), news))
            .await
            .map_err(|_| Ended::Stopping)?;
        let executors = found.tasks.iter().map(|(handle, task)| (*handle, task)).collect();
        news.into_iter().try_for_each(|one| {
            let event = self.event(one, &found, &executors);
            event.map_or(Ok(()), |event| self.tell(&event))
        })
    }

    fn event(
        &mut self,
        news: News,
        found: &Found,
        executors: &HashMap<TaskHandle, &TaskSeen>,
    ) -> Option<Event> {
        match news {
            News::Launched(handle) => {
                if self.known.tasks.remove(&handle) {
                    return None;
                }
                let task = answers::task(found.tasks.get(&handle)?, executors);
                let task_added = Some(event::TaskAdded { task });
                Some(Event { task_added, ..of(Type::TaskAdded) })
            }
            News::Updated(framework, status) => {
                let framework_id = answers::framework_id(framework);
                let status = told(&status);
                let state = status.state;
                let task_updated = Some(event::TaskUpdated { framework_id, status, state });
                Some(Event { task_updated, ..of(Type::TaskUpdated) })
            }
            News::AgentStands(id) => {
                let agent = answers::agent(found.agents.get(&id)?, &self.master);
                let is_new = self.known.agents.insert(id);
                let agent_added = Some(event::AgentAdded { agent });
                is_new.then(|| Event { agent_added, ..of(Type::AgentAdded) })
            }
            News::AgentRemoved(id) => {
                self.known.agents.remove(&id);
                let agent_removed = Some(event::AgentRemoved { agent_id: answers::agent_id(id) });
                Some(Event { agent_removed, ..of(Type::AgentRemoved) })
            }
            News::FrameworkStands(id) => {
                let framework = answers::framework(found.frameworks.get(&id)?);
                let info = framework.framework_info.clone();
                Some(match self.known.frameworks.insert(id, info) {
                    None => {
                        let framework_added = Some(event::FrameworkAdded { framework });
                        Event { framework_added, ..of(Type::FrameworkAdded) }
                    }
                    Some(_) => {
                        let framework_updated = Some(event::FrameworkUpdated { framework });
                        Event { framework_updated, ..of(Type::FrameworkUpdated) }
                    }
                })
            }
            News::FrameworkRemoved(id) => {
                let framework_info = self.known.frameworks.remove(&id)?;
                let framework_removed = Some(event::FrameworkRemoved { framework_info });
                Some(Event { framework_removed, ..of(Type::FrameworkRemoved) })
            }
        }
    }

    fn tell(&self, event: &Event) -> Result<(), Ended> {
        let record = recordio::encode(&self.format.write(event));
        self.records.try_send(record.into()).map_err(|error| match error {
            TrySendError::Full(_) => Ended::TooSlow,
            TrySendError::Closed(_) => Ended::Unread,
        })
    }
}

fn of(kind: Type) -> Event {
    Event { r#type: Some(kind.into()), ..Event::default() }
}
