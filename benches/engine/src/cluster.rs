//! A core with a cluster in it, made the way an allocator gets it after a restart.

use crate::took::{self, Took};
use headroom_core::{
    command::{AgentHello, Caller, Command, FrameworkInfo, HeldTask},
    effect::{Effect, OfferMade, Record},
    ids::{self, AgentId, FrameworkId, TaskHandle},
    machine::{Machine, Settings},
    ports::Ports,
    resources::{Amounts, Resources},
    tasks::TaskState,
    time::Time,
};
use std::{fmt, hint::black_box, sync::Arc, time::Duration};
use thiserror::Error;

/// Virtual time between two commands: no deadline comes due during a measurement.
const BETWEEN: Duration = Duration::from_nanos(100);
const FORMER_EPOCH: u32 = 1;
/// As long as a decline can last.
pub(crate) const FOR_EVER: Duration = headroom_core::filter::MAX_REFUSAL;

/// The core did not behave as a workload needs.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Fault(pub(crate) String);

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) agents: usize,
    pub(crate) frameworks: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} x {}", self.agents, self.frameworks))
    }
}

/// A core, and the clock it is driven by.
pub(crate) struct Cluster {
    pub(crate) machine: Machine,
    now: Time,
    pub(crate) effects: Vec<Effect>,
    pub(crate) callers: Vec<Caller>,
    /// Offers that stand, by framework.
    pub(crate) out: Vec<Vec<Arc<OfferMade>>>,
    random: u64,
    names: u64,
}

/// The number of the `at`th thing that a former allocator named.
pub(crate) fn former(at: usize) -> u64 {
    ids::number(FORMER_EPOCH, at as u64 + 1)
}

/// CPUs, and MiB of memory and disk.
pub(crate) const fn amounts(cpus: u64, memory_mib: u64, disk_mib: u64) -> Amounts {
    Amounts([cpus * 1_000, memory_mib * 1_000, disk_mib * 1_000, 0])
}

/// An agent of Mesos' benchmarks: 24 CPUs, 4 GiB, 4 GiB of disk, 1,001 ports.
pub(crate) fn total() -> Resources {
    let ports = Ports::from_ranges(&[(31_000, 32_000)]).unwrap_or_default();
    Resources { amounts: amounts(24, 4_096, 4_096), ports }
}

/// What is in use of it there: two thirds, and 16 ranges of ports.
pub(crate) fn in_use() -> Resources {
    let ranges: Vec<_> = (0..16).map(|at| (31_000 + at * 60, 31_000 + at * 60 + 30)).collect();
    let ports = Ports::from_ranges(&ranges).unwrap_or_default();
    Resources { amounts: amounts(16, 2_014, 1_024), ports }
}

pub(crate) fn hello(at: usize, total: Resources) -> AgentHello {
    AgentHello {
        agent: Some(AgentId::from_number(former(at))),
        hostname: format!("node-{at:05}.example.com"),
        total,
        ..AgentHello::default()
    }
}

/// A task that an agent already has.
pub(crate) fn held(number: usize, framework: usize, request: Resources) -> HeldTask {
    HeldTask {
        handle: TaskHandle::from_number(former(number)),
        framework: FrameworkId::from_number(former(framework)),
        name: format!("task-{number:07}"),
        role: String::new(),
        request,
        reserved: Default::default(),
        revocable: false,
        state: TaskState::Running,
        kind: Default::default(),
    }
}

impl Cluster {
    /// A core that remembers these, with every framework subscribed and no agent back yet.
    pub(crate) fn new(
        agents: usize,
        frameworks: impl IntoIterator<Item = FrameworkInfo>,
    ) -> Result<Self, Fault> {
        let infos: Vec<_> = frameworks.into_iter().collect();
        let mut machine = Machine::new(Settings::default(), FORMER_EPOCH + 1);
        let framework = |(at, info): (usize, &FrameworkInfo)| {
            Record::Framework(FrameworkId::from_number(former(at)), info.clone())
        };
        let agent = |at| Record::Agent(AgentId::from_number(former(at)), String::new());
        let records = infos.iter().enumerate().map(framework).chain((0..agents).map(agent));
        machine.restore(Time::ZERO, records);
        let mut cluster = Self {
            machine,
            now: Time::ZERO,
            effects: Vec::new(),
            callers: Vec::new(),
            out: Vec::new(),
            random: 0x9E37_79B9_7F4A_7C15,
            names: 0,
        };
        for info in infos {
            cluster.subscribe(info)?;
        }
        Ok(cluster)
    }

