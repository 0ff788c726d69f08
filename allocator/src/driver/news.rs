//! What operators that watch are told of: a few words of each effect, to as many as listen.

use headroom_core::{
    effect::{Effect, Record},
    ids::{AgentId, FrameworkId, TaskHandle},
    tasks::{Reason, TaskStatus},
};
use tokio::sync::broadcast;

/// News that wait for a listener: one more, and the listener has missed some and is told so.
pub const MAX_NEWS: usize = 16_384;

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A launch was ordered.
    Launched(TaskHandle),
    /// A framework was told how a task is.
    Updated(FrameworkId, TaskStatus),
    /// An agent's stream stands.
    AgentStands(AgentId),
    /// An agent was given up.
    AgentRemoved(AgentId),
    /// A framework has subscribed, perhaps anew.
    FrameworkStands(FrameworkId),
    /// A framework has ended.
    FrameworkRemoved(FrameworkId),
}

impl News {
    fn of(effect: &Effect) -> Option<Self> {
        Some(match effect {
            // An answer to a question tells nothing new.
            Effect::Update(framework, status) if status.reason != Reason::Reconciliation => {
                Self::Updated(*framework, status.clone())
            }
            Effect::Welcome(agent) => Self::AgentStands(*agent),
            Effect::Subscribed(framework, _) => Self::FrameworkStands(*framework),
            Effect::Persist(Record::AgentRemoved(agent)) => Self::AgentRemoved(*agent),
            Effect::Persist(Record::FrameworkRemoved(id)) => Self::FrameworkRemoved(*id),
            _ => return None,
        })
    }
}

/// The driver's end.
#[derive(Clone, Debug)]
pub(super) struct Herald(pub(super) broadcast::Sender<News>);

impl Herald {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(MAX_NEWS))
    }

    pub(super) fn tell(&self, effect: &Effect) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let launched = match effect {
            Effect::Launch(_, order) => std::slice::from_ref(&**order),
            Effect::LaunchGroup(_, orders) => orders,
            _ => &[],
        };
        let launched = launched.iter().filter(|order| !order.kind.is_executor());
        let launched = launched.map(|order| News::Launched(order.handle));
        for news in launched.chain(News::of(effect)) {
            // The last listener may have just gone.
            let _ = self.0.send(news);
        }
    }
}
