//! From an event to the offer that it makes possible, inside the core: no sockets, no threads.

use crate::{
    cluster::{self, Cluster, SLOTS, Shape, finished, slot},
    fault::Fault,
    latency::{Latencies, Latency},
};
use headroom_core::{
    command::{Caller, Command, Launch},
    ids::OfferId,
    machine::DEFAULT_REFUSAL,
    resources::Amounts,
};
use serde::Serialize;
use std::time::Duration;

/// Agents and frameworks, as Mesos' own allocator benchmark pairs them, and one with more frameworks.
pub const SHAPES: [Shape; 4] = [
    Shape { agents: 100, frameworks: 10 },
    Shape { agents: 1_000, frameworks: 100 },
    Shape { agents: 1_000, frameworks: 1_000 },
    Shape { agents: 10_000, frameworks: 1_000 },
];
/// One in so many is run before timing.
const WARM_UP_PART: usize = 10;
/// Behind a backlog, one framework in so many (whole roles) wants what becomes free.
const EAGER_PART: usize = 10;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// A task ends on a full cluster; every framework wants what it held.
    Freed,
    /// The same, but nine of ten frameworks want more than is free, and all of them come first.
    FreedBehindBacklog,
    /// A framework says what it wants; agents are filled at random.
    Requested,
    /// A framework declines; every other one wants what it declined.
    Declined,
    /// An agent joins; every framework takes whatever there is.
    Joined,
}

/// All of them.
pub const CASES: [Case; 5] =
    [Case::Freed, Case::FreedBehindBacklog, Case::Requested, Case::Declined, Case::Joined];

/// One case at one size.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What was timed.
    pub case: Case,
    /// Nodes.
    pub agents: usize,
    /// Frameworks.
    pub frameworks: usize,
    /// From the command going in to the offer coming out.
    #[serde(flatten)]
    pub latency: Latency,
}

/// Times all cases at all sizes; `quick` takes a tenth of the samples.
///
/// # Errors
/// The core did not behave as the workload needs.
pub fn measure(quick: bool) -> Result<Vec<Measured>, Fault> {
    let mut all = Vec::new();
    for shape in SHAPES {
        let samples = if shape.agents >= 10_000 { 10_000 } else { 20_000 };
        let samples = if quick { samples / 10 } else { samples };
        for case in CASES {
            let latency = measure_case(case, shape, samples)?;
            let Shape { agents, frameworks } = shape;
            all.push(Measured { case, agents, frameworks, latency });
        }
    }
    Ok(all)
}

fn measure_case(case: Case, shape: Shape, samples: usize) -> Result<Latency, Fault> {
    match case {
        Case::Joined => joined(shape, samples),
        Case::Requested => {
            let mut cluster =
                Cluster::occupied(shape, |cluster| cluster.below(SLOTS as usize + 1) as u64)?;
            collect(samples, || requested(&mut cluster))
        }
        Case::Freed | Case::FreedBehindBacklog | Case::Declined => {
            let mut cluster = Cluster::occupied(shape, |_| SLOTS)?;
            let callers = cluster.frameworks.clone();
            let eager = match case {
                Case::FreedBehindBacklog => callers.len().div_ceil(EAGER_PART),
                _ => callers.len(),
            };
            for (at, caller) in callers.into_iter().enumerate() {
                let wanted = if at < eager { slot() } else { too_large() };
                let command = cluster.one_more(caller, wanted);
                cluster.apply(command)?;
            }
            if case == Case::Declined {
                collect(samples, || declined(&mut cluster))
            } else {
                collect(samples, || freed(&mut cluster))
            }
        }
    }
}

/// Warms up, then times.
fn collect(
    samples: usize,
    mut once: impl FnMut() -> Result<Duration, Fault>,
) -> Result<Latency, Fault> {
    for _ in 0..samples / WARM_UP_PART {
        once()?;
    }
    let mut latencies = Latencies::default();
    for _ in 0..samples {
        latencies.record(once()?);
    }
    Ok(latencies.summary())
}

fn too_large() -> Amounts {
    Amounts(slot().0.map(|amount| amount * 2))
}

