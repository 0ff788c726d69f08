//! `headroom ps`: the tasks.

use clap::Args;
use headroom_proto::v1::{Reason, TaskInstance};
use serde::Serialize;

use crate::amount;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, Tone, cell, figure};
use crate::record::TaskRecord;
use crate::{span, state};

/// List tasks
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom ps                         what runs now
  headroom ps -a --role batch         ended tasks too, of one role
  headroom ps -q --node node7         only the task ids
  headroom ps --json | jq -r '.tasks[] | select(.revocable) | .task_id'

CPU and MEMORY are used / requested. WAIT is what its threads waited for a CPU in the last step
(1 s unless set otherwise), summed over them. A dash is what could not be measured.")]
pub(crate) struct PsArgs {
    /// Ended tasks too (the newest 1,000)
    #[arg(short, long)]
    all: bool,
    /// Print only task ids
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Only tasks of this framework (id or name)
    #[arg(long, value_name = "FRAMEWORK")]
    framework: Option<String>,
    /// Only tasks of this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Only tasks on this node (host name or agent id)
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
}

#[derive(Serialize)]
struct Listing {
    tasks: Vec<TaskRecord>,
}

pub(crate) async fn ps(args: &PsArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let cluster = client.cluster(args.all).await?;
    let mut tasks: Vec<&TaskInstance> =
        cluster.tasks.iter().filter(|task| args.wants(task)).collect();
    tasks.sort_by(|a, b| a.age_ms.cmp(&b.age_ms).then_with(|| a.task_id.cmp(&b.task_id)));
    if output.json {
        let tasks = tasks.into_iter().map(TaskRecord::from).collect();
        return output.json(&Listing { tasks });
    }
    if args.quiet {
        return tasks.iter().try_for_each(|task| output.line(&task.task_id));
    }
    if tasks.is_empty() {
        let hint = if args.all { "" } else { "; `headroom ps -a` lists ended ones too" };
        return output.line(format!("no tasks{hint}"));
    }
    output.line(table(&tasks, args.all, output))
}

impl PsArgs {
    fn wants(&self, task: &TaskInstance) -> bool {
        let is = |wanted: &Option<String>, has: [&str; 2]| {
            wanted.as_ref().is_none_or(|wanted| has.contains(&wanted.as_str()))
        };
        is(&self.framework, [&task.framework_id, &task.framework_name])
            && is(&self.role, [&task.role, &task.role])
            && is(&self.node, [&task.hostname, &task.agent_id])
            && (self.all || !state::is_terminal(task.state))
    }
}

fn table(tasks: &[&TaskInstance], all: bool, output: Output) -> comfy_table::Table {
    let mut headings =
        vec!["TASK", "STATE", "FRAMEWORK", "ROLE", "NODE", "CPU", "MEMORY", "WAIT ms", "AGE"];
    // Most have none of their own.
    let named = tasks.iter().any(|task| has_own_name(task));
    if named {
        headings.insert(1, "NAME");
    }
    if all {
        headings.push("ENDED");
    }
    let mut table = output.table(&headings);
    for task in tasks {
        let requested = task.resources.clone().unwrap_or_default();
        let used = task.usage.unwrap_or_default();
        let word = state::state_word(task.state);
        let word = if task.revocable { format!("{word} (lent)") } else { word };
        let mut row = vec![
            cell(&task.task_id, Tone::Strong),
            cell(word, state::tone(task.state)),
            cell(&task.framework_name, Tone::Plain),
            cell(&task.role, Tone::Plain),
            cell(&task.hostname, Tone::Plain),
            figure(pair(used.cpus, requested.cpus, amount::cpus)),
            figure(pair(used.memory_mib, requested.memory_mib, amount::memory)),
            figure(amount::measured(task.wait_ms, amount::millis)),
            figure(span::print_millis(task.age_ms)),
        ];
        if named {
            let name = if has_own_name(task) { task.name.as_str() } else { "" };
            row.insert(1, cell(name, Tone::Plain));
        }
        if all {
            row.push(cell(ended(task), Tone::Plain));
        }
        table.add_row(row);
    }
    table
}

/// Whether its framework calls it something else than its id.
fn has_own_name(task: &TaskInstance) -> bool {
    !task.name.is_empty() && task.name != task.task_id
}

/// Used / requested.
pub(crate) fn pair(used: Option<f64>, requested: f64, print: fn(f64) -> String) -> String {
    format!("{} / {}", amount::measured(used, print), print(requested))
}

fn ended(task: &TaskInstance) -> String {
    if !state::is_terminal(task.state) {
        return String::new();
    }
    let reason = Reason::try_from(task.reason).unwrap_or_default();
    match (reason, task.exit_code) {
        (Reason::Unspecified | Reason::CommandFailed, Some(code)) => format!("exit code {code}"),
        (Reason::Unspecified | Reason::CommandFailed, None) => task.message.clone(),
        (reason, _) => state::reason_text(reason).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_proto::v1::{Resources, TaskState, Usage};

    fn task(name: &str, state: TaskState) -> TaskInstance {
        TaskInstance {
            task_id: name.into(),
            role: "web".into(),
            hostname: "node7".into(),
            state: state as i32,
            resources: Some(Resources { cpus: 2.0, memory_mib: 512.0, ..Default::default() }),
            usage: Some(Usage { cpus: Some(0.25), memory_mib: None }),
            ..Default::default()
        }
    }

    fn args() -> PsArgs {
        PsArgs { all: false, quiet: false, framework: None, role: None, node: None }
    }

    #[test]
    fn filters_join() {
        let running = task("a", TaskState::Running);
        let ended = task("b", TaskState::Failed);
        assert!(args().wants(&running) && !args().wants(&ended));
        assert!(PsArgs { all: true, ..args() }.wants(&ended));
        let web = PsArgs { role: Some("web".into()), node: Some("node7".into()), ..args() };
        assert!(web.wants(&running));
        assert!(!PsArgs { node: Some("node8".into()), ..web }.wants(&running));
    }

    #[test]
    fn a_row_shows_used_of_requested_and_a_dash_for_the_unmeasured() {
        let output = Output { json: false, color: false, color_errors: false };
        let mut failed = task("b", TaskState::Failed);
        failed.reason = Reason::MemoryLimit as i32;
        let running = task("a", TaskState::Running);
        let text = table(&[&running, &failed], true, output).to_string();
        assert!(!text.contains("NAME"), "none has a name of its own: {text}");
        let named = TaskInstance { name: "shop".into(), ..task("c", TaskState::Running) };
        let with_name = table(&[&running, &named], false, output).to_string();
        assert!(with_name.contains("NAME") && with_name.contains("shop"), "{with_name}");
        assert!(text.contains("0.25 / 2"), "{text}");
        assert!(text.contains("- / 512 MiB"), "{text}");
        assert!(text.contains("it passed its memory limit"), "{text}");
    }
}
