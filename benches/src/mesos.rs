//! What a framework of Mesos' API waits for: offers from 100 agents, its place among 100 that subscribe
//! at once, and 1,000 tasks on one real agent.

use crate::{
    fault::Fault,
    latency::{Latencies, Latency},
    loopback::{configured, finished, report, start},
    report::Found,
    scheduler::{Scheduler, resources, text},
    testbed::Testbed,
    wire::{Agent, LONG, resources as amounts},
};
use headroom_proto::v1::{
    self, AgentMessage, agent_message::Message as Said, allocator_message::Message as Order,
};
use nix::unistd::geteuid;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{runtime, sync::mpsc, task::JoinSet, time::timeout};

const AGENTS: usize = 100;
const FRAMEWORKS: usize = 100;
const SAMPLES: usize = 5_000;
const WARM_UP: usize = 200;
const TASKS: usize = 1_000;
const TASK_CPUS: f64 = 0.01;
const TASK_MEM: f64 = 4.0;

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What its doors take.
    #[serde(flatten)]
    pub doors: Doors,
    /// Tasks that one call launches on one real agent.
    pub launch: Found<Launch>,
}

/// Offers, and who subscribes.
#[derive(Clone, Debug, Serialize)]
pub struct Doors {
    /// Streams of agents, each with one offer.
    pub agents: usize,
    /// From a decline (for no time) to the same agent's next offer.
    pub declined: Latency,
    /// From an accept to the order to launch at the agent.
    pub launched: Latency,
    /// From an agent's status to the offer of what became free.
    pub freed: Latency,
    /// How many frameworks subscribed at once.
    pub frameworks: usize,
    /// From a connection to SUBSCRIBED.
    pub subscribed: Latency,
    /// Until the last was subscribed.
    pub all_subscribed_ms: f64,
}

/// A launch of many tasks.
#[derive(Clone, Debug, Serialize)]
pub struct Launch {
    /// How many, each a process in cgroups of its own.
    pub tasks: usize,
    /// From the call until the last is told to run.
    pub seconds: f64,
}

/// Measures all.
///
/// # Errors
/// A daemon did not start, or did not answer as Mesos would.
pub fn measure(quick: bool) -> Result<Measured, Fault> {
    let part = if quick { 10 } else { 1 };
    let launch = match launch_all(TASKS / part) {
        Err(fault) if !matches!(fault, Fault::Absent(_)) => return Err(fault),
        launched => launched.into(),
    };
    Ok(Measured { doors: doors(AGENTS / part, FRAMEWORKS / part, SAMPLES / part)?, launch })
}

/// All but the tasks.
fn doors(agents: usize, frameworks: usize, samples: usize) -> Result<Doors, Fault> {
    let state = tempfile::tempdir().map_err(Fault::io("cannot make", std::env::temp_dir()))?;
    let server = start(runtime::Builder::new_multi_thread().worker_threads(1).enable_all())?;
    let clients = start(runtime::Builder::new_current_thread().enable_all())?;
    let running = server.block_on(headroom_allocator::start(&configured(state.path())?))?;
    let measured = clients.block_on(async {
        let (all, each) = subscribe_all(running.address, frameworks).await?;
        let mut rounds = Rounds::begin(running.address, agents).await?;
        let [mut declined, mut launched, mut freed] = <[Latencies; 3]>::default();
        for at in 0..WARM_UP + samples {
            let took = rounds.once(at % agents).await?;
            if at >= WARM_UP {
                declined.record(took[0]);
                launched.record(took[1]);
                freed.record(took[2]);
            }
        }
        Ok::<_, Fault>(Doors {
            agents,
            declined: declined.summary(),
            launched: launched.summary(),
            freed: freed.summary(),
            frameworks,
            subscribed: each.summary(),
            all_subscribed_ms: all.as_secs_f64() * 1e3,
        })
    });
    drop(clients);
    server.block_on(running.stop())?;
    measured
}

/// All at once; they end with their streams.
async fn subscribe_all(address: SocketAddr, count: usize) -> Result<(Duration, Latencies), Fault> {
    let began = Instant::now();
    let mut streams = JoinSet::new();
    for at in 0..count {
        streams.spawn(async move {
            let began = Instant::now();
            let scheduler = Scheduler::subscribe(address, &format!("all-{at}")).await?;
            Ok::<_, Fault>((began.elapsed(), scheduler))
        });
    }
    let (mut latencies, mut subscribed) = (Latencies::default(), Vec::new());
    while let Some(one) = streams.join_next().await {
        let (took, scheduler) = one.map_err(|_| Fault::Core("a framework fell over".into()))??;
        latencies.record(took);
        subscribed.push(scheduler);
    }
    let all = began.elapsed();
    for mut scheduler in subscribed {
        scheduler.call("TEARDOWN", Value::Null).await?;
    }
    Ok((all, latencies))
}

/// One framework that holds an offer of each agent.
struct Rounds {
    scheduler: Scheduler,
    agents: Vec<(mpsc::Sender<AgentMessage>, String)>,
    orders: mpsc::Receiver<v1::Launch>,
    /// By agent.
    offers: HashMap<String, Value>,
    tasks: u64,
}

