//! Random sequences of commands: every invariant holds after each of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use headroom_core::{
    capability::Capabilities,
    command::{
        AgentHello, AgentReport, Caller, Command, FrameworkInfo, HeldTask, Launch, Promotion,
        TaskUsage, Usage, Want,
    },
    constraint::{Constraint, Constraints, Predicate, Selector},
    domain::Domain,
    effect::{Effect, LaunchOrder, Record},
    executor::{Executor, Kind},
    feedback::{OperationStatus, Wish},
    ids::{AgentId, FrameworkId, InverseOfferId, OfferId, TaskHandle},
    inverse::Answer,
    machine::{Machine, Settings},
    maintenance::{MachineId, Unavailability, Window},
    minimum::Minimum,
    operate::Deeds,
    quota::{Quota, UNLIMITED},
    reservation::{Operation, Reservation, Tag, Volume},
    resources::Amounts,
    standing::{Drain, Standing},
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[derive(Clone, Debug)]
enum Step {
    Hello(u8),
    Return(u8, bool),
    Gone(u8),
    Report(u8, u64, u64, bool),
    Lending(u8, bool),
    Subscribe(u8, u8),
    Break(u8),
    Teardown(u8),
    Want(u8, u8, u64),
    Accept(u8, u8, u64),
    Promote(u8, u8, u64),
    Decline(u8, u8, u64),
    Update(u8, u8),
    Revive(u8, u8),
    Suppress(u8, u8),
    Kill(u8, u8),
    Status(u8, u8),
    Acknowledge(u8),
    Reconcile(u8),
    Role(u8, bool),
    Reserve(u8, u8, u8, u64),
    Operate(u8, u8, u8, u64),
    Quota(u8, u64, u64),
    Deactivate(u8),
    Drain(u8, u8),
    Reactivate(u8),
    MarkGone(u8),
    Restart,
    Schedule(u8),
    Down(u8),
    Up(u8),
    AnswerInverse(u8, u8, u64),
    AcknowledgeOperation(u8),
    ReconcileOperations(u8),
    Sleep(u64),
    Tick,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1u8..16).prop_map(Step::Hello),
        1 => any::<(u8, bool)>().prop_map(|(a, b)| Step::Return(a, b)),
        1 => any::<u8>().prop_map(Step::Gone),
        4 => (any::<u8>(), 0u64..5_000, 0u64..4_000, any::<bool>())
            .prop_map(|(a, u, f, l)| Step::Report(a, u, f, l)),
        1 => any::<(u8, bool)>().prop_map(|(a, b)| Step::Lending(a, b)),
        2 => (any::<u8>(), 0u8..16).prop_map(|(a, b)| Step::Subscribe(a, b)),
        1 => any::<u8>().prop_map(Step::Break),
        1 => any::<u8>().prop_map(Step::Teardown),
        3 => (any::<u8>(), 0u8..6, 1u64..6_000).prop_map(|(a, n, c)| Step::Want(a, n, c)),
        6 => (any::<u8>(), 0u8..4, 1u64..3_000).prop_map(|(a, n, c)| Step::Accept(a, n, c)),
        4 => (any::<u8>(), any::<u8>(), 1u64..3_000).prop_map(|(a, b, c)| Step::Promote(a, b, c)),
        3 => (any::<u8>(), any::<u8>(), 0u64..20).prop_map(|(a, b, s)| Step::Decline(a, b, s)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Update(a, b)),
        2 => (any::<u8>(), 0u8..10).prop_map(|(a, r)| Step::Revive(a, r)),
        1 => (any::<u8>(), 0u8..10).prop_map(|(a, r)| Step::Suppress(a, r)),
        2 => any::<(u8, u8)>().prop_map(|(a, b)| Step::Kill(a, b)),
        6 => any::<(u8, u8)>().prop_map(|(a, b)| Step::Status(a, b)),
        4 => any::<u8>().prop_map(Step::Acknowledge),
        1 => any::<u8>().prop_map(Step::Reconcile),
        1 => (0u8..8, any::<bool>()).prop_map(|(a, b)| Step::Role(a, b)),
        4 => (any::<u8>(), 0u8..4, 0u8..16, 0u64..4_000)
            .prop_map(|(a, k, t, n)| Step::Reserve(a, k, t, n)),
        4 => (any::<u8>(), 0u8..4, 0u8..16, 0u64..4_000)
            .prop_map(|(a, k, t, n)| Step::Operate(a, k, t, n)),
        1 => (0u8..8, 0u64..6, 0u64..12).prop_map(|(a, g, l)| Step::Quota(a, g, l)),
        2 => any::<u8>().prop_map(Step::Deactivate),
        2 => any::<(u8, u8)>().prop_map(|(a, b)| Step::Drain(a, b)),
        3 => any::<u8>().prop_map(Step::Reactivate),
        1 => any::<u8>().prop_map(Step::MarkGone),
        1 => Just(Step::Restart),
        2 => any::<u8>().prop_map(Step::Schedule),
        1 => any::<u8>().prop_map(Step::Down),
        1 => any::<u8>().prop_map(Step::Up),
        4 => (any::<u8>(), any::<u8>(), 0u64..20)
            .prop_map(|(a, b, s)| Step::AnswerInverse(a, b, s)),
        2 => any::<u8>().prop_map(Step::AcknowledgeOperation),
        1 => any::<u8>().prop_map(Step::ReconcileOperations),
        3 => (1u64..40).prop_map(Step::Sleep),
        2 => Just(Step::Tick),
    ]
}

