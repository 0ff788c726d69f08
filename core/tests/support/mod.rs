//! The smallest cluster: one agent and one framework.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use headroom_core::{
    command::{AgentHello, Caller, Command, FrameworkInfo},
    effect::Effect,
    ids::AgentId,
    machine::{Machine, Refusal, Reply, Settings},
    resources::Amounts,
    time::Time,
};

pub struct Cluster {
    pub machine: Machine,
    pub agent: AgentId,
    pub caller: Caller,
    pub now: Time,
}

/// An agent of 8 CPUs and as many thousand MiB.
pub fn hello() -> AgentHello {
    let total = Amounts::of(8_000, 8_000_000).into();
    AgentHello { hostname: "n".into(), total, ..AgentHello::default() }
}

pub fn info(role: &str) -> FrameworkInfo {
    FrameworkInfo { name: "f".into(), roles: vec![role.into()], ..FrameworkInfo::default() }
}

impl Cluster {
    pub fn of(hello: AgentHello, info: FrameworkInfo) -> Self {
        let mut machine = Machine::new(Settings::default(), 1);
        let mut effects = Vec::new();
        let reply = machine.apply(Time::ZERO, Command::AgentHello(hello), &mut effects).unwrap();
        let Reply::Agent(agent) = reply else { panic!("{reply:?}") };
        let subscribe = Command::Subscribe(None, info, vec![], 7);
        let reply = machine.apply(Time::ZERO, subscribe, &mut effects).unwrap();
        let Reply::Framework(framework) = reply else { panic!("{reply:?}") };
        Self { machine, agent, caller: Caller { framework, session: 7 }, now: Time::ZERO }
    }

    pub fn try_apply(&mut self, command: Command) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        self.machine.apply(self.now, command, &mut effects)?;
        self.machine.check(self.now).unwrap();
        Ok(effects)
    }

    pub fn apply(&mut self, command: Command) -> Vec<Effect> {
        self.try_apply(command).unwrap()
    }
}
