//! From a status sent by an agent to the offer received by a framework: a real allocator, real
//! sockets on loopback, with its registry in a directory of its own.
//!
//! The allocator has threads of its own; agents and frameworks share one. Agents also report once a
//! second, as real ones do.

use crate::{
    cluster::SLOTS,
    fault::Fault,
    latency::{Latencies, Latency},
    wire::{Agent, Framework, LONG, resources},
};
use headroom_allocator::Config;
use headroom_proto::v1::{
    self, AgentMessage, agent_message::Message as Said, allocator_message::Message as Order,
    event::Event,
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{self, Runtime},
    sync::mpsc,
    time::{interval, timeout},
};

/// Agents, and frameworks that all want what one task holds.
pub const SHAPES: [(usize, usize); 2] = [(1, 1), (100, 10)];
const SAMPLES: usize = 5_000;
const WARM_UP: usize = 500;
const REPORT_EVERY: Duration = Duration::from_secs(1);
const CPUS: f64 = 1.0;
const MEMORY_MIB: f64 = 512.0;
const ACK: [u8; 16] = [7; 16];

/// One size.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Agents' streams.
    pub agents: usize,
    /// Frameworks' streams.
    pub frameworks: usize,
    /// From the status handed to the agent's stream to the offer out of the framework's.
    #[serde(flatten)]
    pub latency: Latency,
}

/// Times all sizes.
///
/// # Errors
/// The allocator did not start, or did not offer.
pub fn measure(quick: bool) -> Result<Vec<Measured>, Fault> {
    let samples = if quick { SAMPLES / 10 } else { SAMPLES };
    SHAPES.into_iter().map(|(agents, frameworks)| one(agents, frameworks, samples)).collect()
}

fn one(agents: usize, frameworks: usize, samples: usize) -> Result<Measured, Fault> {
    let state = tempfile::tempdir().map_err(Fault::io("cannot make", std::env::temp_dir()))?;
    let server = start(runtime::Builder::new_multi_thread().worker_threads(1).enable_all())?;
    let clients = start(runtime::Builder::new_current_thread().enable_all())?;
    let running = server.block_on(headroom_allocator::start(&configured(state.path())?))?;
    let address = format!("http://{}", running.address);
    let measured = clients.block_on(async {
        let mut bench = Bench::connect(&address, agents, frameworks, SLOTS).await?;
        let mut latencies = Latencies::default();
        bench.time(samples, &mut latencies).await?;
        Ok::<_, Fault>(latencies.summary())
    });
    // The clients' streams end first; the rest of the allocator then goes in order.
    drop(clients);
    server.block_on(running.stop())?;
    Ok(Measured { agents, frameworks, latency: measured? })
}

pub(crate) fn configured(state_dir: &Path) -> Result<Config, Fault> {
    Ok(Config {
        listen: "127.0.0.1:0".parse().map_err(|_| Fault::Core("no address".into()))?,
        state_dir: state_dir.to_owned(),
        ..Config::default()
    })
}

pub(crate) fn start(builder: &mut runtime::Builder) -> Result<Runtime, Fault> {
    builder.build().map_err(Fault::io("cannot start", "a runtime"))
}

/// What comes in by any stream, with the moment it came.
enum Came {
    Offer(Instant, usize, Box<v1::Offer>),
    Launch(usize, Box<v1::Launch>),
    Other,
    Broke(Fault),
}

struct Running {
    agent: usize,
    owner: usize,
    launch: Box<v1::Launch>,
}

/// A full cluster, and the streams into it.
pub(crate) struct Bench {
    agents: Vec<(mpsc::Sender<AgentMessage>, String)>,
    frameworks: Vec<Framework>,
    /// What each framework wants: the name of one task.
    wanted: Vec<String>,
    came: mpsc::Receiver<Came>,
    running: Vec<Running>,
    by_framework: BTreeMap<String, usize>,
    names: u64,
    random: u64,
}

impl Bench {
    /// All streams, and every agent full of tasks.
    pub(crate) async fn connect(
        address: &str,
        agents: usize,
        frameworks: usize,
        slots: u64,
    ) -> Result<Self, Fault> {
        let (tell, came) = mpsc::channel(1 << 16);
        let mut bench = Self {
            agents: Vec::new(),
            frameworks: Vec::new(),
            wanted: vec![String::new(); frameworks],
            came,
            running: Vec::new(),
            by_framework: BTreeMap::new(),
            names: 0,
            random: 0x9E37_79B9_7F4A_7C15,
        };
        for at in 0..frameworks {
            let info = v1::FrameworkInfo { name: format!("bench-{at}"), ..Default::default() };
            let (mut framework, events) = Framework::subscribe(address, info).await?;
            framework.want(Vec::new()).await?;
            bench.by_framework.insert(framework.id().to_owned(), at);
            bench.frameworks.push(framework);
            tokio::spawn(read_events(at, events, tell.clone()));
        }
        for at in 0..agents {
            let total = resources(CPUS * slots as f64, MEMORY_MIB * slots as f64);
            let hostname = format!("node-{at}");
            let hello = v1::Hello { hostname, total: Some(total), ..Default::default() };
            let Agent { say, orders, id } = Agent::connect(address, hello).await?;
            bench.agents.push((say.clone(), id));
            tokio::spawn(report(say));
            tokio::spawn(read_orders(at, orders, tell.clone()));
        }
        bench.fill(slots).await?;
        Ok(bench)
    }

    /// Every framework runs its part, and wants one task more.
    async fn fill(&mut self, slots: u64) -> Result<(), Fault> {
        for _ in 0..self.agents.len() as u64 * slots {
            let owner = self.running.len() % self.frameworks.len();
            self.want(owner).await?;
            let (_, to, offer) = self.offer().await?;
            self.take(to, &offer).await?;
        }
        for owner in 0..self.frameworks.len() {
            self.want(owner).await?;
        }
        Ok(())
    }

