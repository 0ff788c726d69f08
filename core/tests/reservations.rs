//! Reservations, volumes, constraints, minimum, GPUs and regions, as frameworks and operators meet
//! them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use headroom_core::{
    capability::Capabilities,
    command::{AgentHello, Caller, Command, FrameworkInfo, HeldTask, Launch, Want},
    constraint::{Constraint, Constraints, Predicate, Selector},
    domain::Domain,
    effect::{Effect, OfferMade, Record},
    ids::AgentId,
    machine::{Machine, Refusal, Reply, Settings},
    minimum::Minimum,
    operate::Deeds,
    quota::Quota,
    reservation::{Fault, Operation, Parts, Reservation, Tag, Volume},
    resources::{Amounts, Resources},
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use std::{sync::Arc, time::Duration};

const NO_TIME: Duration = Duration::ZERO;

struct Cluster {
    machine: Machine,
    now: Time,
    session: u64,
}

impl Cluster {
    fn new() -> Self {
        Self { machine: Machine::new(Settings::default(), 1), now: Time::ZERO, session: 0 }
    }

    fn try_apply(&mut self, command: Command) -> (Result<Reply, Refusal>, Vec<Effect>) {
        let mut effects = Vec::new();
        let reply = self.machine.apply(self.now, command, &mut effects);
        (reply, effects)
    }

    fn apply(&mut self, command: Command) -> Vec<Effect> {
        let (reply, effects) = self.try_apply(command);
        reply.unwrap();
        effects
    }

    fn agent(&mut self, hello: AgentHello) -> (AgentId, Vec<Effect>) {
        let (reply, effects) = self.try_apply(Command::AgentHello(hello));
        let Ok(Reply::Agent(id)) = reply else { panic!("{reply:?}") };
        (id, effects)
    }

    fn framework(&mut self, role: &str, info: FrameworkInfo) -> (Caller, Vec<Effect>) {
        self.session += 1;
        let failover_timeout = Duration::from_secs(600);
        let roles = vec![role.to_owned()];
        let info = FrameworkInfo { name: role.into(), roles, failover_timeout, ..info };
        let (reply, effects) = self.try_apply(Command::Subscribe(None, info, vec![], self.session));
        let Ok(Reply::Framework(framework)) = reply else { panic!("{reply:?}") };
        (Caller { framework, session: self.session }, effects)
    }

    fn plain(&mut self, role: &str) -> (Caller, Vec<Effect>) {
        self.framework(role, FrameworkInfo::default())
    }

    fn why(&self, name: &str) -> String {
        let why = self.machine.why(self.now, name).unwrap();
        let agents: Vec<_> = why.agents.into_iter().map(|(_, _, reason)| reason).collect();
        format!("{} | {} | {}", why.summary, agents.join("; "), why.hints.join("; "))
    }
}

fn hello(cpus: u64) -> AgentHello {
    let total = Amounts([cpus * 1_000, cpus * 1_000_000, 10_000, 0]).into();
    AgentHello { hostname: format!("node{cpus}"), total, ..AgentHello::default() }
}

fn amounts(cpus: u64) -> Resources {
    Amounts::of(cpus * 1_000, cpus * 1_000_000).into()
}

fn disk(mib: u64) -> Resources {
    Amounts([0, 0, mib * 1_000, 0]).into()
}

fn reserved(role: &str, resources: Resources) -> Parts {
    [(Tag::of(Reservation::dynamic(role)), resources)].into_iter().collect()
}

fn volume(role: &str, id: &str, mib: u64) -> Parts {
    let volume = Volume { id: id.into(), container_path: "data".into(), principal: String::new() };
    let tag = Tag { stack: vec![Reservation::dynamic(role)], volume: Some(volume) };
    [(tag, disk(mib))].into_iter().collect()
}

fn offers(effects: &[Effect], to: Caller) -> Vec<Arc<OfferMade>> {
    let made = effects.iter().filter_map(|effect| match effect {
        Effect::Offers(framework, offers) if *framework == to.framework => Some(offers.clone()),
        _ => None,
    });
    made.flatten().collect()
}

fn launch(name: &str, request: Resources) -> Launch {
    Launch { name: name.into(), request, ..Launch::default() }
}

fn orders(effects: &[Effect]) -> Vec<(Parts, AgentId)> {
    let orders = effects.iter().filter_map(|effect| match effect {
        Effect::Launch(agent, order) => Some((order.reserved.clone(), *agent)),
        _ => None,
    });
    orders.collect()
}

