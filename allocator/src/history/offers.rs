//! What became of the offers that a framework was made, since this allocator started.

use headroom_core::{
    command::{Caller, Command},
    ids::{FrameworkId, OfferId},
    machine::Machine,
};

/// How many, by what became of them; those that stand are in `sent` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) declined: u64,
    pub(crate) rescinded: u64,
}

/// What a framework says to so many offers that stand.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Accepted(u64),
    Declined(u64),
}

impl Answer {
    /// The answer that a command is, if it is one. Accepting to do nothing is declining.
    pub(super) fn of(machine: &Machine, command: &Command) -> Option<(FrameworkId, Self)> {
        let standing = |caller: &Caller, ids: &[OfferId]| {
            let own = |id: &&OfferId| {
                let offer = machine.state().offers.get(**id);
                offer.is_some_and(|offer| offer.framework == caller.framework)
            };
            ids.iter().filter(own).count() as u64
        };
        let (caller, ids, takes) = match command {
            Command::Accept(caller, ids, launches, _) => (caller, ids, !launches.is_empty()),
            Command::Operate(caller, ids, deeds, _) => {
                let idle = deeds.launches.is_empty() && deeds.groups.is_empty();
                (caller, ids, !idle || !deeds.operations.is_empty())
            }
            Command::Promote(caller, ids, ..) => (caller, ids, true),
            Command::Decline(caller, ids, _) => (caller, ids, false),
            _ => return None,
        };
        let count = standing(caller, ids);
        let answer = if takes { Self::Accepted(count) } else { Self::Declined(count) };
        Some((caller.framework, answer)).filter(|_| count > 0)
    }
}

impl Offers {
    pub(super) const fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Accepted(count) => self.accepted += count,
            Answer::Declined(count) => self.declined += count,
        }
    }

    /// By Mesos' names.
    pub(crate) const fn named(self) -> [(&'static str, u64); 4] {
        [
            ("sent", self.sent),
            ("accepted", self.accepted),
            ("declined", self.declined),
            ("rescinded", self.rescinded),
        ]
    }
}
