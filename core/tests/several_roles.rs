//! Frameworks in several roles (Mesos' MULTI_ROLE): what counts by role, and what for the framework.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use headroom_core::{
    command::{AgentHello, Caller, Command, FrameworkInfo, HeldTask, Launch, Want},
    constraint::{Constraint, Constraints, Predicate, Selector},
    effect::{Effect, OfferMade, Record},
    frameworks::Framework,
    ids::{AgentId, OfferId, TaskHandle},
    machine::{Machine, Refusal, Reply, Settings},
    minimum::Minimum,
    quota::{Quota, UNLIMITED},
    reservation::{Reservation, Tag},
    resources::Amounts,
    seat::MAX_ROLES_A_FRAMEWORK,
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);

fn names(roles: &[&str]) -> Vec<String> {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

fn info(roles: &[&str]) -> FrameworkInfo {
    FrameworkInfo { roles: names(roles), failover_timeout: DAY, ..FrameworkInfo::default() }
}

fn cpus(cpus: u64) -> Amounts {
    Amounts::of(cpus * 1_000, cpus * 1_000_000)
}

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
        self.machine.check(self.now).unwrap();
        (reply, effects)
    }

    fn apply(&mut self, command: Command) -> Vec<Effect> {
        let (reply, effects) = self.try_apply(command);
        reply.unwrap();
        effects
    }

    fn refused(&mut self, command: Command) -> String {
        self.try_apply(command).0.unwrap_err().to_string()
    }

    fn agent(&mut self, name: &str, size: u64) -> (AgentId, Vec<Effect>) {
        let hello =
            AgentHello { hostname: name.into(), total: cpus(size).into(), ..Default::default() };
        let effects = self.apply(Command::AgentHello(hello));
        let Some(Effect::Welcome(id)) = effects.iter().find(|e| matches!(e, Effect::Welcome(_)))
        else {
            panic!("not welcome")
        };
        (*id, effects)
    }

    fn subscribe(&mut self, info: FrameworkInfo, suppressed: &[&str]) -> (Caller, Vec<Effect>) {
        self.session += 1;
        let command = Command::Subscribe(None, info, names(suppressed), self.session);
        let (reply, effects) = self.try_apply(command);
        let Reply::Framework(framework) = reply.unwrap() else { panic!("not subscribed") };
        (Caller { framework, session: self.session }, effects)
    }

    fn framework(&self, caller: Caller) -> &Framework {
        self.machine.state().frameworks.get(&caller.framework).unwrap()
    }

    /// What a framework holds or is offered, by role.
    fn held(&self, caller: Caller) -> BTreeMap<String, u64> {
        let state = self.machine.state();
        let seats = state.seats.of(self.framework(caller));
        let held = seats.map(|seat| {
            let role = state.roles.get(seat.role).name.to_string();
            (role, seat.held.cpus_milli() / 1_000)
        });
        held.collect()
    }

    fn consumed(&self, role: &str) -> u64 {
        let roles = &self.machine.state().roles;
        roles.get(roles.find(role).unwrap()).held.cpus_milli() / 1_000
    }

    /// Launches one task on one offer; the rest is not declined.
    fn launch(&mut self, caller: Caller, offers: &[OfferId], name: &str, size: u64) -> Vec<Effect> {
        let launch = Launch { name: name.into(), request: cpus(size).into(), ..Launch::default() };
        let command = Command::Accept(caller, offers.to_vec(), vec![launch], Duration::ZERO);
        self.apply(command)
    }
}

fn offers(effects: &[Effect]) -> Vec<Arc<OfferMade>> {
    let made = effects.iter().filter_map(|effect| match effect {
        Effect::Offers(_, offers) => Some(offers.clone()),
        _ => None,
    });
    made.flatten().collect()
}

fn role_and_node(effects: &[Effect]) -> Vec<(String, String)> {
    let made = offers(effects).into_iter();
    let mut all: Vec<_> =
        made.map(|offer| (offer.role.to_string(), offer.node.hostname.clone())).collect();
    all.sort();
    all
}

