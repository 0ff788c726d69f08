//! Large and small frameworks side by side until all their tasks run (Mesos'
//! MultiFrameworkAllocations: like four Marathons, 500 Jenkins and 50 Spark dispatchers).

use crate::{
    cluster::{Cluster, Fault, amounts, hello, info},
    figure::Figures,
    took::Took,
};
use headroom_core::{
    command::{Command, Launch},
    resources::Amounts,
};
use std::time::Duration;

const AGENTS: usize = 80;
/// What each kind is called, how many there are, tasks each, tasks an offer, what a task asks for.
const KINDS: [(&str, usize, usize, usize, Amounts); 3] = [
    ("marathon", 4, 4_000, 100, Amounts([70, 400_000, 0, 0])),
    ("jenkins", 500, 5, 1, Amounts([100, 4_000_000, 0, 0])),
    ("spark", 50, 20, 5, Amounts([1_000, 1_000_000, 0, 0])),
];
/// More would mean that somebody starves.
const MAX_ROUNDS: usize = 10_000;

struct Demand {
    left: usize,
    an_offer: usize,
    request: Amounts,
}

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Fault> {
    let roles = |(name, count, ..): (&'static str, usize, usize, usize, Amounts)| {
        // Each Marathon and Spark dispatcher has a role of its own, all Jenkins share one.
        (0..count)
            .map(move |at| if name == "jenkins" { name.to_owned() } else { format!("{name}-{at}") })
    };
    let infos = KINDS.into_iter().flat_map(roles).enumerate().map(|(at, role)| info(at, &role));
    let mut cluster = Cluster::new(AGENTS, infos)?;
    let demands = KINDS.into_iter().flat_map(|(_, count, left, an_offer, request)| {
        (0..count).map(move |_| Demand { left, an_offer, request })
    });
    let mut demands: Vec<_> = demands.collect();
    let all: usize = demands.iter().map(|demand| demand.left).sum();
    let mut sum = Took::default();
    for at in 0..AGENTS {
        let hello = hello(at, amounts(64, 488_000, 0).into());
        sum += cluster.apply(Command::AgentHello(hello))?;
    }
    let mut rounds = 0;
    while demands.iter().any(|demand| demand.left > 0) {
        rounds += 1;
        if rounds > MAX_ROUNDS {
            return Err(Fault("some tasks never found a place".to_owned()));
        }
        for (at, demand) in demands.iter_mut().enumerate() {
            sum += answer(&mut cluster, at, demand)?;
        }
        sum += cluster.offer()?;
    }
    let shape = format!("{AGENTS} x {}", demands.len());
    figures.time(format!("mixed frameworks, {all} tasks launched"), &shape, sum);
    figures.add("- rounds of offers", &shape, f64::from(u32::try_from(rounds).unwrap_or(0)), "");
    figures.add("- one task, on the CPU", &shape, sum.cpu.as_secs_f64() * 1e6 / all as f64, "us");
    Ok(())
}

/// A framework launches on all it was offered what it still has to, and gives back the rest.
fn answer(cluster: &mut Cluster, at: usize, demand: &mut Demand) -> Result<Took, Fault> {
    let (mut sum, caller) = (Took::default(), cluster.callers[at]);
    for made in std::mem::take(&mut cluster.out[at]) {
        let (mut free, mut launches) = (made.resources.amounts, Vec::new());
        while demand.left > 0 && launches.len() < demand.an_offer && demand.request.fits_in(free) {
            free = free.minus(demand.request);
            demand.left -= 1;
            let (name, request) = (cluster.new_name(), demand.request.into());
            launches.push(Launch { name, request, ..Launch::default() });
        }
        sum +=
            cluster.decide(Command::Accept(caller, vec![made.offer], launches, Duration::ZERO))?;
        if demand.left == 0 {
            sum += cluster.decide(Command::Suppress(caller, Vec::new()))?;
        }
    }
    Ok(sum)
}
