//! One look at everything, copied on the core's thread and written out elsewhere.

use headroom_core::{
    agents::{Agent, Node},
    command::FrameworkInfo,
    executor::Kind,
    feedback::Told,
    ids::{AgentId, FrameworkId, OfferId, TaskHandle},
    inverse::Answer,
    kept::Kept,
    machine::{Machine, State},
    maintenance::{MachineId, Maintenance},
    quota::Quota,
    reservation::Parts,
    resources::{Amounts, Resources},
    standing::Standing,
    tasks::{Task, TaskState, TaskStatus},
    time::Time,
};
use headroom_proto::mesos::v1::{DrainConfig, DrainInfo, DrainState, DurationInfo};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// A node.
pub(super) struct AgentSeen {
    pub(super) id: AgentId,
    pub(super) node: Arc<Node>,
    pub(super) connected: bool,
    pub(super) total: Resources,
    pub(super) kept: Kept,
    pub(super) held: Resources,
    pub(super) offered: Resources,
    pub(super) lent: Amounts,
    pub(super) lent_offered: Amounts,
    pub(super) lendable: Amounts,
    pub(super) standing: Standing,
}

/// A framework.
pub(super) struct FrameworkSeen {
    pub(super) id: FrameworkId,
    pub(super) info: FrameworkInfo,
    pub(super) connected: bool,
    /// Operations whose end it has not acknowledged.
    pub(super) operations: Vec<Told>,
}

/// An outstanding offer.
pub(super) struct OfferSeen {
    pub(super) id: OfferId,
    pub(super) framework: FrameworkId,
    pub(super) agent: AgentId,
    pub(super) role: Arc<str>,
    pub(super) resources: Resources,
    pub(super) reserved: Parts,
    pub(super) revocable: bool,
}

/// A task, or an executor.
pub(super) struct TaskSeen {
    pub(super) handle: TaskHandle,
    pub(super) framework: FrameworkId,
    pub(super) name: Arc<str>,
    pub(super) agent: AgentId,
    pub(super) role: Arc<str>,
    pub(super) request: Resources,
    pub(super) reserved: Parts,
    pub(super) revocable: bool,
    pub(super) kind: Kind,
    pub(super) state: TaskState,
    pub(super) since: Time,
    /// The newest update that is still kept.
    pub(super) status: Option<TaskStatus>,
}

/// A role.
pub(super) struct RoleSeen {
    pub(super) name: Arc<str>,
    pub(super) weight_milli: u64,
    pub(super) quota: Quota,
    pub(super) promised: Amounts,
    pub(super) frameworks: Vec<FrameworkId>,
}

/// A framework's answer to an inverse offer.
pub(super) struct AnswerSeen {
    pub(super) machine: MachineId,
    pub(super) framework: FrameworkId,
    pub(super) answer: Answer,
    pub(super) age: Duration,
}

impl AnswerSeen {
    fn all(state: &State, now: Time) -> Vec<Self> {
        let of = |agent: &Agent| {
            let machine = state.maintenance.machine(&agent.node)?.clone();
            Some((agent.id, machine))
        };
        let answers = state.agents.iter().filter_map(of).flat_map(|(id, machine)| {
            state.inverse.of(id).filter_map(move |(framework, summons)| {
                let (answer, at) = summons.answer?;
                Some(Self { machine: machine.clone(), framework, answer, age: now.since(at) })
            })
        });
        answers.collect()
    }
}

/// Everything, at one moment between two batches of the core.
pub(super) struct Snapshot {
    pub(super) agents: Vec<AgentSeen>,
    pub(super) frameworks: Vec<FrameworkSeen>,
    /// Those that are not over, and those whose end is not acknowledged.
    pub(super) tasks: Vec<TaskSeen>,
    /// The newest of those that are over.
    pub(super) ended: Vec<TaskSeen>,
    pub(super) offers: Vec<OfferSeen>,
    pub(super) roles: Vec<RoleSeen>,
    pub(super) maintenance: Maintenance,
    /// What frameworks have said about machines in it.
    pub(super) answers: Vec<AnswerSeen>,
}

