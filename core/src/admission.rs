//! Which agents may be offered to a framework at all: by its capabilities, its constraints and its
//! minimum. Pairs are refused here before anything is counted.

use crate::{
    agents::Agent,
    capability::Lack,
    constraint::{Constraint, Subject},
    domain::Domain,
    offer::SMALLEST,
    resources::Amounts,
    seat::Seat,
};
use std::fmt;

/// What keeps an agent from ever being offered to a framework, as both are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier<'a> {
    /// The framework does not know how to use it.
    Lack(Lack),
    /// A constraint of the framework.
    Constraint(&'a Constraint),
}

impl Agent {
    /// What constraints look at.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            hostname: &self.node.hostname,
            attributes: &self.node.attributes,
            domain: self.node.domain.as_ref(),
        }
    }
}

impl Seat {
    /// What keeps `agent` from being offered to it; `own` is where the allocator is.
    #[must_use]
    pub fn barrier(&self, agent: &Agent, own: Option<&Domain>) -> Option<Barrier<'_>> {
        let mut knows = self.capabilities;
        // One that says what it wants takes no more than that: it can't hoard GPUs by mistake.
        knows.gpu_resources |= self.wanted.is_some();
        let lack = knows.lack(agent.total.amounts, agent.node.domain.as_ref(), own);
        lack.map(Barrier::Lack)
            .or_else(|| self.constraints.fault(agent.subject()).map(Barrier::Constraint))
    }

    /// Whether it does not take every agent that is for everybody.
    #[must_use]
    pub fn is_picky(&self) -> bool {
        !self.constraints.groups().is_empty()
    }

    /// Whether an offer of `amounts` is enough for it.
    #[must_use]
    pub fn is_enough(&self, amounts: Amounts) -> bool {
        let minimum = self.minimum.as_ref();
        minimum.is_none_or(|minimum| minimum.admits(amounts))
            && (self.wanted.is_some() || SMALLEST.fits_in(amounts))
    }
}

impl fmt::Display for Barrier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lack(Lack::Gpus) => {
                write!(f, "it has GPUs, and its framework did not say that it can use any")
            }
            Self::Lack(Lack::Region) => {
                write!(
                    f,
                    "it is in another region, and its framework did not say that it knows them"
                )
            }
            Self::Constraint(constraint) => {
                write!(f, "its framework takes only agents whose {constraint}")
            }
        }
    }
}
