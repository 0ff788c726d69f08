//! Where a pod goes: by the core, or by chance.

use super::Arrival;
use crate::{seed::Seed, trace::Node};
use headroom_core::{
    capability::Capabilities,
    command::{AgentHello, Caller, Command, FrameworkInfo, Launch, Want},
    effect::Effect,
    ids::AgentId,
    machine::{Machine, Refusal, Reply, Settings},
    resources::Amounts,
    time::Time,
};
use std::{collections::BTreeMap, time::Duration};

/// Places pods that never leave.
pub(super) trait Placer {
    /// The node that the pod has now; `None`: it fits nowhere.
    fn place(&mut self, pod: &Arrival) -> Result<Option<usize>, Refusal>;
}

pub(super) fn amounts(node: &Node) -> Amounts {
    let memory = node.memory_mib.saturating_mul(1_000);
    Amounts([node.cpus_milli, memory, 0, node.gpus.saturating_mul(1_000)])
}

/// The core, and one framework that says what it wants.
pub(super) struct Core {
    machine: Machine,
    caller: Caller,
    by_agent: BTreeMap<AgentId, usize>,
    placed: u64,
}

impl Core {
    pub(super) fn new(nodes: &[Node]) -> Result<Self, Refusal> {
        let mut machine = Machine::new(Settings { lending: false, ..Settings::default() }, 1);
        let mut apply = |command| machine.apply(Time::ZERO, command, &mut Vec::new());
        let capabilities = Capabilities { gpu_resources: true, ..Capabilities::default() };
        let info = FrameworkInfo {
            name: "pods".to_owned(),
            roles: vec!["*".to_owned()],
            says_wants: true,
            capabilities,
            ..FrameworkInfo::default()
        };
        let Reply::Framework(framework) = apply(Command::Subscribe(None, info, Vec::new(), 1))?
        else {
            return Err(Refusal::Invalid("a subscription gave no framework".to_owned()));
        };
        let mut by_agent = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            let total = amounts(node).into();
            let hello = AgentHello { hostname: node.name.clone(), total, ..AgentHello::default() };
            if let Reply::Agent(agent) = apply(Command::AgentHello(hello))? {
                by_agent.insert(agent, number);
            }
        }
        Ok(Self { machine, caller: Caller { framework, session: 1 }, by_agent, placed: 0 })
    }

    fn apply(&mut self, command: Command) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        self.machine.apply(Time::ZERO, command, &mut effects)?;
        Ok(effects)
    }
}

impl Placer for Core {
    fn place(&mut self, pod: &Arrival) -> Result<Option<usize>, Refusal> {
        let (name, request) = (self.placed.to_string(), pod.request.into());
        let want = Want { name: name.clone(), role: None, request };
        let effects = self.apply(Command::Want(self.caller, vec![want]))?;
        let offers = effects.into_iter().find_map(|effect| match effect {
            Effect::Offers(_, offers) => offers.into_iter().next(),
            _ => None,
        });
        let Some(offer) = offers else {
            self.apply(Command::Want(self.caller, Vec::new()))?;
            return Ok(None);
        };
        let launch = Launch { name, request: pod.request.into(), ..Launch::default() };
        let accept = Command::Accept(self.caller, vec![offer.offer], vec![launch], Duration::ZERO);
        self.apply(accept)?;
        self.placed += 1;
        Ok(self.by_agent.get(&offer.agent).copied())
    }
}

/// Any node that fits.
pub(super) struct Chance {
    free: Vec<Amounts>,
    seed: Seed,
}

impl Chance {
    pub(super) fn new(nodes: &[Node], seed: u64) -> Self {
        Self { free: nodes.iter().map(amounts).collect(), seed: Seed::new(seed) }
    }
}

impl Placer for Chance {
    fn place(&mut self, pod: &Arrival) -> Result<Option<usize>, Refusal> {
        let free = self.free.iter().enumerate();
        let fits: Vec<_> =
            free.filter(|(_, free)| pod.request.fits_in(**free)).map(|(at, _)| at).collect();
        if fits.is_empty() {
            return Ok(None);
        }
        let node = fits[self.seed.below(fits.len())];
        self.free[node] = self.free[node].minus(pod.request);
        Ok(Some(node))
    }
}