/// The world around the core: what frameworks and agents were told.
struct World {
    machine: Machine,
    now: Time,
    agents: Vec<AgentId>,
    callers: Vec<Caller>,
    offers: BTreeMap<OfferId, (FrameworkId, Amounts)>,
    launched: Vec<(AgentId, TaskHandle, FrameworkId, String, bool, Kind)>,
    updates: Vec<(FrameworkId, TaskStatus)>,
    /// What frameworks were told of operations.
    operations: Vec<(FrameworkId, OperationStatus)>,
    /// Inverse offers that stand, and to whom.
    inverse: BTreeMap<InverseOfferId, FrameworkId>,
    /// What is durable.
    records: Vec<Record>,
    next: u64,
    /// So many commands are decided on before offers are made.
    batch: u64,
}

/// Roles beside and under one another.
fn role(at: u8) -> String {
    ["role0", "role1", "role0/a", "role0/b", "role1/a/x", "role2", "role0/a/y", "*"]
        [usize::from(at) % 8]
        .to_owned()
}

/// As in the allocator's registry: agents before what was decided about them.
fn key(record: &Record) -> String {
    match record {
        Record::Agent(id, _) | Record::AgentRemoved(id) => format!("agent/{id}"),
        Record::Framework(id, _) | Record::FrameworkRemoved(id) => format!("framework/{id}"),
        Record::Quota(name, _) | Record::QuotaRemoved(name) => format!("quota/{name}"),
        Record::Reservations(id, _) => format!("reservations/{id}"),
        Record::Role(name, ..) | Record::RoleReset(name) => format!("role/{name}"),
        Record::Standing(id, _) => format!("standing/{id}"),
        Record::Maintenance(_) => "maintenance".to_owned(),
    }
}

fn machine(which: u8) -> Vec<MachineId> {
    vec![MachineId::new(&format!("node{}", which % 4), "")]
}

fn pick<T: Clone>(from: &[T], at: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(at) % from.len()].clone())
}

fn not_on(hostname: &str) -> Constraints {
    let predicate = Predicate::NotEquals(hostname.to_owned());
    let constraint = Constraint { selector: Selector::Hostname, predicate };
    Constraints::any_of(vec![vec![constraint]]).unwrap()
}

