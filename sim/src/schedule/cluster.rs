//! Virtual time: events in order, and between them the real `core` machine decides everything.

use super::{
    framework::{Answer, Framework},
    node::{LOOK_MS, Node, Outcry, Running},
    policy::{Policy, STANDS_BELOW_PPM},
    record::Record,
    workload::{Job, Profile, Workload},
};
use crate::seed::Seed;
use headroom_core::{
    command::{AgentHello, Caller, Command, FrameworkInfo, Launch, Promotion},
    effect::{Effect, OfferMade},
    ids::{AgentId, FrameworkId, TaskHandle},
    machine::{Machine, Refusal, Reply, Settings},
    reclaim,
    resources::Amounts,
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;

/// The memory of a simulated node as the core sees it, whatever the trace's unit: what is the least
/// that is offered must not depend on that.
const NODE_MEMORY_MILLI_MIB: u64 = 1_024_000_000;

/// Why a simulation ended before its jobs.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The core refused what it never should.
    #[error("the core refused a command of the simulation: {0}")]
    Refused(#[from] Refusal),
    /// More frameworks than the core takes, or none.
    #[error("the simulation has no agent or framework: the core answered {0:?}")]
    Unexpected(Reply),
    /// So long after the last arrival there are jobs left.
    #[error("{left} jobs are not done {days} days after the last one came: they never get a place")]
    NeverDone {
        /// How many.
        left: usize,
        /// How long.
        days: u64,
    },
}

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How the queue is worked off.
    pub policy: Policy,
    /// Whether idle resources are lent, and taken back.
    pub reclaim: bool,
    /// How many nodes.
    pub nodes: usize,
    /// What each has, in thousandths of a CPU.
    pub node_cpus_milli: u64,
    /// The memory of each, in thousandths of the trace's unit; none: jobs ask for no memory.
    pub node_memory_milli: Option<u64>,
    /// How many frameworks the jobs are dealt to.
    pub frameworks: usize,
    /// The length of a time step.
    pub step: Duration,
    /// Deals the jobs to the frameworks.
    pub seed: u64,
}

impl Setup {
    /// How many frameworks there are: one queue is one framework.
    #[must_use]
    pub fn frameworks(&self) -> usize {
        if self.policy == Policy::Fcfs { 1 } else { self.frameworks.max(1) }
    }

    /// What a node has, as the core sees it.
    const fn node(&self) -> Amounts {
        Amounts::of(self.node_cpus_milli, NODE_MEMORY_MILLI_MIB)
    }

    /// The trace's memory as the core sees it.
    fn to_core_memory(&self, amount_milli: u64) -> u64 {
        let Some(node_milli) = self.node_memory_milli else { return 0 };
        let scaled = u128::from(amount_milli) * u128::from(NODE_MEMORY_MILLI_MIB);
        u64::try_from(scaled / u128::from(node_milli.max(1))).unwrap_or(u64::MAX)
    }

    /// The core's MiB in the trace's unit.
    #[must_use]
    pub fn from_core_memory(&self, mib: f64) -> f64 {
        let node_milli = self.node_memory_milli.unwrap_or(0) as f64;
        mib * node_milli / NODE_MEMORY_MILLI_MIB as f64
    }

    /// What a job asks for, as the core sees it.
    fn request(&self, job: &Job) -> Amounts {
        let memory = job.memory.as_ref().map_or(0, |memory| memory.request_milli);
        Amounts::of(job.request_cpus_milli, self.to_core_memory(memory))
    }

    /// What it uses of CPU and, as the core sees it, of memory.
    fn profiles(&self, job: &Job) -> Profiles {
        let memory = job.memory.as_ref().filter(|_| self.node_memory_milli.is_some());
        let memory = memory.map(|memory| memory.profile.mapped(|used| self.to_core_memory(used)));
        (Arc::new(job.profile.clone()), memory.map(Arc::new))
    }
}

/// In the order in which events of one millisecond happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A node's tasks change by themselves: node, generation.
    Change(usize, u64),
    /// An agent looks at pressure.
    Look(usize),
    /// The next job is submitted.
    Arrival(usize),
    /// A time step ends.
    Step,
}

/// What a job uses of CPU and of memory.
type Profiles = (Arc<Profile>, Option<Arc<Profile>>);

struct Place {
    node: Node,
    generation: u64,
    look_due: bool,
}

