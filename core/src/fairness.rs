//! Who is next: weighted dominant-resource fairness over a flat set of roles, then frameworks
//! (Ghodsi et al., NSDI'11; weights as in Mesos).

use crate::{
    frameworks::Framework,
    ids::FrameworkId,
    machine::{Machine, State},
    resources::{Amounts, KINDS},
    roles::WEIGHT_ONE,
};

/// A dominant share in billionths of the cluster, divided by the weight.
pub type Share = u64;

/// A whole in billionths, for a weight in thousandths.
const WHOLE: f64 = 1e9 * 1e3;

/// The largest part that `held` is of `total` in any kind, over the weight (in thousandths).
///
/// By floating point: a sixth of the time of dividing 128-bit numbers, and every framework's share
/// is worked out at every offer.
#[must_use]
pub fn share(held: Amounts, total: Amounts, weight_milli: u64) -> Share {
    let dominant = (0..KINDS)
        .filter(|kind| total.0[*kind] > 0)
        .map(|kind| held.0[kind] as f64 / total.0[kind] as f64)
        .fold(0.0, f64::max);
    (dominant * WHOLE / weight_milli.max(1) as f64) as Share
}

impl State {
    /// A framework's place in the order: its role's share, then its own, then who came first.
    #[must_use]
    pub fn place(&self, id: FrameworkId) -> (Share, Share, FrameworkId) {
        let framework = self.frameworks.get(&id);
        framework.map_or((u64::MAX, u64::MAX, id), |framework| self.place_of(framework))
    }

    fn place_of(&self, framework: &Framework) -> (Share, Share, FrameworkId) {
        let total = self.agents.total();
        let role = self.roles.get(framework.role);
        let role_share = share(role.held, total, role.weight_milli);
        (role_share, share(framework.held, total, WEIGHT_ONE), framework.id)
    }
}

impl Machine {
    /// The frameworks that an offer of this kind could be of use to, the most entitled first.
    #[must_use]
    pub fn hungry_in_order(&self, revocable: bool) -> Vec<FrameworkId> {
        let state = &self.state;
        let hungry = self.hungry.iter().filter_map(|id| state.frameworks.get(id));
        let takers = hungry.filter(|framework| {
            framework.takes(revocable, state.roles.get(framework.role).opportunistic)
        });
        let mut places: Vec<_> = takers.map(|framework| state.place_of(framework)).collect();
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