/// One of few, at times with another description.
fn executor(at: u8, n: u8) -> Arc<Executor> {
    let id = format!("e{}", at % 3);
    let payload = format!("{id}{}", u8::from(at == 77 && n == 1)).into_bytes();
    let request = Amounts::of(20, 100).into();
    Arc::new(Executor { id, request, is_default: at.is_multiple_of(2), payload })
}

/// An operation of one part, for `role` or one that `tag` chooses.
fn operation(kind: u8, tag: u8, amount: u64, role: Option<&str>) -> Operation {
    let own = format!("role{}", tag % 4);
    let role = role.unwrap_or(&own);
    let mut stack = vec![Reservation::dynamic(role)];
    if tag & 4 > 0 && role == "role2" {
        stack.insert(0, Reservation::fixed("role2"));
        stack[1].role = "role2/web".to_owned();
    }
    let id = format!("v{}", tag / 8);
    let volume = Volume { id, container_path: "data".to_owned(), principal: String::new() };
    let volume = (kind >= 2).then_some(volume);
    let disk = if kind >= 2 || tag & 8 > 0 { amount / 8 } else { 0 };
    let cpus = if kind >= 2 { 0 } else { amount };
    let part = (Tag { stack, volume }, Amounts([cpus, 0, disk, 0]).into());
    let parts = [part].into_iter().collect();
    match kind {
        0 => Operation::Reserve(parts),
        1 => Operation::Unreserve(parts),
        2 => Operation::Create(parts),
        _ => Operation::Destroy(parts),
    }
}

impl World {
    fn new() -> Self {
        let domain = Some(Domain { region: "eu".into(), zone: "1".into() });
        Self {
            machine: Machine::new(Settings { domain, ..Settings::default() }, 1),
            now: Time::ZERO,
            agents: vec![],
            callers: vec![],
            offers: BTreeMap::new(),
            launched: vec![],
            updates: vec![],
            operations: vec![],
            inverse: BTreeMap::new(),
            records: vec![],
            next: 0,
            batch: 1,
        }
    }

    fn apply(&mut self, command: Command) {
        let mut effects = Vec::new();
        let _ = self.machine.decide(self.now, command, &mut effects);
        if self.next.is_multiple_of(self.batch) {
            self.machine.make_offers(self.now, &mut effects);
        }
        self.machine.check(self.now).unwrap();
        for effect in effects {
            match effect {
                Effect::Welcome(agent) if !self.agents.contains(&agent) => self.agents.push(agent),
                Effect::Subscribed(framework, session) => {
                    self.callers.retain(|caller| caller.framework != framework);
                    self.callers.push(Caller { framework, session });
                }
                Effect::Offers(framework, offers) => {
                    for offer in offers {
                        assert!(!offer.resources.is_empty(), "an empty offer");
                        let told = (framework, offer.resources.amounts);
                        assert!(self.offers.insert(offer.offer, told).is_none(), "an id again");
                    }
                }
                Effect::Rescind(framework, offer, _) => {
                    let told = self.offers.remove(&offer);
                    assert!(told.is_some_and(|told| told.0 == framework), "rescinds the unknown");
                }
                Effect::Launch(agent, order) => self.note(agent, *order),
                Effect::LaunchGroup(agent, orders) => {
                    orders.into_iter().for_each(|order| self.note(agent, order));
                }
                Effect::Update(framework, status) => self.updates.push((framework, status)),
                Effect::InverseOffers(framework, made) => {
                    assert!(self.callers.iter().any(|caller| caller.framework == framework));
                    self.inverse.extend(made.iter().map(|one| (one.id, framework)));
                }
                Effect::RescindInverse(framework, id) => {
                    assert_eq!(self.inverse.remove(&id), Some(framework), "takes back the unknown");
                }
                Effect::Operation(framework, status) => self.operations.push((framework, status)),
                Effect::Persist(record) => self.records.push(record),
                Effect::Dismiss(agent, _) => self.agents.retain(|id| *id != agent),
                _ => {}
            }
        }
    }

