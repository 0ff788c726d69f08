//! A cluster inside the core, without daemons: agents full or partly full of tasks of many frameworks.
//!
//! It is made the way an allocator gets it after a restart (records, subscriptions, hellos with
//! inventory), so that even 10,000 agents stand in a second.

use crate::fault::Fault;
use headroom_core::{
    command::{
        AgentHello, AgentReport, Caller, Command, FrameworkInfo, HeldTask, TaskUsage, Usage, Want,
    },
    effect::{Effect, OfferMade, Record},
    ids::{self, AgentId, FrameworkId, TaskHandle},
    machine::{Machine, Settings},
    ports::Ports,
    resources::{Amounts, Resources},
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Tasks that fill an agent.
pub const SLOTS: u64 = 8;
/// Frameworks that share a role.
const FRAMEWORKS_A_ROLE: usize = 10;
/// Virtual time between two commands: no deadline comes due during a measurement.
const BETWEEN: Duration = Duration::from_nanos(100);
const FORMER_EPOCH: u32 = 1;

/// How large a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Nodes.
    pub agents: usize,
    /// Frameworks; ten share a role.
    pub frameworks: usize,
}

/// A task that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// Where.
    pub agent: AgentId,
    /// Which launch.
    pub handle: TaskHandle,
    /// Whose.
    pub owner: Caller,
    /// What its framework calls it.
    pub name: String,
}

/// A core with a cluster in it, and the clock it is driven by.
#[derive(Debug)]
pub struct Cluster {
    machine: Machine,
    now: Time,
    /// What the last command brought about.
    pub effects: Vec<Effect>,
    /// The frameworks, each with its session.
    pub frameworks: Vec<Caller>,
    /// The tasks that run.
    pub running: Vec<Running>,
    random: u64,
    names: u64,
}

/// What one task holds: an eighth of an agent.
#[must_use]
pub fn slot() -> Amounts {
    Amounts([2_000, 4_096_000, 10_240_000, 0])
}

fn agent_total() -> Resources {
    let ports = Ports::from_ranges(&[(31_000, 32_000)]).unwrap_or_default();
    Resources { amounts: Amounts(slot().0.map(|amount| amount * SLOTS)), ports }
}

/// The status with which a task ends, to be acknowledged.
#[must_use]
pub fn finished(task: &Running) -> TaskStatus {
    let status = TaskStatus::of(&task.name, Some(task.agent), TaskState::Finished, Reason::None);
    TaskStatus { exit_code: Some(0), uuid: Some([7; 16]), timestamp_ms: 1, ..status }
}

impl Cluster {
    /// Frameworks that want anything, and no agents yet.
    ///
    /// # Errors
    /// The core refused.
    pub fn without_agents(shape: Shape) -> Result<Self, Fault> {
        let mut cluster = Self::restored(shape.frameworks, &[]);
        cluster.subscribe(shape.frameworks)?;
        Ok(cluster)
    }

    /// Agents with as many tasks as `occupied` says of each; frameworks that want nothing yet.
    ///
    /// # Errors
    /// The core refused.
    pub fn occupied(
        shape: Shape,
        mut occupied: impl FnMut(&mut Self) -> u64,
    ) -> Result<Self, Fault> {
        let ids: Vec<_> = (0..shape.agents).map(|at| AgentId::from_number(former(at))).collect();
        let mut cluster = Self::restored(shape.frameworks, &ids);
        cluster.subscribe(shape.frameworks)?;
        for caller in cluster.frameworks.clone() {
            cluster.apply(Command::Want(caller, Vec::new()))?;
        }
        for (at, id) in ids.iter().enumerate() {
            let tasks = occupied(&mut cluster).min(SLOTS);
            cluster.bring(*id, at, tasks)?;
        }
        Ok(cluster)
    }

    fn restored(frameworks: usize, agents: &[AgentId]) -> Self {
        let mut machine = Machine::new(Settings::default(), FORMER_EPOCH + 1);
        let frameworks = (0..frameworks)
            .map(|at| Record::Framework(FrameworkId::from_number(former(at)), info(at)));
        let agents = agents.iter().enumerate().map(|(at, id)| Record::Agent(*id, hostname(at)));
        machine.restore(Time::ZERO, frameworks.chain(agents));
        Self {
            machine,
            now: Time::ZERO,
            effects: Vec::new(),
            frameworks: Vec::new(),
            running: Vec::new(),
            random: 0x9E37_79B9_7F4A_7C15,
            names: 0,
        }
    }

    fn subscribe(&mut self, frameworks: usize) -> Result<(), Fault> {
        for at in 0..frameworks {
            let framework = FrameworkId::from_number(former(at));
            let session = at as u64 + 1;
            self.apply(Command::Subscribe(Some(framework), info(at), Vec::new(), session))?;
            self.frameworks.push(Caller { framework, session });
        }
        Ok(())
    }

