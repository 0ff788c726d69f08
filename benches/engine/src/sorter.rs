//! The order of frameworks (Mesos' sorter benchmark FullSort): all have something on many agents;
//! each sort after the holdings of all of them changed, and after nothing did.

use crate::{
    cluster::{Cluster, Fault, Shape},
    figure::{Figures, median, ms},
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

pub(crate) fn measure(
    agents: usize,
    frameworks: usize,
    rounds: usize,
    figures: &mut Figures,
) -> Result<(), Fault> {
    let shape = Shape { agents, frameworks };
    let mut cluster = Cluster::open(shape)?;
    for at in 0..agents {
        cluster.bring(at)?;
    }
    let (mut changed, mut same) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        cluster.decline_all(Duration::ZERO)?;
        changed.push(sort(&mut cluster));
        same.push(sort(&mut cluster));
        cluster.offer()?;
    }
    figures
        .add("order of all frameworks, all changed", shape, ms(median(changed)) * 1e3, "us")
        .bound(20.0);
    figures.add("order of all frameworks, none changed", shape, ms(median(same)) * 1e3, "us");
    Ok(())
}

fn sort(cluster: &mut Cluster) -> Duration {
    let start = Instant::now();
    black_box(cluster.machine.hungry_in_order(false));
    start.elapsed()
}