    fn note(&mut self, agent: AgentId, order: LaunchOrder) {
        let name = String::from_utf8(order.payload).unwrap();
        let LaunchOrder { handle, framework, revocable, kind, .. } = order;
        self.launched.push((agent, handle, framework, name, revocable, kind));
    }

    fn run(&mut self, step: &Step) {
        self.next += 1;
        let command = match *step {
            Step::Hello(size) => Some(self.hello(None, size, vec![])),
            Step::Return(at, with_tasks) => self.come_back(at, with_tasks),
            Step::Gone(at) => pick(&self.agents, at).map(Command::AgentGone),
            Step::Report(at, used, forecast, lending) => self.report(at, used, forecast, lending),
            Step::Lending(at, on) => {
                pick(&self.agents, at).map(|id| Command::AgentLending(id, on, String::new()))
            }
            Step::Subscribe(at, flags) => self.subscribe(at, flags),
            Step::Break(at) => pick(&self.callers, at).map(|caller| {
                self.offers.retain(|_, told| told.0 != caller.framework);
                Command::FrameworkGone(caller)
            }),
            Step::Teardown(at) => pick(&self.callers, at).map(|caller| {
                self.offers.retain(|_, told| told.0 != caller.framework);
                self.inverse.retain(|_, to| *to != caller.framework);
                Command::Teardown(caller.framework)
            }),
            Step::Want(at, count, cpus) => self.want(at, count, cpus),
            Step::Accept(at, tasks, cpus) => self.accept(at, tasks, cpus),
            Step::Promote(at, which, cpus) => self.promote(at, which, cpus),
            Step::Decline(at, which, seconds) => self.decline(at, which, seconds),
            Step::Update(at, flags) => self.update(at, flags),
            Step::Revive(at, of) => self.one_role(at, of, Command::Revive),
            Step::Suppress(at, of) => self.one_role(at, of, Command::Suppress),
            Step::Kill(at, which) => pick(&self.callers, at).map(|caller| {
                let name = pick(&self.launched, which).map_or("none".into(), |task| task.3);
                Command::Kill(caller, name, None)
            }),
            Step::Status(at, state) => self.status(at, state),
            Step::Acknowledge(at) => pick(&self.updates, at).and_then(|(framework, status)| {
                let caller = self.callers.iter().find(|caller| caller.framework == framework)?;
                Some(Command::Acknowledge(*caller, status.name, status.uuid?))
            }),
            Step::Reconcile(at) => {
                pick(&self.callers, at).map(|caller| Command::Reconcile(caller, vec![]))
            }
            Step::Role(at, on) => Some(Command::SetRole(role(at), Some(2_000), Some(on))),
            Step::Quota(at, guarantee, limit) => {
                let of = |cpus: u64| Amounts::of(cpus * 700, cpus * 200_000);
                let limit = if limit == 0 { UNLIMITED } else { of(limit) };
                let quota = Quota { guarantee: of(guarantee), limit };
                Some(Command::SetQuota(role(at), (guarantee < 5).then_some(quota)))
            }
            Step::Reserve(at, kind, tag, amount) => pick(&self.agents, at)
                .map(|id| Command::Reserve(id, operation(kind, tag, amount, None))),
            Step::Operate(at, kind, tag, amount) => self.operate(at, kind, tag, amount),
            Step::Deactivate(at) => pick(&self.agents, at).map(Command::Deactivate),
            Step::Drain(at, how) => pick(&self.agents, at).map(|id| {
                let max_grace = (how & 1 > 0).then(|| Duration::from_secs(u64::from(how)));
                Command::Drain(id, Drain { max_grace, mark_gone: how % 3 == 0 })
            }),
            Step::Reactivate(at) => pick(&self.agents, at).map(Command::Reactivate),
            Step::MarkGone(at) => pick(&self.agents, at).map(Command::MarkGone),
            Step::Schedule(which) => {
                let windows = (0..which % 4).map(|n| Window {
                    machines: vec![MachineId::new(&format!("node{}", (which / 4 + n) % 4), "")],
                    unavailability: Unavailability {
                        start_ns: i64::from(which),
                        duration_ns: None,
                    },
                });
                Some(Command::SetSchedule(windows.collect()))
            }
            Step::Down(which) => Some(Command::StartMaintenance(machine(which))),
            Step::Up(which) => Some(Command::StopMaintenance(machine(which))),
            Step::AcknowledgeOperation(at) => {
                pick(&self.operations, at).and_then(|(framework, status)| {
                    let caller =
                        self.callers.iter().find(|caller| caller.framework == framework)?;
                    Some(Command::AcknowledgeOperation(*caller, status.id, status.uuid?))
                })
            }
            Step::ReconcileOperations(at) => pick(&self.callers, at).map(|caller| {
                let agent = pick(&self.agents, at);
                let named = agent.map(|agent| ("none".to_owned(), Some(agent)));
                Command::ReconcileOperations(caller, named.into_iter().collect())
            }),
            Step::AnswerInverse(at, which, seconds) => pick(&self.callers, at).and_then(|caller| {
                let own = self.inverse.iter().filter(|(_, to)| **to == caller.framework);
                let id = pick(&own.map(|(id, _)| *id).collect::<Vec<_>>(), which)?;
                self.inverse.remove(&id);
                let refusal = Duration::from_secs(seconds);
                let answer = if which & 1 > 0 { Answer::Accepted } else { Answer::Declined };
                Some(Command::AnswerInverse(caller, vec![id], answer, refusal))
            }),
            Step::Restart => {
                self.restart();
                None
            }
            Step::Sleep(seconds) => {
                self.now = self.now + Duration::from_secs(seconds);
                Some(Command::Wake)
            }
            Step::Tick => Some(Command::Step),
        };
        if let Some(command) = command {
            self.apply(command);
        }
    }

