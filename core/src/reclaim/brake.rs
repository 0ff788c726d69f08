//! The answer to an alarm: at once, and not again and again for nothing.

use super::Policy;
use crate::time::Time;
use std::time::Duration;

/// What stood before a brake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Braked {
    pub(super) quota: Option<u64>,
    /// What lent work used at the last look.
    pub(super) lent_cpus_milli: u64,
}

/// Whether it is pulled, and how long alarms are not heard.
#[derive(Clone, Debug)]
pub(super) struct Brake {
    pulled: Option<Braked>,
    rests_until: Time,
    rest: Duration,
}

impl Brake {
    pub(super) const fn new() -> Self {
        Self { pulled: None, rests_until: Time::ZERO, rest: Duration::ZERO }
    }

    pub(super) fn is_rested(&self, now: Time) -> bool {
        self.pulled.is_none() && now >= self.rests_until
    }

    pub(super) fn pull(&mut self, before: Braked) {
        self.pulled = Some(before);
    }

    /// What stood before, if it is pulled; it is not any more.
    pub(super) fn release(&mut self) -> Option<Braked> {
        self.pulled.take()
    }

    pub(super) fn was_right(&mut self) {
        self.rest = Duration::ZERO;
    }

    pub(super) fn was_wrong(&mut self, now: Time, policy: &Policy) {
        self.rest = (self.rest * 2).clamp(policy.brake_rest, policy.brake_rest_max);
        self.rests_until = now + self.rest;
    }
}
