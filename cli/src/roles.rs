//! `headroom roles` and `headroom role`: shares and rights of roles.

use clap::{Args, Subcommand};
use headroom_proto::v1::{ResetRoleRequest, Role, SetRoleRequest};
use serde::Serialize;

use crate::client::{Client, Subject};
use crate::failure::Failure;
use crate::output::{Output, Tone, cell, figure};
use crate::record::RoleRecord;

/// Change a role
#[derive(Debug, Args)]
pub(crate) struct RoleArgs {
    #[command(subcommand)]
    change: RoleChange,
}

#[derive(Debug, Subcommand)]
enum RoleChange {
    Set(SetArgs),
    Reset(ResetArgs),
}

/// Create a role or change it; what is not named stays as it is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom role set web --weight 3              three times the share of a role of weight 1
  headroom role set batch --opportunistic true  lend to its frameworks, though they never asked")]
struct SetArgs {
    /// The role's name
    name: String,
    /// Its share against other roles
    #[arg(long, value_parser = weight, required_unless_present = "opportunistic")]
    weight: Option<f64>,
    /// Whether its frameworks are lent to without having asked for it
    #[arg(long, value_name = "true|false")]
    opportunistic: Option<bool>,
}

/// Put a role back to weight 1 and no rights
#[derive(Debug, Args)]
struct ResetArgs {
    /// The role's name
    name: String,
}

#[derive(Serialize)]
struct Listing {
    roles: Vec<RoleRecord>,
}

fn weight(text: &str) -> Result<f64, String> {
    const LIMIT: f64 = 1e6;
    match text.parse::<f64>() {
        Ok(weight) if weight > 0.0 && weight <= LIMIT => Ok(weight),
        Ok(_) => Err("must be more than 0 and at most 1,000,000".into()),
        Err(_) => Err("not a number".into()),
    }
}

pub(crate) async fn roles(client: &Client, output: Output) -> Result<(), Failure> {
    let mut roles = client.cluster(false).await?.roles;
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    if output.json {
        return output.json(&Listing { roles: roles.iter().map(RoleRecord::from).collect() });
    }
    if roles.is_empty() {
        return output
            .line("no roles yet; a framework's subscription or `headroom role set` makes one");
    }
    let mut table = output.table(&["ROLE", "WEIGHT", "SHARE", "FRAMEWORKS", "LENT TO UNASKED"]);
    for role in &roles {
        table.add_row([
            cell(&role.name, Tone::Strong),
            figure(role.weight),
            figure(percent(role.dominant_share)),
            figure(role.frameworks),
            cell(if role.opportunistic { "yes" } else { "no" }, Tone::Plain),
        ]);
    }
    output.line(table)
}

/// A share of the cluster's scarcest resource.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

pub(crate) async fn role(args: &RoleArgs, client: &Client, output: Output) -> Result<(), Failure> {
    match &args.change {
        RoleChange::Set(args) => set(args, client, output).await,
        RoleChange::Reset(args) => reset(args, client, output).await,
    }
}

async fn set(args: &SetArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let request = SetRoleRequest {
        name: args.name.clone(),
        weight: args.weight,
        opportunistic: args.opportunistic,
    };
    let answer = client.operator().set_role(request).await;
    let role = answer
        .map_err(|e| client.failure("cannot set the role", &e, Subject::Role(&args.name)))?
        .into_inner();
    output.either(&RoleRecord::from(&role), || sentence(&role))
}

fn sentence(role: &Role) -> String {
    let lent = if role.opportunistic { "lent to unasked" } else { "lent to only where it asks" };
    format!("role {}: weight {}, {lent}", role.name, role.weight)
}

async fn reset(args: &ResetArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let request = ResetRoleRequest { name: args.name.clone() };
    let answer = client.operator().reset_role(request).await;
    answer.map_err(|e| client.failure("cannot reset the role", &e, Subject::Role(&args.name)))?;
    let record = serde_json::json!({ "name": args.name, "reset": true });
    output.either(&record, || format!("role {}: back to weight 1 and no rights", args.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_positive_and_finite() {
        assert_eq!(weight("2.5"), Ok(2.5));
        for text in ["0", "-1", "NaN", "inf", "1e7", "much"] {
            assert!(weight(text).is_err(), "{text} was taken");
        }
    }
}
