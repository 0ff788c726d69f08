//! `headroom reserve`, `unreserve`, `reservations` and `volume`: what nodes keep for roles.

use clap::{Args, Subcommand};
use headroom_proto::v1::{
    AgentState, Operation, Parts, Reservation, ReserveRequest, Reserved, Resources, Volume,
    operation,
};
use serde::Serialize;

use crate::agents::find;
use crate::amount::Memory;
use crate::client::{Client, Subject};
use crate::failure::Failure;
use crate::output::{Output, Tone, cell};
use crate::quantities::{self, Quantities};
use crate::record::{Amounts, amounts};

/// Keep a part of a node for one role and those below it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom reserve node7 db cpus=2,memory=8GiB,disk=100GiB
  headroom reserve node7 eng/web cpus=1 --of eng     narrow what is kept for eng")]
pub(crate) struct ReserveArgs {
    #[command(flatten)]
    what: What,
    /// Take it from what is kept for this role, above the other
    #[arg(long, value_name = "ROLE")]
    of: Option<String>,
}

/// Keep it for nobody any more
#[derive(Debug, Args)]
pub(crate) struct UnreserveArgs {
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
struct What {
    /// The node: its agent's id or its name
    #[arg(value_name = "NODE")]
    node: String,
    /// The role
    role: String,
    /// How much
    #[arg(value_name = "KIND=AMOUNT,...")]
    amounts: Quantities,
}

/// Make and end persistent volumes: disk kept for a role, whose content outlives its tasks
#[derive(Debug, Args)]
pub(crate) struct VolumeArgs {
    #[command(subcommand)]
    action: VolumeAction,
}

#[derive(Debug, Subcommand)]
enum VolumeAction {
    Create(CreateArgs),
    Destroy(DestroyArgs),
}

/// Make a volume of disk that is kept for a role
#[derive(Debug, Args)]
struct CreateArgs {
    /// The node: its agent's id or its name
    #[arg(value_name = "NODE")]
    node: String,
    /// The role
    role: String,
    /// The volume's id
    id: String,
    /// How much of the disk kept for the role
    size: Memory,
    /// Where tasks see it, from their sandbox [default: its id]
    #[arg(long)]
    path: Option<String>,
}

/// End a volume and all that is in it
#[derive(Debug, Args)]
struct DestroyArgs {
    /// The node: its agent's id or its name
    #[arg(value_name = "NODE")]
    node: String,
    /// The role
    role: String,
    /// The volume's id
    id: String,
}

#[derive(Serialize)]
struct PartRecord {
    agent_id: String,
    hostname: String,
    /// The outermost first.
    roles: Vec<String>,
    /// By the agent's configuration.
    fixed: bool,
    volume: Option<String>,
    resources: Amounts,
}

#[derive(Serialize)]
struct Listing {
    reservations: Vec<PartRecord>,
}

fn records(agent: &AgentState) -> Vec<PartRecord> {
    let records = agent.reserved.iter().map(|part| PartRecord {
        agent_id: agent.agent_id.clone(),
        hostname: agent.hostname.clone(),
        roles: part.reservations.iter().map(|one| one.role.clone()).collect(),
        fixed: part.reservations.iter().all(|one| one.fixed),
        volume: part.volume.as_ref().map(|volume| volume.id.clone()),
        resources: amounts(part.resources.as_ref()),
    });
    records.collect()
}

pub(crate) async fn reservations(client: &Client, output: Output) -> Result<(), Failure> {
    let agents = client.cluster(false).await?.agents;
    if output.json {
        let reservations = agents.iter().flat_map(records).collect();
        return output.json(&Listing { reservations });
    }
    if agents.iter().all(|agent| agent.reserved.is_empty()) {
        return output
            .line("nothing is reserved; `headroom reserve` keeps a part of a node for a role");
    }
    let mut table = output.table(&["NODE", "ROLE", "RESERVED", "VOLUME", "BY"]);
    for agent in &agents {
        for (part, record) in agent.reserved.iter().zip(records(agent)) {
            table.add_row([
                cell(&agent.hostname, Tone::Strong),
                cell(record.roles.join(" > "), Tone::Plain),
                cell(quantities::resources(part.resources.as_ref()), Tone::Plain),
                cell(record.volume.as_deref().unwrap_or("-"), Tone::Plain),
                cell(if record.fixed { "configuration" } else { "request" }, Tone::Faint),
            ]);
        }
    }
    output.line(table)
}

pub(crate) async fn reserve(
    args: &ReserveArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let What { node, role, amounts } = &args.what;
    let agent = find(node, client).await?;
    let mut reservations = match &args.of {
        Some(of) => kept(&agent, of, None)?.reservations.clone(),
        None => Vec::new(),
    };
    reservations.push(Reservation { role: role.clone(), ..Default::default() });
    let part = Reserved { resources: Some((*amounts).into()), reservations, volume: None };
    let operation = operation::Operation::Reserve(Parts { parts: vec![part] });
    change(agent, operation, client, output).await
}

pub(crate) async fn unreserve(
    args: &UnreserveArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let What { node, role, amounts } = &args.what;
    let agent = find(node, client).await?;
    let reservations = kept(&agent, role, None)?.reservations.clone();
    let part = Reserved { resources: Some((*amounts).into()), reservations, volume: None };
    let operation = operation::Operation::Unreserve(Parts { parts: vec![part] });
    change(agent, operation, client, output).await
}

pub(crate) async fn volume(
    args: &VolumeArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let (agent, operation) = match &args.action {
        VolumeAction::Create(args) => {
            let agent = find(&args.node, client).await?;
            let container_path = args.path.clone().unwrap_or_else(|| args.id.clone());
            let id = args.id.clone();
            let volume = Volume { id, container_path, principal: String::new() };
            let disk = Resources { disk_mib: args.size.mib(), ..Default::default() };
            let reservations = kept(&agent, &args.role, None)?.reservations.clone();
            let part = Reserved { resources: Some(disk), reservations, volume: Some(volume) };
            (agent, operation::Operation::Create(Parts { parts: vec![part] }))
        }
        VolumeAction::Destroy(args) => {
            let agent = find(&args.node, client).await?;
            let part = kept(&agent, &args.role, Some(&args.id))?.clone();
            (agent, operation::Operation::Destroy(Parts { parts: vec![part] }))
        }
    };
    change(agent, operation, client, output).await
}

/// The part of a node that is kept for a role.
fn kept<'a>(
    agent: &'a AgentState,
    role: &str,
    volume: Option<&str>,
) -> Result<&'a Reserved, Failure> {
    let part = agent.reserved.iter().find(|part| {
        part.reservations.last().is_some_and(|one| one.role == role)
            && part.volume.as_ref().map(|volume| volume.id.as_str()) == volume
    });
    part.ok_or_else(|| Failure::NotFound {
        kind: if volume.is_some() { "volume" } else { "reservation" },
        name: format!("{}{role}", volume.map(|id| format!("{id} of ")).unwrap_or_default()),
        next: "`headroom reservations` lists them",
    })
}

async fn change(
    agent: AgentState,
    operation: operation::Operation,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let operation = Some(Operation { operation: Some(operation) });
    let request = ReserveRequest { agent_id: agent.agent_id, operation };
    let answer = client.operator().reserve(request).await;
    let answer =
        answer.map_err(|e| client.failure("cannot change what it keeps", &e, Subject::Nothing))?;
    let agent = answer.into_inner();
    output.either(&Listing { reservations: records(&agent) }, || {
        let parts = agent.reserved.iter().map(|part| {
            let role = part.reservations.last().map_or("?", |one| one.role.as_str());
            let volume = part.volume.as_ref().map(|volume| format!(" (volume {})", volume.id));
            let volume = volume.unwrap_or_default();
            format!("{} for {role}{volume}", quantities::resources(part.resources.as_ref()))
        });
        let parts: Vec<_> = parts.collect();
        let kept = if parts.is_empty() { "nothing".into() } else { parts.join("; ") };
        format!("{} keeps {kept}", agent.hostname)
    })
}