impl Rounds {
    async fn begin(address: SocketAddr, agents: usize) -> Result<Self, Fault> {
        let scheduler = Scheduler::subscribe(address, "rounds").await?;
        let (tell, orders) = mpsc::channel(1 << 10);
        let mut rounds =
            Self { scheduler, agents: Vec::new(), orders, offers: HashMap::new(), tasks: 0 };
        for at in 0..agents {
            let total = Some(amounts(4.0, 4_096.0));
            let hello = v1::Hello { hostname: format!("node-{at}"), total, ..Default::default() };
            let agent = Agent::connect(&format!("http://{address}"), hello).await?;
            rounds.agents.push((agent.say.clone(), agent.id));
            tokio::spawn(report(agent.say));
            let (mut from, tell) = (agent.orders, tell.clone());
            tokio::spawn(async move {
                while let Ok(Some(order)) = from.message().await {
                    if let Some(Order::Launch(launch)) = order.message
                        && tell.send(launch).await.is_err()
                    {
                        return;
                    }
                }
            });
        }
        while rounds.offers.len() < agents {
            rounds.hear().await?;
        }
        Ok(rounds)
    }

    /// Takes in one event.
    async fn hear(&mut self) -> Result<(), Fault> {
        let event = self.scheduler.event("an offer").await?;
        for offer in event["offers"]["offers"].as_array().into_iter().flatten() {
            self.offers.insert(text(&offer["agent_id"]), offer.clone());
        }
        if event["type"] == "RESCIND" {
            let id = &event["rescind"]["offer_id"];
            self.offers.retain(|_, offer| &offer["id"] != id);
        }
        if event["type"] == "UPDATE" {
            self.scheduler.acknowledge(&event).await?;
        }
        Ok(())
    }

    /// What the framework is offered of an agent.
    async fn offer_of(&mut self, agent: &str) -> Result<Value, Fault> {
        loop {
            if let Some(offer) = self.offers.remove(agent) {
                return Ok(offer);
            }
            self.hear().await?;
        }
    }

    /// Declines an agent's offer, takes the next, and gives it back: how long each took.
    async fn once(&mut self, at: usize) -> Result<[Duration; 3], Fault> {
        let (say, agent) = self.agents[at].clone();
        let offer = self.offer_of(&agent).await?;
        let asked = Instant::now();
        let filters = json!({ "refuse_seconds": 0.0 });
        let said = json!({ "offer_ids": [offer["id"]], "filters": filters });
        self.scheduler.call("DECLINE", said).await?;
        let offer = self.offer_of(&agent).await?;
        let declined = asked.elapsed();

        let asked = Instant::now();
        let tasks = self.all_of(&offer);
        let launch = json!({ "type": "LAUNCH", "launch": { "task_infos": [tasks] } });
        let said = json!({ "offer_ids": [offer["id"]], "operations": [launch] });
        self.scheduler.call("ACCEPT", said).await?;
        let launch = timeout(LONG, self.orders.recv()).await.ok().flatten();
        let launch = launch.ok_or_else(|| Fault::Waited("an order to launch".to_owned()))?;
        let launched = asked.elapsed();

        let status = AgentMessage { message: Some(Said::Status(finished(&launch, &agent))) };
        let sent = Instant::now();
        say.send(status).await.map_err(|_| Fault::Waited("a status to be sent".to_owned()))?;
        let offer = self.offer_of(&agent).await?;
        let freed = sent.elapsed();
        self.offers.insert(agent, offer);
        Ok([declined, launched, freed])
    }

    /// A task that takes all of an offer.
    fn all_of(&mut self, offer: &Value) -> Value {
        self.tasks += 1;
        task(&format!("t{}", self.tasks), &offer["agent_id"], &offer["resources"])
    }
}

fn task(name: &str, agent: &Value, resources: &Value) -> Value {
    json!({
        "name": name, "task_id": { "value": name }, "agent_id": agent, "resources": resources,
        "command": { "value": "exec sleep 100000" },
    })
}

/// One call that launches `count` tasks on a real agent.
fn launch_all(count: usize) -> Result<Launch, Fault> {
    if !geteuid().is_root() {
        return Err(Fault::Absent("cgroups need root".to_owned()));
    }
    let cpus = (TASK_CPUS * count as f64).ceil().to_string();
    let memory = (TASK_MEM * count as f64).to_string();
    let bed = Testbed::start(&["--cpus", &cpus, "--memory-mib", &memory])?;
    let runtime = start(runtime::Builder::new_current_thread().enable_all())?;
    runtime.block_on(async {
        let mut scheduler = Scheduler::subscribe(bed.socket()?, "launch").await?;
        let event = scheduler.until("OFFERS").await?;
        let offer = &event["offers"]["offers"][0];
        let each = resources(TASK_CPUS, TASK_MEM);
        let tasks: Vec<_> =
            (0..count).map(|at| task(&format!("t{at}"), &offer["agent_id"], &each)).collect();
        let launch = json!({ "type": "LAUNCH", "launch": { "task_infos": tasks } });
        let began = Instant::now();
        let said = json!({ "offer_ids": [offer["id"]], "operations": [launch] });
        scheduler.call("ACCEPT", said).await?;
        let mut missing = count;
        while missing > 0 {
            let update = scheduler.until("UPDATE").await?;
            scheduler.acknowledge(&update).await?;
            match text(&update["update"]["status"]["state"]).as_str() {
                "TASK_RUNNING" => missing -= 1,
                "TASK_STAGING" | "TASK_STARTING" => {}
                _ => return Err(Fault::Core(format!("a task does not run: {update}"))),
            }
        }
        let took = began.elapsed();
        scheduler.call("TEARDOWN", Value::Null).await?;
        Ok(Launch { tasks: count, seconds: took.as_secs_f64() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frameworks_subscribe_and_offers_go_round() {
        let measured = doors(3, 4, 20).unwrap();
        assert_eq!((measured.declined.count, measured.freed.count), (20, 20));
        assert_eq!(measured.subscribed.count, 4);
        assert!(measured.all_subscribed_ms > 0.0, "{measured:?}");
    }
}
