//! The whole cluster as one message.

use crate::convert::{
    agent::Introduction,
    amounts::{amounts_out, limit_out, resources_out, thousandths, usage_out},
    quality::quality_out,
    reserved::{domain_out, parts_out},
    task::{reason_out, state_out},
};
use headroom_core::{
    agents::Agent,
    command::Usage,
    executor::Kind,
    frameworks::Framework,
    ids::AgentId,
    ledger::Ledger,
    machine::{Machine, State},
    resources::Amounts,
    roles::Role,
    standing::{Drain, Standing},
    tasks::{Task, TaskStatus},
    time::Time,
    wants::Wants,
};
use headroom_proto::v1;
use std::{collections::BTreeMap, time::Duration};

/// Warnings of one kind that are told one by one: at most.
const MAX_WARNINGS: usize = 10;
/// Rungs without kernel programs: waiting is seen late or not at all.
const LOW_RUNGS: [&str; 2] = ["E", "F"];

pub(super) fn cluster(
    machine: &Machine,
    now: Time,
    directory: &BTreeMap<AgentId, Introduction>,
    trouble: Option<String>,
    ended: bool,
) -> v1::Cluster {
    let state = machine.state();
    let mut tasks: Vec<_> =
        state.tasks.by_handle.values().map(|task| active(state, task, now)).collect();
    if ended {
        let over = state.tasks.ended.iter().filter(|ended| {
            // Not acknowledged yet: it is among the active ones.
            !state.tasks.by_handle.contains_key(&ended.task.handle)
        });
        tasks.extend(over.map(|ended| v1::TaskInstance {
            framework_name: ended.framework_name.clone(),
            ..instance(state, &ended.task, Some(&ended.status), now)
        }));
    } else {
        tasks.retain(|task| !is_over(task));
    }
    v1::Cluster {
        epoch: machine.epoch().into(),
        step: state.ledger.steps,
        uptime_ms: millis(now.since(Time::ZERO)),
        agents: state.agents.iter().map(|known| agent(known, directory, now)).collect(),
        frameworks: state.frameworks.values().map(|known| framework(state, known)).collect(),
        tasks,
        roles: state.roles.iter().map(|(_, known)| role(state, known)).collect(),
        ledger: Some(ledger(&state.ledger, machine.settings().step)),
        warnings: warnings(state, directory, trouble),
    }
}

fn is_over(task: &v1::TaskInstance) -> bool {
    use v1::TaskState::{Error, Failed, Finished, Killed, Lost};
    matches!(task.state(), Finished | Failed | Killed | Lost | Error)
}

fn active(state: &State, task: &Task, now: Time) -> v1::TaskInstance {
    instance(state, task, task.unacknowledged.as_ref(), now)
}

fn instance(
    state: &State,
    task: &Task,
    status: Option<&TaskStatus>,
    now: Time,
) -> v1::TaskInstance {
    let framework = state.frameworks.get(&task.framework);
    let agent = state.agents.get(task.agent);
    let unreachable = !task.state.is_terminal() && !agent.is_some_and(|agent| agent.connected);
    let shown = if unreachable { v1::TaskState::Unreachable } else { state_out(task.state) };
    v1::TaskInstance {
        task_id: task.name.to_string(),
        framework_id: task.framework.to_string(),
        framework_name: framework.map(|known| known.info.name.clone()).unwrap_or_default(),
        agent_id: task.agent.to_string(),
        hostname: agent.map(|known| known.node.hostname.clone()).unwrap_or_default(),
        role: state.roles.get(task.role).name.to_string(),
        revocable: task.revocable,
        state: status
            .filter(|_| task.state.is_terminal())
            .map_or(shown, |s| state_out(s.state))
            .into(),
        resources: Some(resources_out(&task.request)),
        usage: Some(usage_out(task.usage.usage)),
        // Of one in an executor nothing is predicted by itself, unless it is measured by itself.
        forecast: Some(usage_out(match task.kind {
            Kind::In(_) if task.usage.usage == Usage::default() => Usage::default(),
            _ => task.usage.forecast,
        })),
        wait_ms: task.usage.wait_ms,
        wait_p99_ms: task.usage.wait_p99_ms,
        throttled_ms: task.usage.throttled_ms,
        age_ms: millis(now.since(task.since)),
        reason: status.map_or(v1::Reason::Unspecified, |status| reason_out(status.reason)).into(),
        message: status.map(|status| status.message.clone()).unwrap_or_default(),
        exit_code: status.and_then(|status| status.exit_code),
    }
}

