//! Agents are added, everything is offered, declined, suppressed (Mesos' AddAndUpdateSlave,
//! DeclineOffers, SuppressOffers).

use crate::{
    cluster::{Cluster, FOR_EVER, Fault, Shape},
    figure::{Figures, histogram, quantiles},
    took::{Took, median, worst},
};
use headroom_core::command::Command;
use std::time::Duration;

/// Taking the first of an ordered set of 1,000 frameworks and putting it back, in ms.
const REORDER_MS: f64 = 116e-6;
/// One in so many frameworks is not suppressed.
const NOT_SUPPRESSED: usize = 100;

/// By agents: the target, and Mesos' milliseconds.
fn of<const N: usize>(shape: Shape, table: [(usize, f64); N]) -> Option<f64> {
    table.into_iter().find(|(agents, _)| *agents == shape.agents).map(|(_, ms)| ms)
}

pub(crate) fn measure(shape: Shape, rounds: usize, figures: &mut Figures) -> Result<(), Fault> {
    let mut cluster = Cluster::open(shape)?;
    let (mut sum, mut each) = (Took::default(), histogram());
    for at in 0..shape.agents {
        let took = cluster.bring(at)?;
        sum += took;
        each.saturating_record(took.wall.as_nanos() as u64);
    }
    let offers = cluster.standing();
    if offers < shape.agents {
        return Err(Fault(format!("{offers} offers of {} agents", shape.agents)));
    }
    figures
        .time("agents added one by one, with their offers", shape, sum)
        .target(of(shape, [(10_000, 50.0)]))
        .mesos(of(shape, [(1_000, 142.0), (5_000, 805.0), (10_000, 1_790.0), (20_000, 4_790.0)]));
    for (name, us) in quantiles(&each) {
        figures.add(format!("- one of them, {name}"), shape, us, "us");
    }
    let steps: Vec<_> =
        (0..rounds).map(|_| cluster.apply(Command::Step)).collect::<Result<_, _>>()?;
    figures
        .time("step, everything out in offers", shape, median(&steps))
        .target(0.1)
        .mesos(of(shape, [(1_000, 1.7), (5_000, 17.0), (10_000, 43.0), (20_000, 111.0)]));
    let (mut declines, mut cycles) = (Vec::new(), Vec::new());
    for _ in 0..=rounds {
        declines.push(cluster.decline_all(Duration::ZERO)?);
        cycles.push(cluster.offer()?);
    }
    let (declines, cycles) = (declines.split_off(1), cycles.split_off(1));
    let bound = REORDER_MS * offers as f64;
    figures
        .time("full cycle, everything offered", shape, median(&cycles))
        .target(of(shape, [(10_000, 5.0), (20_000, 12.0), (50_000, 40.0)]))
        .bound(bound)
        .mesos(of(shape, [(1_000, 74.0), (5_000, 443.0), (10_000, 1_070.0), (20_000, 3_190.0)]));
    let one = median(&cycles).cpu.as_nanos() as f64 / offers as f64;
    figures.add("- one offer, on the CPU", shape, one, "ns").bound(REORDER_MS * 1e6);
    figures
        .time("all declines of a round, no filter kept", shape, median(&declines))
        .target(of(shape, [(10_000, 10.0)]))
        .mesos(of(shape, [(1_000, 112.0), (5_000, 528.0), (10_000, 1_070.0), (20_000, 2_010.0)]));
    suppress(&mut cluster, shape, rounds, figures)
}

/// 99 of 100 frameworks want no offers; then none does.
fn suppress(
    cluster: &mut Cluster,
    shape: Shape,
    rounds: usize,
    figures: &mut Figures,
) -> Result<(), Fault> {
    for at in (0..shape.frameworks).filter(|at| at % NOT_SUPPRESSED != 0) {
        cluster.out[at].clear();
        cluster.decide(Command::Suppress(cluster.callers[at], Vec::new()))?;
    }
    cluster.offer()?;
    let mut cycles = Vec::new();
    for _ in 0..rounds {
        cluster.decline_all(Duration::ZERO)?;
        cycles.push(cluster.offer()?);
    }
    figures.time("full cycle, 99 % suppressed", shape, median(&cycles));
    for at in (0..shape.frameworks).step_by(NOT_SUPPRESSED) {
        cluster.out[at].clear();
        cluster.decide(Command::Suppress(cluster.callers[at], Vec::new()))?;
    }
    let mut cycles = Vec::new();
    for _ in 0..rounds {
        cluster.look_at_all()?;
        cycles.push(cluster.offer()?);
    }
    figures
        .time("full cycle, all suppressed", shape, median(&cycles))
        .mesos(of(shape, [(1_000, 2.6), (5_000, 22.0), (10_000, 47.0), (20_000, 119.0)]));
    Ok(())
}

/// Every offer is declined for ever; each round everything is offered to the next.
pub(crate) fn measure_forever(
    shape: Shape,
    rounds: usize,
    figures: &mut Figures,
) -> Result<(), Fault> {
    let mut cluster = Cluster::open(shape)?;
    for at in 0..shape.agents {
        cluster.bring(at)?;
    }
    let (mut declines, mut cycles, mut filters) = (Vec::new(), Vec::new(), 0);
    while cluster.standing() > 0 {
        filters += cluster.standing();
        declines.push(cluster.decline_all(FOR_EVER)?);
        cycles.push(cluster.offer()?);
    }
    let all = shape.agents * shape.frameworks;
    if filters != all {
        return Err(Fault(format!("{filters} offers were declined for ever, and not {all}")));
    }
    figures
        .time("a round of declines for ever", shape, median(&declines))
        .target(of(shape, [(10_000, 10.0)]));
    figures.time("- the slowest", shape, worst(&declines));
    figures.time("cycle between rounds of declines", shape, median(&cycles));
    figures.time("- the slowest", shape, worst(&cycles));
    let steps: Vec<_> =
        (0..rounds).map(|_| cluster.apply(Command::Step)).collect::<Result<_, _>>()?;
    figures.time("step, everything declined for ever", shape, median(&steps)).target(1.0);
    let mut cycles = Vec::new();
    for _ in 0..rounds {
        cluster.look_at_all()?;
        cycles.push(cluster.offer()?);
    }
    figures
        .time("cycle over all, everything declined for ever", shape, median(&cycles))
        .target(of(shape, [(10_000, 1.0)]))
        .mesos(of(shape, [(1_000, 1_050.0), (5_000, 30_600.0)]));
    Ok(())
}