    pub(crate) async fn time(
        &mut self,
        samples: usize,
        latencies: &mut Latencies,
    ) -> Result<(), Fault> {
        for at in 0..WARM_UP + samples {
            let took = self.once().await?;
            if at >= WARM_UP {
                latencies.record(took);
            }
        }
        Ok(())
    }

    /// A task ends; whoever is offered its room runs another there and wants one more.
    async fn once(&mut self) -> Result<Duration, Fault> {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let at = (self.random % self.running.len() as u64) as usize;
        let task = self.running.swap_remove(at);
        let (say, agent_id) = &self.agents[task.agent];
        let status = finished(&task.launch, agent_id);
        let message = AgentMessage { message: Some(Said::Status(status)) };
        let sent = Instant::now();
        say.send(message).await.map_err(|_| Fault::Waited("a status to be sent".into()))?;
        let (received, to, offer) = self.offer().await?;
        self.take(to, &offer).await?;
        self.want(to).await?;
        self.frameworks[task.owner].acknowledge(&update_of(&task.launch)).await?;
        Ok(received - sent)
    }

    async fn want(&mut self, owner: usize) -> Result<(), Fault> {
        self.names += 1;
        let name = format!("task-{}", self.names);
        self.wanted[owner].clone_from(&name);
        let resources = Some(resources(CPUS, MEMORY_MIB));
        let wanted = v1::Wanted { name, resources, ..Default::default() };
        self.frameworks[owner].want(vec![wanted]).await
    }

    async fn take(&mut self, to: usize, offer: &v1::Offer) -> Result<(), Fault> {
        let task = v1::TaskInfo {
            task_id: self.wanted[to].clone(),
            resources: Some(resources(CPUS, MEMORY_MIB)),
            command: Some(v1::Command { shell: "true".to_owned(), ..Default::default() }),
            ..Default::default()
        };
        self.frameworks[to].accept(&offer.offer_id, vec![task]).await?;
        loop {
            if let Came::Launch(agent, launch) = self.next("a launch").await? {
                let owner = self.by_framework.get(&launch.framework_id).copied().unwrap_or(to);
                self.running.push(Running { agent, owner, launch });
                return Ok(());
            }
        }
    }

    async fn offer(&mut self) -> Result<(Instant, usize, v1::Offer), Fault> {
        loop {
            if let Came::Offer(when, to, offer) = self.next("an offer").await? {
                return Ok((when, to, *offer));
            }
        }
    }

    async fn next(&mut self, what: &str) -> Result<Came, Fault> {
        match timeout(LONG, self.came.recv()).await {
            Ok(Some(Came::Broke(fault))) => Err(fault),
            Ok(Some(came)) => Ok(came),
            Ok(None) | Err(_) => Err(Fault::Waited(what.to_owned())),
        }
    }
}

pub(crate) fn finished(launch: &v1::Launch, agent_id: &str) -> v1::StatusUpdate {
    let status = v1::TaskStatus {
        agent_id: agent_id.to_owned(),
        state: v1::TaskState::Finished.into(),
        exit_code: Some(0),
        timestamp_ms: 1,
        ..update_of(launch)
    };
    let framework_id = launch.framework_id.clone();
    v1::StatusUpdate { handle: launch.handle, framework_id, status: Some(status) }
}

fn update_of(launch: &v1::Launch) -> v1::TaskStatus {
    let task_id = launch.task.as_ref().map(|task| task.task_id.clone()).unwrap_or_default();
    v1::TaskStatus { task_id, uuid: ACK.to_vec(), ..Default::default() }
}

async fn read_events(at: usize, mut events: tonic::Streaming<v1::Event>, tell: mpsc::Sender<Came>) {
    loop {
        let event = match events.message().await {
            Ok(Some(event)) => event.event,
            Ok(None) => return,
            Err(status) => {
                let _ = tell.send(Came::Broke(Fault::call("events")(status))).await;
                return;
            }
        };
        let received = Instant::now();
        let came = match event {
            Some(Event::Offers(mut offers)) if offers.offers.len() == 1 => {
                Came::Offer(received, at, Box::new(offers.offers.remove(0)))
            }
            Some(Event::Error(error)) => Came::Broke(Fault::Core(error.message)),
            _ => Came::Other,
        };
        if tell.send(came).await.is_err() {
            return;
        }
    }
}

async fn read_orders(
    at: usize,
    mut orders: tonic::Streaming<v1::AllocatorMessage>,
    tell: mpsc::Sender<Came>,
) {
    while let Ok(Some(order)) = orders.message().await {
        let came = match order.message {
            Some(Order::Launch(launch)) => Came::Launch(at, Box::new(launch)),
            _ => Came::Other,
        };
        if tell.send(came).await.is_err() {
            return;
        }
    }
}

/// A node's report, as often as a real one's.
pub(crate) async fn report(say: mpsc::Sender<AgentMessage>) {
    let mut steps = interval(REPORT_EVERY);
    let usage = Some(v1::Usage { cpus: Some(0.5), memory_mib: Some(1_000.0) });
    for sequence in 1.. {
        steps.tick().await;
        let node = v1::NodeReport { usage, system_forecast: usage, ..Default::default() };
        let report = v1::Report { sequence, tasks: Vec::new(), node: Some(node) };
        if say.send(AgentMessage { message: Some(Said::Report(report)) }).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_come_over_real_sockets() {
        let measured = one(2, 2, 20).unwrap();
        assert_eq!(measured.latency.count, 20);
        assert!(measured.latency.p50_us > 1.0, "{measured:?}");
    }
}