    /// A new allocator begins with what the former made durable, the last record of each key.
    fn restart(&mut self) {
        let epoch = self.machine.epoch() + 1;
        let standings: BTreeMap<_, _> = self.standings();
        self.machine = Machine::new(self.machine.settings().clone(), epoch);
        let mut newest: Vec<Record> = Vec::new();
        for record in std::mem::take(&mut self.records).into_iter().rev() {
            if newest.iter().all(|known| key(known) != key(&record)) {
                newest.push(record);
            }
        }
        newest.sort_by_key(key);
        self.machine.restore(self.now, newest.clone());
        self.records = newest;
        self.offers.clear();
        self.inverse.clear();
        self.callers.clear();
        assert_eq!(standings, self.standings(), "what operators decided was forgotten");
    }

    fn standings(&self) -> BTreeMap<AgentId, Standing> {
        let state = self.machine.state();
        let known = state.agents.iter().map(|agent| (agent.id, agent.standing));
        let all = known.chain(state.absent.iter().map(|(id, standing)| (*id, *standing)));
        all.filter(|(_, standing)| !standing.is_active()).collect()
    }

    fn hello(&self, agent: Option<AgentId>, size: u8, tasks: Vec<HeldTask>) -> Command {
        let size = u64::from(size);
        let gpus = if size.is_multiple_of(5) { 2_000 } else { 0 };
        let total = Amounts([size * 1_000, size * 256_000, size * 1_000, gpus]).into();
        let fixed = Tag::of(Reservation::fixed("role2"));
        let part = (fixed, Amounts::of(500, 64_000).into());
        let reserved = [part].into_iter().filter(|_| size.is_multiple_of(3)).collect();
        let name = if size.is_multiple_of(2) { "eu" } else { "us" };
        let domain = Domain { region: name.into(), zone: "1".into() };
        let domain = (!size.is_multiple_of(7)).then_some(domain);
        let hostname = format!("node{}", size % 4);
        Command::AgentHello(AgentHello {
            agent,
            hostname,
            total,
            domain,
            reserved,
            tasks,
            ..Default::default()
        })
    }

