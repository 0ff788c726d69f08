//! Sets of ports, as sorted ranges that do not touch.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Ports of one node; cheap to copy. Ranges include both ends, are sorted, and neither overlap nor
/// touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u16, u16)>", into = "Vec<(u16, u16)>")]
pub struct Ports(Option<Arc<[(u16, u16)]>>);

impl From<Ports> for Vec<(u16, u16)> {
    fn from(ports: Ports) -> Self {
        ports.ranges().to_vec()
    }
}

/// At most so many ranges are read from outside.
pub const MAX_RANGES: usize = 1_024;

impl TryFrom<Vec<(u16, u16)>> for Ports {
    type Error = crate::resources::AmountError;

    fn try_from(ranges: Vec<(u16, u16)>) -> Result<Self, Self::Error> {
        Self::from_ranges(&ranges).ok_or(crate::resources::AmountError::Ports)
    }
}

impl Ports {
    /// The union of `ranges`; `None` if one runs backwards or there are more than [`MAX_RANGES`].
    #[must_use]
    pub fn from_ranges(ranges: &[(u16, u16)]) -> Option<Self> {
        if ranges.len() > MAX_RANGES || ranges.iter().any(|(first, last)| first > last) {
            return None;
        }
        Some(Self::merge(ranges.to_vec()))
    }

    /// The ranges, sorted.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Sorted ranges that neither overlap nor touch; none share no memory.
    fn sorted(ranges: Vec<(u16, u16)>) -> Self {
        Self((!ranges.is_empty()).then(|| ranges.into()))
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many ports there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.ranges().iter().map(|(first, last)| u32::from(last - first) + 1).sum()
    }

    /// Whether every port of `other` is here.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.is_same(other)
            || other.ranges().iter().all(|(first, last)| {
                let at = self.ranges().partition_point(|range| range.1 < *first);
                self.ranges().get(at).is_some_and(|range| range.0 <= *first && *last <= range.1)
            })
    }

    /// Whether some port is in both.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.ranges().iter().peekable(), other.ranges().iter().peekable());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            if x.1 < y.0 {
                a.next();
            } else if y.1 < x.0 {
                b.next();
            } else {
                return true;
            }
        }
        false
    }

    /// All ports of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() || self.is_same(other) {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        Self::merge(self.ranges().iter().chain(other.ranges()).copied().collect())
    }

    fn merge(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if u32::from(first) <= u32::from(before.1) + 1 => {
                    before.1 = before.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Self::sorted(merged)
    }

    /// What is here and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        if self.is_same(other) {
            return Self::default();
        }
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        let mut left = Vec::with_capacity(self.ranges().len() + other.ranges().len());
        for &(first, last) in self.ranges() {
            let mut from = u32::from(first);
            for &(cut_first, cut_last) in other.ranges() {
                if u32::from(cut_last) < from || cut_first > last {
                    continue;
                }
                if u32::from(cut_first) > from {
                    left.push((from as u16, cut_first - 1));
                }
                from = u32::from(cut_last) + 1;
            }
            if from <= u32::from(last) {
                left.push((from as u16, last));
            }
        }
        Self::sorted(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(ports: &Ports) -> BTreeSet<u16> {
        ports.ranges().iter().flat_map(|(first, last)| *first..=*last).collect()
    }

    fn any_ports() -> impl Strategy<Value = Ports> {
        let range = prop_oneof![0u16..60, 65_500u16..=65_535];
        prop::collection::vec((range, 0u16..10), 0..8).prop_map(|starts| {
            let ranges: Vec<_> =
                starts.into_iter().map(|(first, n)| (first, first.saturating_add(n))).collect();
            Ports::from_ranges(&ranges).unwrap()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_plain_sets(a in any_ports(), b in any_ports()) {
            let (x, y) = (set(&a), set(&b));
            prop_assert_eq!(set(&a.union(&b)), x.union(&y).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(set(&a.minus(&b)), x.difference(&y).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(a.contains(&b), y.is_subset(&x));
            prop_assert_eq!(a.intersects(&b), !x.is_disjoint(&y));
            prop_assert_eq!(a.count() as usize, x.len());
        }
    }

    #[test]
    fn a_backward_range_is_refused() {
        assert_eq!(Ports::from_ranges(&[(5, 4)]), None);
    }
}
