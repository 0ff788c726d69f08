//! Why no offer?

use crate::{ids::AgentId, machine::Machine, time::Time};

/// What stands between a framework or a task and its resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// One line for a person.
    pub summary: String,
    /// Agent by agent; at most [`MAX_AGENTS_NAMED`].
    pub agents: Vec<(AgentId, String, String)>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// Whether it waits at all.
    pub waiting: bool,
    /// No node could ever satisfy it.
    pub impossible: bool,
}

/// So many agents are named one by one.
pub const MAX_AGENTS_NAMED: usize = 50;

impl Machine {
    /// Explains `subject`: a task's name, a framework's id or name. `None`: nobody of that name.
    #[must_use]
    pub fn why(&self, now: Time, subject: &str) -> Option<Why> {
        let _ = (now, subject);
        None
    }
}