/// See the module.
pub(crate) struct Cluster<'a> {
    setup: &'a Setup,
    workload: &'a Workload,
    profiles: Vec<Profiles>,
    requests: Vec<Amounts>,
    machine: Machine,
    now_ms: u64,
    places: Vec<Place>,
    by_agent: BTreeMap<AgentId, usize>,
    frameworks: Vec<Framework>,
    by_framework: BTreeMap<FrameworkId, usize>,
    /// Which framework each job is dealt to.
    owners: Vec<usize>,
    /// Where each job runs.
    running: BTreeMap<usize, (usize, TaskHandle)>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    effects: VecDeque<Effect>,
    left: usize,
    record: Record,
}

impl<'a> Cluster<'a> {
    pub(crate) fn new(setup: &'a Setup, workload: &'a Workload) -> Result<Self, ClusterError> {
        let settings = Settings { step: setup.step, lending: setup.reclaim, ..Settings::default() };
        let jobs = workload.jobs.len();
        let count = setup.frameworks();
        let mut cluster = Self {
            setup,
            workload,
            profiles: workload.jobs.iter().map(|job| setup.profiles(job)).collect(),
            requests: workload.jobs.iter().map(|job| setup.request(job)).collect(),
            machine: Machine::new(settings, 1),
            now_ms: 0,
            places: Vec::new(),
            by_agent: BTreeMap::new(),
            frameworks: Vec::new(),
            by_framework: BTreeMap::new(),
            owners: deal(jobs, count, setup.seed),
            running: BTreeMap::new(),
            events: BinaryHeap::new(),
            effects: VecDeque::new(),
            left: jobs,
            record: Record::new(jobs, setup.nodes),
        };
        for number in 0..count {
            cluster.subscribe(number)?;
        }
        for number in 0..setup.nodes {
            cluster.join(number)?;
        }
        cluster.settle_hunger()?;
        cluster.events.push(Reverse((0, Event::Arrival(0))));
        cluster.events.push(Reverse((0, Event::Step)));
        Ok(cluster)
    }

    fn subscribe(&mut self, number: usize) -> Result<(), ClusterError> {
        let session = number as u64 + 1;
        let info = FrameworkInfo {
            name: format!("framework{number}"),
            roles: vec![format!("role{number}")],
            accepts_revocable: self.setup.reclaim,
            ..FrameworkInfo::default()
        };
        let reply = self.apply(Command::Subscribe(None, info, Vec::new(), session))?;
        let Reply::Framework(framework) = reply else {
            return Err(ClusterError::Unexpected(reply));
        };
        self.by_framework.insert(framework, number);
        let caller = Caller { framework, session };
        self.frameworks.push(Framework::new(caller, self.setup.policy));
        Ok(())
    }

    fn join(&mut self, number: usize) -> Result<(), ClusterError> {
        let total = self.setup.node().into();
        let hello =
            AgentHello { hostname: format!("node{number}"), total, ..AgentHello::default() };
        let reply = self.apply(Command::AgentHello(hello))?;
        let Reply::Agent(agent) = reply else { return Err(ClusterError::Unexpected(reply)) };
        self.by_agent.insert(agent, number);
        let node = Node::new(agent, self.setup.node(), reclaim::Policy::default());
        self.places.push(Place { node, generation: 0, look_due: false });
        self.drain()
    }

    /// Runs until every job is done; `progress` hears of every step.
    pub(crate) fn run(mut self, mut progress: impl FnMut(usize)) -> Result<Record, ClusterError> {
        let last = self.workload.jobs.last().map_or(0, |job| job.submitted_ms);
        let work: u64 = self.workload.jobs.iter().map(|job| job.profile.length_ms()).sum();
        // Even one node after the other, each twice, would be done by then.
        let give_up = last.saturating_add(work.saturating_mul(2)).saturating_add(3_600_000);
        while self.left > 0 {
            let Some(Reverse((at, event))) = self.events.pop() else { break };
            self.wake_until(at)?;
            self.now_ms = at;
            match event {
                Event::Change(node, generation) => {
                    if self.places[node].generation == generation {
                        self.touch(node)?;
                    }
                }
                Event::Look(node) => self.look(node)?,
                Event::Arrival(job) => self.arrive(job)?,
                Event::Step => {
                    self.step()?;
                    progress(self.workload.jobs.len() - self.left);
                }
            }
            if at > give_up {
                let days = (at - last) / 86_400_000;
                return Err(ClusterError::NeverDone { left: self.left, days });
            }
        }
        self.record.memory_short_ms = self.places.iter().map(|place| place.node.short_ms()).sum();
        self.record.end(self.now_ms, self.machine.state().ledger);
        Ok(self.record)
    }

