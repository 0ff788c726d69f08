//! Calls that change something, as commands.

use super::maintenance;
use crate::{
    config::weight_milli,
    driver::{CallError, Driver},
    mesos::{
        http::refuse,
        resources::{NAMES, resources_in},
    },
};
use axum::{http::StatusCode, response::Response};
use headroom_core::{
    command::Command,
    ids::{AgentId, FrameworkId},
    machine::Refusal,
    quota::{Quota, UNLIMITED},
    reservation::{Operation, Parts},
    resources::Amounts,
    roles::is_role_name,
    standing::Drain,
};
use headroom_proto::mesos::v1::{
    self, Resource, WeightInfo, master::Call, master::call::Type, quota::QuotaConfig, value::Scalar,
};
use std::{collections::BTreeMap, time::Duration};
use tracing::info;

/// Roles in one call: at most.
const MAX_NAMED: usize = 10_000;
/// What Mesos says of an agent that it does not know.
const NO_AGENT: &str = "No agent found with specified ID";

type Refused = Box<Response>;

fn wrong(why: impl Into<String>) -> Refused {
    refuse(StatusCode::BAD_REQUEST, why)
}

/// What the core said no to, in Mesos' codes.
pub(super) fn refused(error: &CallError) -> Refused {
    let code = match error {
        CallError::Refused(Refusal::Reservation(..)) => StatusCode::CONFLICT,
        CallError::Refused(_) => StatusCode::BAD_REQUEST,
        CallError::NotDurable(_) | CallError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
    };
    refuse(code, error.to_string())
}

/// Does what a call that changes something asks for: all of it, or, where one of several things
/// named is wrong in itself, none.
pub(super) async fn write(driver: &Driver, call: Call) -> Result<StatusCode, Refused> {
    let kind = call.r#type();
    let (code, commands) = commands_in(driver, call).await?;
    for command in commands {
        let is_gone = matches!(command, Command::MarkGone(_));
        info!(call = kind.as_str_name(), "an operator asked by the Mesos API");
        driver.call(command).await.map_err(|error| match error {
            CallError::Refused(Refusal::UnknownAgent(_)) if is_gone => {
                refuse(StatusCode::NOT_FOUND, NO_AGENT)
            }
            error => refused(&error),
        })?;
    }
    Ok(code)
}

async fn commands_in(driver: &Driver, call: Call) -> Result<(StatusCode, Vec<Command>), Refused> {
    let missing = |what: &str| wrong(format!("Expecting '{what}' to be present"));
    let kind = call.r#type();
    let ok = StatusCode::OK;
    Ok(match kind {
        Type::UpdateWeights => {
            let infos = call.update_weights.ok_or_else(|| missing("update_weights"))?;
            (ok, weights_in(infos.weight_infos)?)
        }
        Type::UpdateQuota => {
            let update = call.update_quota.ok_or_else(|| missing("update_quota"))?;
            (ok, quotas_in(update.quota_configs)?)
        }
        Type::SetQuota => {
            let request = call.set_quota.ok_or_else(|| missing("set_quota"))?.quota_request;
            let role = role_in(request.role.unwrap_or_default())?;
            if quota_of(driver, &role).await? != Quota::default() {
                return Err(wrong(format!("role {role} has a quota already; use UPDATE_QUOTA")));
            }
            let asked = resources_in(&request.guarantee).map_err(wrong)?;
            (ok, vec![Command::SetQuota(role, Some(guaranteed(asked.resources.amounts)))])
        }
        Type::RemoveQuota => {
            let role = call.remove_quota.ok_or_else(|| missing("remove_quota"))?.role;
            let role = role_in(role)?;
            if quota_of(driver, &role).await? == Quota::default() {
                return Err(wrong(format!("role {role} has no quota")));
            }
            (ok, vec![Command::SetQuota(role, None)])
        }
        Type::ReserveResources => {
            let reserve = call.reserve_resources.ok_or_else(|| missing("reserve_resources"))?;
            if !reserve.source.is_empty() {
                let why = "'source' is not supported: unreserve first, then reserve";
                return Err(refuse(StatusCode::NOT_IMPLEMENTED, why));
            }
            operation(&reserve.agent_id.value, Operation::Reserve, &reserve.resources)?
        }
        Type::UnreserveResources => {
            let named = call.unreserve_resources.ok_or_else(|| missing("unreserve_resources"))?;
            operation(&named.agent_id.value, Operation::Unreserve, &named.resources)?
        }
        Type::CreateVolumes => {
            let named = call.create_volumes.ok_or_else(|| missing("create_volumes"))?;
            operation(&named.agent_id.value, Operation::Create, &named.volumes)?
        }
        Type::DestroyVolumes => {
            let named = call.destroy_volumes.ok_or_else(|| missing("destroy_volumes"))?;
            operation(&named.agent_id.value, Operation::Destroy, &named.volumes)?
        }
        Type::DeactivateAgent => {
            let deactivate = call.deactivate_agent.ok_or_else(|| missing("deactivate_agent"))?;
            (ok, vec![Command::Deactivate(agent_in(&deactivate.agent_id)?)])
        }
        Type::DrainAgent => {
            let asked = call.drain_agent.ok_or_else(|| missing("drain_agent"))?;
            let grace = asked.max_grace_period.map(Duration::try_from).transpose();
            let wrong_grace = |_| wrong("'drain_agent.max_grace_period' is negative");
            let max_grace = grace.map_err(wrong_grace)?;
            let drain = Drain { max_grace, mark_gone: asked.mark_gone() };
            (ok, vec![Command::Drain(agent_in(&asked.agent_id)?, drain)])
        }
        Type::ReactivateAgent => {
            let reactivate = call.reactivate_agent.ok_or_else(|| missing("reactivate_agent"))?;
            (ok, vec![Command::Reactivate(agent_in(&reactivate.agent_id)?)])
        }
        Type::MarkAgentGone => {
            let mark = call.mark_agent_gone.ok_or_else(|| missing("mark_agent_gone"))?;
            let id = mark.agent_id.value.parse::<AgentId>();
            let not_found = || refuse(StatusCode::NOT_FOUND, NO_AGENT);
            (ok, vec![Command::MarkGone(id.map_err(|_| not_found())?)])
        }
        Type::UpdateMaintenanceSchedule => {
            let update = call.update_maintenance_schedule;
            let update = update.ok_or_else(|| missing("update_maintenance_schedule"))?;
            (ok, vec![Command::SetSchedule(maintenance::windows_in(update.schedule))])
        }
        Type::StartMaintenance => {
            let start = call.start_maintenance.ok_or_else(|| missing("start_maintenance"))?;
            (ok, vec![Command::StartMaintenance(maintenance::machines_in(&start.machines))])
        }
        Type::StopMaintenance => {
            let stop = call.stop_maintenance.ok_or_else(|| missing("stop_maintenance"))?;
            (ok, vec![Command::StopMaintenance(maintenance::machines_in(&stop.machines))])
        }
        Type::Teardown => {
            let teardown = call.teardown.ok_or_else(|| missing("teardown"))?;
            let id = teardown.framework_id.value.parse::<FrameworkId>();
            let id = id.map_err(|_| wrong("No framework found with specified ID"))?;
            (ok, vec![Command::Teardown(id)])
        }
        other => {
            let why = format!("{} is not supported", other.as_str_name());
            return Err(refuse(StatusCode::NOT_IMPLEMENTED, why));
        }
    })
}