fn rescinded(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Rescind(..))).count()
}

fn told(effects: &[Effect], name: &str) -> Option<(TaskState, String)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Update(_, status) if status.name == name => {
            Some((status.state, status.message.clone()))
        }
        _ => None,
    })
}

fn launched(effects: &[Effect]) -> (TaskHandle, String) {
    let order = effects.iter().find_map(|effect| match effect {
        Effect::Launch(_, order) => Some((order.handle, order.role.clone())),
        _ => None,
    });
    order.unwrap()
}

#[test]
fn one_framework_is_offered_what_each_of_its_roles_is_entitled_to() {
    let mut cluster = Cluster::new();
    let (both, _) = cluster.subscribe(info(&["a", "b"]), &[]);
    cluster.agent("n0", 4);
    let (_, effects) = cluster.agent("n1", 4);
    assert_eq!(offers(&effects).len(), 1);
    assert_eq!(cluster.held(both), [("a".into(), 4), ("b".into(), 4)].into());
    // A second framework of role a: role b stands alone and comes first.
    cluster.subscribe(info(&["a"]), &[]);
    let (_, effects) = cluster.agent("n2", 4);
    let (_, more) = cluster.agent("n3", 4);
    let roles: Vec<_> = [effects, more].iter().flat_map(|effects| role_and_node(effects)).collect();
    let of_both = cluster.held(both);
    assert_eq!(roles.len(), 2);
    assert_eq!(of_both.values().sum::<u64>(), 12, "{of_both:?} {roles:?}");
    assert_eq!((of_both["b"], cluster.consumed("a")), (8, 8));
}

#[test]
fn offers_of_two_roles_are_not_accepted_together() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent("n0", 4);
    let half = Quota { guarantee: Amounts::ZERO, limit: cpus(2) };
    for role in ["a", "b"] {
        cluster.apply(Command::SetQuota(role.into(), Some(half)));
    }
    let (both, effects) = cluster.subscribe(info(&["a", "b"]), &[]);
    let made = offers(&effects);
    let ids: Vec<_> = made.iter().map(|offer| offer.offer).collect();
    assert_eq!(role_and_node(&effects), [("a".into(), "n0".into()), ("b".into(), "n0".into())]);
    assert!(made.iter().all(|offer| offer.agent == agent));
    let effects = cluster.launch(both, &ids, "t", 3);
    let (state, why) = told(&effects, "t").unwrap();
    assert_eq!(state, TaskState::Lost);
    assert!(why.contains("different agents, roles or kinds"), "{why}");
    // As in Mesos both offers are used up; each may be taken alone.
    let made = offers(&effects);
    assert_eq!(made.len(), 2);
    let of_b = made.iter().find(|offer| &*offer.role == "b").unwrap();
    assert_eq!(launched(&cluster.launch(both, &[of_b.offer], "t", 1)).1, "b");
    assert_eq!(cluster.consumed("a"), 2, "offered");
}

#[test]
fn suppress_and_revive_are_by_role() {
    let mut cluster = Cluster::new();
    let (one, _) = cluster.subscribe(info(&["a", "b"]), &["b"]);
    let (_, effects) = cluster.agent("n0", 1);
    let (_, more) = cluster.agent("n1", 1);
    let roles = [role_and_node(&effects), role_and_node(&more)].concat();
    assert_eq!(roles, [("a".into(), "n0".into()), ("a".into(), "n1".into())]);
    let first = offers(&effects)[0].offer;
    cluster.apply(Command::Decline(one, vec![first], DAY));
    let effects = cluster.apply(Command::Revive(one, names(&["b"])));
    assert_eq!(role_and_node(&effects), [("b".into(), "n0".into())], "a's filter stands");
    let effects = cluster.apply(Command::Suppress(one, names(&["a"])));
    assert_eq!(rescinded(&effects), 1);
    assert_eq!(role_and_node(&effects), [("b".into(), "n1".into())]);
    let effects = cluster.apply(Command::Suppress(one, vec![]));
    assert_eq!((rescinded(&effects), offers(&effects).len()), (2, 0));
    let effects = cluster.apply(Command::Revive(one, vec![]));
    assert_eq!(role_and_node(&effects).len(), 2, "all roles, all filters gone");
    let why = cluster.refused(Command::Suppress(one, names(&["c"])));
    assert!(why.contains("\"c\" is not one of the framework's roles"), "{why}");
}

