//! Lent work that becomes promised where it runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use headroom_core::{
    command::{
        AgentHello, AgentReport, Caller, Command, FrameworkInfo, HeldTask, Launch, Promotion,
        TaskUsage, Usage,
    },
    effect::Effect,
    ids::{AgentId, OfferId, TaskHandle},
    machine::{Machine, Refusal, Reply, Settings},
    reservation::Parts,
    resources::Amounts,
    tasks::{Reason, TaskState, TaskStatus},
    time::Time,
};
use proptest::prelude::*;
use std::time::Duration;

const NEVER: Duration = Duration::from_secs(3_600);

/// One node of 4 CPUs, whose owner holds 3 of them and lends.
struct Node {
    machine: Machine,
    agent: AgentId,
    owner: Caller,
    guest: Caller,
    service: TaskHandle,
}

fn subscribe(machine: &mut Machine, session: u64, revocable: bool) -> Caller {
    let info = FrameworkInfo {
        roles: vec![format!("role{session}")],
        accepts_revocable: revocable,
        failover_timeout: NEVER,
        ..FrameworkInfo::default()
    };
    let command = Command::Subscribe(None, info, vec![], session);
    let Ok(Reply::Framework(framework)) = machine.apply(Time::ZERO, command, &mut vec![]) else {
        panic!("not subscribed")
    };
    Caller { framework, session }
}

impl Node {
    fn new(held_cpus: u64) -> Self {
        let mut machine = Machine::new(Settings::default(), 1);
        let total = Amounts::of(4_000, 4_000_000).into();
        let hello = AgentHello { hostname: "n".into(), total, ..Default::default() };
        let reply = machine.apply(Time::ZERO, Command::AgentHello(hello), &mut vec![]);
        let Ok(Reply::Agent(agent)) = reply else { panic!("no agent") };
        let owner = subscribe(&mut machine, 1, false);
        let guest = subscribe(&mut machine, 2, true);
        let mut node = Self { machine, agent, owner, guest, service: TaskHandle::from_number(0) };
        let offer = node.offer(owner, false).unwrap();
        node.service = node.launch(owner, offer, "service", held_cpus).unwrap();
        node.report(&[(node.service, 100)]);
        node
    }

    fn apply(&mut self, command: Command) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        self.machine.apply(Time::ZERO, command, &mut effects).map(|_| effects)
    }

    fn report(&mut self, tasks: &[(TaskHandle, u64)]) {
        let both = |cpus| Usage { cpus_milli: Some(cpus), memory_milli_mib: Some(1_000) };
        let usage =
            |cpus| TaskUsage { usage: both(cpus), forecast: both(cpus), ..TaskUsage::default() };
        let report = AgentReport {
            tasks: tasks.iter().map(|(task, cpus)| (*task, usage(*cpus))).collect(),
            usage: both(100),
            system_forecast: both(0),
            lending: true,
            ..AgentReport::default()
        };
        self.apply(Command::AgentReport(self.agent, Box::new(report))).unwrap();
    }

    fn offer(&self, to: Caller, revocable: bool) -> Option<OfferId> {
        let mut offers = self.machine.state().offers.iter();
        let wanted = offers.find(|o| o.framework == to.framework && o.revocable == revocable);
        wanted.map(|offer| offer.made.offer)
    }

    fn launch(&mut self, by: Caller, offer: OfferId, name: &str, cpus: u64) -> Option<TaskHandle> {
        let request = Amounts::of(cpus, 1_000).into();
        let launch = Launch { name: name.into(), request, ..Launch::default() };
        let effects = self.apply(Command::Accept(by, vec![offer], vec![launch], NEVER)).unwrap();
        effects.iter().find_map(|effect| match effect {
            Effect::Launch(_, order) => Some(order.handle),
            _ => None,
        })
    }

    /// The guest's job on lent resources; then all that is free is offered again.
    fn lend(&mut self, cpus: u64) -> Option<TaskHandle> {
        // A promised offer has all the memory: what stands in offers is not lent.
        if let Some(offer) = self.offer(self.guest, false) {
            self.apply(Command::Decline(self.guest, vec![offer], NEVER)).unwrap();
        }
        let offer = self.offer(self.guest, true)?;
        let job = self.launch(self.guest, offer, "job", cpus);
        self.apply(Command::Revive(self.guest, vec![])).unwrap();
        job
    }

    fn finish(&mut self, task: TaskHandle) {
        let status = TaskStatus::of("", None, TaskState::Finished, Reason::None);
        self.apply(Command::Status(self.agent, task, Box::new(status))).unwrap();
    }

    fn promote(&mut self, offer: OfferId, name: &str, cpus: u64) -> Result<Vec<Effect>, Refusal> {
        let request = Amounts::of(cpus, 1_000).into();
        let promotion = Promotion { name: name.into(), request };
        self.apply(Command::Promote(self.guest, vec![offer], promotion, NEVER))
    }

    fn held_and_lent(&self) -> (u64, u64) {
        let agent = self.machine.state().agents.get(self.agent).unwrap();
        (agent.held.amounts.cpus_milli(), agent.lent.cpus_milli())
    }
}

