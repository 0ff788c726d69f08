//! Executors: held once an agent however many tasks they run, apart for what is promised and what is
//! lent, and their end is told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use headroom_core::{
    command::{
        AgentHello, AgentReport, Command, FrameworkInfo, HeldTask, Launch, TaskUsage, Usage,
    },
    effect::{Effect, LaunchOrder},
    executor::{Executor, Kind},
    ids::{AgentId, OfferId, TaskHandle},
    machine::{Machine, Refusal, Settings},
    operate::Deeds,
    resources::Amounts,
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use std::{sync::Arc, time::Duration};
use support::{Cluster, hello, info};

fn cluster() -> Cluster {
    Cluster::of(hello(), info("*"))
}

impl Cluster {
    /// The offer that stands once the framework has asked for all there is.
    fn offer(&mut self) -> OfferId {
        self.apply(Command::Revive(self.caller, vec![]));
        self.machine.state().offers.iter().next().unwrap().made.offer
    }

    fn launch(&mut self, launches: Vec<Launch>) -> Vec<Effect> {
        let offer = self.offer();
        self.apply(Command::Accept(self.caller, vec![offer], launches, Duration::ZERO))
    }

    fn launch_group(&mut self, tasks: Vec<Launch>) -> Vec<Effect> {
        let offer = self.offer();
        let group = tasks.into_iter().map(|task| (task, None)).collect();
        let deeds = Deeds { groups: vec![group], ..Deeds::default() };
        self.apply(Command::Operate(self.caller, vec![offer], deeds, Duration::ZERO))
    }

    fn held(&self) -> Amounts {
        self.machine.state().agents.get(self.agent).unwrap().held.amounts
    }

    fn status(&mut self, handle: TaskHandle, state: TaskState) -> Vec<Effect> {
        let status = TaskStatus {
            uuid: Some([1; 16]),
            exit_code: Some(3),
            ..TaskStatus::of("x", None, state, Reason::None)
        };
        self.apply(Command::Status(self.agent, handle, Box::new(status)))
    }
}

fn executor(payload: &[u8]) -> Arc<Executor> {
    let request = Amounts::of(100, 32_000).into();
    let id = "e".into();
    Arc::new(Executor { id, request, is_default: false, payload: payload.to_vec() })
}

fn task(name: &str, executor: Arc<Executor>) -> Launch {
    let request = Amounts::of(500, 100_000).into();
    Launch { name: name.into(), request, executor: Some(executor), ..Launch::default() }
}

fn orders(effects: &[Effect]) -> Vec<(TaskHandle, Kind)> {
    let of = |order: &LaunchOrder| (order.handle, order.kind);
    let orders = effects.iter().flat_map(|effect| match effect {
        Effect::Launch(_, order) => vec![of(order)],
        Effect::LaunchGroup(_, orders) => orders.iter().map(of).collect(),
        _ => vec![],
    });
    orders.collect()
}

fn errors(effects: &[Effect]) -> Vec<&str> {
    let errors = effects.iter().filter_map(|effect| match effect {
        Effect::Update(_, status) if status.state == TaskState::Error => {
            Some(status.message.as_str())
        }
        _ => None,
    });
    errors.collect()
}

#[test]
fn an_executor_is_started_once_and_counted_once() {
    let mut cluster = cluster();
    let effects = cluster.launch(vec![task("a", executor(b"1")), task("b", executor(b"1"))]);
    let orders_one = orders(&effects);
    let (first, kind) = orders_one[0];
    assert!(kind.is_executor());
    assert_eq!(
        orders_one.iter().skip(1).map(|one| one.1).collect::<Vec<_>>(),
        [Kind::In(first); 2]
    );
    assert_eq!(cluster.held(), Amounts::of(1_100, 232_000));
    let effects = cluster.launch(vec![task("c", executor(b"1"))]);
    assert_eq!(orders(&effects).iter().map(|one| one.1).collect::<Vec<_>>(), [Kind::In(first)]);
    assert_eq!(cluster.held(), Amounts::of(1_600, 332_000));
    assert!(orders(&cluster.launch(vec![task("d", executor(b"2"))])).is_empty());
}

#[test]
fn another_description_of_the_same_id_is_an_error() {
    let mut cluster = cluster();
    let effects = cluster.launch(vec![task("a", executor(b"1")), task("b", executor(b"2"))]);
    assert_eq!(orders(&effects).len(), 2);
    assert!(errors(&effects)[0].contains("another description"), "{effects:?}");
}

#[test]
fn an_executor_that_does_not_fit_beside_its_task_takes_nothing() {
    let mut cluster = cluster();
    let mut large = task("a", executor(b"1"));
    large.request = Amounts::of(7_950, 100_000).into();
    let effects = cluster.launch(vec![large]);
    // What the offers have in all, not what the executor would leave of it.
    let told = "it asks for 7.95 cpus, 100 MiB of memory, its executor for 0.1 cpus, 32 MiB of memory \
                besides, the offers have 8 cpus, 8000 MiB of memory";
    assert_eq!(errors(&effects), [told]);
    assert_eq!(cluster.held(), Amounts::ZERO);
}