    fn come_back(&mut self, at: u8, with_tasks: bool) -> Option<Command> {
        let agent = pick(&self.agents, at)?;
        let of_it = self.launched.iter().filter(|task| task.0 == agent && with_tasks);
        let tasks = of_it.map(|(_, handle, framework, name, revocable, kind)| HeldTask {
            handle: *handle,
            framework: *framework,
            name: name.clone(),
            role: role(handle.number() as u8),
            request: Amounts::of(500, 1_000).into(),
            reserved: Default::default(),
            revocable: *revocable,
            state: TaskState::Running,
            kind: *kind,
        });
        let tasks = tasks.collect();
        self.agents.retain(|id| *id != agent);
        Some(self.hello(Some(agent), at % 16 + 1, tasks))
    }

    fn report(&mut self, at: u8, used: u64, forecast: u64, lending: bool) -> Option<Command> {
        let agent = pick(&self.agents, at)?;
        let both = |cpus| Usage { cpus_milli: Some(cpus), memory_milli_mib: Some(cpus) };
        let usage = TaskUsage { usage: both(used), forecast: both(forecast), ..Default::default() };
        let tasks = self.launched.iter().filter(|task| task.0 == agent && !used.is_multiple_of(3));
        let tasks = tasks.map(|task| (task.1, usage)).collect();
        let report = AgentReport {
            tasks,
            usage: both(used),
            system_forecast: if forecast.is_multiple_of(7) { Usage::default() } else { both(100) },
            joint_forecast: if forecast.is_multiple_of(5) {
                both(forecast)
            } else {
                Usage::default()
            },
            lending,
            refusing_work: if used.is_multiple_of(11) { "full".into() } else { String::new() },
            ..Default::default()
        };
        Some(Command::AgentReport(agent, Box::new(report)))
    }

    fn subscribe(&mut self, at: u8, flags: u8) -> Option<Command> {
        let old = (flags & 8 > 0).then(|| pick(&self.callers, at)).flatten();
        let says_wants = flags & 8 > 0 && at.is_multiple_of(4);
        let several = usize::from(at / 16 % 4) + 1;
        let first = (flags & 3) + 4 * (at & 1);
        let mut roles: Vec<_> = (0..8).map(|n| role(first + 3 * n)).take(several).collect();
        roles.dedup();
        let suppressed = roles.iter().skip(2).cloned().collect();
        let constrained = at.is_multiple_of(5).then(|| (roles[0].clone(), not_on("node1")));
        let least = || Minimum::any_of(vec![Amounts::of(u64::from(at) * 10, 0)]).unwrap();
        let with_least = (at % 7 == 1).then(|| (roles[roles.len() - 1].clone(), least()));
        let info = FrameworkInfo {
            name: format!("fw{at}"),
            roles,
            failover_timeout: Duration::from_secs(u64::from(at % 3) * 20),
            accepts_revocable: flags & 1 > 0,
            only_revocable: flags & 4 > 0 && at.is_multiple_of(5),
            says_wants,
            capabilities: Capabilities {
                gpu_resources: at.is_multiple_of(2),
                region_aware: !at.is_multiple_of(3),
            },
            constraints: constrained.into_iter().collect(),
            minimums: with_least.into_iter().collect(),
            ..Default::default()
        };
        let old = old.map(|caller| caller.framework);
        Some(Command::Subscribe(old, info, suppressed, self.next))
    }

    /// Something in each of the framework's roles in turn; some do not say in which.
    fn want(&self, at: u8, count: u8, cpus: u64) -> Option<Command> {
        let caller = pick(&self.callers, at)?;
        let roles = &self.machine.state().frameworks.get(&caller.framework)?.info.roles;
        let want = |n: u8| Want {
            name: format!("w{n}"),
            role: (roles.len() > 1 || at & 1 > 0).then(|| pick(roles, n)).flatten(),
            request: Amounts::of(cpus, 1_000).into(),
        };
        Some(Command::Want(caller, (0..count).map(want).collect()))
    }