#[test]
fn when_its_owner_has_ended_lent_work_takes_the_node_over() {
    let mut node = Node::new(4_000);
    let job = node.lend(1_500).unwrap();
    assert_eq!(node.held_and_lent(), (4_000, 1_500));
    node.apply(Command::Suppress(node.owner, vec![])).unwrap();
    node.finish(node.service);
    let offer = node.offer(node.guest, false).unwrap();
    let effects = node.promote(offer, "job", 4_000).unwrap();
    let request = Amounts::of(4_000, 1_000).into();
    assert!(
        effects.contains(&Effect::Promote(node.agent, job, request, Parts::default())),
        "{effects:?}"
    );
    assert_eq!(node.held_and_lent(), (4_000, 0));
    node.finish(job);
    assert_eq!(node.held_and_lent(), (0, 0));
}

#[test]
fn what_cannot_be_promoted_is_refused_and_changes_nothing() {
    let mut node = Node::new(3_000);
    node.lend(500).unwrap();
    let offer = node.offer(node.guest, false).unwrap();
    let promotion = Promotion { name: "service".into(), request: Amounts::of(500, 1_000).into() };
    let by_another = Command::Promote(node.owner, vec![offer], promotion, NEVER);
    let refused = node.apply(by_another).unwrap_err().to_string();
    assert!(refused.contains("made to another framework"), "{refused}");
    let before = format!("{:?}", node.machine.state());
    for (name, cpus, why) in [("job", 1_001, "asks for"), ("other", 500, "no task")] {
        let refused = node.promote(offer, name, cpus).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(format!("{:?}", node.machine.state()), before);
    node.promote(offer, "job", 1_000).unwrap();
    assert_eq!(node.held_and_lent(), (4_000, 0));
}

#[test]
fn an_agent_that_missed_a_promotion_is_told_again() {
    let mut node = Node::new(3_000);
    let handle = node.lend(500).unwrap();
    let offer = node.offer(node.guest, false).unwrap();
    node.promote(offer, "job", 800).unwrap();
    node.apply(Command::AgentGone(node.agent)).unwrap();
    let held = HeldTask {
        handle,
        framework: node.guest.framework,
        name: "job".into(),
        role: "role2".into(),
        request: Amounts::of(500, 1_000).into(),
        reserved: Default::default(),
        revocable: true,
        state: TaskState::Running,
        kind: Default::default(),
    };
    let hello = AgentHello {
        agent: Some(node.agent),
        hostname: "n".into(),
        total: Amounts::of(4_000, 4_000_000).into(),
        tasks: vec![held],
        ..AgentHello::default()
    };
    let effects = node.apply(Command::AgentHello(hello)).unwrap();
    let request = Amounts::of(800, 1_000).into();
    assert!(
        effects.contains(&Effect::Promote(node.agent, handle, request, Parts::default())),
        "{effects:?}"
    );
}

proptest! {
    /// Whatever is asked, the owner's promise stands, and all ledgers add up (checked in `apply`).
    #[test]
    fn promises_never_pass_the_node(
        held in 1_000u64..=4_000, lent in 1u64..=4_000, asked in 0u64..=5_000,
    ) {
        let mut node = Node::new(held);
        let started = node.lend(lent).is_some();
        prop_assert!(started == (lent <= 3_700), "lendable: 4 less 5 % less 0.1");
        if let Some(offer) = node.offer(node.guest, false) {
            let promoted = node.promote(offer, "job", asked).is_ok();
            prop_assert_eq!(promoted, started && held + asked <= 4_000);
            let task = if promoted { (held + asked, 0) } else { (held, if started { lent } else { 0 }) };
            prop_assert_eq!(node.held_and_lent(), task);
        }
    }
}