#[test]
fn a_group_enters_with_its_executor_in_one_order() {
    let mut cluster = cluster();
    let effects = cluster.launch_group(vec![task("a", executor(b"1")), task("b", executor(b"1"))]);
    let all = orders(&effects);
    let [(first, kind), rest @ ..] = &all[..] else { panic!("{effects:?}") };
    assert!(kind.is_executor());
    assert_eq!(rest.iter().map(|one| one.1).collect::<Vec<_>>(), [Kind::In(*first); 2]);
    assert_eq!(effects.iter().filter(|e| matches!(e, Effect::LaunchGroup(..))).count(), 1);
    assert_eq!(cluster.held(), Amounts::of(1_100, 232_000));
    let effects = cluster.launch_group(vec![task("c", executor(b"1"))]);
    assert_eq!(orders(&effects).iter().map(|one| one.1).collect::<Vec<_>>(), [Kind::In(*first)]);
    assert_eq!(cluster.held(), Amounts::of(1_600, 332_000));
}

#[test]
fn of_a_group_all_are_launched_or_none() {
    let mut cluster = cluster();
    let wrong = || Launch { fault: Some("no".into()), ..task("b", executor(b"1")) };
    let large =
        || Launch { request: Amounts::of(7_500, 1_000).into(), ..task("b", executor(b"1")) };
    let elsewhere = || Launch { agent: Some(AgentId::from_number(9)), ..task("b", executor(b"1")) };
    let other = || task("b", executor(b"2"));
    let alone = || Launch { executor: None, ..task("b", executor(b"1")) };
    for (second, why) in [
        (wrong(), "no"),
        (large(), "task \"b\": it asks for 7.5 cpus, 1 MiB of memory, its group for 8 cpus"),
        (large(), "the offers have 8 cpus, 8000 MiB"),
        (elsewhere(), "it is for agent"),
        (other(), "another executor"),
        (alone(), "another executor"),
        (task("a", executor(b"1")), "two of this id"),
    ] {
        let effects = cluster.launch_group(vec![task("a", executor(b"1")), second]);
        assert!(orders(&effects).is_empty(), "{effects:?}");
        let told = errors(&effects);
        assert!(told.len() == 2 && told.iter().all(|told| told.contains(why)), "{told:?}");
        let reasons = effects.iter().filter(|effect| {
            matches!(effect, Effect::Update(_, told) if told.reason == Reason::InvalidGroup)
        });
        assert_eq!(reasons.count(), 2);
        assert_eq!(cluster.held(), Amounts::ZERO);
    }
    assert_eq!(orders(&cluster.launch_group(vec![task("a", executor(b"1"))])).len(), 2);
}

#[test]
fn tasks_of_an_executor_that_are_measured_by_themselves_count_so() {
    let mut cluster = cluster();
    let effects = cluster.launch_group(vec![task("a", executor(b"1")), task("b", executor(b"1"))]);
    let (one, _) = orders(&effects)[1];
    let measured = |cpus, memory| Usage { cpus_milli: Some(cpus), memory_milli_mib: Some(memory) };
    let usage = TaskUsage {
        usage: measured(20, 1_000),
        forecast: measured(30, 2_000),
        ..TaskUsage::default()
    };
    let report = AgentReport {
        tasks: vec![(one, usage)],
        system_forecast: measured(0, 0),
        lending: true,
        ..AgentReport::default()
    };
    let agent = cluster.agent;
    cluster.apply(Command::AgentReport(agent, Box::new(report)));
    let forecast = cluster.machine.state().agents.get(agent).unwrap().forecast;
    assert_eq!(forecast, Some(Amounts::of(30 + 500 + 100, 2_000 + 100_000 + 32_000)));
}

#[test]
fn an_executors_end_is_told_with_its_wait_status_and_frees_what_it_held() {
    let mut cluster = cluster();
    let effects = cluster.launch(vec![task("a", executor(b"1"))]);
    let [(executor, _), (inside, _)] = orders(&effects)[..] else { panic!("{effects:?}") };
    assert!(
        cluster
            .status(executor, TaskState::Running)
            .iter()
            .all(|effect| { !matches!(effect, Effect::Update(..) | Effect::ExecutorEnded(..)) })
    );
    cluster.status(inside, TaskState::Failed);
    let effects = cluster.status(executor, TaskState::Failed);
    let caller = cluster.caller;
    let told = Effect::ExecutorEnded(caller.framework, cluster.agent, "e".into(), 3 << 8);
    assert!(effects.contains(&told), "{effects:?}");
    assert!(effects.contains(&Effect::Acknowledge(cluster.agent, executor, [1; 16])));
    assert_eq!(cluster.held(), Amounts::ZERO);
    assert!(
        cluster.machine.state().frameworks.get(&caller.framework).unwrap().executors.is_empty()
    );
}

