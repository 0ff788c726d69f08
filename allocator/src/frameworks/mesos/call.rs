//! What frameworks call, as commands.

use super::{
    framework::framework_in,
    group::{MAX_GROUP, group_in},
    table::{call_refusal, operation_refusal},
    task::{grace_ms, launch_in},
};
use crate::convert::{MAX_NAME_BYTES, plain};
use crate::mesos::resources::resources_in;
use headroom_core::{
    command::{Caller, Command},
    feedback::Wish,
    ids::{AgentId, FrameworkId, InverseOfferId, OfferId},
    inverse::Answer,
    operate::{Deeds, MAX_OPERATIONS, Placed},
    reservation::{Operation, Parts},
};
use headroom_proto::mesos::v1::{
    self, Filters, Resource,
    offer::{self, operation::Type as OperationType},
    scheduler::{Call, call::Type},
};
use prost::Message as _;
use std::time::Duration;
use thiserror::Error;

/// How long what was not used is not offered again, unless said otherwise.
const DEFAULT_REFUSAL: Duration = Duration::from_secs(5);
/// Offers, tasks or questions that one call may name: at most.
const MAX_NAMED: usize = 10_000;

/// Why a call is not for the core.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum CallFault {
    /// 400.
    #[error("{0}")]
    Wrong(String),
    /// 501.
    #[error("{0}")]
    Unsupported(String),
}

fn wrong(why: impl Into<String>) -> CallFault {
    CallFault::Wrong(why.into())
}

