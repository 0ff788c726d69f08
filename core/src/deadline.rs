//! What happens by itself when its time comes.
//!
//! A deadline is checked against the state when it comes due, so one that was overtaken does no harm.

use crate::{
    ids::{AgentId, FrameworkId},
    time::Time,
};
use std::collections::BTreeSet;

/// What comes due. Offers keep their own order in [`crate::offer::Offers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// A filter on offers of this agent and kind may be over.
    Filters(AgentId, bool),
    /// A framework's failover timeout is over.
    Framework(FrameworkId),
    /// An agent has been silent too long.
    Agent(AgentId),
    /// What became of operations is told again.
    Feedback(FrameworkId),
    /// Frameworks may be asked again about an agent that is to be unavailable.
    Summons(AgentId),
    /// What is left on a draining agent is told to end again.
    Drain(AgentId),
}

/// All deadlines, the next first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(Time, Deadline)>);

impl Deadlines {
    pub(crate) fn add(&mut self, when: Time, what: Deadline) {
        self.0.insert((when, what));
    }

    /// Takes one back that is not waited for any more.
    pub(crate) fn remove(&mut self, when: Time, what: Deadline) {
        self.0.remove(&(when, what));
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.0.first().map(|(when, _)| *when)
    }

    /// The next that is due at `now`, taken out.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Deadline> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, what)| what)
    }
}
