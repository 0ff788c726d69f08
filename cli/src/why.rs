//! `headroom why`: why a task or a framework waits, or a node has no new work.

use clap::Args;
use headroom_proto::v1::{WhyAnswer, WhyRequest};
use serde::Serialize;

use crate::client::{Client, Subject};
use crate::exit;
use crate::failure::Failure;
use crate::output::{Output, Tone, cell};

/// Say why a task or a framework waits, or a node has no new work, and what to do about it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom why web-3f9a01
  headroom why my-framework --json

Exit code 5 when it waits or can never be placed, 0 when it does not wait.")]
pub(crate) struct WhyArgs {
    /// A task's id, a framework's or an agent's id, or a framework's or a node's name
    #[arg(value_name = "SUBJECT")]
    subject: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    subject: &'a str,
    waiting: bool,
    impossible: bool,
    summary: &'a str,
    agents: Vec<AgentAnswer<'a>>,
    hints: &'a [String],
}

#[derive(Serialize)]
struct AgentAnswer<'a> {
    agent_id: &'a str,
    hostname: &'a str,
    reason: &'a str,
}

pub(crate) async fn why(args: &WhyArgs, client: &Client, output: Output) -> Result<u8, Failure> {
    let request = WhyRequest { subject: args.subject.clone() };
    let answer = client
        .operator()
        .why(request)
        .await
        .map_err(|e| client.failure("cannot tell", &e, Subject::Any(&args.subject)))?
        .into_inner();
    if output.json {
        output.json(&record(&args.subject, &answer))?;
    } else {
        print(&answer, output)?;
    }
    Ok(if answer.waiting || answer.impossible { exit::WAITING } else { exit::OK })
}

fn record<'a>(subject: &'a str, answer: &'a WhyAnswer) -> Answer<'a> {
    let agents = answer.agents.iter();
    Answer {
        subject,
        waiting: answer.waiting,
        impossible: answer.impossible,
        summary: &answer.summary,
        agents: agents
            .map(|a| AgentAnswer {
                agent_id: &a.agent_id,
                hostname: &a.hostname,
                reason: &a.reason,
            })
            .collect(),
        hints: &answer.hints,
    }
}

fn print(answer: &WhyAnswer, output: Output) -> Result<(), Failure> {
    let tone = match (answer.impossible, answer.waiting) {
        (true, _) => Tone::Bad,
        (false, true) => Tone::Attention,
        (false, false) => Tone::Good,
    };
    output.line(output.paint(&answer.summary, tone))?;
    if !answer.agents.is_empty() {
        let mut table = output.table(&["NODE", "WHY NOT"]);
        for agent in &answer.agents {
            table.add_row([cell(&agent.hostname, Tone::Plain), cell(&agent.reason, Tone::Plain)]);
        }
        output.line(table)?;
    }
    answer
        .hints
        .iter()
        .try_for_each(|hint| output.line(format!("{} {hint}", output.paint("next:", Tone::Faint))))
}
