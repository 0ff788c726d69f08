//! The least a framework wants to be offered at a time: any one of several sets of amounts is enough
//! (Mesos: `min_allocatable_resources`, of a framework or else of the cluster).

use crate::resources::Amounts;
use thiserror::Error;

/// Sets of one framework: at most.
pub const MAX_SETS: usize = 64;

/// A minimum of more than [`MAX_SETS`] sets.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a minimum has at most {MAX_SETS} sets")]
pub struct TooManySets;

/// A framework's minimum: an offer must hold one of these sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minimum(Vec<Amounts>);

impl Minimum {
    /// One of `sets` is enough; none: whatever there is.
    ///
    /// # Errors
    /// There are more than [`MAX_SETS`].
    pub fn any_of(sets: Vec<Amounts>) -> Result<Self, TooManySets> {
        if sets.len() > MAX_SETS { Err(TooManySets) } else { Ok(Self(sets)) }
    }

    /// The sets.
    #[must_use]
    pub fn sets(&self) -> &[Amounts] {
        &self.0
    }

    /// What every set holds of each kind: no less is ever enough.
    #[must_use]
    pub fn least(&self) -> Amounts {
        self.0.iter().copied().reduce(Amounts::min).unwrap_or_default()
    }

    /// Whether `amounts` are worth an offer.
    #[must_use]
    pub fn admits(&self, amounts: Amounts) -> bool {
        self.0.is_empty() || self.0.iter().any(|set| set.fits_in(amounts))
    }
}

impl std::fmt::Display for Minimum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sets: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "{}", if sets.is_empty() { "anything".to_owned() } else { sets.join(", or ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_set_is_enough_and_none_is_no_minimum() {
        let sets = vec![Amounts::of(1_000, 0), Amounts::of(100, 64_000)];
        let minimum = Minimum::any_of(sets).unwrap();
        assert!(minimum.admits(Amounts::of(1_000, 0)));
        assert!(minimum.admits(Amounts::of(100, 64_000)));
        assert!(!minimum.admits(Amounts::of(999, 63_000)));
        assert_eq!(minimum.least(), Amounts::of(100, 0));
        assert!(Minimum::default().admits(Amounts::ZERO));
        assert_eq!(minimum.to_string(), "1 cpus, or 0.1 cpus, 64 MiB of memory");
        assert!(Minimum::any_of(vec![Amounts::ZERO; MAX_SETS + 1]).is_err());
    }
}
