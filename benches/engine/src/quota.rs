//! Thousands of roles with a guarantee each (Mesos' LargeAndSmallQuota): five in six of 1 CPU, the
//! sixth of four; all together three quarters of the cluster.

use crate::{
    cluster::{Cluster, Fault, amounts, hello, info},
    figure::Figures,
    took::{Took, median},
};
use headroom_core::{
    command::Command,
    quota::{Quota, UNLIMITED},
};
use std::time::Duration;

pub(crate) fn measure(agents: usize, rounds: usize, figures: &mut Figures) -> Result<(), Fault> {
    let role = |at: usize| format!("role-{at}");
    let mut cluster = Cluster::new(agents, [])?;
    for at in 0..agents {
        cluster.apply(Command::AgentHello(hello(at, amounts(2, 2_048, 2_048).into())))?;
    }
    for at in 0..agents {
        let part = if at % 6 == 5 { 4 } else { 1 };
        let guarantee = amounts(part, part * 1_024, part * 1_024);
        let quota = Quota { guarantee, limit: UNLIMITED };
        cluster.apply(Command::SetQuota(role(at), Some(quota)))?;
    }
    let mut adding = Took::default();
    for at in 0..agents {
        adding += cluster.subscribe(info(at, &role(at)))?;
    }
    let shape = format!("{agents} x {agents}");
    let at_full = |ms: f64| (agents == 3_000).then_some(ms);
    figures.time("quota: frameworks added", &shape, adding).mesos(at_full(51_500.0));
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        cluster.decline_all(Duration::ZERO)?;
        full.push(cluster.offer()?);
        cluster.look_at_all()?;
        empty.push(cluster.offer()?);
    }
    figures
        .time("quota: full cycle", &shape, median(&full))
        .target(at_full(20.0))
        .mesos(at_full(33_600.0));
    figures
        .time("quota: cycle, nothing to offer", &shape, median(&empty))
        .target(at_full(0.2))
        .mesos(at_full(29_400.0));
    Ok(())
}
