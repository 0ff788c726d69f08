//! Who is next: weighted dominant-resource fairness over a flat set of roles, then frameworks
//! (Ghodsi et al., NSDI'11; weights as in Mesos).

use crate::{
    ids::FrameworkId,
    machine::{Machine, State},
    resources::{Amounts, KINDS},
};

/// A dominant share in billionths of the cluster, divided by the weight.
pub type Share = u64;

const BILLION: u128 = 1_000_000_000;

/// The largest part that `held` is of `total` in any kind, over the weight (in thousandths).
#[must_use]
pub fn share(held: Amounts, total: Amounts, weight_milli: u64) -> Share {
    let dominant = (0..KINDS)
        .filter(|kind| total.0[*kind] > 0)
        .map(|kind| u128::from(held.0[kind]) * BILLION / u128::from(total.0[kind]))
        .max()
        .unwrap_or(0);
    u64::try_from(dominant * 1_000 / u128::from(weight_milli.max(1))).unwrap_or(u64::MAX)
}

impl State {
    /// A framework's place in the order: its role's share, then its own, then who came first.
    #[must_use]
    pub fn place(&self, id: FrameworkId) -> (Share, Share, FrameworkId) {
        let total = self.agents.total();
        self.frameworks.get(&id).map_or((u64::MAX, u64::MAX, id), |framework| {
            let role = self.roles.get(framework.role);
            (share(role.held, total, role.weight_milli), share(framework.held, total, 1_000), id)
        })
    }
}

impl Machine {
    /// The frameworks that an offer could be of use to, the most entitled first.
    #[must_use]
    pub fn hungry_in_order(&self) -> Vec<FrameworkId> {
        let mut places: Vec<_> = self.hungry.iter().map(|id| self.state.place(*id)).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, _, id)| id).collect()
    }

    /// Brings a framework's membership in the set of the hungry up to date.
    pub(crate) fn refresh_hunger(&mut self, id: FrameworkId) {
        if self.state.frameworks.get(&id).is_some_and(|framework| framework.is_hungry()) {
            self.hungry.insert(id);
        } else {
            self.hungry.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dominant_kind_counts_and_weight_divides() {
        let total = Amounts::of(10_000, 100_000);
        assert_eq!(share(Amounts::of(1_000, 50_000), total, 1_000), 500_000_000);
        assert_eq!(share(Amounts::of(1_000, 50_000), total, 2_000), 250_000_000);
        assert_eq!(share(Amounts::of(1_000, 0), Amounts::ZERO, 1_000), 0);
    }
}