/// A task ends; whoever is offered what it held takes it, and wants one more.
fn freed(cluster: &mut Cluster) -> Result<Duration, Fault> {
    let at = end_a_task(cluster)?;
    let (took, offer, to) = at.1;
    acknowledge(cluster, at.0)?;
    take(cluster, at.0, to, offer)?;
    Ok(took)
}

type Offered = (Duration, OfferId, Caller);

/// Ends a task that runs at random; says which, how long the core took, and who was offered its room.
fn end_a_task(cluster: &mut Cluster) -> Result<(usize, Offered), Fault> {
    let at = cluster.below(cluster.running.len());
    let task = cluster.running[at].clone();
    let status = Box::new(finished(&task));
    let took = cluster.timed(Command::Status(task.agent, task.handle, status))?;
    let (to, offer) = cluster.offered()?;
    let (offer, to) = (offer.offer, cluster.caller(to)?);
    Ok((at, (took, offer, to)))
}

fn acknowledge(cluster: &mut Cluster, at: usize) -> Result<(), Fault> {
    let task = cluster.running[at].clone();
    cluster.apply(Command::Acknowledge(task.owner, task.name, [7; 16]))
}

/// `to` runs a task on the offer, in the place of the one at `at`, and wants another.
fn take(cluster: &mut Cluster, at: usize, to: Caller, offer: OfferId) -> Result<(), Fault> {
    let state = cluster.machine().state();
    let framework = state.frameworks.get(&to.framework);
    let name = framework.and_then(|framework| {
        let mut wanted = state.seats.wanted_by(framework);
        wanted.find_map(|wanted| wanted.names().next()).map(str::to_owned)
    });
    let name = name.ok_or_else(|| Fault::Core("an offer to one that wants nothing".into()))?;
    let launch = Launch { name: name.clone(), request: slot().into(), ..Launch::default() };
    cluster.apply(Command::Accept(to, vec![offer], vec![launch], DEFAULT_REFUSAL))?;
    let handle = cluster.launched()?;
    let task = &mut cluster.running[at];
    (task.handle, task.owner, task.name) = (handle, to, name);
    let command = cluster.one_more(to, slot());
    cluster.apply(command)
}

/// The first that is offered what a task held declines; the second takes it.
fn declined(cluster: &mut Cluster) -> Result<Duration, Fault> {
    let (at, (_, offer, first)) = end_a_task(cluster)?;
    let took = cluster.timed(Command::Decline(first, vec![offer], DEFAULT_REFUSAL))?;
    let (to, offer) = cluster.offered()?;
    let (offer, second) = (offer.offer, cluster.caller(to)?);
    acknowledge(cluster, at)?;
    take(cluster, at, second, offer)?;
    cluster.apply(Command::Revive(first, Vec::new()))?;
    Ok(took)
}

/// A framework wants one task, is offered room for it, and lets go of both again.
fn requested(cluster: &mut Cluster) -> Result<Duration, Fault> {
    let caller = cluster.any_framework();
    let command = cluster.one_more(caller, slot());
    let took = cluster.timed(command)?;
    let offer = cluster.offered()?.1.offer;
    cluster.apply(Command::Want(caller, Vec::new()))?;
    cluster.apply(Command::Decline(caller, vec![offer], Duration::ZERO))?;
    Ok(took)
}

/// As many clusters are filled as give the samples; the first only warms up.
fn joined(shape: Shape, samples: usize) -> Result<Latency, Fault> {
    let mut latencies = Latencies::default();
    for round in 0..=samples.div_ceil(shape.agents) {
        let mut cluster = Cluster::without_agents(shape)?;
        for at in 0..shape.agents {
            let took = cluster.timed(Command::AgentHello(cluster::hello(at)))?;
            cluster.offered()?;
            if round > 0 {
                latencies.record(took);
            }
        }
    }
    Ok(latencies.summary())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_ends_in_an_offer() {
        for case in CASES {
            let shape = Shape { agents: 20, frameworks: 20 };
            let latency = measure_case(case, shape, 60).unwrap();
            assert_eq!(latency.count, 60, "{case:?}");
            assert!(latency.max_us > 0.0, "{case:?}");
        }
    }
}