/// A call's commands, in order; none: it is taken and changes nothing.
pub(super) fn commands_in(caller: Caller, call: Call) -> Result<Vec<Command>, CallFault> {
    let missing = |what: &str| wrong(format!("Expecting '{what}' to be present"));
    if let Some(why) = call_refusal(call.r#type()) {
        let name = call.r#type().as_str_name();
        return Err(CallFault::Unsupported(format!("{name} is not supported: {why}")));
    }
    Ok(vec![match call.r#type() {
        Type::Subscribe | Type::Unknown => return Err(wrong("unexpected call")),
        Type::Teardown => Command::Teardown(caller.framework),
        Type::Accept => {
            let accept = call.accept.ok_or_else(|| missing("accept"))?;
            let refusal = refusal(accept.filters);
            let offers = offers_in(&accept.offer_ids)?;
            if accept.operations.is_empty() {
                Command::Decline(caller, offers, refusal)
            } else {
                let deeds = deeds_in(caller.framework, &accept.operations)?;
                Command::Operate(caller, offers, deeds, refusal)
            }
        }
        Type::Decline => {
            let decline = call.decline.ok_or_else(|| missing("decline"))?;
            let offers = offers_in(&decline.offer_ids)?;
            Command::Decline(caller, offers, refusal(decline.filters))
        }
        Type::Revive => {
            let roles = call.revive.map(|revive| revive.roles).unwrap_or_default();
            Command::Revive(caller, roles)
        }
        Type::Suppress => {
            let roles = call.suppress.map(|suppress| suppress.roles).unwrap_or_default();
            Command::Suppress(caller, roles)
        }
        Type::Kill => {
            let kill = call.kill.ok_or_else(|| missing("kill"))?;
            let grace = kill.kill_policy.and_then(|policy| policy.grace_period);
            let grace = grace.map(|grace| Duration::from_millis(grace_ms(grace.nanoseconds)));
            Command::Kill(caller, kill.task_id.value, grace)
        }
        Type::Shutdown => {
            let shutdown = call.shutdown.ok_or_else(|| missing("shutdown"))?;
            let agent = agent_in(&shutdown.agent_id)?;
            Command::EndExecutor(caller, agent, shutdown.executor_id.value)
        }
        Type::Acknowledge => {
            let acknowledge = call.acknowledge.ok_or_else(|| missing("acknowledge"))?;
            let uuid = <[u8; 16]>::try_from(&acknowledge.uuid[..]);
            let uuid = uuid.map_err(|_| wrong("'acknowledge.uuid' is not 16 bytes long"))?;
            Command::Acknowledge(caller, acknowledge.task_id.value, uuid)
        }
        Type::Reconcile => {
            let reconcile = call.reconcile.ok_or_else(|| missing("reconcile"))?;
            at_most("reconcile.tasks", reconcile.tasks.len())?;
            let names = reconcile.tasks.into_iter().map(|task| task.task_id.value);
            Command::Reconcile(caller, names.collect())
        }
        Type::Message => {
            let message = call.message.ok_or_else(|| missing("message"))?;
            let agent = agent_in(&message.agent_id)?;
            Command::ToExecutor(caller, agent, message.executor_id.value, message.data.into())
        }
        Type::AcceptInverseOffers => {
            let accept = call.accept_inverse_offers;
            let accept = accept.ok_or_else(|| missing("accept_inverse_offers"))?;
            let ids = inverse_offers_in(&accept.inverse_offer_ids)?;
            Command::AnswerInverse(caller, ids, Answer::Accepted, refusal(accept.filters))
        }
        Type::DeclineInverseOffers => {
            let decline = call.decline_inverse_offers;
            let decline = decline.ok_or_else(|| missing("decline_inverse_offers"))?;
            let ids = inverse_offers_in(&decline.inverse_offer_ids)?;
            Command::AnswerInverse(caller, ids, Answer::Declined, refusal(decline.filters))
        }
        Type::AcknowledgeOperationStatus => {
            let acknowledge = call.acknowledge_operation_status;
            let acknowledge = acknowledge.ok_or_else(|| missing("acknowledge_operation_status"))?;
            let uuid = <[u8; 16]>::try_from(&acknowledge.uuid[..]);
            let why = "'acknowledge_operation_status.uuid' is not 16 bytes long";
            let uuid = uuid.map_err(|_| wrong(why))?;
            Command::AcknowledgeOperation(caller, acknowledge.operation_id.value, uuid)
        }
        Type::ReconcileOperations => {
            let reconcile = call.reconcile_operations;
            let reconcile = reconcile.ok_or_else(|| missing("reconcile_operations"))?;
            at_most("reconcile_operations.operations", reconcile.operations.len())?;
            let named = reconcile.operations.into_iter().map(|one| {
                // An agent of another cluster is none of ours.
                let agent = one.agent_id.and_then(|id| id.value.parse().ok());
                (one.operation_id.value, agent)
            });
            Command::ReconcileOperations(caller, named.collect())
        }
        // Mesos' own allocator does nothing with it either.
        Type::Request => return Ok(Vec::new()),
        Type::UpdateFramework => {
            let update = call.update_framework.ok_or_else(|| missing("update_framework"))?;
            let info = framework_in(&update.framework_info, update.offer_constraints.as_ref());
            Command::UpdateFramework(caller, info.map_err(wrong)?, update.suppressed_roles)
        }
    }])
}

fn at_most(what: &str, count: usize) -> Result<(), CallFault> {
    if count > MAX_NAMED {
        return Err(wrong(format!("'{what}': {count} are too many, at most {MAX_NAMED}")));
    }
    Ok(())
}

/// Ids that are none of ours stand for offers that are not there any more.
fn offers_in(ids: &[v1::OfferId]) -> Result<Vec<OfferId>, CallFault> {
    at_most("offer_ids", ids.len())?;
    let unknown = OfferId::from_number(0);
    Ok(ids.iter().map(|id| id.value.parse().unwrap_or(unknown)).collect())
}

/// The same for inverse offers.
fn inverse_offers_in(ids: &[v1::OfferId]) -> Result<Vec<InverseOfferId>, CallFault> {
    at_most("inverse_offer_ids", ids.len())?;
    let unknown = InverseOfferId::from_number(0);
    Ok(ids.iter().map(|id| id.value.parse().unwrap_or(unknown)).collect())
}

fn agent_in(id: &v1::AgentId) -> Result<AgentId, CallFault> {
    id.value.parse().map_err(|problem| wrong(format!("'agent_id': {problem}")))
}