    /// An agent comes back with its tasks, and reports on them.
    fn bring(&mut self, id: AgentId, at: usize, tasks: u64) -> Result<(), Fault> {
        let mut hello = hello(at);
        hello.agent = Some(id);
        for _ in 0..tasks {
            let owner = self.any_framework();
            let handle = TaskHandle::from_number(former(self.running.len()));
            let name = self.new_name();
            hello.tasks.push(HeldTask {
                handle,
                framework: owner.framework,
                name: name.clone(),
                role: String::new(),
                request: slot().into(),
                reserved: Default::default(),
                revocable: false,
                state: TaskState::Running,
                kind: Default::default(),
            });
            self.running.push(Running { agent: id, handle, owner, name });
        }
        let report = report(&hello);
        self.apply(Command::AgentHello(hello))?;
        self.apply(Command::AgentReport(id, Box::new(report)))
    }

    /// Applies a command; its effects are in `effects` until the next.
    ///
    /// # Errors
    /// The core refused.
    pub fn apply(&mut self, command: Command) -> Result<(), Fault> {
        self.timed(command).map(|_| ())
    }

    /// Applies a command and says how long the core took.
    ///
    /// # Errors
    /// The core refused.
    pub fn timed(&mut self, command: Command) -> Result<Duration, Fault> {
        self.effects.clear();
        self.now = self.now + BETWEEN;
        let start = Instant::now();
        let reply = black_box(self.machine.apply(self.now, black_box(command), &mut self.effects));
        let took = start.elapsed();
        reply.map_err(|refusal| Fault::Core(refusal.to_string()))?;
        Ok(took)
    }

    /// The first offer among the effects of the last command, and to whom it was made.
    ///
    /// # Errors
    /// There is none.
    pub fn offered(&self) -> Result<(FrameworkId, &OfferMade), Fault> {
        let offered = self.effects.iter().find_map(|effect| match effect {
            Effect::Offers(to, offers) => offers.first().map(|offer| (*to, &**offer)),
            _ => None,
        });
        offered.ok_or_else(|| Fault::Core(format!("no offer in {:?}", self.effects)))
    }

    /// The launch among the effects of the last command.
    ///
    /// # Errors
    /// There is none.
    pub fn launched(&self) -> Result<TaskHandle, Fault> {
        let launched = self.effects.iter().find_map(|effect| match effect {
            Effect::Launch(_, order) => Some(order.handle),
            _ => None,
        });
        launched.ok_or_else(|| Fault::Core(format!("no launch in {:?}", self.effects)))
    }

    /// A framework in its session.
    ///
    /// # Errors
    /// It is none of this cluster's.
    pub fn caller(&self, id: FrameworkId) -> Result<Caller, Fault> {
        let found = self.frameworks.iter().find(|caller| caller.framework == id);
        found.copied().ok_or_else(|| Fault::Core(format!("framework {id} is a stranger")))
    }

    /// One task of this size that a framework wants from now on.
    pub fn one_more(&mut self, of: Caller, request: Amounts) -> Command {
        let name = self.new_name();
        Command::Want(of, vec![Want { name, role: None, request: request.into() }])
    }

    /// What the core knows.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The core itself, for what changes nothing that can be seen.
    pub const fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Any framework.
    pub fn any_framework(&mut self) -> Caller {
        let at = self.below(self.frameworks.len());
        self.frameworks[at]
    }

    /// A name no task has had.
    pub fn new_name(&mut self) -> String {
        self.names += 1;
        format!("task-{:08}", self.names)
    }

    /// A number below `bound`, the same in every run (xorshift).
    pub fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % bound.max(1) as u64) as usize
    }
}

/// The number of the `at`th thing that a former allocator named.
fn former(at: usize) -> u64 {
    ids::number(FORMER_EPOCH, at as u64 + 1)
}

fn hostname(at: usize) -> String {
    format!("node-{at:05}.example.com")
}

fn info(at: usize) -> FrameworkInfo {
    FrameworkInfo {
        name: format!("framework-{at}"),
        roles: vec![format!("role-{}", at / FRAMEWORKS_A_ROLE)],
        failover_timeout: Duration::from_secs(3_600),
        ..FrameworkInfo::default()
    }
}

/// The hello of a node without tasks.
#[must_use]
pub fn hello(at: usize) -> AgentHello {
    AgentHello {
        agent: None,
        hostname: hostname(at),
        total: agent_total(),
        attributes: [("rack".to_owned(), format!("r{}", at / 40))].into(),
        ..AgentHello::default()
    }
}

/// A node that lends: its tasks use a tenth of what they hold, and will use a fifth.
fn report(hello: &AgentHello) -> AgentReport {
    let part = |of: Amounts, divisor| Usage {
        cpus_milli: Some(of.cpus_milli() / divisor),
        memory_milli_mib: Some(of.memory_milli_mib() / divisor),
    };
    let tasks = hello.tasks.iter().map(|task| {
        let usage = TaskUsage {
            usage: part(slot(), 10),
            forecast: part(slot(), 5),
            wait_ms: Some(1.0),
            ..TaskUsage::default()
        };
        (task.handle, usage)
    });
    AgentReport {
        tasks: tasks.collect(),
        usage: part(agent_total().amounts, 10),
        system_forecast: part(agent_total().amounts, 50),
        lending: true,
        ..AgentReport::default()
    }
}
