//! What Prometheus scrapes. Counters and histograms live with the driver; the rest is read from the
//! machine when asked for.

mod quality;

use headroom_core::{
    agents::Agent,
    command::Usage,
    effect::Effect,
    ids::AgentId,
    machine::{Machine, State},
    tasks::{Reason, TaskState},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::{Atomic, Counter},
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::{collections::BTreeMap, fmt, sync::atomic::AtomicU64};

/// What the driver counts as it goes.
#[derive(Debug)]
pub struct DriverMetrics {
    /// Commands taken together.
    pub batch_commands: Histogram,
    /// Time to decide on one batch.
    pub decision_seconds: Histogram,
    /// Time to make one batch durable.
    pub commit_seconds: Histogram,
    /// Offers made.
    pub offers: Counter,
    /// Offers taken back.
    pub rescinds: Counter,
    /// Launches ordered.
    pub launches: Counter,
    /// Ends ordered.
    pub kills: Family<ReasonLabel, Counter>,
    /// Updates told to frameworks.
    pub updates: Family<StateLabel, Counter>,
    /// Streams ended because nobody read them.
    pub streams_dropped: Counter,
}

/// Why something was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    reason: String,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabel {
    agent: String,
    hostname: String,
}

impl Default for DriverMetrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(1e-6, 4.0, 12));
        Self {
            batch_commands: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            decision_seconds: seconds(),
            commit_seconds: seconds(),
            offers: Counter::default(),
            rescinds: Counter::default(),
            launches: Counter::default(),
            kills: Family::default(),
            updates: Family::default(),
            streams_dropped: Counter::default(),
        }
    }
}

impl DriverMetrics {
    /// Counts what the core wants done.
    pub fn count(&self, effect: &Effect) {
        match effect {
            Effect::Offers(_, offers) => drop(self.offers.inc_by(offers.len() as u64)),
            Effect::Rescind(..) => drop(self.rescinds.inc()),
            Effect::Launch(..) => drop(self.launches.inc()),
            Effect::LaunchGroup(_, orders) => drop(self.launches.inc_by(orders.len() as u64)),
            Effect::Kill(.., reason) => {
                self.kills.get_or_create(&reason_label(*reason)).inc();
            }
            Effect::Update(_, status) => {
                self.updates.get_or_create(&state_label(status.state)).inc();
            }
            _ => {}
        }
    }

