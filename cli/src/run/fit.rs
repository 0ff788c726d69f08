//! Whether an offer holds what the task needs, and which of it to take.

use headroom_proto::v1::{Offer, PortRange, Resources};

use super::plan::Plan;

/// Half a thousandth: amounts are kept to three decimals, floats are not exact.
const TOLERANCE: f64 = 0.0005;

/// What to take of the offer, or none when the task does not fit.
pub(crate) fn take(plan: &Plan, offer: &Offer) -> Option<Resources> {
    if plan.framework.only_revocable && !offer.revocable {
        return None;
    }
    let offered = offer.resources.as_ref()?;
    let wanted = &plan.wanted;
    let enough = [
        (offered.cpus, wanted.cpus),
        (offered.memory_mib, wanted.memory_mib),
        (offered.disk_mib, wanted.disk_mib),
        (offered.gpus, wanted.gpus),
    ]
    .into_iter()
    .all(|(has, needs)| has + TOLERANCE >= needs);
    if !enough {
        return None;
    }
    Some(Resources { ports: ports(&offered.ports, plan.ports)?, ..wanted.clone() })
}

/// The first `wanted` ports of the offer.
fn ports(offered: &[PortRange], wanted: u32) -> Option<Vec<PortRange>> {
    let mut missing = wanted;
    let mut taken = Vec::new();
    for range in offered {
        if missing == 0 {
            break;
        }
        let Some(span) = range.last.checked_sub(range.first) else { continue };
        let last = range.first.saturating_add(span.min(missing - 1));
        missing -= last - range.first + 1;
        taken.push(PortRange { first: range.first, last });
    }
    (missing == 0).then_some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(first: u32, last: u32) -> PortRange {
        PortRange { first, last }
    }

    #[test]
    fn as_many_ports_as_wanted_and_no_more() {
        let offered = [range(10, 11), range(20, 29)];
        assert_eq!(ports(&offered, 0), Some(vec![]));
        assert_eq!(ports(&offered, 1), Some(vec![range(10, 10)]));
        assert_eq!(ports(&offered, 4), Some(vec![range(10, 11), range(20, 21)]));
        assert_eq!(ports(&offered, 13), None);
        assert_eq!(ports(&[], 1), None);
    }

    proptest! {
        #[test]
        fn taken_ports_are_offered_ones(
            offered in proptest::collection::vec((0_u32..65_536, 0_u32..65_536), 0..6),
            wanted in 0_u32..2_000,
        ) {
            let offered: Vec<_> = offered.into_iter().map(|(a, b)| range(a, b)).collect();
            if let Some(taken) = ports(&offered, wanted) {
                let count: u32 = taken.iter().map(|r| r.last - r.first + 1).sum();
                prop_assert_eq!(count, wanted);
                for r in taken {
                    let inside = offered.iter().any(|o| o.first <= r.first && r.last <= o.last);
                    prop_assert!(inside);
                }
            }
        }
    }
}