fn operation(
    agent: &str,
    kind: impl FnOnce(Parts) -> Operation,
    entries: &[Resource],
) -> Result<(StatusCode, Vec<Command>), Refused> {
    let agent: AgentId = agent.parse().map_err(|_| wrong(NO_AGENT))?;
    let parts = resources_in(entries).map_err(wrong)?.parts;
    Ok((StatusCode::ACCEPTED, vec![Command::Reserve(agent, kind(parts))]))
}

fn agent_in(id: &v1::AgentId) -> Result<AgentId, Refused> {
    id.value.parse().map_err(|_| wrong(NO_AGENT))
}

fn role_in(name: String) -> Result<String, Refused> {
    if is_role_name(&name) { Ok(name) } else { Err(wrong(format!("{name:?} can't name a role"))) }
}

fn at_most(count: usize) -> Result<(), Refused> {
    if count > MAX_NAMED {
        return Err(wrong(format!("{count} roles are too many, at most {MAX_NAMED}")));
    }
    Ok(())
}

fn weights_in(infos: Vec<WeightInfo>) -> Result<Vec<Command>, Refused> {
    at_most(infos.len())?;
    let commands = infos.into_iter().map(|info| {
        let role = role_in(info.role.unwrap_or_default())?;
        let milli = weight_milli(info.weight);
        let milli = milli.map_err(|problem| wrong(format!("role {role}: weight {problem}")))?;
        Ok(Command::SetRole(role, Some(milli), None))
    });
    commands.collect()
}

fn quotas_in(configs: Vec<QuotaConfig>) -> Result<Vec<Command>, Refused> {
    at_most(configs.len())?;
    let commands = configs.into_iter().map(|config| {
        let role = role_in(config.role)?;
        let guarantee = amounts(&config.guarantees, Amounts::ZERO)?;
        let quota = Quota { guarantee, limit: amounts(&config.limits, UNLIMITED)? };
        Ok(Command::SetQuota(role, Some(quota).filter(|quota| *quota != Quota::default())))
    });
    commands.collect()
}

/// Amounts by name; kinds that are not named are as in `otherwise`.
fn amounts(named: &BTreeMap<String, Scalar>, otherwise: Amounts) -> Result<Amounts, Refused> {
    let mut amounts = otherwise;
    for (name, scalar) in named {
        let Some(kind) = NAMES.iter().position(|known| known == name) else {
            return Err(wrong(format!("there is no resource {name:?} in this cluster")));
        };
        let mut units = [0.0; NAMES.len()];
        units[kind] = scalar.value;
        let one = Amounts::from_units(units).map_err(|problem| wrong(problem.to_string()))?;
        amounts.0[kind] = one.0[kind];
    }
    Ok(amounts)
}

/// What SET_QUOTA means by a guarantee: also the limit, in the kinds that are named.
fn guaranteed(guarantee: Amounts) -> Quota {
    let limit = |milli| if milli == 0 { u64::MAX } else { milli };
    Quota { guarantee, limit: Amounts(guarantee.0.map(limit)) }
}

async fn quota_of(driver: &Driver, role: &str) -> Result<Quota, Refused> {
    let role = role.to_owned();
    let quota = driver.query(move |machine, _| {
        let roles = &machine.state().roles;
        roles.find(&role).map(|slot| roles.get(slot).quota).unwrap_or_default()
    });
    quota.await.map_err(|error| refused(&error))
}