    /// What a subscription would say, said by a framework that is there.
    fn update(&mut self, at: u8, flags: u8) -> Option<Command> {
        let caller = pick(&self.callers, at)?;
        let before = &self.machine.state().frameworks.get(&caller.framework)?.info;
        let says_wants = before.says_wants;
        let Command::Subscribe(_, info, suppressed, _) = self.subscribe(flags, at & 15)? else {
            return None;
        };
        let info = FrameworkInfo { says_wants, ..info };
        Some(Command::UpdateFramework(caller, info, suppressed))
    }

    /// A command for one of a framework's roles; for some numbers all, or one that it may not have.
    fn one_role(
        &self,
        at: u8,
        of: u8,
        command: fn(Caller, Vec<String>) -> Command,
    ) -> Option<Command> {
        let caller = pick(&self.callers, at)?;
        let info = &self.machine.state().frameworks.get(&caller.framework)?.info;
        let named = match of {
            0 => vec![],
            9 => vec![role(at)],
            _ => pick(&info.roles, of).into_iter().collect(),
        };
        Some(command(caller, named))
    }

    fn offers_of(&self, caller: Caller) -> Vec<(OfferId, Amounts)> {
        let own = self.offers.iter().filter(|(_, told)| told.0 == caller.framework);
        own.map(|(id, told)| (*id, told.1)).collect()
    }

    fn accept(&mut self, at: u8, tasks: u8, cpus: u64) -> Option<Command> {
        let caller = pick(&self.callers, at)?;
        let (offer, amounts) = pick(&self.offers_of(caller), at.wrapping_mul(7))?;
        self.offers.remove(&offer);
        // Of the same agent and role or not.
        let second = pick(&self.offers_of(caller), at).filter(|_| cpus.is_multiple_of(5));
        let second = second.map(|(offer, _)| offer);
        second.iter().for_each(|offer| _ = self.offers.remove(offer));
        let is_group = cpus % 4 == 1;
        let launches = (0..tasks).map(|n| {
            let name = if n % 2 == 0 { format!("w{n}") } else { format!("t{}-{n}", self.next) };
            let request = Amounts([cpus, 1_000, cpus % 7, 0]);
            let request = request.min(amounts.max(Amounts::of(1, 0))).into();
            let is_inside = is_group || (cpus.is_multiple_of(3) && n > 0);
            let executor = is_inside.then(|| executor(at, n));
            let payload = name.clone().into_bytes();
            Launch { payload, name, request, executor, ..Launch::default() }
        });
        let offers = [offer].into_iter().chain(second).collect();
        let refusal = Duration::from_secs(cpus % 9);
        Some(if is_group {
            let group = launches.map(|launch| (launch, None)).collect();
            let deeds = Deeds { groups: vec![group], ..Deeds::default() };
            Command::Operate(caller, offers, deeds, refusal)
        } else {
            Command::Accept(caller, offers, launches.collect(), refusal)
        })
    }

    fn role_of(&self, offer: OfferId) -> Option<String> {
        let state = self.machine.state();
        let seat = state.seats.at(state.offers.get(offer)?.seat)?;
        Some(state.roles.get(seat.role).name.to_string())
    }

