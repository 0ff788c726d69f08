//! The order of frameworks (Mesos' sorter benchmark FullSort): all have something on many agents;
//! each sort after the holdings of all of them changed, and after nothing did.

use crate::{
    cluster::{Cluster, Fault, Shape},
    figure::Figures,
    took::{self, Took, median},
};
use std::{hint::black_box, time::Duration};

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
    figures.time("order of all frameworks, all changed", shape, median(&changed)).bound(0.02);
    figures.time("order of all frameworks, none changed", shape, median(&same));
    Ok(())
}

fn sort(cluster: &mut Cluster) -> Took {
    took::timed(|| black_box(cluster.machine.hungry_in_order(false))).1
}
