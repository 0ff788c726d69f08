//! A report as people read it.

use crate::{
    agent_cost, allocation, criterion, latency::Latency, loopback, mesos, polling, report::Found,
    report::Report, switch_cost,
};
use std::fmt::{Formatter, Result};

pub(crate) fn write(report: &Report, f: &mut Formatter<'_>) -> Result {
    let machine = &report.machine;
    let load = machine.load_1m.map_or_else(|| "?".to_owned(), |load| format!("{load:.2}"));
    writeln!(
        f,
        "{} x {}, Linux {}, load average {load}",
        machine.cores, machine.cpu, machine.kernel
    )?;
    if report.quick {
        writeln!(f, "quick: fewer samples than figures to quote need")?;
    }
    part(f, "Event to offer inside the core, us", report.allocation.as_ref(), |f, all| {
        allocation(f, all)
    })?;
    part(f, "Status to offer over gRPC on loopback, us", report.loopback.as_ref(), |f, all| {
        loopback(f, all)
    })?;
    part(f, "The same, 10,000 tasks, /state polled, us", report.polling.as_ref(), polling)?;
    part(f, "Frameworks of Mesos' API (JSON over HTTP), us", report.mesos.as_ref(), mesos)?;
    part(f, "Single functions, ns a call", report.criterion.as_ref(), |f, all| criterion(f, all))?;
    part(f, "The scheduler program, ns a context switch", report.switch.as_ref(), switch)?;
    part(f, "The agent", report.agent.as_ref(), agent)
}

fn part<T>(
    f: &mut Formatter<'_>,
    title: &str,
    found: Option<&Found<T>>,
    write: impl Fn(&mut Formatter<'_>, &T) -> Result,
) -> Result {
    let Some(found) = found else { return Ok(()) };
    writeln!(f, "\n{title}")?;
    match found {
        Found::Figures(figures) => write(f, figures),
        Found::Absent { absent } => writeln!(f, "  not measured: {absent}"),
        Found::Failed { failed } => writeln!(f, "  failed: {failed}"),
    }
}

fn head(f: &mut Formatter<'_>) -> Result {
    writeln!(
        f,
        "  {:<21} {:>6} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "case", "agents", "frameworks", "p50", "p90", "p99", "p99.9", "max", "count"
    )
}

fn row(
    f: &mut Formatter<'_>,
    case: &str,
    agents: usize,
    frameworks: usize,
    of: &Latency,
) -> Result {
    writeln!(
        f,
        "  {case:<21} {agents:>6} {frameworks:>10} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>7}",
        of.p50_us, of.p90_us, of.p99_us, of.p999_us, of.max_us, of.count
    )
}

fn allocation(f: &mut Formatter<'_>, all: &[allocation::Measured]) -> Result {
    head(f)?;
    for one in all {
        let case = match one.case {
            allocation::Case::Freed => "freed",
            allocation::Case::FreedBehindBacklog => "freed, behind backlog",
            allocation::Case::Requested => "requested",
            allocation::Case::Declined => "declined",
            allocation::Case::Joined => "agent joined",
        };
        row(f, case, one.agents, one.frameworks, &one.latency)?;
    }
    Ok(())
}

fn loopback(f: &mut Formatter<'_>, all: &[loopback::Measured]) -> Result {
    head(f)?;
    all.iter().try_for_each(|one| row(f, "freed", one.agents, one.frameworks, &one.latency))
}

fn mesos(f: &mut Formatter<'_>, of: &mesos::Measured) -> Result {
    let mesos::Measured { doors, launch } = of;
    head(f)?;
    row(f, "decline to offer", doors.agents, 1, &doors.declined)?;
    row(f, "accept to launch", doors.agents, 1, &doors.launched)?;
    row(f, "freed to offer", doors.agents, 1, &doors.freed)?;
    row(f, "subscribe at once", 0, doors.frameworks, &doors.subscribed)?;
    writeln!(f, "  all subscribed in {:.1} ms", doors.all_subscribed_ms)?;
    match launch {
        Found::Figures(mesos::Launch { tasks, seconds }) => {
            writeln!(f, "  {tasks} tasks run on one agent after {seconds:.2} s")
        }
        Found::Absent { absent: why } | Found::Failed { failed: why } => {
            writeln!(f, "  tasks on one agent: {why}")
        }
    }
}

fn polling(f: &mut Formatter<'_>, of: &polling::Measured) -> Result {
    for (case, latency) in
        [("nobody polls", &of.alone), ("all poll", &of.polled), ("a poll", &of.poll)]
    {
        writeln!(
            f,
            "  {case:<13} p50 {:>9.1}, p90 {:>9.1}, p99 {:>9.1}, p99.9 {:>9.1}, max {:>9.1}; {} samples",
            latency.p50_us,
            latency.p90_us,
            latency.p99_us,
            latency.p999_us,
            latency.max_us,
            latency.count
        )?;
    }
    writeln!(
        f,
        "  {} tasks, {} pollers, {:.1} answers a second of {} bytes",
        of.tasks, of.pollers, of.polls_per_s, of.answer_bytes
    )
}

fn criterion(f: &mut Formatter<'_>, all: &[criterion::Measured]) -> Result {
    all.iter().try_for_each(|one| {
        let (low, high) = one.mean_ns_95;
        writeln!(
            f,
            "  {:<32} mean {:>9.0} (95 %: {low:.0} to {high:.0}), median {:.0}",
            one.name, one.mean_ns, one.median_ns
        )
    })
}

fn switch(f: &mut Formatter<'_>, of: &switch_cost::Measured) -> Result {
    writeln!(
        f,
        "  net {:.1} (rounds from {:.1} to {:.1}); empty program {:.1}, ours {:.1}; {} rounds, {} switches",
        of.net_ns, of.net_min_ns, of.net_max_ns, of.empty_ns, of.sched_ns, of.rounds, of.switches
    )
}

fn agent(f: &mut Formatter<'_>, of: &agent_cost::Measured) -> Result {
    let mib = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |mib| format!("{mib:.1}"));
    for window in &of.windows {
        writeln!(
            f,
            "  {} tasks and {} lent: {:.3} % of a core, RSS {:.1} MiB (anonymous {:.1}, Pss {}); \
             allocator {:.3} %; {:.0} s",
            of.tasks,
            window.lent_tasks,
            window.cpu_percent,
            window.memory.rss_mib,
            window.memory.rss_anon_mib,
            mib(window.memory.pss_mib),
            window.allocator_cpu_percent,
            window.seconds,
        )?;
    }
    writeln!(
        f,
        "  beside it: {} supervisors, RSS {:.1} MiB together (Pss {}); allocator RSS {:.1} MiB; rung {}",
        of.supervisors,
        of.supervisors_memory.rss_mib,
        mib(of.supervisors_memory.pss_mib),
        of.allocator_memory.rss_mib,
        of.rung
    )
}