    /// One more framework; how long the core took.
    pub(crate) fn subscribe(&mut self, info: FrameworkInfo) -> Result<Took, Fault> {
        let at = self.callers.len();
        let (framework, session) = (FrameworkId::from_number(former(at)), at as u64 + 1);
        self.callers.push(Caller { framework, session });
        self.out.resize(self.callers.len(), Vec::new());
        self.apply(Command::Subscribe(Some(framework), info, Vec::new(), session))
    }

    /// Frameworks in one role that take whatever there is.
    pub(crate) fn open(shape: Shape) -> Result<Self, Fault> {
        Self::new(shape.agents, (0..shape.frameworks).map(|at| info(at, "role")))
    }

    /// An agent of Mesos' benchmarks comes back with what is in use of it; how long that took.
    pub(crate) fn bring(&mut self, at: usize) -> Result<Took, Fault> {
        let task = held(at, at % self.callers.len(), in_use());
        let hello = AgentHello { tasks: vec![task], ..hello(at, total()) };
        self.apply(Command::AgentHello(hello))
    }

    /// Applies a command with the offers that follow; how long the core took.
    pub(crate) fn apply(&mut self, command: Command) -> Result<Took, Fault> {
        self.timed(|machine, now, effects| {
            let reply = machine.apply(now, command, effects);
            reply.map(|_| ()).map_err(|refusal| Fault(refusal.to_string()))
        })
    }

    /// Applies a command without the offers that follow.
    pub(crate) fn decide(&mut self, command: Command) -> Result<Took, Fault> {
        self.timed(|machine, now, effects| {
            let reply = machine.decide(now, command, effects);
            reply.map(|_| ()).map_err(|refusal| Fault(refusal.to_string()))
        })
    }

    /// Makes the offers that can be made.
    pub(crate) fn offer(&mut self) -> Result<Took, Fault> {
        self.timed(|machine, now, effects| {
            machine.make_offers(now, effects);
            Ok(())
        })
    }

    fn timed(
        &mut self,
        act: impl FnOnce(&mut Machine, Time, &mut Vec<Effect>) -> Result<(), Fault>,
    ) -> Result<Took, Fault> {
        self.effects.clear();
        self.now = self.now + BETWEEN;
        let act = || black_box(act(&mut self.machine, self.now, &mut self.effects));
        let (done, took) = took::timed(act);
        done?;
        for effect in self.effects.extract_if(.., |effect| matches!(effect, Effect::Offers(..))) {
            if let Effect::Offers(to, offers) = effect {
                self.out[to.count() as usize - 1].extend(offers);
            }
        }
        Ok(took)
    }

    /// How many offers stand.
    pub(crate) fn standing(&self) -> usize {
        self.out.iter().map(Vec::len).sum()
    }

    /// All frameworks give back all they were offered, not to be offered it again for `refusal`;
    /// without the offers that follow.
    pub(crate) fn decline_all(&mut self, refusal: Duration) -> Result<Took, Fault> {
        let mut sum = Took::default();
        for at in 0..self.callers.len() {
            let offers: Vec<_> = self.out[at].drain(..).map(|made| made.offer).collect();
            if !offers.is_empty() {
                sum += self.decide(Command::Decline(self.callers[at], offers, refusal))?;
            }
        }
        Ok(sum)
    }

    /// Has every agent looked at anew, as after a change of quota.
    pub(crate) fn look_at_all(&mut self) -> Result<(), Fault> {
        self.decide(Command::SetQuota("*".to_owned(), None)).map(|_| ())
    }

    /// A name no task has had.
    pub(crate) fn new_name(&mut self) -> String {
        self.names += 1;
        format!("new-{:08}", self.names)
    }

    /// A number below `bound`, the same in every run (xorshift).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % bound.max(1) as u64) as usize
    }
}

/// A framework that stays.
pub(crate) fn info(at: usize, role: &str) -> FrameworkInfo {
    FrameworkInfo {
        name: format!("framework-{at}"),
        roles: vec![role.to_owned()],
        failover_timeout: Duration::from_secs(3_600),
        ..FrameworkInfo::default()
    }
}