pub(super) fn agent(
    known: &Agent,
    directory: &BTreeMap<AgentId, Introduction>,
    now: Time,
) -> v1::AgentState {
    let said = directory.get(&known.id);
    let forecast = known.forecast.map(|forecast| Usage {
        cpus_milli: Some(forecast.cpus_milli()),
        memory_milli_mib: Some(forecast.memory_milli_mib()),
    });
    let mut offered = resources_out(&known.offered);
    let lent_offered = amounts_out(known.lent_offered);
    offered.cpus += lent_offered.cpus;
    offered.memory_mib += lent_offered.memory_mib;
    let report = &known.report;
    v1::AgentState {
        agent_id: known.id.to_string(),
        hostname: known.node.hostname.clone(),
        connected: known.connected,
        total: Some(resources_out(&known.total)),
        guaranteed: Some(resources_out(&known.held)),
        revocable: Some(amounts_out(known.lent)),
        offered: Some(offered),
        lendable: Some(amounts_out(known.free_revocable())),
        usage: Some(usage_out(known.usage())),
        forecast: Some(usage_out(forecast.unwrap_or_default())),
        lending: report.lending,
        lending_reason: report.lending_reason.clone(),
        revocable_quota_cpus: report.revocable_quota_cpus_milli.map(thousandths),
        reclaims: report.reclaims,
        reclaim_ms_max: report.reclaim_ms_max,
        rung: said.map(|said| said.rung.clone()).unwrap_or_default(),
        absences: said.map(|said| said.absences.clone()).unwrap_or_default(),
        version: said.map(|said| said.version.clone()).unwrap_or_default(),
        refusing_work: report.refusing_work.clone(),
        // Never reported: as long ago as can be.
        last_report_ms_ago: millis(now.since(known.reported.unwrap_or(Time::ZERO))),
        reserved: parts_out(known.kept.all()),
        domain: domain_out(known.node.domain.as_ref()),
        attributes: known.node.attributes.clone().into_iter().collect(),
        standing: standing_out(known.standing).into(),
        drain: known.standing.drain().map(drain_out),
        tasks: count(known.tasks.len()),
        forecast_quality: if known.connected {
            report.forecast_quality.iter().map(quality_out).collect()
        } else {
            Vec::new()
        },
    }
}

const fn standing_out(standing: Standing) -> v1::AgentStanding {
    match standing {
        Standing::Active => v1::AgentStanding::Active,
        Standing::Deactivated => v1::AgentStanding::Deactivated,
        Standing::Draining(_) => v1::AgentStanding::Draining,
        Standing::Drained(_) => v1::AgentStanding::Drained,
        // Its agent is not known any more.
        Standing::Gone => v1::AgentStanding::Unspecified,
    }
}

fn drain_out(drain: Drain) -> v1::Drain {
    v1::Drain { max_grace_ms: drain.max_grace.map(millis), mark_gone: drain.mark_gone }
}

fn framework(state: &State, known: &Framework) -> v1::FrameworkState {
    let active = known.tasks.values().filter_map(|handle| state.tasks.by_handle.get(handle));
    v1::FrameworkState {
        framework_id: known.id.to_string(),
        name: known.info.name.clone(),
        role: known.info.roles.join(", "),
        connected: known.connected,
        suppressed: state.seats.of(known).all(|seat| seat.suppressed),
        offers: count(state.seats.of(known).map(|seat| seat.offers.len()).sum()),
        tasks: count(active.filter(|task| !task.state.is_terminal()).count()),
        wanted: count(state.seats.wanted_by(known).map(Wants::len).sum()),
        dominant_share: share(state.held_by(known), state.agents.total()),
        accepts_revocable: known.info.accepts_revocable,
    }
}

