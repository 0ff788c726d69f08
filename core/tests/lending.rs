//! Scenarios of a small cluster, told step by step.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use headroom_core::{
    command::{
        AgentHello, AgentReport, Caller, Command, FrameworkInfo, HeldTask, Launch, TaskUsage,
        Usage, Want,
    },
    effect::{Effect, OfferMade, Record},
    ids::{AgentId, FrameworkId, TaskHandle},
    machine::{Machine, Refusal, Settings},
    resources::Amounts,
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use std::{sync::Arc, time::Duration};

struct Cluster {
    machine: Machine,
    now: Time,
    sessions: u64,
}

impl Cluster {
    fn new() -> Self {
        let settings = Settings { cpu_margin_milli: 50, ..Settings::default() };
        Self { machine: Machine::new(settings, 1), now: Time::ZERO, sessions: 0 }
    }

    fn apply(&mut self, command: Command) -> Vec<Effect> {
        self.try_apply(command).unwrap()
    }

    fn try_apply(&mut self, command: Command) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        self.machine.apply(self.now, command, &mut effects)?;
        Ok(effects)
    }

    fn after(&mut self, seconds: u64) -> Vec<Effect> {
        self.now = self.now + Duration::from_secs(seconds);
        self.apply(Command::Wake)
    }

    fn agent(&mut self, cpus: u64) -> (AgentId, Vec<Effect>) {
        let total = Amounts::of(cpus * 1_000, cpus * 1_024_000).into();
        let hello = AgentHello { hostname: format!("node{cpus}"), total, ..Default::default() };
        let effects = self.apply(Command::AgentHello(hello));
        let id = effects.iter().find_map(|effect| match effect {
            Effect::Welcome(id) => Some(*id),
            _ => None,
        });
        (id.unwrap(), effects)
    }

    fn framework(&mut self, name: &str, info: FrameworkInfo) -> (Caller, Vec<Effect>) {
        self.sessions += 1;
        let any = || vec!["*".to_owned()];
        let roles = if info.roles.is_empty() { any() } else { info.roles.clone() };
        let info = FrameworkInfo { name: name.to_owned(), roles, ..info };
        let effects = self.apply(Command::Subscribe(None, info, vec![], self.sessions));
        let id = effects.iter().find_map(|effect| match effect {
            Effect::Subscribed(id, _) => Some(*id),
            _ => None,
        });
        (Caller { framework: id.unwrap(), session: self.sessions }, effects)
    }

    fn report(
        &mut self,
        agent: AgentId,
        tasks: &[(TaskHandle, u64)],
        lending: bool,
    ) -> Vec<Effect> {
        let both = |cpus| Usage { cpus_milli: Some(cpus), memory_milli_mib: Some(1_000) };
        let tasks = tasks.iter().map(|(handle, cpus)| {
            let usage =
                TaskUsage { usage: both(*cpus), forecast: both(*cpus), ..Default::default() };
            (*handle, usage)
        });
        let report = AgentReport {
            tasks: tasks.collect(),
            usage: both(100),
            system_forecast: both(100),
            lending,
            lending_reason: if lending { String::new() } else { "guaranteed tasks wait".into() },
            ..Default::default()
        };
        self.apply(Command::AgentReport(agent, Box::new(report)))
    }

    fn launch(&mut self, caller: Caller, offer: &OfferMade, name: &str, cpus: u64) -> TaskHandle {
        let launch = Launch {
            name: name.to_owned(),
            request: Amounts::of(cpus, cpus * 1_000).into(),
            ..Launch::default()
        };
        let refusal = Duration::from_secs(5);
        let effects = self.apply(Command::Accept(caller, vec![offer.offer], vec![launch], refusal));
        effects
            .iter()
            .find_map(|effect| match effect {
                Effect::Launch(_, order) => Some(order.handle),
                _ => None,
            })
            .unwrap_or_else(|| panic!("not launched: {effects:?}"))
    }
}

fn offers(effects: &[Effect], to: FrameworkId) -> Vec<Arc<OfferMade>> {
    let of = effects.iter().filter_map(|effect| match effect {
        Effect::Offers(id, offers) if *id == to => Some(offers.clone()),
        _ => None,
    });
    of.flatten().collect()
}

fn cpus(offer: &Arc<OfferMade>) -> u64 {
    offer.resources.amounts.cpus_milli()
}

