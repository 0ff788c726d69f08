//! `headroom status`: the cluster on one page.

mod forecasts;

use std::fmt::Write as _;

use headroom_proto::v1::{AgentState, Cluster, Ledger, Resources, TaskState};
use serde::Serialize;

use crate::agents;
use crate::amount;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Tone, cell, figure};
use crate::record::{AgentRecord, FrameworkRecord, LedgerRecord, RoleRecord};
use crate::span;

#[derive(Serialize)]
struct Status<'a> {
    address: String,
    epoch: u64,
    step: u64,
    uptime_ms: u64,
    agents: Vec<AgentRecord>,
    frameworks: Vec<FrameworkRecord>,
    roles: Vec<RoleRecord>,
    tasks: TaskCounts,
    ledger: LedgerRecord,
    warnings: &'a [String],
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct TaskCounts {
    running: usize,
    /// Not yet running, or on their way out.
    changing: usize,
    unreachable: usize,
    /// Of all these, on lent resources.
    lent: usize,
    /// Asked for and not placed.
    waiting: u64,
}

pub(crate) async fn status(client: &Client, output: Output) -> Result<(), Failure> {
    let cluster = client.cluster(false).await?;
    let address = client.address().to_string();
    if output.json {
        return output.json(&record(&cluster, address));
    }
    output.line(page(&cluster, &address, output).trim_end())
}

fn record(cluster: &Cluster, address: String) -> Status<'_> {
    Status {
        address,
        epoch: cluster.epoch,
        step: cluster.step,
        uptime_ms: cluster.uptime_ms,
        agents: cluster.agents.iter().map(AgentRecord::from).collect(),
        frameworks: cluster.frameworks.iter().map(FrameworkRecord::from).collect(),
        roles: cluster.roles.iter().map(RoleRecord::from).collect(),
        tasks: counts(cluster),
        ledger: LedgerRecord::from(&cluster.ledger.unwrap_or_default()),
        warnings: &cluster.warnings,
    }
}

fn counts(cluster: &Cluster) -> TaskCounts {
    let mut counts = TaskCounts::default();
    for task in &cluster.tasks {
        match TaskState::try_from(task.state) {
            Ok(TaskState::Running) => counts.running += 1,
            Ok(TaskState::Staging | TaskState::Killing) => counts.changing += 1,
            Ok(TaskState::Unreachable) => counts.unreachable += 1,
            _ => continue,
        }
        counts.lent += usize::from(task.revocable);
    }
    counts.waiting = cluster.frameworks.iter().map(|f| u64::from(f.wanted)).sum();
    counts
}

// Writing to a String cannot fail.
fn page(cluster: &Cluster, address: &str, output: Output) -> String {
    let mut page = String::new();
    let up = span::print_millis(cluster.uptime_ms);
    let _ = writeln!(
        page,
        "{} up {up}, step {}, epoch {}",
        output.paint(address, Tone::Strong),
        cluster.step,
        cluster.epoch
    );
    for warning in &cluster.warnings {
        let _ = writeln!(page, "{} {warning}", output.paint("warning:", Tone::Attention));
    }
    let _ = writeln!(page, "\n{}", nodes(&cluster.agents, output));
    let _ = writeln!(page, "{}", work(cluster));
    if let Some(ledger) = &cluster.ledger {
        let _ = writeln!(page, "\n{}", words(ledger));
    }
    let forecasts = forecasts::lines(&cluster.agents);
    if !forecasts.is_empty() {
        let _ = writeln!(page, "Forecasts of guaranteed work and system, of late:");
        for line in forecasts {
            let _ = writeln!(page, "{line}");
        }
    }
    page
}

fn nodes(agents: &[AgentState], output: Output) -> String {
    if agents.is_empty() {
        return "no nodes; start one with `headroom-agent`, or all on this machine with `headroom up`"
            .into();
    }
    let mut table = output.table(&[
        "NODE",
        "STATE",
        "RUNG",
        "CPU used/held/total",
        "MEMORY used/held/total",
        "LENT",
        "LENDABLE",
    ]);
    let mut notes = String::new();
    for agent in agents {
        let (word, tone) = state(agent);
        let held = sum(agent.guaranteed.as_ref(), agent.revocable.as_ref());
        let total = agent.total.clone().unwrap_or_default();
        let used = agent.usage.unwrap_or_default();
        let lent = agent.revocable.clone().unwrap_or_default();
        table.add_row([
            cell(&agent.hostname, Tone::Strong),
            cell(word, tone),
            cell(&agent.rung, Tone::Plain),
            figure(triple(used.cpus, held.cpus, total.cpus, amount::cpus)),
            figure(triple(used.memory_mib, held.memory_mib, total.memory_mib, amount::memory)),
            figure(both(&lent)),
            figure(both(&agent.lendable.clone().unwrap_or_default())),
        ]);
        note(agent, &mut notes);
    }
    format!("{table}\n{notes}")
}

fn note(agent: &AgentState, notes: &mut String) {
    let name = &agent.hostname;
    if !agent.refusing_work.is_empty() {
        let _ = writeln!(notes, "{name} takes no new work: {}", agent.refusing_work);
    }
    if !agent.lending && !agent.lending_reason.is_empty() {
        let _ = writeln!(notes, "{name} does not lend: {}", agent.lending_reason);
    }
    if let Some(cpus) = agent.revocable_quota_cpus {
        let cpus = amount::cpus(cpus);
        let _ = writeln!(notes, "{name} holds all lent work to {cpus} CPUs for now");
    }
    for absence in &agent.absences {
        let _ = writeln!(notes, "{name} lacks {}: {}", absence.signal, absence.reason);
    }
}

