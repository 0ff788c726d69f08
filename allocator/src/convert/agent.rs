//! What agents say, and orders to them.

use super::{
    MAX_LABELS, MAX_NAME_BYTES, Wrong, amounts, at_most, cut, measured, plain, quality, reserved,
    task, wrong,
};
use headroom_core::{
    command::{AgentHello, AgentReport, Command, HeldTask, TaskUsage},
    effect::{Effect, LaunchOrder},
    executor::Kind as TaskKind,
    ids::{AgentId, FrameworkId, TaskHandle},
    reservation::{Kind, Parts},
    resources::Resources,
    roles::is_role_name,
    tasks::Reason,
};
use headroom_proto::v1::{self, agent_message::Message as In, allocator_message::Message as Out};
use prost::Message as _;
use std::time::Duration;

/// Tasks on one agent: at most (what one hello may name and one message hold).
pub(crate) const MAX_AGENT_TASKS: usize = 10_000;
/// Signals an agent may miss: at most.
pub(crate) const MAX_ABSENCES: usize = 64;

/// What every order carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    pub(crate) epoch: u32,
    pub(crate) step: Duration,
}

/// What an agent says of itself that the core has no use for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Introduction {
    pub(crate) version: String,
    pub(crate) rung: String,
    pub(crate) absences: Vec<v1::Absence>,
    pub(crate) address: String,
    pub(crate) epoch: u64,
}

pub(crate) fn hello_in(hello: v1::Hello) -> Result<(AgentHello, Introduction), Wrong> {
    let agent = match hello.agent_id.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|problem| wrong("hello.agent_id", problem))?),
    };
    if hello.hostname.is_empty() || hello.hostname.contains(char::is_whitespace) {
        return Err(wrong("hello.hostname", "is empty or has white space"));
    }
    let total = amounts::resources_in("hello.total", hello.total.as_ref())?;
    let domain = reserved::domain_in("hello.domain", hello.domain)?;
    let reserved = fixed_in(&total, hello.reserved)?;
    at_most("hello.attributes", hello.attributes.len(), MAX_LABELS)?;
    for (key, value) in &hello.attributes {
        plain("hello.attributes", key.clone(), MAX_NAME_BYTES)?;
        plain("hello.attributes", value.clone(), MAX_NAME_BYTES)?;
    }
    at_most("hello.tasks", hello.tasks.len(), MAX_AGENT_TASKS)?;
    let tasks = hello.tasks.into_iter().enumerate().map(|(at, held)| held_in(at, held));
    let tasks = tasks.collect::<Result<_, _>>()?;
    at_most("hello.absences", hello.absences.len(), MAX_ABSENCES)?;
    let absences = hello
        .absences
        .into_iter()
        .map(|absence| v1::Absence { signal: cut(absence.signal), reason: cut(absence.reason) });
    let introduction = Introduction {
        version: plain("hello.version", hello.version, MAX_NAME_BYTES)?,
        rung: plain("hello.rung", hello.rung, MAX_NAME_BYTES)?,
        absences: absences.collect(),
        address: plain("hello.address", hello.address, MAX_NAME_BYTES)?,
        epoch: hello.epoch,
    };
    let hostname = plain("hello.hostname", hello.hostname, MAX_NAME_BYTES)?;
    let attributes = hello.attributes;
    // Filled in by the door, which also sees where it comes from.
    let ip = String::new();
    let hello = AgentHello { agent, hostname, total, ip, attributes, domain, reserved, tasks };
    Ok((hello, introduction))
}

/// What an agent's configuration reserves: of what it has, for one role each, and no volumes.
fn fixed_in(total: &Resources, given: Vec<v1::Reserved>) -> Result<Parts, Wrong> {
    let field = "hello.reserved";
    let parts = reserved::parts_in(field, given)?;
    for (tag, _) in parts.iter() {
        let is_fixed = tag.stack.iter().all(|one| one.kind == Kind::Static && one.role != "*");
        if tag.volume.is_some() || tag.stack.len() != 1 || !is_fixed {
            return Err(wrong(field, "each part is for one role, by the agent's configuration"));
        }
        if !tag.stack.iter().all(|one| is_role_name(&one.role)) {
            return Err(wrong(field, "it names what is no role"));
        }
    }
    if !parts.sum().fits_in(total) {
        return Err(wrong(field, format_args!("{} is more than the agent has", parts.sum())));
    }
    Ok(parts)
}