#[test]
fn filters_constraints_and_minimum_are_by_role() {
    let mut cluster = Cluster::new();
    let on = |node: &str| {
        let predicate = Predicate::Equals(node.into());
        Constraints::any_of(vec![vec![Constraint { selector: Selector::Hostname, predicate }]])
    };
    let large = Minimum::any_of(vec![cpus(4)]).unwrap();
    let said = FrameworkInfo {
        constraints: [("a".into(), on("n0").unwrap())].into(),
        minimums: [("b".into(), large)].into(),
        ..info(&["a", "b"])
    };
    let (one, _) = cluster.subscribe(said, &[]);
    for (node, size, role) in [("n0", 2, Some("a")), ("n1", 2, None), ("n2", 4, Some("b"))] {
        let (_, effects) = cluster.agent(node, size);
        let expected: Vec<_> =
            role.map(|role| (role.to_owned(), node.to_owned())).into_iter().collect();
        assert_eq!(role_and_node(&effects), expected, "{node}");
    }
    let why = cluster.machine.why(cluster.now, &one.framework.to_string()).unwrap();
    assert!(why.summary.contains("has 2 offers"), "{}", why.summary);
}

#[test]
fn wants_are_of_one_role_each_and_offered_there() {
    let mut cluster = Cluster::new();
    let wants = FrameworkInfo { says_wants: true, ..info(&["a", "b"]) };
    let (one, _) = cluster.subscribe(wants.clone(), &[]);
    let want = |name: &str, role: &str, size| Want {
        name: name.into(),
        role: Some(role.into()),
        request: cpus(size).into(),
    };
    let wanted = vec![want("t", "a", 2), want("u", "b", 1), want("v", "b", 9)];
    cluster.apply(Command::Want(one, wanted));
    let (_, effects) = cluster.agent("n0", 8);
    let made = offers(&effects);
    let of = |role: &str| made.iter().find(|made| *made.role == *role).unwrap();
    assert_eq!(
        (made.len(), of("a").resources.amounts, of("b").resources.amounts),
        (2, cpus(2), cpus(1))
    );
    cluster.launch(one, &[of("a").offer], "t", 2);
    let why = cluster.machine.why(cluster.now, "v").unwrap();
    assert!(why.impossible, "{}", why.summary);
    // Of a role that is added nothing is offered before something is wanted there.
    let more = FrameworkInfo { roles: names(&["a", "b", "c"]), ..wants };
    let effects = cluster.apply(Command::UpdateFramework(one, more, vec![]));
    assert!(offers(&effects).is_empty());
    let effects = cluster.apply(Command::Want(one, vec![want("w", "c", 3)]));
    assert_eq!(
        (role_and_node(&effects), rescinded(&effects)),
        (vec![("c".into(), "n0".into())], 0)
    );
}

