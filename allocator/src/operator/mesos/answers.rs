//! What is answered to calls that ask, as messages.

use super::{
    about::About,
    legacy::weight,
    metrics::{Around, metrics},
    snapshot::{AgentSeen, FrameworkSeen, OfferSeen, RoleSeen, Snapshot, TaskSeen},
};
use crate::about;
use crate::mesos::node::{attribute, domain_out};
use crate::mesos::operation::operation_status_out;
use crate::mesos::{
    master::{AGENT_CAPABILITIES, AGENT_PORT, Master, VERSION},
    resources::{NAMES, Style, resources_out},
};
use headroom_core::{
    executor::Kind,
    feedback::Told,
    ids::{AgentId, FrameworkId, TaskHandle},
    quota::Quota,
    reservation::Parts,
    resources::{Amounts, Resources},
    roles::WEIGHT_ONE,
};
use headroom_proto::mesos::v1::{
    self, AgentInfo, ExecutorId, ExecutorInfo, Resource, TaskId, agent_info, executor_info,
    master::response::{
        GetAgents, GetExecutors, GetFrameworks, GetMetrics, GetOperations, GetQuota, GetRoles,
        GetState, GetTasks, GetWeights, get_agents, get_executors, get_frameworks,
    },
    offer,
    quota::{QuotaConfig, QuotaInfo, QuotaStatus},
    resource::AllocationInfo,
    value,
};
use prost::Message as _;
use std::collections::{BTreeMap, HashMap};

pub(super) fn agent_id(id: AgentId) -> v1::AgentId {
    v1::AgentId { value: id.to_string() }
}

pub(super) fn framework_id(id: FrameworkId) -> v1::FrameworkId {
    v1::FrameworkId { value: id.to_string() }
}

const REFINED: Style<'static> = Style { allocated_to: None, refined: true, revocable: false };

fn entries(promised: &Resources, reserved: &Parts, lent: Amounts) -> Vec<Resource> {
    let mut all = resources_out(promised, reserved, REFINED);
    let style = Style { revocable: true, ..REFINED };
    all.extend(resources_out(&lent.into(), &Parts::default(), style));
    all
}

fn time(ms: u64) -> v1::TimeInfo {
    v1::TimeInfo { nanoseconds: i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000) }
}

pub(super) fn agent(seen: &AgentSeen, master: &Master) -> get_agents::Agent {
    let node = &*seen.node;
    let total = entries(&seen.total, seen.kept.all(), seen.lendable);
    let capability = |kind: &agent_info::capability::Type| agent_info::Capability {
        r#type: Some((*kind).into()),
    };
    get_agents::Agent {
        agent_info: AgentInfo {
            hostname: node.hostname.clone(),
            port: Some(master.agent_address(seen.id).map_or(AGENT_PORT, |at| at.port()).into()),
            resources: total.clone(),
            attributes: node.attributes.iter().map(attribute).collect(),
            id: Some(agent_id(seen.id)),
            domain: node.domain.as_ref().map(domain_out),
        },
        active: seen.is_active(),
        deactivated: Some(!seen.standing.is_active()),
        drain_info: seen.drain_info(),
        registered_time: seen.times.registered_ms.map(time),
        reregistered_time: seen.times.reregistered_ms.map(time),
        version: VERSION.to_owned(),
        pid: Some(master.agent_pid(seen.id, &node.hostname)),
        total_resources: total,
        allocated_resources: entries(&seen.held, seen.kept.held(), seen.lent),
        offered_resources: entries(&seen.offered, seen.kept.offered(), seen.lent_offered),
        capabilities: AGENT_CAPABILITIES.iter().map(capability).collect(),
        ..get_agents::Agent::default()
    }
}

pub(super) fn agents(snapshot: &Snapshot, master: &Master) -> GetAgents {
    let agents = snapshot.agents.iter().map(|seen| agent(seen, master)).collect();
    GetAgents { agents, recovered_agents: Vec::new() }
}

fn holding(task: &TaskSeen) -> Vec<Resource> {
    let style = Style { allocated_to: Some(&task.role), revocable: task.revocable, refined: true };
    resources_out(&task.request, &task.reserved, style)
}