    /// Lets come due in the core what does before `at`.
    fn wake_until(&mut self, at: u64) -> Result<(), ClusterError> {
        while let Some(due) = self.machine.next_deadline() {
            let due_ms = due.as_nanos().div_ceil(1_000_000);
            if due_ms >= at {
                break;
            }
            self.now_ms = due_ms.max(self.now_ms);
            self.apply(Command::Wake)?;
            self.drain()?;
        }
        Ok(())
    }

    fn apply(&mut self, command: Command) -> Result<Reply, Refusal> {
        let mut effects = Vec::new();
        let reply = self.machine.apply(Time::from_millis(self.now_ms), command, &mut effects);
        self.effects.extend(effects);
        reply
    }

    /// Carries effects out, and those of what that leads to.
    fn drain(&mut self) -> Result<(), ClusterError> {
        while let Some(effect) = self.effects.pop_front() {
            self.carry_out(effect)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), ClusterError> {
        match effect {
            Effect::Launch(agent, order) => self.launch(agent, order.handle, &order.payload),
            Effect::Promote(agent, handle, request, _) => {
                let Some(node) = self.by_agent.get(&agent).copied() else { return Ok(()) };
                self.touch(node)?;
                self.places[node].node.promote(handle, request.amounts.cpus_milli());
                self.record.promotions += 1;
                self.changed(node);
                Ok(())
            }
            Effect::Kill(agent, handle, _, reason) => {
                let Some(node) = self.by_agent.get(&agent).copied() else { return Ok(()) };
                self.end(node, handle, reason)
            }
            Effect::Offers(framework, offers) => self.answer(framework, &offers),
            Effect::Update(framework, status) => {
                self.updated(framework, &status);
                Ok(())
            }
            Effect::Rescind(..) => {
                self.record.rescinded += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn arrive(&mut self, job: usize) -> Result<(), ClusterError> {
        if let Some(next) = self.workload.jobs.get(job + 1) {
            self.events.push(Reverse((next.submitted_ms, Event::Arrival(job + 1))));
        }
        let framework = &mut self.frameworks[self.owners[job]];
        framework.queue.insert(job);
        framework.suppressed = false;
        let caller = framework.caller;
        self.apply(Command::Revive(caller, Vec::new()))?;
        self.drain()?;
        self.settle_hunger()
    }

    /// Frameworks that have no use for offers say so.
    fn settle_hunger(&mut self) -> Result<(), ClusterError> {
        for number in 0..self.frameworks.len() {
            let framework = &mut self.frameworks[number];
            if framework.wants_offers() == framework.suppressed {
                framework.suppressed = !framework.suppressed;
                let caller = framework.caller;
                let suppress = framework.suppressed;
                self.apply(if suppress {
                    Command::Suppress(caller, Vec::new())
                } else {
                    Command::Revive(caller, Vec::new())
                })?;
                self.drain()?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: FrameworkId, offers: &[Arc<OfferMade>]) -> Result<(), ClusterError> {
        let Some(number) = self.by_framework.get(&id).copied() else { return Ok(()) };
        self.record.offers += offers.len() as u64;
        let requests = &self.requests;
        let (places, running) = (&self.places, &self.running);
        let stands = |job: usize| {
            let (node, handle) = running.get(&job)?;
            let mut tasks = places[*node].node.tasks().iter();
            let task = tasks.find(|task| task.handle == *handle)?;
            (task.speed_ppm() < STANDS_BELOW_PPM).then_some(task.done_ns())
        };
        let request = |job: usize| requests[job];
        let launches = &self.record.jobs;
        let begun = |job: usize| launches[job].launches;
        let framework = &mut self.frameworks[number];
        let answers = framework.answer(offers, request, begun, stands);
        let caller = framework.caller;
        for answer in &answers {
            self.say(number, caller, answer)?;
        }
        Ok(())
    }

    fn say(&mut self, number: usize, caller: Caller, answer: &Answer) -> Result<(), ClusterError> {
        let refusal = super::policy::REFUSAL;
        match *answer {
            Answer::Launch(offer, job, cpus_milli) => {
                let launch = self.order(job, cpus_milli);
                self.apply(Command::Accept(caller, vec![offer], vec![launch], refusal))?;
            }
            Answer::Promote(offer, job) => {
                let request = self.requests[job].into();
                let promotion = Promotion { name: self.record.name(job), request };
                let command = Command::Promote(caller, vec![offer], promotion, refusal);
                if self.apply(command).is_err() {
                    // The offer was taken back meanwhile: it stays lent.
                    if let Some((node, _)) = self.running.get(&job) {
                        let agent = self.places[*node].node.agent;
                        self.frameworks[number].lent.insert(job, agent);
                    }
                }
            }
            Answer::Move(offer, job) => {
                let kill = Command::Kill(caller, self.record.name(job), Some(Duration::ZERO));
                self.apply(kill)?;
                self.record.moves += 1;
                self.frameworks[number].moving.insert(job);
                // The offer stands meanwhile.
                self.drain()?;
                self.frameworks[number].moving.remove(&job);
                if self.record.jobs[job].delay_ms.is_some() {
                    // It was done at that very moment.
                    self.apply(Command::Decline(caller, vec![offer], refusal))?;
                    return Ok(());
                }
                let launch = self.order(job, self.requests[job].cpus_milli());
                self.apply(Command::Accept(caller, vec![offer], vec![launch], refusal))?;
            }
            Answer::Decline(offer, refusal) => {
                self.record.declined += 1;
                if self.machine.state().offers.get(offer).is_some() {
                    self.apply(Command::Decline(caller, vec![offer], refusal))?;
                }
            }
        }
        Ok(())
    }

    fn order(&mut self, job: usize, cpus_milli: u64) -> Launch {
        Launch {
            name: self.record.new_name(job),
            request: Amounts::of(cpus_milli, self.requests[job].memory_milli_mib()).into(),
            payload: (job as u64).to_le_bytes().to_vec(),
            ..Launch::default()
        }
    }

    fn launch(
        &mut self,
        agent: AgentId,
        handle: TaskHandle,
        payload: &[u8],
    ) -> Result<(), ClusterError> {
        let bytes = <[u8; 8]>::try_from(payload).unwrap_or_default();
        let job = u64::from_le_bytes(bytes) as usize;
        let task = self.machine.state().tasks.by_handle.get(&handle);
        let (Some(task), Some(node)) = (task, self.by_agent.get(&agent).copied()) else {
            return Ok(());
        };
        let (revocable, request) = (task.revocable, task.request.amounts.cpus_milli());
        let now = Time::from_millis(self.now_ms);
        let profiles = self.profiles[job].clone();
        debug_assert!(!self.running.contains_key(&job), "job {job} runs already");
        let started = Running::new(now, handle, job, revocable, request, profiles);
        self.touch(node)?;
        self.places[node].node.start(started);
        self.running.insert(job, (node, handle));
        let submitted = self.workload.jobs[job].submitted_ms;
        self.record.started(job, self.now_ms - submitted, revocable);
        self.changed(node);
        self.tell(agent, handle, TaskState::Running, Reason::None)
    }

    fn tell(
        &mut self,
        agent: AgentId,
        handle: TaskHandle,
        state: TaskState,
        reason: Reason,
    ) -> Result<(), ClusterError> {
        let status = TaskStatus::of("", Some(agent), state, reason);
        self.apply(Command::Status(agent, handle, Box::new(status)))?;
        Ok(())
    }

    /// Ends a task before its time: its work is lost.
    fn end(&mut self, node: usize, handle: TaskHandle, reason: Reason) -> Result<(), ClusterError> {
        self.touch(node)?;
        let Some(task) = self.places[node].node.stop(handle) else { return Ok(()) };
        self.running.remove(&task.job);
        self.record.lost(task.cpu_ns(), reason);
        self.changed(node);
        let agent = self.places[node].node.agent;
        self.tell(agent, handle, TaskState::Killed, reason)
    }

    fn updated(&mut self, framework: FrameworkId, status: &TaskStatus) {
        let Some(number) = self.by_framework.get(&framework).copied() else { return };
        let Some(job) = self.record.job_of(&status.name) else { return };
        let framework = &mut self.frameworks[number];
        match status.state {
            TaskState::Finished => drop(framework.lent.remove(&job)),
            state if state.is_terminal() => {
                framework.lent.remove(&job);
                if !framework.moving.contains(&job) {
                    framework.queue.insert(job);
                }
            }
            _ => {}
        }
    }

    /// Brings a node up to now, and tells of what has ended on it.
    fn touch(&mut self, node: usize) -> Result<(), ClusterError> {
        self.look_if_at_rest(node)?;
        let ended = self.places[node].node.advance(self.now_ms);
        self.changed(node);
        if ended.is_empty() {
            return Ok(());
        }
        let agent = self.places[node].node.agent;
        for task in ended {
            self.left -= 1;
            self.running.remove(&task.job);
            let job = &self.workload.jobs[task.job];
            let alone = job.profile.length_ms();
            self.record.finished(task.job, self.now_ms - job.submitted_ms, alone, task.cpu_ns());
            self.tell(agent, task.handle, TaskState::Finished, Reason::None)?;
        }
        self.drain()?;
        self.settle_hunger()
    }

    /// Sees to it that the node is looked at again when something happens there by itself.
    fn changed(&mut self, node: usize) {
        self.places[node].node.stir(self.now_ms);
        self.foresee(node);
    }

    /// Has the node looked at at its next change, and at the next look it needs.
    fn foresee(&mut self, node: usize) {
        let place = &mut self.places[node];
        place.generation += 1;
        if let Some(at) = place.node.next_change_ms() {
            self.events.push(Reverse((at, Event::Change(node, place.generation))));
        }
        if !place.look_due && !place.node.is_at_rest(self.now_ms) {
            place.look_due = true;
            self.events.push(Reverse((self.now_ms + LOOK_MS, Event::Look(node))));
        }
    }

    fn look(&mut self, node: usize) -> Result<(), ClusterError> {
        self.places[node].look_due = false;
        let ended = self.places[node].node.advance(self.now_ms);
        debug_assert!(ended.is_empty(), "ends come before looks");
        let outcries = self.places[node].node.look(self.now_ms);
        self.cry_out(node, outcries)?;
        self.foresee(node);
        Ok(())
    }

    /// The last of the looks that saw nothing new, which were left out.
    fn look_if_at_rest(&mut self, node: usize) -> Result<(), ClusterError> {
        if self.places[node].node.is_at_rest(self.now_ms) {
            let outcries = self.places[node].node.look(self.now_ms);
            self.cry_out(node, outcries)?;
        }
        Ok(())
    }

    fn cry_out(&mut self, node: usize, outcries: Vec<Outcry>) -> Result<(), ClusterError> {
        let agent = self.places[node].node.agent;
        for outcry in outcries {
            match outcry {
                Outcry::Lending(on, why) => {
                    self.apply(Command::AgentLending(agent, on, why.to_owned()))?;
                }
                Outcry::Kill(handle, for_memory) => {
                    self.record.memory_evictions += u64::from(for_memory);
                    self.end(node, handle, Reason::Preempted)?;
                }
            }
            self.drain()?;
        }
        self.settle_hunger()
    }

    fn step(&mut self) -> Result<(), ClusterError> {
        let step_ms = u64::try_from(self.setup.step.as_millis()).unwrap_or(u64::MAX).max(1);
        self.events.push(Reverse((self.now_ms + step_ms, Event::Step)));
        for node in 0..self.places.len() {
            self.look_if_at_rest(node)?;
            let place = &mut self.places[node];
            let ended = place.node.advance(self.now_ms);
            debug_assert!(ended.is_empty(), "ends come before steps");
            let agent = place.node.agent;
            let report = place.node.report(self.now_ms);
            self.record.observe(node, &report, self.setup.node_memory_milli.is_some());
            self.apply(Command::AgentReport(agent, Box::new(report)))?;
            self.drain()?;
        }
        self.apply(Command::Step)?;
        self.drain()?;
        self.settle_hunger()?;
        let state = self.machine.state();
        let lendable = state.agents.iter().map(|agent| agent.lendable.cpus_milli());
        let busy = self.frameworks.iter().filter_map(|framework| {
            let of = state.frameworks.get(&framework.caller.framework)?;
            let active = !framework.queue.is_empty() || !of.tasks.is_empty();
            active.then(|| state.held_by(of).cpus_milli())
        });
        self.record.step(lendable, busy);
        Ok(())
    }
}

/// Deals jobs to frameworks: the same seed, the same deal.
fn deal(jobs: usize, frameworks: usize, seed: u64) -> Vec<usize> {
    let mut seed = Seed::new(seed);
    (0..jobs).map(|_| seed.below(frameworks)).collect()
}
