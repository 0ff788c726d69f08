//! What operators decide about agents: deactivated, draining, drained, gone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use headroom_core::{
    command::{AgentHello, AgentReport, Command, FrameworkInfo, HeldTask, Launch, Usage},
    effect::{Effect, Record},
    executor::{Executor, Kind},
    ids::{AgentId, TaskHandle},
    machine::{Machine, Refusal, Settings},
    resources::Amounts,
    standing::{DRAIN_RETRY, Drain, Standing},
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use std::{sync::Arc, time::Duration};
use support::{Cluster, hello, info};

fn again(agent: AgentId, tasks: Vec<HeldTask>) -> Command {
    Command::AgentHello(AgentHello { agent: Some(agent), tasks, ..hello() })
}

fn patient() -> FrameworkInfo {
    let failover_timeout = Duration::from_secs(600);
    FrameworkInfo { accepts_revocable: true, failover_timeout, ..info("*") }
}

fn cluster() -> Cluster {
    Cluster::of(hello(), patient())
}

impl Cluster {
    fn offers(&self) -> usize {
        self.machine.state().offers.len()
    }

    /// Launches on the only offer there is.
    fn launch(&mut self, launches: Vec<Launch>) -> Vec<TaskHandle> {
        self.apply(Command::Revive(self.caller, vec![]));
        let offer = self.machine.state().offers.iter().next().unwrap().made.offer;
        let accept = Command::Accept(self.caller, vec![offer], launches, Duration::ZERO);
        let orders = self.apply(accept).into_iter().filter_map(|effect| match effect {
            Effect::Launch(_, order) => Some(order.handle),
            _ => None,
        });
        orders.collect()
    }

    fn status(&mut self, handle: TaskHandle, state: TaskState) -> Vec<Effect> {
        let uuid = Some([1; 16]);
        let status = TaskStatus { uuid, ..TaskStatus::of("x", None, state, Reason::None) };
        self.apply(Command::Status(self.agent, handle, Box::new(status)))
    }

    fn acknowledge(&mut self, name: &str) -> Vec<Effect> {
        self.apply(Command::Acknowledge(self.caller, name.into(), [1; 16]))
    }

    fn standing(&self) -> Option<Standing> {
        self.machine.state().agents.get(self.agent).map(|agent| agent.standing)
    }

    fn drain(&mut self, drain: Drain) -> Vec<Effect> {
        self.apply(Command::Drain(self.agent, drain))
    }
}

fn task(name: &str) -> Launch {
    let request = Amounts::of(1_000, 100_000).into();
    Launch { name: name.into(), request, ..Launch::default() }
}

fn kills(effects: &[Effect]) -> Vec<(TaskHandle, Option<Duration>, Reason)> {
    let kills = effects.iter().filter_map(|effect| match effect {
        Effect::Kill(_, handle, grace, reason) => Some((*handle, *grace, *reason)),
        _ => None,
    });
    kills.collect()
}

fn updates(effects: &[Effect]) -> Vec<(TaskState, Reason)> {
    let updates = effects.iter().filter_map(|effect| match effect {
        Effect::Update(_, status) => Some((status.state, status.reason)),
        _ => None,
    });
    updates.collect()
}

const DRAIN: Drain = Drain { max_grace: Some(Duration::from_secs(5)), mark_gone: false };

#[test]
fn a_deactivated_agent_offers_and_lends_nothing_and_its_tasks_run_on() {
    let mut cluster = cluster();
    cluster.launch(vec![task("a")]);
    let idle = Usage { cpus_milli: Some(100), memory_milli_mib: Some(1_000) };
    let report = AgentReport { system_forecast: idle, lending: true, ..AgentReport::default() };
    let report = || Command::AgentReport(cluster.agent, Box::new(report.clone()));
    let (first, second) = (report(), report());
    cluster.apply(first);
    assert!(cluster.machine.state().agents.get(cluster.agent).unwrap().lendable.cpus_milli() > 0);
    assert!(cluster.offers() > 0);
    let effects = cluster.apply(Command::Deactivate(cluster.agent));
    assert!(kills(&effects).is_empty());
    assert!(
        effects.contains(&Effect::Persist(Record::Standing(cluster.agent, Standing::Deactivated)))
    );
    assert_eq!(cluster.offers(), 0);
    cluster.apply(second);
    let agent = cluster.machine.state().agents.get(cluster.agent).unwrap();
    assert_eq!((agent.lendable, agent.tasks.len()), (Amounts::ZERO, 1));
    let why = cluster.machine.why(cluster.now, "n").unwrap();
    assert!(why.summary.contains("deactivated"), "{why:?}");
    assert!(why.hints[0].contains("headroom reactivate"), "{why:?}");
    cluster.apply(Command::Reactivate(cluster.agent));
    assert!(cluster.offers() > 0, "offers come again");
    let refused = cluster.try_apply(Command::Reactivate(cluster.agent)).unwrap_err();
    assert!(refused.to_string().contains("was not deactivated"));
}

