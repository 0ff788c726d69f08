//! `headroom agents`, `deactivate`, `drain`, `reactivate` and `gone`: what operators do with nodes.

use std::time::Duration;

use clap::Args;
use headroom_proto::v1::{
    AgentStanding, AgentState, DeactivateAgentRequest, Drain, DrainAgentRequest,
    MarkAgentGoneRequest, ReactivateAgentRequest,
};
use serde::Serialize;

use crate::client::{Client, Subject};
use crate::failure::Failure;
use crate::output::{Output, Tone, cell, figure};
use crate::quantities;
use crate::record::AgentRecord;
use crate::span;

/// `--wait` looks so often.
const LOOK: Duration = Duration::from_millis(500);

/// Give a node no new work; what runs there runs on
#[derive(Debug, Args)]
pub(crate) struct DeactivateArgs {
    /// The node: its agent's id or its name
    #[arg(value_name = "NODE")]
    node: String,
}

/// Give a node no new work, and end what runs there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom drain node7 --wait           come back when nothing runs there any more
  headroom drain node7 --max-grace 30s  force what has not ended half a minute after it was asked to
  headroom reactivate node7             give it work again")]
pub(crate) struct DrainArgs {
    /// The node: its agent's id or its name
    #[arg(value_name = "NODE")]
    node: String,
    /// The longest from asking a task to end to forcing it [default: as long as each task says]
    #[arg(long, value_name = "TIME", value_parser = span::parse)]
    max_grace: Option<Duration>,
    /// Declare the node gone for good when all has ended
    #[arg(long)]
    mark_gone: bool,
    /// Wait until all has ended and its frameworks have taken note
    #[arg(long)]
    wait: bool,
}

/// Give a deactivated or drained node work again
#[derive(Debug, Args)]
pub(crate) struct ReactivateArgs {
    /// The node: its agent's id or its name
    #[arg(value_name = "NODE")]
    node: String,
}

/// Declare a node gone for good: its tasks are lost, its agent is never let in again
#[derive(Debug, Args)]
#[command(after_help = "\
It can't be undone. To use the machine again start its agent with a new state directory.")]
pub(crate) struct GoneArgs {
    /// The node: its agent's id or its name
    #[arg(value_name = "NODE")]
    node: String,
}

#[derive(Serialize)]
struct Listing {
    agents: Vec<AgentRecord>,
}

/// The agent that a person names by its id or its node's name.
pub(crate) async fn find(node: &str, client: &Client) -> Result<AgentState, Failure> {
    let agents = client.cluster(false).await?.agents;
    let mut named: Vec<_> = agents
        .into_iter()
        .filter(|agent| agent.agent_id == node || agent.hostname == node)
        .collect();
    if named.len() > 1 {
        let ids: Vec<_> = named.iter().map(|agent| agent.agent_id.as_str()).collect();
        let text =
            format!("several agents are on {node:?}: name one by its id ({})", ids.join(", "));
        return Err(Failure::Usage(text));
    }
    named.pop().ok_or_else(|| Failure::NotFound {
        kind: "node",
        name: node.to_owned(),
        next: "`headroom agents` lists them",
    })
}

/// The same; an id is passed on even if its agent was given up: the allocator may remember it.
async fn find_id(node: &str, client: &Client) -> Result<String, Failure> {
    match find(node, client).await {
        Ok(agent) => Ok(agent.agent_id),
        Err(Failure::NotFound { .. }) if is_id(node) => Ok(node.to_owned()),
        Err(failure) => Err(failure),
    }
}

/// Whether it looks like `A1-7`.
fn is_id(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.strip_prefix('A').and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(epoch, count)| digits(epoch) && digits(count))
}

/// What operators have decided, in a word; `None`: nothing.
pub(crate) fn set_aside(agent: &AgentState) -> Option<&'static str> {
    match agent.standing() {
        AgentStanding::Unspecified | AgentStanding::Active => None,
        AgentStanding::Deactivated => Some("deactivated"),
        AgentStanding::Draining => Some("draining"),
        AgentStanding::Drained => Some("drained"),
    }
}