fn stored(effects: &[Effect]) -> Vec<(AgentId, Parts)> {
    let records = effects.iter().filter_map(|effect| match effect {
        Effect::Persist(Record::Reservations(agent, parts)) => Some((*agent, parts.clone())),
        _ => None,
    });
    records.collect()
}

#[test]
fn what_the_configuration_reserves_is_offered_to_its_role_only() {
    let mut cluster = Cluster::new();
    let fixed = [(Tag::of(Reservation::fixed("eng")), amounts(3))].into_iter().collect();
    cluster.agent(AgentHello { reserved: fixed, ..hello(4) });
    let (other, effects) = cluster.plain("other");
    assert_eq!(offers(&effects, other)[0].resources.amounts.cpus_milli(), 1_000);
    let (web, effects) = cluster.plain("web");
    assert_eq!(offers(&effects, web), [], "all else is in an offer, and the rest is for eng");
    let why = cluster.why("web");
    assert!(why.contains("reserved: 3 cpus, 3000 MiB of memory for eng"), "{why}");
    let (eng, effects) = cluster.plain("eng");
    let offer = &offers(&effects, eng)[0];
    assert_eq!(offer.resources, amounts(3));
    assert_eq!(offer.reserved.sum(), amounts(3));
    let accept = vec![launch("t", amounts(2))];
    let effects = cluster.apply(Command::Accept(eng, vec![offer.offer], accept, NO_TIME));
    assert_eq!(orders(&effects)[0].0.sum(), amounts(2), "the agent is told what is reserved of it");
    assert_eq!(offers(&effects, eng)[0].resources, amounts(1));
}

#[test]
fn a_framework_reserves_makes_a_volume_and_launches_on_it_in_one_call() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(hello(4));
    let (db, effects) = cluster.plain("db");
    let offer = offers(&effects, db)[0].clone();
    let volume = volume("db", "v1", 5);
    let mut with_disk = amounts(1);
    with_disk.amounts.0[2] = 5_000;
    let deeds = Deeds {
        operations: vec![
            Operation::Reserve(reserved("db", with_disk.clone())),
            Operation::Create(volume.clone()),
        ],
        launches: vec![(launch("t", with_disk), Some(volume.plus(&reserved("db", amounts(1)))))],
        ..Deeds::default()
    };
    let effects = cluster.apply(Command::Operate(db, vec![offer.offer], deeds, NO_TIME));
    let order = &orders(&effects)[0];
    assert_eq!(order.1, agent);
    assert!(order.0.volume("db", "v1").is_some());
    let durable = stored(&effects);
    assert_eq!(durable.len(), 1);
    assert!(durable[0].1.volume("db", "v1").is_some());
    let rest = &offers(&effects, db)[0];
    assert_eq!(rest.resources.amounts, Amounts([3_000, 3_000_000, 5_000, 0]));
    assert!(rest.reserved.is_empty());

    let destroy = Operation::Destroy(volume);
    let (reply, _) = cluster.try_apply(Command::Reserve(agent, destroy));
    assert!(matches!(reply, Err(Refusal::Reservation(_, Fault::Missing { .. }))), "{reply:?}");
}

#[test]
fn a_bad_operation_changes_nothing_and_offers_stand() {
    let mut cluster = Cluster::new();
    cluster.agent(hello(4));
    let (db, effects) = cluster.plain("db");
    let offer = offers(&effects, db)[0].offer;
    for (operation, says) in [
        (
            Operation::Reserve(reserved("other", amounts(1))),
            "only for the role that was offered it",
        ),
        (Operation::Reserve(reserved("db", amounts(9))), "there is not 9 cpus"),
        (Operation::Create(volume("db", "v", 1)), "there is not 1 MiB of disk"),
    ] {
        let deeds = Deeds {
            operations: vec![operation],
            launches: vec![(launch("t", amounts(1)), None)],
            ..Deeds::default()
        };
        let (reply, effects) = cluster.try_apply(Command::Operate(db, vec![offer], deeds, NO_TIME));
        assert!(reply.unwrap_err().to_string().contains(says), "{says}");
        assert_eq!(effects, []);
    }
    cluster.apply(Command::Accept(db, vec![offer], vec![launch("t", amounts(1))], NO_TIME));
}

