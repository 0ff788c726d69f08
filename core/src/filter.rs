//! What frameworks turned down, and for how long.
//!
//! A filter hides offers of one agent, one kind, that hold no more than what was declined (Mesos
//! semantics: an offer that has grown passes).

use crate::{ids::AgentId, resources::Amounts, time::Time};
use std::{collections::BTreeMap, time::Duration};

/// Longer declines count as this long (Mesos: 365 days).
pub const MAX_REFUSAL: Duration = Duration::from_secs(365 * 24 * 3_600);
/// At most so many filters of one framework; a further one replaces that which ends first.
pub const MAX_FILTERS: usize = 200_000;

#[derive(Clone, Copy, Debug)]
struct Filter {
    declined: Amounts,
    until: Time,
}

/// The filters of one framework.
#[derive(Clone, Debug, Default)]
pub struct Filters(BTreeMap<(AgentId, bool), Filter>);

impl Filters {
    /// Hides offers of up to `declined` until `until`; a wider or longer one that stands is kept wide.
    pub(crate) fn add(&mut self, agent: AgentId, revocable: bool, declined: Amounts, until: Time) {
        if self.0.len() >= MAX_FILTERS
            && let Some(first) = self.0.iter().min_by_key(|(_, filter)| filter.until)
        {
            let key = *first.0;
            self.0.remove(&key);
        }
        self.0.insert((agent, revocable), Filter { declined, until });
    }

    /// Whether an offer of `free` is hidden at `now`.
    #[must_use]
    pub fn hides(&self, agent: AgentId, revocable: bool, free: Amounts, now: Time) -> bool {
        self.0
            .get(&(agent, revocable))
            .is_some_and(|filter| now < filter.until && free.fits_in(filter.declined))
    }

    /// Until when offers of that agent and kind are hidden.
    #[must_use]
    pub fn until(&self, agent: AgentId, revocable: bool) -> Option<Time> {
        self.0.get(&(agent, revocable)).map(|filter| filter.until)
    }

    /// Ends the filter if its time has come; says whether it had.
    pub(crate) fn expire(&mut self, agent: AgentId, revocable: bool, now: Time) -> bool {
        let over = self.until(agent, revocable).is_some_and(|until| until <= now);
        if over {
            self.0.remove(&(agent, revocable));
        }
        over
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn forget_agent(&mut self, agent: AgentId) {
        self.0.remove(&(agent, false));
        self.0.remove(&(agent, true));
    }
}
