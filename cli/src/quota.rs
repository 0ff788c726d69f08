//! `headroom quota`: what roles are guaranteed and limited to.

use clap::{Args, Subcommand};
use headroom_proto::v1::{Limit, Resources, Role, SetQuotaRequest};
use serde::Serialize;

use crate::client::{Client, Subject};
use crate::failure::Failure;
use crate::output::{Output, Tone, cell};
use crate::quantities::{self, Quantities};
use crate::record::{Amounts, amounts};

/// Show and set what roles are guaranteed and limited to
#[derive(Debug, Args)]
pub(crate) struct QuotaArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the roles that have a quota, and what they hold of it
    List,
    Set(SetArgs),
    Remove(RemoveArgs),
}

/// Set a role's quota; what is not named is not guaranteed, and has no limit
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom quota set web --guarantee cpus=8,memory=32GiB
  headroom quota set batch --limit cpus=20,gpus=2
  headroom quota set eng --guarantee cpus=8 --limit cpus=16,memory=64GiB")]
struct SetArgs {
    /// The role's name
    role: String,
    /// What is kept free for it while it holds less
    #[arg(long, value_name = "KIND=AMOUNT,...", required_unless_present = "limit")]
    guarantee: Option<Quantities>,
    /// What it may hold at most, with all roles below it
    #[arg(long, value_name = "KIND=AMOUNT,...")]
    limit: Option<Quantities>,
}

/// Take a role's quota away
#[derive(Debug, Args)]
struct RemoveArgs {
    /// The role's name
    role: String,
}

#[derive(Serialize)]
struct QuotaRecord {
    role: String,
    guarantee: Amounts,
    limit: LimitRecord,
    consumed: Amounts,
}

/// Null: no limit.
#[derive(Serialize)]
struct LimitRecord {
    cpus: Option<f64>,
    memory_mib: Option<f64>,
    disk_mib: Option<f64>,
    gpus: Option<f64>,
}

#[derive(Serialize)]
struct Listing {
    quotas: Vec<QuotaRecord>,
}

impl From<&Role> for QuotaRecord {
    fn from(role: &Role) -> Self {
        let limit = role.limit.unwrap_or_default();
        let Limit { cpus, memory_mib, disk_mib, gpus } = limit;
        QuotaRecord {
            role: role.name.clone(),
            guarantee: amounts(role.guarantee.as_ref()),
            limit: LimitRecord { cpus, memory_mib, disk_mib, gpus },
            consumed: amounts(role.consumed.as_ref()),
        }
    }
}

pub(crate) async fn quota(
    args: &QuotaArgs,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match &args.action {
        Action::List => list(client, output).await,
        Action::Set(args) => set(args, client, output).await,
        Action::Remove(args) => remove(&args.role, client, output).await,
    }
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let mut roles = client.cluster(false).await?.roles;
    roles.retain(|role| role.guarantee.is_some() || role.limit.is_some());
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    if output.json {
        return output.json(&Listing { quotas: roles.iter().map(QuotaRecord::from).collect() });
    }
    if roles.is_empty() {
        return output.line("no role has a quota; `headroom quota set` gives one");
    }
    let mut table = output.table(&["ROLE", "GUARANTEED", "LIMIT", "HOLDS"]);
    for role in &roles {
        table.add_row([
            cell(&role.name, Tone::Strong),
            cell(quantities::resources(role.guarantee.as_ref()), Tone::Plain),
            cell(quantities::limit(role.limit.as_ref()), Tone::Plain),
            cell(quantities::resources(role.consumed.as_ref()), Tone::Plain),
        ]);
    }
    output.line(table)
}

async fn set(args: &SetArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let request = SetQuotaRequest {
        role: args.role.clone(),
        guarantee: args.guarantee.map(Resources::from),
        limit: args.limit.map(Limit::from),
    };
    let role = ask(request, client).await?;
    output.either(&QuotaRecord::from(&role), || {
        format!(
            "role {}: guaranteed {}, limited to {}",
            role.name,
            quantities::resources(role.guarantee.as_ref()),
            quantities::limit(role.limit.as_ref())
        )
    })
}

async fn remove(role: &str, client: &Client, output: Output) -> Result<(), Failure> {
    let request = SetQuotaRequest { role: role.to_owned(), guarantee: None, limit: None };
    let role = ask(request, client).await?;
    output.either(&QuotaRecord::from(&role), || format!("role {}: no quota", role.name))
}

async fn ask(request: SetQuotaRequest, client: &Client) -> Result<Role, Failure> {
    let name = request.role.clone();
    let answer = client.operator().set_quota(request).await;
    let answer =
        answer.map_err(|e| client.failure("cannot set the quota", &e, Subject::Role(&name)))?;
    Ok(answer.into_inner())
}
