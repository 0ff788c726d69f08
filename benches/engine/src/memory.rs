//! Bytes of state: what an agent costs with nothing on it, then a task, then an offer.

use crate::{
    cluster::{Cluster, Fault, Shape, amounts, held, hello, info, total},
    figure::Figures,
    heap,
    took::Took,
};
use headroom_core::command::{AgentHello, Command};

const TASKS_AN_AGENT: usize = 10;
/// As long as the names of tasks of real frameworks.
const HOSTNAME_BYTES: usize = "node-00000.example.com".len();

pub(crate) fn measure(shape: Shape, figures: &mut Figures) -> Result<(), Fault> {
    let mut cluster = Cluster::new(0, (0..shape.frameworks).map(|at| info(at, "role")))?;
    for at in 0..shape.frameworks {
        cluster.decide(Command::Suppress(cluster.callers[at], Vec::new()))?;
    }
    let alone = grown(&mut cluster, shape, |cluster, at| {
        cluster.apply(Command::AgentHello(AgentHello { agent: None, ..hello(at, total()) }))
    })?;
    figures.add("an agent alone", shape, alone, "bytes").target(2_048.0);
    figures.add("- of which its name", shape, HOSTNAME_BYTES as f64, "bytes");
    let ids: Vec<_> = cluster.machine.state().agents.iter().map(|agent| agent.id).collect();
    let with_tasks = grown(&mut cluster, shape, |cluster, at| {
        let one = |n| {
            let number = at * TASKS_AN_AGENT + n;
            held(number, number % shape.frameworks, amounts(1, 256, 256).into())
        };
        let tasks = (0..TASKS_AN_AGENT).map(one).collect();
        let hello = AgentHello { agent: Some(ids[at]), tasks, ..hello(at, total()) };
        cluster.apply(Command::AgentHello(hello))
    })?;
    let a_task = with_tasks / TASKS_AN_AGENT as f64;
    figures.add("a task, with its name of 12 bytes", shape, a_task, "bytes").target(1_024.0);
    for caller in cluster.callers.clone() {
        cluster.decide(Command::Revive(caller, Vec::new()))?;
    }
    let before = heap::bytes();
    cluster.offer()?;
    cluster.out.clear();
    cluster.effects = Vec::new();
    let an_offer = (heap::bytes().saturating_sub(before)) as f64 / shape.agents as f64;
    figures.add("an offer", shape, an_offer, "bytes");
    Ok(())
}

/// Bytes that the core takes more for each agent after `change` of each.
fn grown(
    cluster: &mut Cluster,
    shape: Shape,
    mut change: impl FnMut(&mut Cluster, usize) -> Result<Took, Fault>,
) -> Result<f64, Fault> {
    cluster.effects = Vec::new();
    let before = heap::bytes();
    for at in 0..shape.agents {
        change(cluster, at)?;
    }
    cluster.effects = Vec::new();
    Ok((heap::bytes() - before) as f64 / shape.agents as f64)
}