/// Nothing that is not a span of time is one: the default then stands, as in Mesos.
fn refusal(filters: Option<Filters>) -> Duration {
    let seconds = filters.map(|filters| filters.refuse_seconds());
    let span = seconds.and_then(|seconds| match seconds {
        large if large > 1e12 => Some(Duration::MAX),
        other => Duration::try_from_secs_f64(other).ok(),
    });
    span.unwrap_or(DEFAULT_REFUSAL)
}

/// What became of launches is told by their tasks' updates alone, as in Mesos.
fn without_id(operation: &offer::Operation, placed: &mut [Placed]) {
    if operation.id.is_some() {
        let name = operation.r#type().as_str_name();
        let fault = format!("The `id` field cannot be set on {name} operations");
        placed.iter_mut().for_each(|(launch, _)| launch.fault = Some(fault.clone()));
    }
}

fn plain_id(id: &str) -> Result<String, CallFault> {
    let id = plain("operation.id", id.to_owned(), MAX_NAME_BYTES);
    id.map_err(|problem| wrong(problem.to_string()))
}

fn deeds_in(framework: FrameworkId, operations: &[offer::Operation]) -> Result<Deeds, CallFault> {
    at_most("accept.operations", operations.len())?;
    let mut deeds = Deeds::default();
    for operation in operations {
        let missing = || wrong(format!("{:?} has no body", operation.r#type()));
        let parts = |resources: &[Resource]| -> Result<Parts, CallFault> {
            Ok(resources_in(resources).map_err(wrong)?.parts)
        };
        let change = match operation.r#type() {
            OperationType::Launch => {
                let launch = operation.launch.as_ref().ok_or_else(missing)?;
                at_most("launch.task_infos", launch.task_infos.len())?;
                let mut placed: Vec<_> = launch.task_infos.iter().map(launch_in).collect();
                without_id(operation, &mut placed);
                deeds.launches.extend(placed);
                continue;
            }
            OperationType::LaunchGroup => {
                let group = operation.launch_group.as_ref().ok_or_else(missing)?;
                let tasks = group.task_group.tasks.len();
                if tasks == 0 || tasks > MAX_GROUP {
                    return Err(wrong(format!(
                        "'launch_group.task_group.tasks': a group has 1 to {MAX_GROUP} tasks, not {tasks}"
                    )));
                }
                let mut placed = group_in(framework, group);
                without_id(operation, &mut placed);
                deeds.groups.push(placed);
                continue;
            }
            OperationType::Reserve => {
                let reserve = operation.reserve.as_ref().ok_or_else(missing)?;
                if !reserve.source.is_empty() {
                    let why = "RESERVE with `source` is not supported: unreserve first";
                    return Err(CallFault::Unsupported(why.to_owned()));
                }
                Operation::Reserve(parts(&reserve.resources)?)
            }
            OperationType::Unreserve => {
                let unreserve = operation.unreserve.as_ref().ok_or_else(missing)?;
                Operation::Unreserve(parts(&unreserve.resources)?)
            }
            OperationType::Create => {
                let create = operation.create.as_ref().ok_or_else(missing)?;
                Operation::Create(parts(&create.volumes)?)
            }
            OperationType::Destroy => {
                let destroy = operation.destroy.as_ref().ok_or_else(missing)?;
                Operation::Destroy(parts(&destroy.volumes)?)
            }
            other => {
                let why = operation_refusal(other).unwrap_or("it is not known");
                let name = other.as_str_name();
                let why = format!("the operation {name} is not supported: {why}");
                return Err(CallFault::Unsupported(why));
            }
        };
        deeds.operations.push(change);
        if let Some(id) = operation.id.as_ref().filter(|id| !id.value.is_empty()) {
            let payload = operation.encode_to_vec().into();
            deeds.wishes.push(Wish { id: plain_id(&id.value)?, payload });
        }
    }
    if deeds.operations.len() > MAX_OPERATIONS {
        return Err(wrong(format!("at most {MAX_OPERATIONS} operations are taken in one call")));
    }
    Ok(deeds)
}
