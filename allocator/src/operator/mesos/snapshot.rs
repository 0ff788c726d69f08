//! One look at everything, copied on the core's thread and written out elsewhere.

use crate::history::{Counts, Ended, Gone, History, Known, Offers, Story, Times, role_name};
use headroom_core::{
    agents::{Agent, Node},
    command::FrameworkInfo,
    effect::OfferMade,
    feedback::Told,
    ids::{AgentId, FrameworkId, TaskHandle},
    inverse::Answer,
    kept::Kept,
    machine::{Machine, State},
    maintenance::{MachineId, Maintenance},
    quota::Quota,
    resources::{Amounts, Resources},
    standing::Standing,
    tasks::{Task, TaskStatus},
    time::Time,
};
use headroom_proto::mesos::v1::{DrainConfig, DrainInfo, DrainState, DurationInfo};
use std::{collections::HashMap, ops::Deref, sync::Arc, time::Duration};

/// A node.
pub(super) struct AgentSeen {
    pub(super) id: AgentId,
    pub(super) times: Times,
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
    pub(super) info: Arc<FrameworkInfo>,
    pub(super) connected: bool,
    pub(super) times: Times,
    /// Operations whose end it has not acknowledged.
    pub(super) operations: Vec<Told>,
    /// What became of the offers that it was made.
    pub(super) offers: Offers,
}

/// An outstanding offer.
pub(super) struct OfferSeen {
    pub(super) made: Arc<OfferMade>,
    pub(super) framework: FrameworkId,
    /// Whether it is lent, told or not.
    pub(super) revocable: bool,
}

/// A task, or an executor.
pub(super) struct TaskSeen {
    pub(super) task: Arc<Task>,
    pub(super) role: Arc<str>,
    pub(super) story: Option<Arc<Story>>,
}

impl Deref for TaskSeen {
    type Target = Task;
    fn deref(&self) -> &Task {
        &self.task
    }
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
    /// Frameworks that are over, the oldest first.
    pub(super) gone: Vec<FrameworkSeen>,
    /// Those that are not over, and those whose end is not acknowledged.
    pub(super) tasks: Vec<TaskSeen>,
    /// Those that are over, as far as they are remembered.
    pub(super) ended: Vec<TaskSeen>,
    pub(super) offers: Vec<OfferSeen>,
    pub(super) roles: Vec<RoleSeen>,
    pub(super) maintenance: Maintenance,
    /// What frameworks have said about machines in it.
    pub(super) answers: Vec<AnswerSeen>,
    /// How often what happened.
    pub(super) counts: Counts,
}

impl TaskSeen {
    fn over(ended: &Ended) -> Self {
        let Ended { task, role, story } = ended.clone();
        Self { task, role, story: Some(story) }
    }

    /// The newest update that is known.
    pub(super) fn status(&self) -> Option<&TaskStatus> {
        let told = self.story.as_ref().and_then(|story| story.statuses.last());
        self.task.unacknowledged.as_deref().or(told)
    }

    /// What its framework says of it, as [`crate::about`] has it.
    pub(super) fn about(&self) -> Option<&[u8]> {
        self.story.as_ref()?.about.as_deref()
    }

    /// The task of that handle, if it is known still.
    pub(super) fn find(machine: &Machine, history: &History, handle: TaskHandle) -> Option<Self> {
        let Some(task) = machine.state().tasks.by_handle.get(&handle) else {
            return history.find_ended(handle).map(Self::over);
        };
        let role = role_name(machine, task.role);
        let story = history.stories().get(&handle).cloned();
        Some(Self { task: Arc::clone(task), role, story })
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

    pub(super) fn of(agent: &Agent, history: &History) -> Self {
        Self {
            id: agent.id,
            times: history.agent(agent.id),
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
    pub(super) fn of(framework: &headroom_core::frameworks::Framework, history: &History) -> Self {
        let (info, times) = match history.framework(framework.id) {
            Some(Known { info, times }) => (Arc::clone(info), *times),
            None => (Arc::new(framework.info.clone()), Times::default()),
        };
        let operations = framework.operations.values().cloned().collect();
        Self {
            id: framework.id,
            info,
            connected: framework.connected,
            times,
            operations,
            offers: history.offers(framework.id),
        }
    }

    /// It was known to a former allocator, and has not come back to this one.
    pub(super) fn is_recovered(&self) -> bool {
        self.times.registered_ms.is_none()
    }

    fn over(Gone { id, known }: &Gone) -> Self {
        Self {
            id: *id,
            info: Arc::clone(&known.info),
            connected: false,
            times: known.times,
            operations: Vec::new(),
            offers: Offers::default(),
        }
    }
}

impl Snapshot {
    /// Takes what is needed: no more is done on the core's thread.
    pub(super) fn of(machine: &Machine, history: &History, now: Time) -> Self {
        let state = machine.state();
        let roles = state.roles.iter().map(|(_, role)| RoleSeen {
            name: Arc::clone(&role.name),
            weight_milli: role.weight_milli,
            quota: role.quota,
            promised: role.promised,
            frameworks: role.frameworks.iter().copied().collect(),
        });
        let offers = state.offers.iter().map(|offer| OfferSeen {
            made: Arc::clone(&offer.made),
            framework: offer.framework,
            revocable: offer.revocable,
        });
        Self {
            agents: state.agents.iter().map(|agent| AgentSeen::of(agent, history)).collect(),
            frameworks: state.frameworks.values().map(|f| FrameworkSeen::of(f, history)).collect(),
            gone: history.gone().map(FrameworkSeen::over).collect(),
            tasks: running(machine, history),
            ended: history.over().map(TaskSeen::over).collect(),
            offers: offers.collect(),
            roles: roles.collect(),
            maintenance: state.maintenance.clone(),
            answers: AnswerSeen::all(state, now),
            counts: history.counts,
        }
    }

    /// Executors by handle: tasks say which they run in.
    pub(super) fn executors(&self) -> HashMap<TaskHandle, &TaskSeen> {
        let executors = self.tasks.iter().chain(&self.ended).filter(|t| t.kind.is_executor());
        executors.map(|executor| (executor.handle, executor)).collect()
    }
}

/// Tasks and their stories, both in the order of their handles.
fn running(machine: &Machine, history: &History) -> Vec<TaskSeen> {
    let tasks = &machine.state().tasks.by_handle;
    let mut seen = Vec::with_capacity(tasks.len());
    let mut stories = history.stories().iter().peekable();
    for (handle, task) in tasks.iter() {
        while stories.next_if(|(of, _)| *of < handle).is_some() {}
        let story = stories.next_if(|(of, _)| *of == handle).map(|(_, story)| Arc::clone(story));
        seen.push(TaskSeen { task: Arc::clone(task), role: role_name(machine, task.role), story });
    }
    seen
}
