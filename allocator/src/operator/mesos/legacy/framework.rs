//! Frameworks as the old endpoints tell them.

use super::{
    bag::Bag,
    shown::Shown,
    status::{Label, labels},
    task::{Executor, Task},
};
use crate::operator::mesos::{
    about::About,
    seconds,
    snapshot::{FrameworkSeen, OfferSeen, Snapshot, TaskSeen},
};
use headroom_core::ids::{AgentId, FrameworkId, OfferId, TaskHandle};
use serde::Serialize;
use std::collections::HashMap;

/// What every endpoint tells.
#[derive(Serialize)]
pub(super) struct Summary {
    id: Shown<FrameworkId>,
    name: String,
    used_resources: Bag,
    offered_resources: Bag,
    capabilities: Vec<&'static str>,
    hostname: String,
    webui_url: String,
    active: bool,
    connected: bool,
    recovered: bool,
}

#[derive(Serialize)]
pub(super) struct Framework<'a> {
    #[serde(flatten)]
    summary: Summary,
    user: String,
    failover_timeout: f64,
    checkpoint: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    resources: Bag,
    #[serde(flatten)]
    role: Role<'a>,
    tasks: Vec<Task<'a>>,
    registered_time: f64,
    unregistered_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reregistered_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<Label>>,
    unreachable_tasks: Vec<Task<'a>>,
    completed_tasks: Vec<Task<'a>>,
    offers: Vec<Offer>,
    executors: Vec<Executor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Role<'a> {
    Role(&'a str),
    Roles(&'a [String]),
}

#[derive(Serialize)]
struct Offer {
    id: Shown<OfferId>,
    framework_id: Shown<FrameworkId>,
    slave_id: Shown<AgentId>,
    resources: Bag,
}

impl Offer {
    fn of(offer: &OfferSeen) -> Self {
        let mut resources = Bag::default();
        resources.add(&offer.made.resources, offer.revocable);
        Self {
            id: Shown(offer.made.offer),
            framework_id: Shown(offer.framework),
            slave_id: Shown(offer.made.agent),
            resources,
        }
    }
}

/// What belongs to one framework.
#[derive(Default)]
pub(super) struct Belongings<'a> {
    pub(super) tasks: Vec<&'a TaskSeen>,
    pub(super) ended: Vec<&'a TaskSeen>,
    pub(super) offers: Vec<&'a OfferSeen>,
}

impl Belongings<'_> {
    pub(super) fn by_framework(snapshot: &Snapshot) -> HashMap<FrameworkId, Belongings<'_>> {
        let mut all: HashMap<_, Belongings<'_>> = HashMap::new();
        for task in &snapshot.tasks {
            all.entry(task.framework).or_default().tasks.push(task);
        }
        for task in &snapshot.ended {
            all.entry(task.framework).or_default().ended.push(task);
        }
        for offer in &snapshot.offers {
            all.entry(offer.framework).or_default().offers.push(offer);
        }
        all
    }

    fn used(&self) -> Bag {
        let mut used = Bag::default();
        let active = self.tasks.iter().filter(|task| !task.state.is_terminal());
        active.for_each(|task| used.add(&task.request, task.revocable));
        used
    }

    fn offered(&self) -> Bag {
        let mut offered = Bag::default();
        self.offers.iter().for_each(|offer| offered.add(&offer.made.resources, offer.revocable));
        offered
    }
}

impl Summary {
    pub(super) fn of(framework: &FrameworkSeen, own: &Belongings<'_>) -> Self {
        let about = About::of(framework);
        Self {
            id: Shown(framework.id),
            used_resources: own.used(),
            offered_resources: own.offered(),
            capabilities: about.capabilities(),
            hostname: about.info.hostname().to_owned(),
            webui_url: about.info.webui_url().to_owned(),
            active: framework.connected,
            connected: framework.connected,
            recovered: framework.is_recovered(),
            name: about.info.name,
        }
    }
}

impl<'a> Framework<'a> {
    pub(super) fn of(
        framework: &'a FrameworkSeen,
        own: &Belongings<'a>,
        executors: &HashMap<TaskHandle, &'a TaskSeen>,
    ) -> Self {
        let about = About::of(framework);
        let roles = &framework.info.roles;
        let (tasks, of_executors): (Vec<_>, Vec<_>) =
            own.tasks.iter().partition(|task| !task.kind.is_executor());
        let (unreachable, completed): (Vec<&TaskSeen>, Vec<_>) =
            own.ended.iter().partition(|task| task.is_unreachable());
        let times = framework.times;
        let mut resources = own.used();
        own.offers.iter().for_each(|offer| resources.add(&offer.made.resources, offer.revocable));
        Self {
            summary: Summary::of(framework, own),
            failover_timeout: framework.info.failover_timeout.as_secs_f64(),
            checkpoint: about.info.checkpoint(),
            principal: about.info.principal.clone(),
            resources,
            role: match roles.as_slice() {
                [role] if !about.is_multi_role() => Role::Role(role),
                roles => Role::Roles(roles),
            },
            tasks: tasks.into_iter().map(|task| Task::of(task, executors)).collect(),
            registered_time: seconds(times.registered_ms),
            unregistered_time: seconds(times.unregistered_ms),
            reregistered_time: times.reregistered_ms.map(|at| seconds(Some(at))),
            labels: about.info.labels.clone().map(labels),
            unreachable_tasks: unreachable.iter().map(|task| Task::of(task, executors)).collect(),
            completed_tasks: completed.iter().map(|task| Task::of(task, executors)).collect(),
            offers: own.offers.iter().map(|offer| Offer::of(offer)).collect(),
            executors: of_executors.into_iter().map(Executor::of).collect(),
            user: about.info.user,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Frameworks<'a> {
    pub(super) frameworks: Vec<Framework<'a>>,
    completed_frameworks: Vec<Framework<'a>>,
    unregistered_frameworks: [(); 0],
}

impl<'a> Frameworks<'a> {
    /// All of them, or the one that is `wanted`.
    pub(super) fn of(snapshot: &'a Snapshot, wanted: Option<FrameworkId>) -> Self {
        let (own, executors) = (Belongings::by_framework(snapshot), snapshot.executors());
        let none = Belongings::default();
        let told = |frameworks: &'a [FrameworkSeen]| {
            let wanted = frameworks.iter().filter(|one| wanted.is_none_or(|id| one.id == id));
            let told =
                wanted.map(|one| Framework::of(one, own.get(&one.id).unwrap_or(&none), &executors));
            told.collect()
        };
        Self {
            frameworks: told(&snapshot.frameworks),
            completed_frameworks: told(&snapshot.gone),
            unregistered_frameworks: [],
        }
    }
}