pub(super) fn role(state: &State, known: &Role) -> v1::Role {
    v1::Role {
        name: known.name.to_string(),
        weight: thousandths(known.weight_milli),
        opportunistic: known.opportunistic,
        dominant_share: share(known.held, state.agents.total()),
        frameworks: count(known.frameworks.len()),
        guarantee: (!known.quota.guarantee.is_zero()).then(|| amounts_out(known.quota.guarantee)),
        limit: limit_out(known.quota.limit),
        consumed: Some(amounts_out(known.consumed())),
    }
}

fn ledger(sums: &Ledger, step: Duration) -> v1::Ledger {
    let step_s = step.as_secs_f64();
    v1::Ledger {
        steps: sums.steps,
        held_cpu_s: sums.held_cpus * step_s,
        used_cpu_s: sums.used_cpus * step_s,
        held_memory_mib_s: sums.held_memory_mib * step_s,
        used_memory_mib_s: sums.used_memory_mib * step_s,
        lent_cpu_s: sums.lent_cpus * step_s,
        waits: sums.waits,
        wait_steps_mean: if sums.waits == 0 {
            0.0
        } else {
            sums.wait_steps as f64 / sums.waits as f64
        },
        wait_steps_max: sums.wait_steps_max,
    }
}

/// The largest part of any kind that the cluster has.
fn share(held: Amounts, total: Amounts) -> f64 {
    let parts = held.0.iter().zip(total.0).filter(|(_, total)| *total > 0);
    parts.map(|(held, total)| *held as f64 / total as f64).fold(0.0, f64::max)
}

fn warnings(
    state: &State,
    directory: &BTreeMap<AgentId, Introduction>,
    trouble: Option<String>,
) -> Vec<String> {
    let mut warnings: Vec<String> = trouble.into_iter().collect();
    let gone = state.agents.iter().filter(|agent| !agent.connected).map(|agent| {
        let (id, host) = (agent.id, &agent.node.hostname);
        format!("agent {id} on {host} is not connected; look at its log there")
    });
    first_of(&mut warnings, gone, "agents are not connected");
    let blind = directory.iter().filter_map(|(id, said)| {
        let host = &state.agents.get(*id)?.node.hostname;
        let low = LOW_RUNGS.contains(&said.rung.as_str());
        let absent = said.absences.first();
        match (low, absent) {
            (false, None) => None,
            (_, Some(absent)) => Some(format!(
                "agent {id} on {host} measures on rung {} without {} ({}){}",
                said.rung,
                absent.signal,
                absent.reason,
                more(said.absences.len() - 1)
            )),
            (true, None) => {
                Some(format!("agent {id} on {host} measures on rung {} only", said.rung))
            }
        }
    });
    first_of(&mut warnings, blind, "agents measure less than they could");
    let refusing = state.agents.iter().filter(|agent| !agent.report.refusing_work.is_empty());
    let refusing = refusing.map(|agent| {
        format!(
            "agent {} on {} takes no new work: {}",
            agent.id, agent.node.hostname, agent.report.refusing_work
        )
    });
    first_of(&mut warnings, refusing, "agents take no new work");
    let set_aside = state.agents.iter().filter_map(|agent| {
        let (id, host, why) = (agent.id, &agent.node.hostname, agent.set_aside()?);
        Some(format!("agent {id} on {host} takes no new work: {why}"))
    });
    first_of(&mut warnings, set_aside, "agents were set aside by operators");
    warnings
}

fn more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" and {count} more signals") }
}

fn first_of(warnings: &mut Vec<String>, mut all: impl Iterator<Item = String>, what: &str) {
    warnings.extend(all.by_ref().take(MAX_WARNINGS));
    match all.count() {
        0 => {}
        rest => warnings.push(format!("{rest} more {what}")),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