#[test]
fn an_operator_reserves_offers_are_taken_back_and_made_anew() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(hello(4));
    let (other, effects) = cluster.plain("other");
    let held = offers(&effects, other)[0].offer;
    let reserve = Operation::Reserve(reserved("db", amounts(3)));
    let effects = cluster.apply(Command::Reserve(agent, reserve));
    assert!(effects.iter().any(|e| matches!(e, Effect::Rescind(_, offer, _) if *offer == held)));
    assert_eq!(offers(&effects, other)[0].resources.amounts.cpus_milli(), 1_000);
    let wants = FrameworkInfo { says_wants: true, ..FrameworkInfo::default() };
    let (big, _) = cluster.framework("other", wants);
    let want = Want { name: "big".into(), role: None, request: amounts(2) };
    cluster.apply(Command::Want(big, vec![want]));
    let why = cluster.why("big");
    assert!(why.contains("reserved: 3 cpus, 3000 MiB of memory for db"), "{why}");
    let unreserve = Operation::Unreserve(reserved("db", amounts(3)));
    let effects = cluster.apply(Command::Reserve(agent, unreserve));
    assert_eq!(stored(&effects), [(agent, Parts::default())]);
    let both = offers(&effects, other).len() + offers(&effects, big).len();
    assert!(both > 0, "what is kept no more is offered at once");
}

#[test]
fn one_that_says_what_it_wants_gets_what_is_kept_for_its_role_first() {
    let mut cluster = Cluster::new();
    cluster.agent(hello(2));
    let (kept, _) = cluster.agent(hello(8));
    cluster.apply(Command::Reserve(kept, Operation::Reserve(reserved("db", amounts(2)))));
    let wants = FrameworkInfo { says_wants: true, ..FrameworkInfo::default() };
    let (db, _) = cluster.framework("db", wants);
    let want = Want { name: "t".into(), role: None, request: amounts(2) };
    let effects = cluster.apply(Command::Want(db, vec![want]));
    let offer = &offers(&effects, db)[0];
    assert_eq!((offer.agent, &offer.reserved), (kept, &reserved("db", amounts(2))));
}

#[test]
fn reservations_survive_a_restart_and_an_agent_that_was_given_up() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(hello(4));
    let reserve = Operation::Reserve(reserved("db", amounts(3).plus(&disk(5))));
    let mut effects = cluster.apply(Command::Reserve(agent, reserve));
    let create = Operation::Create(volume("db", "v", 5));
    effects.extend(cluster.apply(Command::Reserve(agent, create)));
    let (_, kept) = stored(&effects).pop().unwrap();

    let mut second = Cluster { machine: Machine::new(Settings::default(), 2), ..Cluster::new() };
    let records = [Record::Agent(agent, "node4".into()), Record::Reservations(agent, kept.clone())];
    second.machine.restore(Time::ZERO, records);
    let (db, _) = second.plain("db");
    let (_, effects) = second.agent(AgentHello { agent: Some(agent), ..hello(4) });
    assert_eq!(offers(&effects, db)[0].reserved, kept);

    second.apply(Command::AgentGone(agent));
    second.now = second.now + Duration::from_secs(80);
    second.apply(Command::Wake);
    assert!(second.machine.state().agents.is_empty());
    let (renewed, effects) = second.agent(AgentHello { agent: Some(agent), ..hello(4) });
    assert_ne!(renewed, agent);
    assert_eq!(stored(&effects), [(agent, Parts::default()), (renewed, kept.clone())]);
    assert_eq!(offers(&effects, db)[0].reserved, kept);
}

#[test]
fn a_task_that_is_known_again_holds_what_was_reserved_for_it() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(hello(4));
    let kept = reserved("db", amounts(3));
    cluster.apply(Command::Reserve(agent, Operation::Reserve(kept.clone())));
    let (db, effects) = cluster.plain("db");
    let info = cluster.machine.state().frameworks.get(&db.framework).unwrap().info.clone();
    let accept = vec![launch("t", amounts(2))];
    let offer = offers(&effects, db)[0].offer;
    let effects = cluster.apply(Command::Accept(db, vec![offer], accept, NO_TIME));
    let (handle, reserved) = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Launch(_, order) => Some((order.handle, order.reserved.clone())),
            _ => None,
        })
        .unwrap();
    let mut second = Cluster { machine: Machine::new(Settings::default(), 2), ..Cluster::new() };
    second.machine.restore(
        Time::ZERO,
        [
            Record::Framework(db.framework, info),
            Record::Agent(agent, "node4".into()),
            Record::Reservations(agent, kept),
        ],
    );
    let held = HeldTask {
        handle,
        framework: db.framework,
        name: "t".into(),
        role: "db".into(),
        request: amounts(2),
        reserved,
        revocable: false,
        state: TaskState::Running,
        kind: Default::default(),
    };
    second.agent(AgentHello { agent: Some(agent), tasks: vec![held], ..hello(4) });
    let agent = second.machine.state().agents.get(agent).unwrap();
    assert_eq!(agent.kept.held().sum(), amounts(2));
    assert_eq!(agent.kept.idle().sum(), amounts(1));
}