    fn register(&self, registry: &mut Registry) {
        let histograms = [
            ("batch_commands", "Commands decided on together", &self.batch_commands),
            ("decision_seconds", "Time to decide on one batch", &self.decision_seconds),
            ("registry_commit_seconds", "Time to make one batch durable", &self.commit_seconds),
        ];
        for (name, help, histogram) in histograms {
            registry.register(name, help, histogram.clone());
        }
        let counters = [
            ("offers", "Offers made", &self.offers),
            ("rescinds", "Offers taken back", &self.rescinds),
            ("launches", "Launches ordered", &self.launches),
            ("streams_dropped", "Streams ended because nobody read them", &self.streams_dropped),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("kills", "Ends ordered, by reason", self.kills.clone());
        registry.register("updates", "Updates told to frameworks, by state", self.updates.clone());
    }
}

fn reason_label(reason: Reason) -> ReasonLabel {
    ReasonLabel { reason: snake(&format!("{reason:?}")) }
}

fn state_label(state: TaskState) -> StateLabel {
    StateLabel { state: snake(&format!("{state:?}")) }
}

/// `KilledByOperator` as `killed_by_operator`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

type FloatGauge = Gauge<f64, AtomicU64>;
type FloatCounter = Counter<f64, AtomicU64>;

/// The machine's figures, read in one query.
#[derive(Debug)]
pub struct Snapshot(Registry);

impl Snapshot {
    /// Reads `machine`.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let mut registry = Registry::with_prefix("headroom");
        let state = machine.state();
        ledger(&mut registry, machine);
        counts(&mut registry, state);
        agents(&mut registry, state);
        quality::register(&mut registry, state);
        let epoch = gauge("epoch", "The allocator's epoch", machine.epoch().into());
        epoch.register(&mut registry);
        Self(registry)
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// Never in practice: writing to a text does not fail.
    pub fn encode(
        mut self,
        metrics: &DriverMetrics,
        registry_ok: bool,
    ) -> Result<String, fmt::Error> {
        metrics.register(&mut self.0);
        let ok = f64::from(u8::from(registry_ok));
        gauge("registry_ok", "1: the registry can be written", ok).register(&mut self.0);
        let mut text = String::new();
        text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

struct Named {
    name: &'static str,
    help: &'static str,
    value: f64,
}

const fn gauge(name: &'static str, help: &'static str, value: f64) -> Named {
    Named { name, help, value }
}

impl Named {
    fn register(self, registry: &mut Registry) {
        let gauge = FloatGauge::default();
        gauge.set(self.value);
        registry.register(self.name, self.help, gauge);
    }
}

fn counter<T: Copy + fmt::Debug + Send + Sync + 'static, A>(value: T) -> Counter<T, A>
where
    A: Atomic<T> + Default,
{
    let counter = Counter::<T, A>::default();
    counter.inc_by(value);
    counter
}

fn ledger(registry: &mut Registry, machine: &Machine) {
    let sums = &machine.state().ledger;
    let step_s = machine.settings().step.as_secs_f64();
    let seconds = [
        ("held_cpu_seconds", "CPU time held by tasks", sums.held_cpus),
        ("used_cpu_seconds", "CPU time used by tasks, where measured", sums.used_cpus),
        ("lent_cpu_seconds", "Part of the held CPU time that was lent", sums.lent_cpus),
        ("held_memory_mib_seconds", "Memory held by tasks, over time", sums.held_memory_mib),
        ("used_memory_mib_seconds", "Memory used by tasks, over time", sums.used_memory_mib),
    ];
    for (name, help, value) in seconds {
        let total: FloatCounter = counter(value * step_s);
        registry.register(name, help, total);
    }
    let counts = [
        ("steps", "Time steps counted", sums.steps),
        ("waits", "Workloads that waited for resources and got them", sums.waits),
        ("wait_steps", "Steps they waited, summed", sums.wait_steps),
    ];
    for (name, help, value) in counts {
        let total: Counter = counter(value);
        registry.register(name, help, total);
    }
    gauge("wait_steps_max", "The longest wait, in steps", sums.wait_steps_max as f64)
        .register(registry);
    if let Some(ratio) = sums.held_over_used_cpus() {
        gauge("held_over_used_cpus", "CPU time held per CPU time used", ratio).register(registry);
    }
}

fn counts(registry: &mut Registry, state: &State) {
    let connected = state.agents.iter().filter(|agent| agent.connected).count();
    let set_aside = state.agents.iter().filter(|agent| !agent.standing.is_active()).count();
    let subscribed = state.frameworks.values().filter(|framework| framework.connected).count();
    for (name, help, value) in [
        ("agents_connected", "Agents whose stream stands", connected),
        ("agents_known", "Agents known", state.agents.len()),
        ("agents_set_aside", "Agents deactivated or drained by operators", set_aside),
        ("machines_down", "Machines down for maintenance", state.maintenance.down().len()),
        ("frameworks_connected", "Frameworks whose stream stands", subscribed),
        ("frameworks_known", "Frameworks known", state.frameworks.len()),
        ("offers_outstanding", "Offers that stand", state.offers.len()),
    ] {
        gauge(name, help, value as f64).register(registry);
    }
    let mut by_state = BTreeMap::<TaskState, u64>::new();
    for task in state.tasks.by_handle.values() {
        *by_state.entry(task.state).or_default() += 1;
    }
    let tasks = Family::<StateLabel, FloatGauge>::default();
    for (state, count) in by_state {
        tasks.get_or_create(&state_label(state)).set(count as f64);
    }
    registry.register("tasks", "Tasks known, by state", tasks);
}

type OfAgent = fn(&Agent) -> Option<u64>;

/// By agent, in CPUs; absent where it was not measured.
const AGENT_CPUS: [(&str, &str, OfAgent); 6] = [
    ("agent_cpus", "CPUs of the node", |agent| Some(agent.total.amounts.cpus_milli())),
    ("agent_requested_cpus", "CPUs held by guaranteed tasks", |agent| {
        Some(agent.held.amounts.cpus_milli())
    }),
    ("agent_lent_cpus", "CPUs held by tasks on lent resources", |agent| {
        Some(agent.lent.cpus_milli())
    }),
    ("agent_lendable_cpus", "CPUs that may be lent in all", |agent| {
        Some(agent.lendable.cpus_milli())
    }),
    ("agent_used_cpus", "CPUs used on the node", |agent| measured(agent).cpus_milli),
    ("agent_forecast_cpus", "Predicted peak of guaranteed work and system", |agent| {
        agent.forecast.map(|forecast| forecast.cpus_milli())
    }),
];

/// What a connected agent last reported; old figures are no figures.
fn measured(agent: &Agent) -> Usage {
    if agent.connected { agent.usage() } else { Usage::default() }
}

fn agents(registry: &mut Registry, state: &State) {
    for (name, help, read) in AGENT_CPUS {
        let family = Family::<AgentLabel, FloatGauge>::default();
        for agent in state.agents.iter() {
            if let Some(milli) = read(agent) {
                family.get_or_create(&label(agent.id, agent)).set(milli as f64 / 1_000.0);
            }
        }
        registry.register(name, help, family);
    }
    let used_memory = Family::<AgentLabel, FloatGauge>::default();
    let reclaims = Family::<AgentLabel, Counter>::default();
    for agent in state.agents.iter() {
        let label = label(agent.id, agent);
        if let Some(milli) = measured(agent).memory_milli_mib {
            used_memory.get_or_create(&label).set(milli as f64 / 1_000.0);
        }
        reclaims.get_or_create(&label).inc_by(agent.report.reclaims);
    }
    registry.register("agent_used_memory_mib", "Memory used on the node", used_memory);
    registry.register("agent_reclaims", "Times lent resources were taken back", reclaims);
}

fn label(id: AgentId, agent: &Agent) -> AgentLabel {
    AgentLabel { agent: id.to_string(), hostname: agent.node.hostname.clone() }
}
