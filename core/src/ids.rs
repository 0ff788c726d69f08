//! Names of things: never reused, not even over a restart of the allocator.
//!
//! An id is an epoch and a count in one number: the registry adds one to the epoch at every start of
//! an allocator, so no count needs to be durable. Offers have a count of their own, so that theirs
//! leaves no gaps.

use std::{fmt, str::FromStr};
use thiserror::Error;

/// Bits of the count; those above are the epoch's. At 100,000 ids a second one allocator could give
/// them out for 16 months without a restart, and it could be started every minute for eight years.
const COUNT_BITS: u32 = 42;
/// The last count of an epoch.
pub const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
/// The last epoch.
pub const MAX_EPOCH: u32 = (1 << (u64::BITS - COUNT_BITS)) - 1;

/// The number of the `count`th id of an epoch; both at most their bounds.
#[must_use]
pub const fn number(epoch: u32, count: u64) -> u64 {
    (epoch as u64) << COUNT_BITS | count
}

/// A text that is no id of the wanted kind.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} is not {kind} id (they look like {example})")]
pub struct NotAnId {
    text: String,
    kind: &'static str,
    example: &'static str,
}

macro_rules! id {
    ($name:ident, $letter:literal, $kind:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The id behind a number that [`Self::number`] gave.
            #[must_use]
            pub const fn from_number(number: u64) -> Self {
                Self(number)
            }

            /// The epoch of the allocator that gave it.
            #[must_use]
            pub const fn epoch(self) -> u32 {
                (self.0 >> COUNT_BITS) as u32
            }

            /// How many ids of its epoch came before it, and itself.
            #[must_use]
            pub const fn count(self) -> u64 {
                self.0 & MAX_COUNT
            }

            /// The id as one number.
            #[must_use]
            pub const fn number(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}-{}", $letter, self.epoch(), self.count())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let number = text.strip_prefix($letter).and_then(|rest| {
                    let (epoch, count) = rest.split_once('-')?;
                    let (epoch, count) = (epoch.parse().ok()?, count.parse().ok()?);
                    (epoch <= MAX_EPOCH && count <= MAX_COUNT).then(|| number(epoch, count))
                });
                number.map(Self).ok_or_else(|| NotAnId {
                    text: text.chars().take(64).collect(),
                    kind: $kind,
                    example: concat!($letter, "1-7"),
                })
            }
        }
    };
}

id!(AgentId, 'A', "an agent", "One node's agent, for as long as its state directory lives.");
id!(FrameworkId, 'F', "a framework", "One framework, over all its subscriptions.");
id!(OfferId, 'O', "an offer", "One offer.");
id!(InverseOfferId, 'I', "an inverse offer", "One inverse offer.");
id!(TaskHandle, 'T', "a task", "One launch of one task.");

/// Gives out ids of one epoch.
#[derive(Clone, Debug)]
pub struct Ids {
    epoch: u32,
    last: u64,
    last_offer: u64,
}

impl Ids {
    /// Ids of `epoch`, which no allocator before had.
    ///
    /// # Panics
    /// The epoch is past [`MAX_EPOCH`], which a registry refuses.
    #[must_use]
    pub const fn new(epoch: u32) -> Self {
        assert!(epoch <= MAX_EPOCH, "an epoch is at most MAX_EPOCH");
        Self { epoch, last: 0, last_offer: 0 }
    }

    /// The epoch that all these ids carry.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The number of an agent, framework or task, never given before.
    ///
    /// # Panics
    /// After [`MAX_COUNT`] ids in one epoch; the allocator then restarts.
    pub fn give(&mut self) -> u64 {
        next(self.epoch, &mut self.last)
    }

    /// The id of an offer: the one after the last.
    ///
    /// # Panics
    /// As [`Self::give`].
    pub fn give_offer(&mut self) -> OfferId {
        OfferId(next(self.epoch, &mut self.last_offer))
    }
}

fn next(epoch: u32, last: &mut u64) -> u64 {
    assert!(*last < MAX_COUNT, "2^{COUNT_BITS} ids were given in this epoch");
    *last += 1;
    number(epoch, *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_past_32_bits_are_still_told_apart_and_read_back() {
        let last = u64::from(u32::MAX) - 1;
        let mut ids = Ids { last, last_offer: last, ..Ids::new(MAX_EPOCH) };
        let given: Vec<_> = (0..4).map(|_| TaskHandle(ids.give())).collect();
        assert!(given.is_sorted_by(|a, b| a < b));
        let offers: Vec<_> = (0..4).map(|_| ids.give_offer()).collect();
        let counts = offers.iter().map(|id| id.count());
        assert!(counts.eq((1 << 32) - 1..(1 << 32) + 3), "{offers:?}");
        for id in offers {
            assert_eq!(id.epoch(), MAX_EPOCH);
            assert_eq!(id.to_string().parse(), Ok(id), "{id}");
        }
        assert!(given[3] < TaskHandle::from_number(u64::MAX));
        assert!("O4194304-1".parse::<OfferId>().is_err(), "an epoch past the last");
        assert!("O1-4398046511104".parse::<OfferId>().is_err(), "a count past the last");
    }

    #[test]
    fn an_id_reads_back_as_written() {
        let mut ids = Ids::new(3);
        let id = AgentId::from_number(ids.give());
        assert_eq!(id.to_string(), "A3-1");
        assert_eq!("A3-1".parse(), Ok(id));
        assert!("A3-1".parse::<FrameworkId>().is_err());
        assert!("A-1".parse::<AgentId>().is_err());
        assert!("A3-99999999999999".parse::<AgentId>().is_err());
    }
}