#[test]
fn a_draining_agent_is_drained_when_all_has_ended_and_is_acknowledged() {
    let mut cluster = cluster();
    let handles = cluster.launch(vec![task("a"), task("b")]);
    let order = |handle| (handle, DRAIN.max_grace, Reason::AgentDraining);
    let all: Vec<_> = handles.iter().copied().map(order).collect();
    assert_eq!(kills(&cluster.drain(DRAIN)), all);
    assert_eq!(cluster.offers(), 0);
    let refused = cluster.try_apply(Command::Reactivate(cluster.agent)).unwrap_err();
    assert!(refused.to_string().contains("still draining"));
    let effects = cluster.status(handles[0], TaskState::Killed);
    assert_eq!(updates(&effects), [(TaskState::Killed, Reason::AgentDraining)]);
    cluster.acknowledge("a");
    cluster.now = cluster.now + DRAIN_RETRY;
    assert_eq!(kills(&cluster.apply(Command::Wake)), [order(handles[1])], "told again");
    let effects = cluster.status(handles[1], TaskState::Finished);
    assert_eq!(updates(&effects), [(TaskState::Finished, Reason::None)], "it ended by itself");
    assert_eq!(cluster.standing(), Some(Standing::Draining(DRAIN)));
    cluster.acknowledge("b");
    assert_eq!(cluster.standing(), Some(Standing::Drained(DRAIN)));
    cluster.apply(Command::Reactivate(cluster.agent));
    assert_eq!(cluster.offers(), 1);
}

#[test]
fn executors_end_when_nothing_runs_in_them() {
    let mut cluster = cluster();
    let request = Amounts::of(100, 32_000).into();
    let executor = Arc::new(Executor { id: "e".into(), request, ..Executor::default() });
    let handles = cluster.launch(vec![Launch { executor: Some(executor), ..task("a") }]);
    let [host, inside] = handles[..] else { panic!("{handles:?}") };
    let ended = |effects: &[Effect]| kills(effects).iter().map(|kill| kill.0).collect::<Vec<_>>();
    assert_eq!(ended(&cluster.drain(DRAIN)), [inside]);
    cluster.status(inside, TaskState::Killed);
    assert_eq!(ended(&cluster.acknowledge("a")), [host]);
    assert_eq!(cluster.standing(), Some(Standing::Draining(DRAIN)));
    cluster.status(host, TaskState::Killed);
    assert_eq!(cluster.standing(), Some(Standing::Drained(DRAIN)));
}

#[test]
fn what_comes_back_on_a_draining_agent_is_ended_even_after_a_restart() {
    let mut cluster = cluster();
    let handle = cluster.launch(vec![task("a")])[0];
    cluster.drain(DRAIN);
    let mut second = Machine::new(Settings::default(), 2);
    second.restore(
        Time::ZERO,
        [
            Record::Framework(cluster.caller.framework, patient()),
            Record::Agent(cluster.agent, "n".into()),
            Record::Standing(cluster.agent, Standing::Draining(DRAIN)),
        ],
    );
    cluster.machine = second;
    let held = HeldTask {
        handle,
        framework: cluster.caller.framework,
        name: "a".into(),
        role: "*".into(),
        request: Amounts::of(1_000, 100_000).into(),
        reserved: Default::default(),
        revocable: false,
        state: TaskState::Running,
        kind: Kind::Alone,
    };
    let subscribe = Command::Subscribe(Some(cluster.caller.framework), patient(), vec![], 7);
    cluster.apply(subscribe);
    let effects = cluster.apply(again(cluster.agent, vec![held]));
    assert_eq!(kills(&effects), [(handle, DRAIN.max_grace, Reason::AgentDraining)]);
    cluster.status(handle, TaskState::Killed);
    cluster.acknowledge("a");
    assert_eq!(cluster.standing(), Some(Standing::Drained(DRAIN)));
}

#[test]
fn an_agent_that_was_given_up_comes_back_as_it_stood() {
    let mut cluster = cluster();
    cluster.apply(Command::Deactivate(cluster.agent));
    cluster.apply(Command::AgentGone(cluster.agent));
    cluster.now = cluster.now + Duration::from_secs(100);
    cluster.apply(Command::Wake);
    assert_eq!(cluster.standing(), None, "given up");
    let effects = cluster.apply(again(cluster.agent, vec![]));
    let Some(Effect::Welcome(id)) =
        effects.iter().find(|effect| matches!(effect, Effect::Welcome(_)))
    else {
        panic!("{effects:?}")
    };
    assert_ne!(*id, cluster.agent);
    cluster.agent = *id;
    assert_eq!(cluster.standing(), Some(Standing::Deactivated));
    assert_eq!(cluster.offers(), 0);
}

#[test]
fn an_agent_that_is_gone_is_never_let_in_again() {
    let mut cluster = cluster();
    cluster.launch(vec![task("a")]);
    let effects = cluster.apply(Command::MarkGone(cluster.agent));
    assert_eq!(updates(&effects), [(TaskState::Lost, Reason::AgentGone)]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Dismiss(..))));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::AgentLost(..))));
    assert_eq!((cluster.standing(), cluster.offers()), (None, 0));
    assert!(cluster.apply(Command::MarkGone(cluster.agent)).is_empty(), "once is enough");
    let refused = cluster.try_apply(again(cluster.agent, vec![])).unwrap_err();
    assert_eq!(refused, Refusal::AgentGone(cluster.agent));
    let nobody = AgentId::from_number(999);
    for command in [
        Command::MarkGone(nobody),
        Command::Deactivate(nobody),
        Command::Drain(nobody, DRAIN),
        Command::Reactivate(cluster.agent),
    ] {
        let refused = cluster.try_apply(command).unwrap_err();
        assert!(matches!(refused, Refusal::UnknownAgent(_)), "{refused}");
    }
}

#[test]
fn an_agent_drained_to_be_gone_is_gone_at_the_end() {
    let mut cluster = cluster();
    let handle = cluster.launch(vec![task("a")])[0];
    cluster.drain(Drain { mark_gone: true, ..DRAIN });
    let effects = cluster.status(handle, TaskState::Killed);
    assert_eq!(updates(&effects), [(TaskState::Killed, Reason::AgentGone)]);
    let effects = cluster.acknowledge("a");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Dismiss(..))), "{effects:?}");
    assert_eq!(cluster.machine.state().absent.get(&cluster.agent), Some(&Standing::Gone));
}