/// The story of the product: what is reserved and idle is lent, and no longer offered on pressure.
#[test]
fn idle_reservations_are_lent_to_an_opportunistic_role_in_plain_offers() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(4);
    let (owner, effects) = cluster.framework("service", FrameworkInfo::default());
    let offer = &offers(&effects, owner.framework)[0];
    let service = cluster.launch(owner, offer, "service", 3_800);
    cluster.apply(Command::SetRole("batch".into(), None, Some(true)));
    let role = FrameworkInfo { roles: vec!["batch".into()], ..FrameworkInfo::default() };
    let (batch, effects) = cluster.framework("batch", role);
    let free = offers(&effects, batch.framework);
    assert_eq!(
        free.iter().map(cpus).collect::<Vec<_>>(),
        [200],
        "the owner is young: none is lent"
    );
    cluster.apply(Command::Decline(batch, vec![free[0].offer], Duration::from_secs(3_600)));

    let effects = cluster.report(agent, &[(service, 200)], true);
    let lent = offers(&effects, batch.framework);
    assert_eq!(lent.len(), 1);
    assert_eq!(cpus(&lent[0]), 3_500, "4 less 5 %, less 0.2 used, less 0.1 of the system");
    assert!(!lent[0].revocable, "a framework that never opted in sees a plain offer");

    let job = cluster.launch(batch, &lent[0], "job", 2_000);
    let state = cluster.machine.state();
    assert_eq!(state.agents.get(agent).unwrap().lent.cpus_milli(), 2_000);
    assert_eq!(state.agents.get(agent).unwrap().held.amounts.cpus_milli(), 3_800);

    let effects = cluster.after(6);
    assert!(!offers(&effects, batch.framework).is_empty(), "the rest, once its filter is over");
    let effects = cluster.apply(Command::AgentLending(agent, false, "pressure".into()));
    assert!(matches!(effects[..], [Effect::Rescind(..)]), "nothing stands on a node that reclaims");
    let effects = cluster.report(agent, &[(service, 3_000), (job, 0)], false);
    assert_eq!(offers(&effects, batch.framework), []);
}

#[test]
fn who_asks_for_lent_resources_is_told_that_they_are() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(2);
    let only = FrameworkInfo { only_revocable: true, ..FrameworkInfo::default() };
    let (scavenger, effects) = cluster.framework("scavenger", only);
    assert_eq!(offers(&effects, scavenger.framework), [], "it wants nothing promised");
    let effects = cluster.report(agent, &[], true);
    assert!(offers(&effects, scavenger.framework)[0].revocable);
}

#[test]
fn a_declared_want_is_offered_just_that_and_its_wait_is_counted() {
    let mut cluster = Cluster::new();
    let (one, _) = cluster.framework("one", FrameworkInfo::default());
    let want = |name: &str, cpus| Want {
        name: name.into(),
        role: None,
        request: Amounts::of(cpus, cpus * 1_000).into(),
    };
    cluster.apply(Command::Want(one, vec![want("a", 500), want("b", 700), want("huge", 9_000)]));
    for _ in 0..3 {
        cluster.apply(Command::Step);
    }
    let (_, effects) = cluster.agent(2);
    let made = offers(&effects, one.framework);
    assert_eq!(made.iter().map(cpus).collect::<Vec<_>>(), [1_200]);
    let why = cluster.machine.why(cluster.now, "huge").unwrap();
    assert!(why.impossible, "{why:?}");
    assert!(why.summary.contains("the most any node has is 2 cpus"), "{why:?}");
    cluster.launch(one, &made[0], "a", 500);
    let ledger = cluster.machine.state().ledger;
    assert_eq!((ledger.waits, ledger.wait_steps), (1, 3));
}

#[test]
fn a_declined_offer_goes_to_the_next_at_once_and_comes_back_after_its_filter() {
    let mut cluster = Cluster::new();
    cluster.agent(2);
    let (first, effects) = cluster.framework("first", FrameworkInfo::default());
    let (second, none) = cluster.framework("second", FrameworkInfo::default());
    assert_eq!(offers(&none, second.framework), []);
    let offer = offers(&effects, first.framework)[0].offer;
    let refusal = Duration::from_secs(60);
    let effects = cluster.apply(Command::Decline(first, vec![offer], refusal));
    let passed = offers(&effects, second.framework);
    assert_eq!(passed.len(), 1, "freed resources are offered on the event, not on the tick");
    cluster.apply(Command::Decline(
        second,
        vec![passed[0].offer],
        Duration::from_secs(365 * 86_400),
    ));
    assert_eq!(offers(&cluster.after(59), first.framework), []);
    assert_eq!(offers(&cluster.after(1), first.framework).len(), 1);
}

#[test]
fn an_offer_nobody_answers_expires() {
    let mut cluster = Cluster::new();
    cluster.agent(2);
    let (silent, effects) = cluster.framework("silent", FrameworkInfo::default());
    assert_eq!(offers(&effects, silent.framework).len(), 1);
    let (other, _) = cluster.framework("other", FrameworkInfo::default());
    let effects = cluster.after(30);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Rescind(id, ..) if *id == silent.framework))
    );
    assert_eq!(offers(&effects, other.framework).len(), 1);
}