fn state(agent: &AgentState) -> (String, Tone) {
    if !agent.connected {
        let gone = span::print_millis(agent.last_report_ms_ago);
        return (format!("gone for {gone}"), Tone::Bad);
    }
    if let Some(word) = agents::set_aside(agent) {
        return (word.into(), Tone::Attention);
    }
    match (agent.refusing_work.is_empty(), agent.lending) {
        (false, _) => ("refuses work".into(), Tone::Attention),
        (true, true) => ("lends".into(), Tone::Good),
        (true, false) => ("does not lend".into(), Tone::Plain),
    }
}

fn sum(a: Option<&Resources>, b: Option<&Resources>) -> Held {
    let add = |of: fn(&Resources) -> f64| a.map_or(0.0, of) + b.map_or(0.0, of);
    Held { cpus: add(|r| r.cpus), memory_mib: add(|r| r.memory_mib) }
}

/// What guaranteed and lent tasks hold together.
struct Held {
    cpus: f64,
    memory_mib: f64,
}

fn triple(used: Option<f64>, held: f64, total: f64, print: fn(f64) -> String) -> String {
    format!("{} / {} / {}", amount::measured(used, print), print(held), print(total))
}

fn both(resources: &Resources) -> String {
    if resources.cpus == 0.0 && resources.memory_mib == 0.0 {
        return "-".into();
    }
    format!("{} CPU, {}", amount::cpus(resources.cpus), amount::memory(resources.memory_mib))
}

fn work(cluster: &Cluster) -> String {
    let counts = counts(cluster);
    let mut text = format!(
        "{} tasks run ({} on lent resources), {} wait for a place, {} frameworks",
        counts.running,
        counts.lent,
        counts.waiting,
        cluster.frameworks.len()
    );
    if counts.changing > 0 {
        let _ = write!(text, "; {} start or end", counts.changing);
    }
    if counts.unreachable > 0 {
        let _ = write!(text, "; {} on nodes that do not answer", counts.unreachable);
    }
    if counts.waiting > 0 {
        text += "\n`headroom frameworks` says who waits, `headroom why FRAMEWORK` why";
    }
    text
}

/// The ledger in words a newcomer understands.
fn words(ledger: &Ledger) -> String {
    let record = LedgerRecord::from(ledger);
    let mut text = format!("Since the start ({} steps):\n", record.steps);
    match record.held_to_used_cpu {
        Some(ratio) => {
            let _ = writeln!(
                text,
                "  CPU     for every CPU-second used, {ratio:.2} were held (1.00: nothing held in vain)"
            );
        }
        None => text += "  CPU     no CPU time of a task was measured yet\n",
    }
    if let Some(ratio) = record.held_to_used_memory {
        let _ = writeln!(text, "  memory  for every MiB used, {ratio:.2} were held");
    }
    if record.held_cpu_s > 0.0 {
        let share = 100.0 * record.lent_cpu_s / record.held_cpu_s;
        let _ =
            writeln!(text, "  lent    {share:.1}% of the CPU time held was lent by someone else");
    }
    match (record.wait_steps_mean, record.wait_steps_max) {
        (Some(mean), Some(max)) => {
            let _ = writeln!(
                text,
                "  wait    from asking to having: {mean:.1} steps on average, {max} at worst ({} placed)",
                record.waits
            );
        }
        _ => text += "  wait    nothing was placed yet\n",
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_proto::v1::{Absence, FrameworkState, TaskInstance, Usage};

    fn output() -> Output {
        Output { json: false, color: false, color_errors: false }
    }

    fn cluster() -> Cluster {
        Cluster {
            agents: vec![AgentState {
                hostname: "node7".into(),
                connected: true,
                total: Some(Resources { cpus: 4.0, memory_mib: 8192.0, ..Default::default() }),
                guaranteed: Some(Resources { cpus: 2.0, ..Default::default() }),
                usage: Some(Usage { cpus: Some(1.25), memory_mib: None }),
                absences: vec![Absence { signal: "psi".into(), reason: "no PSI".into() }],
                ..Default::default()
            }],
            frameworks: vec![FrameworkState { wanted: 3, ..Default::default() }],
            tasks: vec![
                TaskInstance { state: 2, revocable: true, ..Default::default() },
                TaskInstance { state: 9, ..Default::default() },
                TaskInstance { state: 4, revocable: true, ..Default::default() },
            ],
            warnings: vec!["the registry cannot write".into()],
            ..Default::default()
        }
    }

    #[test]
    fn tasks_are_counted_once() {
        let want = TaskCounts { running: 1, changing: 0, unreachable: 1, lent: 1, waiting: 3 };
        assert_eq!(counts(&cluster()), want);
    }

    #[test]
    fn the_page_says_what_is_wrong_and_what_is_not_measured() {
        let page = page(&cluster(), "http://a:5050", output());
        for part in [
            "warning: the registry cannot write",
            "node7 lacks psi: no PSI",
            "1.25 / 2 / 4",
            "- / 0 / 8 GiB",
            "3 wait for a place",
        ] {
            assert!(page.contains(part), "no {part:?} in\n{page}");
        }
    }

    #[test]
    fn the_ledger_is_said_only_as_far_as_it_is_known() {
        assert!(words(&Ledger::default()).contains("no CPU time of a task was measured yet"));
        let ledger =
            Ledger { held_cpu_s: 30.0, used_cpu_s: 10.0, lent_cpu_s: 3.0, ..Default::default() };
        let text = words(&ledger);
        assert!(text.contains("3.00 were held") && text.contains("10.0%"), "{text}");
    }
}
