//! Names of things: never reused, not even over a restart of the allocator.
//!
//! An id is `epoch << 32 | count`: the registry adds one to the epoch at every start of an
//! allocator, so no count needs to be durable.

use std::{fmt, str::FromStr};
use thiserror::Error;

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
                (self.0 >> 32) as u32
            }

            /// The id as one number.
            #[must_use]
            pub const fn number(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}-{}", $letter, self.0 >> 32, self.0 & u64::from(u32::MAX))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let number = text.strip_prefix($letter).and_then(|rest| {
                    let (epoch, count) = rest.split_once('-')?;
                    let (epoch, count) = (epoch.parse::<u32>().ok()?, count.parse::<u32>().ok()?);
                    Some(u64::from(epoch) << 32 | u64::from(count))
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
id!(TaskHandle, 'T', "a task", "One launch of one task.");

/// Gives out ids of one epoch.
#[derive(Clone, Debug)]
pub struct Ids {
    epoch: u32,
    last: u32,
}

impl Ids {
    /// Ids of `epoch`, which no allocator before had.
    #[must_use]
    pub const fn new(epoch: u32) -> Self {
        Self { epoch, last: 0 }
    }

    /// The epoch that all these ids carry.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// A number never given before.
    ///
    /// # Panics
    /// After 2^32 ids in one epoch (at 1,000 a second: 49 days); the allocator then restarts.
    pub fn give(&mut self) -> u64 {
        self.last = self.last.checked_add(1).expect("2^32 ids were given in this epoch");
        u64::from(self.epoch) << 32 | u64::from(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_written() {
        let mut ids = Ids::new(3);
        let id = AgentId::from_number(ids.give());
        assert_eq!(id.to_string(), "A3-1");
        assert_eq!("A3-1".parse(), Ok(id));
        assert!("A3-1".parse::<FrameworkId>().is_err());
        assert!("A-1".parse::<AgentId>().is_err());
        assert!("A3-99999999999".parse::<AgentId>().is_err());
    }
}