pub(crate) async fn agents(client: &Client, output: Output) -> Result<(), Failure> {
    let mut agents = client.cluster(false).await?.agents;
    agents.sort_by(|a, b| a.hostname.cmp(&b.hostname).then(a.agent_id.cmp(&b.agent_id)));
    if output.json {
        return output.json(&Listing { agents: agents.iter().map(AgentRecord::from).collect() });
    }
    if agents.is_empty() {
        return output.line("no nodes; start one with `headroom-agent`");
    }
    let mut table = output.table(&["NODE", "AGENT", "STATE", "TASKS", "HAS"]);
    for agent in &agents {
        let (word, tone) = match (agent.connected, set_aside(agent)) {
            (false, Some(word)) => (format!("{word}, away"), Tone::Bad),
            (false, None) => ("away".to_owned(), Tone::Bad),
            (true, Some(word)) => (word.to_owned(), Tone::Attention),
            (true, None) => ("active".to_owned(), Tone::Good),
        };
        table.add_row([
            cell(&agent.hostname, Tone::Strong),
            cell(&agent.agent_id, Tone::Plain),
            cell(word, tone),
            figure(agent.tasks),
            cell(quantities::resources(agent.total.as_ref()), Tone::Plain),
        ]);
    }
    output.line(table)
}

pub(crate) async fn deactivate(
    args: &DeactivateArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let agent_id = find_id(&args.node, client).await?;
    let answer = client.operator().deactivate_agent(DeactivateAgentRequest { agent_id }).await;
    let subject = Subject::Node(&args.node);
    let agent = answer.map_err(|e| client.failure("cannot deactivate it", &e, subject))?;
    tell(&agent.into_inner(), output)
}

pub(crate) async fn drain(
    args: &DrainArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let agent_id = find_id(&args.node, client).await?;
    let max_grace_ms = args.max_grace.map(span::millis);
    let drain = Some(Drain { max_grace_ms, mark_gone: args.mark_gone });
    let request = DrainAgentRequest { agent_id: agent_id.clone(), drain };
    let answer = client.operator().drain_agent(request).await;
    let subject = Subject::Node(&args.node);
    let agent = answer.map_err(|e| client.failure("cannot drain it", &e, subject))?;
    let mut agent = agent.into_inner();
    while args.wait && agent.standing() == AgentStanding::Draining {
        tokio::time::sleep(LOOK).await;
        let known = client.cluster(false).await?.agents;
        let gone = AgentState { agent_id: agent_id.clone(), ..AgentState::default() };
        agent = known.into_iter().find(|one| one.agent_id == agent_id).unwrap_or(gone);
    }
    tell(&agent, output)
}

pub(crate) async fn reactivate(
    args: &ReactivateArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let agent_id = find_id(&args.node, client).await?;
    let answer = client.operator().reactivate_agent(ReactivateAgentRequest { agent_id }).await;
    let subject = Subject::Node(&args.node);
    let agent = answer.map_err(|e| client.failure("cannot reactivate it", &e, subject))?;
    tell(&agent.into_inner(), output)
}

pub(crate) async fn gone(args: &GoneArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let agent_id = find_id(&args.node, client).await?;
    let request = MarkAgentGoneRequest { agent_id: agent_id.clone() };
    let answer = client.operator().mark_agent_gone(request).await;
    let subject = Subject::Node(&args.node);
    answer.map_err(|e| client.failure("cannot declare it gone", &e, subject))?;
    let record = serde_json::json!({ "agent_id": agent_id, "gone": true });
    output.either(&record, || format!("agent {agent_id} is gone for good"))
}

fn tell(agent: &AgentState, output: Output) -> Result<(), Failure> {
    output.either(&AgentRecord::from(agent), || {
        let AgentState { agent_id, hostname, tasks, .. } = agent;
        match agent.standing() {
            AgentStanding::Active => format!("{hostname} ({agent_id}) takes work again"),
            AgentStanding::Deactivated => {
                format!("{hostname} ({agent_id}) has no new work; {tasks} tasks run on there")
            }
            AgentStanding::Draining => {
                format!("{hostname} ({agent_id}) is draining; {tasks} tasks are left there")
            }
            AgentStanding::Drained => {
                format!("{hostname} ({agent_id}) is drained: nothing runs there any more")
            }
            AgentStanding::Unspecified => format!("agent {agent_id} is not here"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_id("A1-7") && is_id("A12-345"));
        assert!(!is_id("node7") && !is_id("A-7") && !is_id("A1-") && !is_id("Athens-1"));
    }
}