#[test]
fn what_is_said_goes_to_and_fro_and_an_executor_can_be_ended() {
    let mut cluster = cluster();
    let effects = cluster.launch(vec![task("a", executor(b"1"))]);
    let (handle, _) = orders(&effects)[0];
    let (agent, caller) = (cluster.agent, cluster.caller);
    let effects = cluster.apply(Command::ToExecutor(caller, agent, "e".into(), b"hi".to_vec()));
    assert_eq!(effects, [Effect::ToExecutor(agent, handle, b"hi".to_vec())]);
    let effects = cluster.apply(Command::FromExecutor(agent, handle, b"ho".to_vec()));
    let told = Effect::FromExecutor(caller.framework, agent, "e".into(), b"ho".to_vec());
    assert_eq!(effects, [told]);
    let effects = cluster.apply(Command::EndExecutor(caller, agent, "e".into()));
    assert_eq!(effects, [Effect::Kill(agent, handle, None, Reason::KilledByFramework)]);
    let ending = cluster.launch(vec![task("b", executor(b"1"))]);
    assert!(errors(&ending)[0].contains("is ending"), "{ending:?}");
}

#[test]
fn a_forecast_of_an_executor_is_for_all_that_runs_in_it() {
    let mut cluster = cluster();
    let effects = cluster.launch(vec![task("a", executor(b"1")), task("b", executor(b"1"))]);
    let (executor, _) = orders(&effects)[0];
    let measured = |cpus, memory| Usage { cpus_milli: Some(cpus), memory_milli_mib: Some(memory) };
    let usage = TaskUsage { forecast: measured(300, 50_000), ..TaskUsage::default() };
    let report = |tasks| AgentReport {
        tasks,
        system_forecast: measured(0, 0),
        lending: true,
        ..AgentReport::default()
    };
    let agent = cluster.agent;
    cluster.apply(Command::AgentReport(agent, Box::new(report(vec![(executor, usage)]))));
    let forecast = |cluster: &Cluster| cluster.machine.state().agents.get(agent).unwrap().forecast;
    assert_eq!(forecast(&cluster), Some(Amounts::of(300, 50_000)));
    cluster.apply(Command::AgentReport(agent, Box::new(report(vec![]))));
    assert_eq!(forecast(&cluster), Some(Amounts::of(1_100, 232_000)));
}

#[test]
fn executors_and_their_tasks_are_relearned_and_end_with_their_framework() {
    let mut cluster = cluster();
    let effects = cluster.launch(vec![task("a", executor(b"1"))]);
    let [(executor, _), (inside, _)] = orders(&effects)[..] else { panic!("{effects:?}") };
    let mut second = Machine::new(Settings::default(), 2);
    let info = FrameworkInfo { name: "f".into(), roles: vec!["*".into()], ..Default::default() };
    let framework = cluster.caller.framework;
    let agent = cluster.agent;
    let records = [
        headroom_core::effect::Record::Framework(framework, info),
        headroom_core::effect::Record::Agent(agent, "n".into()),
    ];
    second.restore(Time::ZERO, records);
    let held = |handle, name: &str, kind, cpus| HeldTask {
        handle,
        framework,
        name: name.into(),
        role: "*".into(),
        request: Amounts::of(cpus, 1_000).into(),
        reserved: Default::default(),
        revocable: false,
        state: TaskState::Running,
        kind,
    };
    let tasks = vec![
        held(executor, "e", Kind::Executor { is_default: false, digest: None }, 100),
        held(inside, "a", Kind::In(executor), 500),
    ];
    let hello = AgentHello {
        agent: Some(agent),
        hostname: "n".into(),
        total: Amounts::of(8_000, 8_000_000).into(),
        tasks,
        ..AgentHello::default()
    };
    let mut effects = Vec::new();
    second.apply(Time::ZERO, Command::AgentHello(hello), &mut effects).unwrap();
    second.check(Time::ZERO).unwrap();
    assert_eq!(second.state().agents.get(agent).unwrap().held.amounts, Amounts::of(600, 2_000));
    effects.clear();
    second.apply(Time::ZERO, Command::Teardown(framework), &mut effects).unwrap();
    let killed = effects.iter().filter_map(|effect| match effect {
        Effect::Kill(_, handle, ..) => Some(*handle),
        _ => None,
    });
    assert_eq!(killed.collect::<Vec<_>>(), [executor, inside]);
    let foreign = Command::ToExecutor(cluster.caller, agent, "e".into(), vec![]);
    let refused = second.apply(Time::ZERO, foreign, &mut effects);
    assert!(matches!(refused, Err(Refusal::UnknownFramework(_))), "{refused:?}");
}