impl TaskSeen {
    fn of(state: &State, task: &Task, status: Option<&TaskStatus>) -> Self {
        Self {
            handle: task.handle,
            framework: task.framework,
            name: Arc::clone(&task.name),
            agent: task.agent,
            role: Arc::clone(&state.roles.get(task.role).name),
            request: task.request.clone(),
            reserved: task.reserved.clone(),
            revocable: task.revocable,
            kind: task.kind,
            state: task.state,
            since: task.since,
            status: status.or(task.unacknowledged.as_ref()).cloned(),
        }
    }

    /// The task of that handle, if it is known still.
    pub(super) fn find(state: &State, handle: TaskHandle) -> Option<Self> {
        if let Some(task) = state.tasks.by_handle.get(&handle) {
            return Some(Self::of(state, task, None));
        }
        let ended = state.tasks.ended.iter().rev().find(|ended| ended.task.handle == handle)?;
        Some(Self::of(state, &ended.task, Some(&ended.status)))
    }
}

impl AgentSeen {
    /// Whether work may be given to it, as far as operators go.
    pub(super) const fn is_active(&self) -> bool {
        self.connected && self.standing.is_active()
    }

    /// How it is or was drained.
    pub(super) fn drain_info(&self) -> Option<DrainInfo> {
        let drain = self.standing.drain()?;
        let is_over = matches!(self.standing, Standing::Drained(_));
        let state = if is_over { DrainState::Drained } else { DrainState::Draining };
        let nanoseconds = |grace: Duration| i64::try_from(grace.as_nanos()).unwrap_or(i64::MAX);
        let max_grace_period = drain.max_grace.map(nanoseconds);
        Some(DrainInfo {
            state: state.into(),
            config: DrainConfig {
                max_grace_period: max_grace_period.map(|nanoseconds| DurationInfo { nanoseconds }),
                mark_gone: Some(drain.mark_gone),
            },
        })
    }

    pub(super) fn of(agent: &Agent) -> Self {
        Self {
            id: agent.id,
            node: Arc::clone(&agent.node),
            connected: agent.connected,
            total: agent.total.clone(),
            kept: agent.kept.clone(),
            held: agent.held.clone(),
            offered: agent.offered.clone(),
            lent: agent.lent,
            lent_offered: agent.lent_offered,
            lendable: agent.lendable,
            standing: agent.standing,
        }
    }
}

impl FrameworkSeen {
    pub(super) fn of(framework: &headroom_core::frameworks::Framework) -> Self {
        Self {
            id: framework.id,
            info: framework.info.clone(),
            connected: framework.connected,
            operations: framework.operations.values().cloned().collect(),
        }
    }
}

impl Snapshot {
    /// Copies what is needed: no more is done on the core's thread.
    pub(super) fn of(machine: &Machine, now: Time) -> Self {
        let state = machine.state();
        let tasks = &state.tasks;
        let roles = state.roles.iter().map(|(_, role)| RoleSeen {
            name: Arc::clone(&role.name),
            weight_milli: role.weight_milli,
            quota: role.quota,
            promised: role.promised,
            frameworks: role.frameworks.iter().copied().collect(),
        });
        let offers = state.offers.iter().filter_map(|offer| {
            let role = state.roles.get(state.seats.at(offer.seat)?.role);
            Some(OfferSeen {
                id: offer.made.offer,
                framework: offer.framework,
                agent: offer.made.agent,
                role: Arc::clone(&role.name),
                resources: offer.made.resources.clone(),
                reserved: offer.made.reserved.clone(),
                revocable: offer.revocable,
            })
        });
        Self {
            agents: state.agents.iter().map(AgentSeen::of).collect(),
            frameworks: state.frameworks.values().map(FrameworkSeen::of).collect(),
            tasks: tasks.by_handle.values().map(|task| TaskSeen::of(state, task, None)).collect(),
            ended: tasks
                .ended
                .iter()
                // Not acknowledged yet: it is among the others.
                .filter(|ended| !tasks.by_handle.contains_key(&ended.task.handle))
                .map(|ended| TaskSeen::of(state, &ended.task, Some(&ended.status)))
                .collect(),
            offers: offers.collect(),
            roles: roles.collect(),
            maintenance: state.maintenance.clone(),
            answers: AnswerSeen::all(state, now),
        }
    }

    /// Executors by handle: tasks say which they run in.
    pub(super) fn executors(&self) -> HashMap<TaskHandle, &TaskSeen> {
        let executors = self.tasks.iter().chain(&self.ended).filter(|t| t.kind.is_executor());
        executors.map(|executor| (executor.handle, executor)).collect()
    }
}