pub(super) fn task(seen: &TaskSeen, executors: &HashMap<TaskHandle, &TaskSeen>) -> v1::Task {
    let executor_id = seen.executor_id(executors);
    let executor_id = executor_id.map(|id| ExecutorId { value: id.to_owned() });
    let state = seen.wire_state().into();
    let about = about::task(seen.about());
    v1::Task {
        name: if about.name.is_empty() { seen.name.to_string() } else { about.name.clone() },
        task_id: TaskId { value: seen.name.to_string() },
        framework_id: framework_id(seen.framework),
        executor_id,
        agent_id: agent_id(seen.agent),
        state,
        resources: holding(seen),
        statuses: seen.told(),
        ..about
    }
}

pub(super) fn tasks(snapshot: &Snapshot) -> GetTasks {
    let executors = snapshot.executors();
    GetTasks {
        tasks: snapshot.proper().map(|seen| task(seen, &executors)).collect(),
        completed_tasks: snapshot.completed().map(|seen| task(seen, &executors)).collect(),
        unreachable_tasks: snapshot.unreachable().map(|seen| task(seen, &executors)).collect(),
        ..GetTasks::default()
    }
}

pub(super) fn executors(snapshot: &Snapshot) -> GetExecutors {
    let all = snapshot.tasks.iter().filter(|task| task.kind.is_executor());
    let executors = all.map(|seen| get_executors::Executor {
        executor_info: executor(seen),
        agent_id: agent_id(seen.agent),
    });
    GetExecutors { executors: executors.collect(), orphan_executors: Vec::new() }
}

fn executor(seen: &TaskSeen) -> ExecutorInfo {
    ExecutorInfo {
        r#type: Some(executor_type(seen.kind).into()),
        executor_id: ExecutorId { value: seen.name.to_string() },
        framework_id: Some(framework_id(seen.framework)),
        resources: holding(seen),
        ..about::executor(seen.about())
    }
}

pub(super) const fn executor_type(kind: Kind) -> executor_info::Type {
    match kind {
        Kind::Executor { is_default: true, .. } => executor_info::Type::Default,
        _ => executor_info::Type::Custom,
    }
}

/// What one framework holds and is offered.
#[derive(Default)]
struct Own<'a> {
    held: (Resources, Parts, Amounts),
    offers: Vec<&'a OfferSeen>,
}

pub(super) fn framework(seen: &FrameworkSeen) -> get_frameworks::Framework {
    get_frameworks::Framework {
        framework_info: About::of(seen).info,
        active: seen.connected,
        connected: seen.connected,
        recovered: seen.is_recovered(),
        registered_time: seen.times.registered_ms.map(time),
        reregistered_time: seen.times.reregistered_ms.map(time),
        unregistered_time: seen.times.unregistered_ms.map(time),
        ..get_frameworks::Framework::default()
    }
}

pub(super) fn frameworks(snapshot: &Snapshot) -> GetFrameworks {
    let mut own: HashMap<FrameworkId, Own<'_>> = HashMap::new();
    for task in snapshot.tasks.iter().filter(|task| !task.state.is_terminal()) {
        let (promised, reserved, lent) = &mut own.entry(task.framework).or_default().held;
        if task.revocable {
            *lent = lent.plus(task.request.amounts);
        } else {
            *promised = promised.plus(&task.request);
            if !task.reserved.is_empty() {
                *reserved = reserved.plus(&task.reserved);
            }
        }
    }
    for offer in &snapshot.offers {
        own.entry(offer.framework).or_default().offers.push(offer);
    }
    let frameworks = snapshot.frameworks.iter().map(|seen| {
        let own = own.remove(&seen.id).unwrap_or_default();
        let (promised, reserved, lent) = &own.held;
        let offers: Vec<_> = own.offers.iter().map(|offer| offer_out(offer)).collect();
        get_frameworks::Framework {
            offered_resources: offers.iter().flat_map(|offer| offer.resources.clone()).collect(),
            offers,
            allocated_resources: entries(promised, reserved, *lent),
            ..framework(seen)
        }
    });
    GetFrameworks {
        frameworks: frameworks.collect(),
        completed_frameworks: snapshot.gone.iter().map(framework).collect(),
        ..GetFrameworks::default()
    }
}