#[test]
fn a_role_of_twice_the_weight_gets_twice_as_much() {
    let mut cluster = Cluster::new();
    cluster.apply(Command::SetRole("heavy".into(), Some(2_000), None));
    let role = |name: &str| FrameworkInfo { roles: vec![name.into()], ..FrameworkInfo::default() };
    let (heavy, _) = cluster.framework("heavy", role("heavy"));
    let (light, _) = cluster.framework("light", role("light"));
    let mut got = [0, 0];
    for _ in 0..30 {
        let (_, effects) = cluster.agent(1);
        for (at, caller) in [heavy, light].into_iter().enumerate() {
            for offer in offers(&effects, caller.framework) {
                got[at] += 1;
                cluster.launch(caller, &offer, &format!("t{}", offer.offer), 1_000);
            }
        }
    }
    assert_eq!(got, [20, 10]);
}

#[test]
fn updates_are_repeated_to_a_framework_that_comes_back_until_it_acknowledges() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(2);
    let lasting =
        FrameworkInfo { failover_timeout: Duration::from_secs(60), ..FrameworkInfo::default() };
    let (one, effects) = cluster.framework("one", lasting.clone());
    let task = cluster.launch(one, &offers(&effects, one.framework)[0], "t", 1_000);
    cluster.apply(Command::FrameworkGone(one));
    let mut status = TaskStatus::of("t", None, TaskState::Finished, Reason::None);
    status.uuid = Some([9; 16]);
    cluster.apply(Command::Status(agent, task, Box::new(status)));
    let info = FrameworkInfo { name: "one".into(), roles: vec!["*".into()], ..lasting };
    let again = Command::Subscribe(Some(one.framework), info, vec![], 77);
    let effects = cluster.apply(again);
    let told = effects.iter().any(
        |effect| matches!(effect, Effect::Update(_, status) if status.state == TaskState::Finished),
    );
    assert!(told, "{effects:?}");
    let newer = Caller { session: 77, ..one };
    let old = cluster.try_apply(Command::Acknowledge(one, "t".into(), [9; 16]));
    assert_eq!(old, Err(Refusal::WrongSession(one.framework)));
    let effects = cluster.apply(Command::Acknowledge(newer, "t".into(), [9; 16]));
    let acknowledged = Effect::Acknowledge(agent, task, [9; 16]);
    assert_eq!(effects, [acknowledged, Effect::Forgotten(task)]);
    assert!(cluster.machine.state().tasks.by_handle.is_empty());
}

#[test]
fn a_silent_agent_is_given_up_and_its_tasks_are_lost() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(2);
    let (one, effects) = cluster.framework("one", FrameworkInfo::default());
    cluster.launch(one, &offers(&effects, one.framework)[0], "t", 1_000);
    cluster.apply(Command::AgentGone(agent));
    assert_eq!(cluster.after(74), []);
    let effects = cluster.after(1);
    let lost = effects.iter().any(
        |effect| matches!(effect, Effect::Update(_, status) if status.reason == Reason::AgentLost),
    );
    assert!(lost && effects.contains(&Effect::Persist(Record::AgentRemoved(agent))), "{effects:?}");
}

/// A cluster whose allocator was restarted: its framework is back, its agent not yet.
struct Restarted {
    cluster: Cluster,
    agent: AgentId,
    caller: Caller,
    held: HeldTask,
}

impl Restarted {
    fn new() -> Self {
        let mut cluster = Cluster::new();
        let (agent, _) = cluster.agent(2);
        let info = FrameworkInfo {
            name: "one".into(),
            roles: vec!["*".into()],
            failover_timeout: Duration::from_secs(600),
            ..FrameworkInfo::default()
        };
        let (one, effects) = cluster.framework("one", info.clone());
        let handle = cluster.launch(one, &offers(&effects, one.framework)[0], "t", 1_500);
        let mut second = Machine::new(Settings::default(), 2);
        let framework = Record::Framework(one.framework, info.clone());
        second.restore(Time::ZERO, [framework, Record::Agent(agent, "node2".into())]);
        cluster.machine = second;
        let effects = cluster.apply(Command::Subscribe(Some(one.framework), info, vec![], 5));
        assert_eq!(offers(&effects, one.framework), []);
        let held = HeldTask {
            handle,
            framework: one.framework,
            name: "t".into(),
            role: "*".into(),
            request: Amounts::of(1_500, 1_500_000).into(),
            reserved: Default::default(),
            revocable: false,
            state: TaskState::Running,
            kind: Default::default(),
        };
        let caller = Caller { framework: one.framework, session: 5 };
        Self { cluster, agent, caller, held }
    }

    fn reconcile(&mut self) -> Vec<Effect> {
        self.cluster.apply(Command::Reconcile(self.caller, vec!["t".into()]))
    }