#[test]
fn an_update_adds_and_removes_roles_and_tasks_go_on_counting_for_theirs() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent("n0", 8);
    let (one, effects) = cluster.subscribe(info(&["a"]), &[]);
    let effects = cluster.launch(one, &[offers(&effects)[0].offer], "t", 2);
    let handle = launched(&effects).0;
    assert_eq!(rescinded(&effects), 0);
    assert_eq!(cluster.held(one), [("a".into(), 8)].into());
    let effects = cluster.apply(Command::UpdateFramework(one, info(&["b", "c"]), names(&["c"])));
    assert_eq!(rescinded(&effects), 1, "what was offered to a");
    assert_eq!(role_and_node(&effects), [("b".into(), "n0".into())]);
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::Persist(Record::Framework(_, info)) if info.roles == names(&["b", "c"])
    )));
    assert_eq!(cluster.held(one), [("b".into(), 6), ("c".into(), 0)].into());
    assert_eq!(cluster.consumed("a"), 2, "the task still counts for its role");
    let all = cluster.machine.state().held_by(cluster.framework(one));
    assert_eq!(all.cpus_milli(), 8_000);
    // Back in the role, what the task holds counts for the framework there again.
    cluster.apply(Command::UpdateFramework(one, info(&["b", "a"]), names(&["a"])));
    assert_eq!(cluster.held(one), [("a".into(), 2), ("b".into(), 6)].into());
    cluster.apply(Command::UpdateFramework(one, info(&["b"]), vec![]));
    let status = TaskStatus::of("t", None, TaskState::Finished, Reason::None);
    let effects = cluster.apply(Command::Status(agent, handle, Box::new(status)));
    assert_eq!(told(&effects, "t").unwrap().0, TaskState::Finished);
    assert_eq!((cluster.consumed("a"), cluster.consumed("b")), (0, 8));
}

#[test]
fn an_update_keeps_what_still_fits() {
    let mut cluster = Cluster::new();
    cluster.agent("n0", 2);
    cluster.agent("n1", 4);
    let (one, effects) = cluster.subscribe(info(&["a"]), &[]);
    assert_eq!(offers(&effects).len(), 2);
    let minimums: BTreeMap<_, _> = [("a".into(), Minimum::any_of(vec![cpus(4)]).unwrap())].into();
    let wants_more = FrameworkInfo { minimums, ..info(&["a"]) };
    let effects = cluster.apply(Command::UpdateFramework(one, wants_more, vec![]));
    assert_eq!((rescinded(&effects), offers(&effects).len()), (1, 0));
    let effects = cluster.apply(Command::UpdateFramework(one, info(&["a"]), vec![]));
    assert_eq!(role_and_node(&effects), [("a".into(), "n0".into())]);
    let renamed = FrameworkInfo { name: "new".into(), ..info(&["a"]) };
    let effects = cluster.apply(Command::UpdateFramework(one, renamed, vec![]));
    assert_eq!((rescinded(&effects), offers(&effects).len()), (0, 0));
    assert_eq!(cluster.framework(one).info.name, "new");
    let root = FrameworkInfo { user: "root".into(), ..info(&["a"]) };
    assert!(cluster.refused(Command::UpdateFramework(one, root, vec![])).contains("user"));
    let stranger = Caller { session: 99, ..one };
    let why = cluster.refused(Command::UpdateFramework(stranger, info(&["a"]), vec![]));
    assert!(why.contains("newest session"), "{why}");
}

#[test]
fn roles_that_contradict_one_another_are_refused() {
    let mut cluster = Cluster::new();
    let mut refused = |info: FrameworkInfo, suppressed: &[&str]| {
        cluster.refused(Command::Subscribe(None, info, names(suppressed), 1))
    };
    assert!(refused(info(&[]), &[]).contains("at least one role"));
    assert!(refused(info(&["a", "a"]), &[]).contains("none twice"));
    assert!(refused(info(&["a", "b c"]), &[]).contains("white space"));
    assert!(refused(info(&["a"]), &["b"]).contains("\"b\" is not one of"));
    let stray =
        FrameworkInfo { minimums: [("x".into(), Minimum::default())].into(), ..info(&["a", "b"]) };
    assert!(refused(stray, &[]).contains("\"x\" is not one of"));
    let many: Vec<_> = (0..=MAX_ROLES_A_FRAMEWORK).map(|at| format!("r{at}")).collect();
    let many = FrameworkInfo { roles: many, ..info(&[]) };
    assert!(refused(many, &[]).contains("at most 250 roles a framework"));
    let (two, _) = cluster.subscribe(info(&["a", "b"]), &[]);
    let want = Want { name: "t".into(), role: None, request: cpus(1).into() };
    assert!(cluster.refused(Command::Want(two, vec![want.clone()])).contains("for which role"));
    let stray = Want { role: Some("c".into()), ..want };
    assert!(cluster.refused(Command::Want(two, vec![stray])).contains("\"c\" is not one of"));
}