#[test]
fn a_destroyed_volume_is_ended_on_its_agent() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent(hello(4));
    cluster.apply(Command::Reserve(agent, Operation::Reserve(reserved("db", disk(5)))));
    let made = volume("db", "v", 5);
    cluster.apply(Command::Reserve(agent, Operation::Create(made.clone())));
    let effects = cluster.apply(Command::Reserve(agent, Operation::Destroy(made)));
    let ended = Effect::DestroyVolume(agent, "db".into(), "v".into());
    assert!(effects.contains(&ended));
}

#[test]
fn constraints_gpus_regions_and_minimum_choose_agents_and_why_names_them() {
    let here = Domain { region: "eu".into(), zone: "1".into() };
    let settings = Settings { domain: Some(here), ..Settings::default() };
    let mut cluster = Cluster { machine: Machine::new(settings, 1), ..Cluster::new() };
    let mut gpus = hello(2);
    gpus.total.amounts.0[3] = 1_000;
    cluster.agent(gpus);
    let far = Domain { region: "us".into(), zone: "1".into() };
    cluster.agent(AgentHello { domain: Some(far), ..hello(3) });
    let (open, effects) = cluster.plain("open");
    assert_eq!(offers(&effects, open), []);
    let why = cluster.why("open");
    assert!(why.contains("it has GPUs") && why.contains("it is in another region"), "{why}");
    assert!(why.contains("say that it can use GPUs"), "{why}");
    cluster.apply(Command::Teardown(open.framework));

    let capabilities = Capabilities { gpu_resources: true, region_aware: true };
    let selector = Selector::Region;
    let in_us = Constraint { selector, predicate: Predicate::Equals("us".into()) };
    let constraints = [("us".into(), Constraints::any_of(vec![vec![in_us]]).unwrap())].into();
    let info = FrameworkInfo { capabilities, constraints, ..FrameworkInfo::default() };
    let (us, effects) = cluster.framework("us", info);
    let made = offers(&effects, us);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].node.hostname, "node3");
    let minimum = Minimum::any_of(vec![amounts(3).amounts]).unwrap();
    let minimums = [("large".into(), minimum)].into();
    let info = FrameworkInfo { capabilities, minimums, ..FrameworkInfo::default() };
    let (large, effects) = cluster.framework("large", info);
    assert_eq!(offers(&effects, large), []);
    let why = cluster.why("large");
    assert!(why.contains("its framework wants at least 3 cpus"), "{why}");

    let wants = FrameworkInfo { says_wants: true, ..FrameworkInfo::default() };
    let (one, _) = cluster.framework("one", wants);
    let want = Want { name: "t".into(), role: None, request: amounts(1) };
    let effects = cluster.apply(Command::Want(one, vec![want]));
    assert_eq!(
        offers(&effects, one)[0].node.hostname,
        "node2",
        "it says what it wants: no GPU is hoarded"
    );
}

fn consumed(cluster: &Cluster, role: &str) -> u64 {
    let roles = &cluster.machine.state().roles;
    roles.get(roles.find(role).unwrap()).consumed().cpus_milli() / 1_000
}

fn set_quota(cluster: &mut Cluster, role: &str, guarantee: u64, limit: u64) -> Vec<Effect> {
    let of = |cpus: u64| amounts(cpus).amounts;
    let quota = Quota { guarantee: of(guarantee), limit: of(limit) };
    cluster.apply(Command::SetQuota(role.into(), Some(quota)))
}