    fn operate(&mut self, at: u8, kind: u8, tag: u8, amount: u64) -> Option<Command> {
        let caller = pick(&self.callers, at)?;
        let (offer, amounts) = pick(&self.offers_of(caller), tag)?;
        let role = self.role_of(offer)?;
        let operations = vec![operation(kind, tag, amount, Some(&role))];
        let name = format!("op{}", self.next);
        let request = Amounts::of(amount / 4 + 1, 1_000).min(amounts).into();
        let payload = name.clone().into_bytes();
        let launch = Launch { payload, name, request, ..Launch::default() };
        let launches = [(launch, None)].into_iter().filter(|_| tag.is_multiple_of(2)).collect();
        let payload = Arc::from([tag]);
        let wishes = vec![Wish { id: format!("op{}", amount % 5), payload }];
        let deeds = Deeds { operations, launches, wishes, ..Deeds::default() };
        let before = format!("{:?}", self.machine.state().offers);
        let mut effects = Vec::new();
        let mut copy = self.machine.clone();
        let command = Command::Operate(caller, vec![offer], deeds, Duration::from_secs(1));
        match copy.apply(self.now, command.clone(), &mut effects) {
            Ok(_) => _ = self.offers.remove(&offer),
            // Deadlines that were due may have run before the refusal.
            Err(_) if effects.is_empty() => {
                assert_eq!(before, format!("{:?}", copy.state().offers), "refused and changed");
            }
            Err(_) => {}
        }
        Some(command)
    }

    fn promote(&mut self, at: u8, which: u8, cpus: u64) -> Option<Command> {
        let (agent, _, framework, name, ..) = pick(&self.launched, at)?;
        let caller = *self.callers.iter().find(|caller| caller.framework == framework)?;
        let state = self.machine.state();
        let there =
            state.offers.iter().filter(|o| o.framework == framework && o.made.agent == agent);
        let offer = pick(&there.map(|offer| offer.made.offer).collect::<Vec<_>>(), which)?;
        let promotion = Promotion { name, request: Amounts::of(cpus, 500).into() };
        Some(Command::Promote(caller, vec![offer], promotion, Duration::from_secs(cpus % 9)))
    }

    fn decline(&mut self, at: u8, which: u8, seconds: u64) -> Option<Command> {
        let caller = pick(&self.callers, at)?;
        let (offer, _) = pick(&self.offers_of(caller), which)?;
        self.offers.remove(&offer);
        Some(Command::Decline(caller, vec![offer], Duration::from_secs(seconds)))
    }

    fn status(&mut self, at: u8, state: u8) -> Option<Command> {
        let (agent, handle, _, name, ..) = pick(&self.launched, at)?;
        let states =
            [TaskState::Running, TaskState::Finished, TaskState::Failed, TaskState::Killed];
        let mut status = TaskStatus::of(&name, None, pick(&states, state)?, Reason::None);
        status.uuid = (!state.is_multiple_of(5)).then_some([state; 16]);
        if status.state.is_terminal() {
            self.launched.retain(|task| task.1 != handle);
        }
        Some(Command::Status(agent, handle, Box::new(status)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_command(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
    }

    #[test]
    fn invariants_hold_in_batches(
        steps in prop::collection::vec(any_step(), 1..120),
        batch in 2u64..9,
    ) {
        let mut world = World { batch, ..World::new() };
        for step in &steps {
            world.run(step);
        }
    }

    #[test]
    fn the_same_commands_give_the_same_effects(steps in prop::collection::vec(any_step(), 1..60)) {
        let (mut one, mut two) = (World::new(), World::new());
        for step in &steps {
            one.run(step);
            two.run(step);
        }
        prop_assert_eq!(format!("{:?}", one.updates), format!("{:?}", two.updates));
        prop_assert_eq!(format!("{:?}", one.machine.state()), format!("{:?}", two.machine.state()));
    }

    #[test]
    fn the_generator_reaches_the_deep_states(seed in any::<u8>()) {
        // A generator that never launches or lends would prove nothing.
        let mut world = World::new();
        for step in [
            Step::Hello(8), Step::Report(0, 100, 50, true), Step::Subscribe(seed / 70 * 35, 1),
            Step::Accept(0, 1, 700), Step::Report(0, 100, 50, true), Step::Sleep(10),
            Step::Accept(0, 1, 900), Step::Status(0, 1),
        ] {
            world.run(&step);
        }
        prop_assert!(world.machine.state().tasks.ended.len() == 1);
    }
}