fn held_in(at: usize, held: v1::HeldTask) -> Result<HeldTask, Wrong> {
    let field = |part: &str| format!("hello.tasks[{at}].{part}");
    if !is_role_name(&held.role) {
        return Err(wrong(field("role"), format_args!("{:?} is no name for a role", held.role)));
    }
    Ok(HeldTask {
        handle: TaskHandle::from_number(held.handle),
        framework: framework(&field("framework_id"), &held.framework_id)?,
        name: task::task_name(field("task_id"), held.task_id)?,
        role: held.role,
        request: amounts::resources_in(field("resources"), held.resources.as_ref())?,
        reserved: reserved::parts_in(field("reserved"), held.reserved)?,
        revocable: held.revocable,
        kind: match held.kind {
            Some(v1::held_task::Kind::IsExecutor(true)) => {
                TaskKind::Executor { is_default: false, digest: None }
            }
            Some(v1::held_task::Kind::IsDefaultExecutor(true)) => {
                TaskKind::Executor { is_default: true, digest: None }
            }
            Some(v1::held_task::Kind::ExecutorHandle(handle)) => {
                TaskKind::In(TaskHandle::from_number(handle))
            }
            _ => TaskKind::Alone,
        },
        state: task::state_in(&field("state"), held.state)?,
    })
}

fn framework(field: &str, text: &str) -> Result<FrameworkId, Wrong> {
    text.parse().map_err(|problem| wrong(field, problem))
}

/// What came by a stream that stands.
pub(crate) enum FromAgent {
    Command(Command),
    File(v1::FileChunk),
}

pub(crate) fn message_in(agent: AgentId, message: v1::AgentMessage) -> Result<FromAgent, Wrong> {
    Ok(FromAgent::Command(match message.message {
        // A newer agent may say what this allocator does not know.
        None => return Err(wrong("message", "is none that this allocator knows")),
        Some(In::Hello(_)) => return Err(wrong("hello", "comes first, and only once")),
        Some(In::Report(report)) => Command::AgentReport(agent, Box::new(report_in(report)?)),
        Some(In::Status(update)) => {
            let status = update.status.ok_or_else(|| wrong("status.status", "is missing"))?;
            let status = task::status_in(agent, status)?;
            let handle = TaskHandle::from_number(update.handle);
            Command::Status(agent, handle, Box::new(status))
        }
        Some(In::Lending(change)) => {
            Command::AgentLending(agent, change.lending, cut(change.reason))
        }
        Some(In::FromExecutor(said)) => {
            Command::FromExecutor(agent, TaskHandle::from_number(said.handle), said.data)
        }
        Some(In::FileChunk(chunk)) => return Ok(FromAgent::File(chunk)),
    }))
}

fn report_in(report: v1::Report) -> Result<AgentReport, Wrong> {
    at_most("report.tasks", report.tasks.len(), MAX_AGENT_TASKS)?;
    let tasks = report.tasks.into_iter().map(task_report_in).collect::<Result<_, _>>()?;
    let node = report.node.unwrap_or_default();
    Ok(AgentReport {
        tasks,
        usage: amounts::usage_in("report.node.usage", node.usage.as_ref())?,
        system_forecast: amounts::usage_in(
            "report.node.system_forecast",
            node.system_forecast.as_ref(),
        )?,
        lending: node.lending,
        lending_reason: cut(node.lending_reason),
        revocable_quota_cpus_milli: amounts::cpus_milli(
            "report.node.revocable_quota_cpus",
            node.revocable_quota_cpus,
        )?,
        reclaims: node.reclaims,
        reclaim_ms_max: measured("report.node.reclaim_ms_max", node.reclaim_ms_max)?,
        refusing_work: cut(node.refusing_work),
        joint_forecast: amounts::usage_in(
            "report.node.joint_forecast",
            node.joint_forecast.as_ref(),
        )?,
        forecast_quality: quality::qualities_in(node.forecast_quality)?,
    })
}

