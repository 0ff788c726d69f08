//! Offers that are declined in one moment.
//!
//! An agent's free resources can stand in several offers, each of a part. The core remembers of each
//! framework and agent the newest decline, and a part that has less of one resource and more of
//! another takes the place of the one before: declined one by one, parts would be offered in turn
//! without end. A framework that has declined so many of one agent in one moment declines the next
//! ones together: what is free is one again.

use headroom_core::{
    command::Caller,
    ids::{AgentId, FrameworkId, OfferId},
};
use std::{collections::BTreeMap, time::Duration};

/// So many are declined one by one.
const ONE_BY_ONE: u32 = 8;

/// An offer to decline, by whom and for how long.
pub(super) type Refusal = (Caller, OfferId, Duration);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    at_ms: u64,
    counts: BTreeMap<(FrameworkId, AgentId), u32>,
    put_off: Vec<Refusal>,
}

impl Refusals {
    /// Counts a decline, and keeps it for later if there were many in this moment: then `None`.
    pub(super) fn note(
        &mut self,
        now_ms: u64,
        agent: AgentId,
        refusal: Refusal,
    ) -> Option<Refusal> {
        if self.at_ms != now_ms {
            self.at_ms = now_ms;
            self.counts.clear();
        }
        let count = self.counts.entry((refusal.0.framework, agent)).or_default();
        *count += 1;
        if *count <= ONE_BY_ONE {
            return Some(refusal);
        }
        self.put_off.push(refusal);
        None
    }

    /// Those kept.
    pub(super) fn take(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.put_off)
    }
}