fn offer_out(offer: &OfferSeen) -> v1::Offer {
    let made = &*offer.made;
    let style = Style { allocated_to: Some(&made.role), refined: true, revocable: offer.revocable };
    v1::Offer {
        id: v1::OfferId { value: made.offer.to_string() },
        framework_id: framework_id(offer.framework),
        agent_id: agent_id(made.agent),
        hostname: made.node.hostname.clone(),
        resources: resources_out(&made.resources, &made.reserved, style),
        allocation_info: Some(AllocationInfo { role: Some(made.role.to_string()) }),
        ..v1::Offer::default()
    }
}

pub(super) fn state(snapshot: &Snapshot, master: &Master) -> GetState {
    GetState {
        get_tasks: Some(tasks(snapshot)),
        get_executors: Some(executors(snapshot)),
        get_frameworks: Some(frameworks(snapshot)),
        get_agents: Some(agents(snapshot, master)),
    }
}

/// Those that are done and not acknowledged: none is ever on its way.
pub(super) fn operations(snapshot: &Snapshot) -> GetOperations {
    let of = |seen: &FrameworkSeen, told: &Told| {
        let status = operation_status_out(told.status.clone());
        Some(v1::Operation {
            framework_id: Some(framework_id(seen.id)),
            agent_id: status.agent_id.clone(),
            // What the door for frameworks encoded.
            info: offer::Operation::decode(&told.payload[..]).ok()?,
            uuid: status.uuid.clone()?,
            statuses: vec![status.clone()],
            latest_status: status,
        })
    };
    let frameworks = snapshot.frameworks.iter();
    let all = frameworks.flat_map(|seen| seen.operations.iter().filter_map(|told| of(seen, told)));
    GetOperations { operations: all.collect() }
}

pub(super) fn roles(snapshot: &Snapshot) -> GetRoles {
    let role = |seen: &RoleSeen| v1::Role {
        name: seen.name.to_string(),
        weight: weight(seen),
        frameworks: seen.frameworks.iter().map(|id| framework_id(*id)).collect(),
        resources: resources_out(&seen.promised.into(), &Parts::default(), REFINED),
    };
    GetRoles { roles: snapshot.roles.iter().map(role).collect() }
}

pub(super) fn weights(snapshot: &Snapshot) -> GetWeights {
    let special = snapshot.roles.iter().filter(|role| role.weight_milli != WEIGHT_ONE);
    let weight_infos = special
        .map(|role| v1::WeightInfo { weight: weight(role), role: Some(role.name.to_string()) });
    GetWeights { weight_infos: weight_infos.collect() }
}

fn scalars(named: impl Iterator<Item = (&'static str, f64)>) -> BTreeMap<String, value::Scalar> {
    named.map(|(name, value)| (name.to_owned(), value::Scalar { value })).collect()
}

pub(super) fn quota(snapshot: &Snapshot) -> GetQuota {
    let special = || snapshot.roles.iter().filter(|role| role.quota != Quota::default());
    let info = |role: &RoleSeen| QuotaInfo {
        role: Some(role.name.to_string()),
        principal: None,
        guarantee: resources_out(&role.quota.guarantee.into(), &Parts::default(), REFINED),
    };
    let config = |role: &RoleSeen| {
        let guarantees = NAMES.into_iter().zip(role.quota.guarantee.units());
        let limits = NAMES.into_iter().zip(role.quota.limit.0);
        let limits = limits.filter(|(_, milli)| *milli != u64::MAX);
        QuotaConfig {
            role: role.name.to_string(),
            guarantees: scalars(guarantees.filter(|(_, amount)| *amount > 0.0)),
            limits: scalars(limits.map(|(name, milli)| (name, milli as f64 / 1_000.0))),
        }
    };
    let status = QuotaStatus {
        infos: special().map(info).collect(),
        configs: special().map(config).collect(),
    };
    GetQuota { status }
}

pub(super) fn metrics_out(snapshot: &Snapshot, around: &Around) -> GetMetrics {
    let metrics = metrics(snapshot, around).into_iter();
    let metric = |(name, value)| v1::Metric { name, value: Some(value) };
    GetMetrics { metrics: metrics.map(metric).collect() }
}