fn task_report_in(report: v1::TaskReport) -> Result<(TaskHandle, TaskUsage), Wrong> {
    let usage = TaskUsage {
        usage: amounts::usage_in("report.tasks.usage", report.usage.as_ref())?,
        forecast: amounts::usage_in("report.tasks.forecast", report.forecast.as_ref())?,
        wait_ms: measured("report.tasks.wait_ms", report.wait_ms)?,
        wait_p99_ms: measured("report.tasks.wait_p99_ms", report.wait_p99_ms)?,
        throttled_ms: measured("report.tasks.throttled_ms", report.throttled_ms)?,
        read_bytes_per_s: measured("report.tasks.read_bytes_per_s", report.read_bytes_per_s)?,
        write_bytes_per_s: measured("report.tasks.write_bytes_per_s", report.write_bytes_per_s)?,
    };
    Ok((TaskHandle::from_number(report.handle), usage))
}

/// An effect as the order it is; `None`: it is none for agents, or (a payload that this allocator
/// did not write) cannot be one.
pub(crate) fn order_out(orders: Orders, effect: Effect) -> Option<v1::AllocatorMessage> {
    let epoch = u64::from(orders.epoch);
    let message = match effect {
        Effect::Welcome(agent) => Out::Welcome(v1::Welcome {
            agent_id: agent.to_string(),
            epoch,
            step_ms: u64::try_from(orders.step.as_millis()).unwrap_or(u64::MAX),
        }),
        Effect::Launch(_, order) => Out::Launch(launch_out(epoch, *order)?),
        Effect::LaunchGroup(_, orders) => {
            let launches = orders.into_iter().map(|order| launch_out(epoch, order));
            Out::LaunchGroup(v1::LaunchGroup { launches: launches.collect::<Option<_>>()? })
        }
        Effect::Promote(_, handle, request, reserved) => Out::Promote(v1::PromoteTask {
            epoch,
            handle: handle.number(),
            resources: Some(amounts::resources_out(&request)),
            reserved: reserved::parts_out(&reserved),
        }),
        Effect::DestroyVolume(_, role, volume_id) => {
            Out::DestroyVolume(v1::DestroyVolume { epoch, role, volume_id })
        }
        Effect::Kill(_, handle, grace, reason) => {
            let grace = grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
            let is_longest = reason == Reason::AgentDraining;
            Out::Kill(v1::KillTask {
                epoch,
                handle: handle.number(),
                grace_ms: grace.filter(|_| !is_longest),
                max_grace_ms: grace.filter(|_| is_longest),
                reason: task::reason_out(reason).into(),
            })
        }
        Effect::Dismiss(_, reason) => Out::Refused(v1::Refused { reason, epoch, ends_tasks: true }),
        Effect::Acknowledge(_, handle, uuid) => {
            Out::Acknowledge(v1::AcknowledgeStatus { handle: handle.number(), uuid: uuid.to_vec() })
        }
        Effect::ToExecutor(_, handle, data) => {
            Out::ToExecutor(v1::ExecutorMessage { handle: handle.number(), data })
        }
        _ => return None,
    };
    Some(v1::AllocatorMessage { message: Some(message) })
}

fn launch_out(epoch: u64, order: LaunchOrder) -> Option<v1::Launch> {
    let mut task = v1::TaskInfo::decode(order.payload.as_slice()).ok()?;
    if let Some(mesos) = task.mesos.as_mut().filter(|_| order.kind.is_executor()) {
        mesos.framework_info = order.said;
    }
    Some(v1::Launch {
        epoch,
        handle: order.handle.number(),
        framework_id: order.framework.to_string(),
        framework_user: order.user,
        role: order.role,
        revocable: order.revocable,
        reserved: reserved::parts_out(&order.reserved),
        kind: match order.kind {
            TaskKind::Alone => None,
            TaskKind::Executor { is_default: false, .. } => {
                Some(v1::launch::Kind::IsExecutor(true))
            }
            TaskKind::Executor { is_default: true, .. } => {
                Some(v1::launch::Kind::IsDefaultExecutor(true))
            }
            TaskKind::In(handle) => Some(v1::launch::Kind::ExecutorHandle(handle.number())),
        },
        task: Some(task),
    })
}