#[test]
fn what_is_reserved_and_idle_counts_for_a_limit_once() {
    let mut cluster = Cluster::new();
    let fixed = [(Tag::of(Reservation::fixed("eng/web")), amounts(3))].into_iter().collect();
    cluster.agent(AgentHello { reserved: fixed, ..hello(4) });
    let (small, _) = cluster.agent(hello(2));
    set_quota(&mut cluster, "eng", 0, 4);
    assert_eq!((consumed(&cluster, "eng"), consumed(&cluster, "eng/web")), (3, 3));
    // A limit of four, three of them reserved: one more, of all that is free.
    let (db, effects) = cluster.plain("eng/db");
    let offered = offers(&effects, db);
    let cpus = |offers: &[Arc<OfferMade>]| -> u64 {
        offers.iter().map(|offer| offer.resources.amounts.cpus_milli() / 1_000).sum()
    };
    assert_eq!(cpus(&offered), 1);
    assert_eq!((consumed(&cluster, "eng"), consumed(&cluster, "eng/db")), (4, 1));
    let accept = vec![launch("d", amounts(1))];
    cluster.apply(Command::Accept(db, vec![offered[0].offer], accept, NO_TIME));
    // The limit is reached, and what is reserved is offered all the same.
    let (web, effects) = cluster.plain("eng/web");
    let offered = offers(&effects, web);
    assert_eq!((cpus(&offered), offered[0].reserved.sum()), (3, amounts(3)));
    let accept = vec![launch("w", amounts(2))];
    cluster.apply(Command::Accept(web, vec![offered[0].offer], accept, NO_TIME));
    assert_eq!((consumed(&cluster, "eng"), consumed(&cluster, "eng/web")), (4, 3), "counted once");
    // A reservation of an operator may pass the limit, and is offered; without it that is over.
    let parts = reserved("eng", amounts(2));
    let effects = cluster.apply(Command::Reserve(small, Operation::Reserve(parts.clone())));
    assert_eq!(consumed(&cluster, "eng"), 6);
    assert_eq!(cpus(&offers(&effects, db)) + cpus(&offers(&effects, web)), 2);
    let effects = cluster.apply(Command::Reserve(small, Operation::Unreserve(parts)));
    assert_eq!(consumed(&cluster, "eng"), 4);
    assert_eq!((offers(&effects, db), offers(&effects, web)), (vec![], vec![]));
    // What ends is offered again, reserved or not, and counts as before.
    for (name, again) in [("w", 2), ("d", 1)] {
        let tasks = &cluster.machine.state().tasks.by_handle;
        let task = tasks.values().find(|task| &*task.name == name).unwrap();
        let status = TaskStatus::of("", Some(task.agent), TaskState::Finished, Reason::None);
        let status = Command::Status(task.agent, task.handle, Box::new(status));
        let effects = cluster.apply(status);
        assert_eq!(cpus(&offers(&effects, db)) + cpus(&offers(&effects, web)), again, "{name}");
        assert_eq!(consumed(&cluster, "eng"), 4);
    }
}

#[test]
fn what_is_reserved_and_idle_meets_a_guarantee() {
    let mut cluster = Cluster::new();
    let (node, _) = cluster.agent(hello(4));
    set_quota(&mut cluster, "eng", 3, 9);
    let (other, effects) = cluster.plain("other");
    let first = offers(&effects, other);
    let cpus = |offers: &[Arc<OfferMade>]| offers[0].resources.amounts.cpus_milli() / 1_000;
    assert_eq!(cpus(&first), 1, "three are kept for the guarantee");
    let reserve = Operation::Reserve(reserved("eng/web", amounts(2)));
    let effects = cluster.apply(Command::Reserve(node, reserve.clone()));
    assert_eq!(consumed(&cluster, "eng"), 2);
    // Of four two are reserved, and one is lacking still.
    assert_eq!(cpus(&offers(&effects, other)), 1);
    let Operation::Reserve(parts) = reserve else { unreachable!() };
    let effects = cluster.apply(Command::Reserve(node, Operation::Unreserve(parts)));
    assert_eq!((consumed(&cluster, "eng"), cpus(&offers(&effects, other))), (0, 1));
    // An agent that is given up takes its reservations along.
    let reserve = Operation::Reserve(reserved("eng", amounts(3)));
    let effects = cluster.apply(Command::Reserve(node, reserve));
    assert_eq!((consumed(&cluster, "eng"), cpus(&offers(&effects, other))), (3, 1));
    cluster.apply(Command::AgentGone(node));
    assert_eq!(consumed(&cluster, "eng"), 3);
    cluster.now = cluster.now + Settings::default().agent_timeout;
    cluster.apply(Command::Wake);
    assert_eq!(consumed(&cluster, "eng"), 0);
}