    fn agent_returns(&mut self, state: TaskState) -> Vec<Effect> {
        let hello = AgentHello {
            agent: Some(self.agent),
            hostname: "node2".into(),
            total: Amounts::of(2_000, 2_048_000).into(),
            tasks: vec![HeldTask { state, ..self.held.clone() }],
            ..Default::default()
        };
        self.cluster.apply(Command::AgentHello(hello))
    }
}

/// The states that a framework is told of.
fn told(effects: &[Effect]) -> Vec<TaskState> {
    let states = effects.iter().filter_map(|effect| match effect {
        Effect::Update(_, status) => Some(status.state),
        _ => None,
    });
    states.collect()
}

#[test]
fn a_restarted_allocator_relearns_tasks_from_agents() {
    let mut restarted = Restarted::new();
    let effects = restarted.agent_returns(TaskState::Running);
    let rest = offers(&effects, restarted.caller.framework);
    assert_eq!(cpus(&rest[0]), 500, "what the relearned task holds is not offered");
    assert_eq!(told(&restarted.reconcile()), [TaskState::Running]);
}

#[test]
fn a_task_is_not_lost_before_its_agent_had_time_to_come_back() {
    let mut restarted = Restarted::new();
    assert_eq!(told(&restarted.reconcile()), [TaskState::Unreachable]);
    assert_eq!(told(&restarted.agent_returns(TaskState::Running)), [TaskState::Running]);

    let mut restarted = Restarted::new();
    assert_eq!(told(&restarted.reconcile()), [TaskState::Unreachable]);
    assert_eq!(told(&restarted.cluster.after(3_600)), [TaskState::Lost], "it never came back");
    assert_eq!(told(&restarted.reconcile()), [TaskState::Lost]);
}

#[test]
fn a_kill_before_its_agent_is_back_is_kept() {
    let mut restarted = Restarted::new();
    let grace = Some(Duration::from_secs(1));
    let kill = Command::Kill(restarted.caller, "t".into(), grace);
    assert_eq!(told(&restarted.cluster.apply(kill)), [TaskState::Unreachable]);
    restarted.reconcile();
    let effects = restarted.agent_returns(TaskState::Running);
    let order =
        Effect::Kill(restarted.agent, restarted.held.handle, grace, Reason::KilledByFramework);
    assert!(effects.contains(&order), "{effects:?}");
}

#[test]
fn an_end_meanwhile_is_told_once_and_with_its_exit_code() {
    let mut restarted = Restarted::new();
    restarted.reconcile();
    assert_eq!(told(&restarted.agent_returns(TaskState::Failed)), [], "the agent has the word");
    assert_eq!(told(&restarted.reconcile()), []);
    let status = TaskStatus {
        exit_code: Some(6),
        uuid: Some([1; 16]),
        ..TaskStatus::of("t", None, TaskState::Failed, Reason::CommandFailed)
    };
    let (agent, handle) = (restarted.agent, restarted.held.handle);
    for _ in 0..2 {
        let command = Command::Status(agent, handle, Box::new(status.clone()));
        assert_eq!(told(&restarted.cluster.apply(command)), [TaskState::Failed]);
    }
    let effects = restarted.reconcile();
    assert!(
        matches!(&effects[..], [Effect::Update(_, status)] if status.exit_code == Some(6)),
        "{effects:?}"
    );
    assert_eq!(restarted.cluster.machine.state().tasks.ended.len(), 1, "it is remembered once");
}

#[test]
fn a_task_that_asks_for_more_than_was_offered_is_refused_and_the_rest_launches() {
    let mut cluster = Cluster::new();
    cluster.agent(2);
    let (one, effects) = cluster.framework("one", FrameworkInfo::default());
    let offer = offers(&effects, one.framework)[0].offer;
    let launch = |name: &str, cpus| Launch {
        name: name.into(),
        request: Amounts::of(cpus, 1_000).into(),
        ..Launch::default()
    };
    let launches =
        vec![launch("big", 2_500), launch("a", 1_000), launch("a", 500), launch("nil", 0)];
    let mut launches = launches;
    launches[3].request = Amounts::ZERO.into();
    let effects = cluster.apply(Command::Accept(one, vec![offer], launches, Duration::ZERO));
    let errors = effects.iter().filter_map(|effect| match effect {
        Effect::Update(_, status) if status.state == TaskState::Error => {
            Some(status.message.clone())
        }
        _ => None,
    });
    let errors: Vec<_> = errors.collect();
    assert_eq!(errors.len(), 3, "{effects:?}");
    assert!(errors[0].contains("the offers have 2 cpus"), "{errors:?}");
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Launch(..))).count(), 1);
    let effects =
        cluster.apply(Command::Accept(one, vec![offer], vec![launch("b", 1)], Duration::ZERO));
    let gone = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Update(_, s) if s.reason == Reason::InvalidOffers));
    assert!(gone, "an offer can be used once: {effects:?}");
}