#[test]
fn after_a_restart_tasks_count_for_the_role_they_were_launched_in() {
    let mut cluster = Cluster::new();
    let (agent, _) = cluster.agent("n0", 8);
    let (one, effects) = cluster.subscribe(info(&["a", "b"]), &["a"]);
    let (handle, role) = launched(&cluster.launch(one, &[offers(&effects)[0].offer], "t", 3));
    assert_eq!(role, "b");
    let mut second = Machine::new(Settings::default(), 2);
    let framework = Record::Framework(one.framework, info(&["a", "b"]));
    second.restore(Time::ZERO, [framework, Record::Agent(agent, "n0".into())]);
    cluster.machine = second;
    let held = HeldTask {
        handle,
        framework: one.framework,
        name: "t".into(),
        role,
        request: cpus(3).into(),
        reserved: Default::default(),
        revocable: false,
        state: TaskState::Running,
        kind: Default::default(),
    };
    let (agent, total, tasks) = (Some(agent), cpus(8).into(), vec![held]);
    let hello = AgentHello { agent, hostname: "n0".into(), total, tasks, ..Default::default() };
    cluster.apply(Command::AgentHello(hello));
    assert_eq!(cluster.held(one), [("a".into(), 0), ("b".into(), 3)].into());
    let again = Command::Subscribe(Some(one.framework), info(&["a", "b"]), vec![], 9);
    let effects = cluster.apply(again);
    assert_eq!(role_and_node(&effects), [("a".into(), "n0".into())], "a holds less");
    assert_eq!(cluster.held(one), [("a".into(), 5), ("b".into(), 3)].into());
}

#[test]
fn a_limit_binds_one_role_of_a_framework_and_not_the_other() {
    let mut cluster = Cluster::new();
    let none = Quota { guarantee: Amounts::ZERO, limit: Amounts::ZERO };
    cluster.apply(Command::SetQuota("a".into(), Some(none)));
    let (one, _) = cluster.subscribe(info(&["a", "b"]), &[]);
    let (_, effects) = cluster.agent("n0", 4);
    assert_eq!(role_and_node(&effects), [("b".into(), "n0".into())]);
    cluster.apply(Command::Suppress(one, names(&["b"])));
    let why = cluster.machine.why(cluster.now, &one.framework.to_string()).unwrap();
    assert!(why.agents[0].2.contains("role a: the limit of role a leaves"), "{why:?}");
    let effects = cluster.apply(Command::SetQuota(
        "a".into(),
        Some(Quota { guarantee: Amounts::ZERO, limit: UNLIMITED }),
    ));
    assert_eq!(role_and_node(&effects), [("a".into(), "n0".into())]);
}

#[test]
fn a_guarantee_met_by_what_is_reserved_keeps_nothing_from_the_other_role() {
    let mut cluster = Cluster::new();
    let quota = Quota { guarantee: Amounts::of(700, 128_000), limit: UNLIMITED };
    cluster.apply(Command::SetQuota("a".into(), Some(quota)));
    for size in [6, 2, 6] {
        let fixed = Tag::of(Reservation::fixed("a"));
        let part = (fixed, Amounts::of(500, 64_000).into());
        let reserved = [part].into_iter().filter(|_| size == 6).collect();
        let hello = AgentHello { total: cpus(size).into(), reserved, ..Default::default() };
        cluster.apply(Command::AgentHello(hello));
    }
    // That nothing is missed is an invariant, which is checked here after each command.
    let (_, effects) = cluster.subscribe(info(&["a", "b"]), &[]);
    let made = offers(&effects);
    let of = |role: &str| -> u64 {
        let own = made.iter().filter(|offer| &*offer.role == role);
        own.map(|offer| offer.resources.amounts.cpus_milli()).sum()
    };
    assert_eq!(of("a") + of("b"), 14_000, "all there is: a holds more than its guarantee idle");
}
