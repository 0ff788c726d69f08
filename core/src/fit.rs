//! Which agent fits best: a scan over one column.

use crate::resources::{Amounts, KINDS};

/// The slot whose free amounts hold `request` and have least left over, among those `allowed`.
///
/// Left over is measured in the kind where most remains, relative to the request's own scale
/// (`scale`, usually the cluster's total): a node that the request nearly fills is taken first, so
/// that large requests find whole nodes later. Ties go to the lowest slot.
#[must_use]
pub fn best(
    column: &[Amounts],
    request: Amounts,
    scale: Amounts,
    mut allowed: impl FnMut(usize) -> bool,
) -> Option<usize> {
    let part = part_of(scale);
    let mut best = (u64::MAX, None);
    for (slot, free) in column.iter().enumerate() {
        // Most full nodes are full of CPUs; this branch is then foretold well.
        if request.cpus_milli() > free.cpus_milli() {
            continue;
        }
        let left = leftover(*free, request, part);
        if left < best.0 && allowed(slot) {
            best = (left, Some(slot));
        }
    }
    best.1
}

/// The whole cluster's amount of a kind, as a leftover counts it.
const WHOLE: u64 = 1 << 60;

/// What one thousandth of each kind counts in a leftover; nothing for kinds that the cluster lacks.
fn part_of(scale: Amounts) -> [u64; KINDS] {
    scale.0.map(|all| WHOLE.checked_div(all).unwrap_or(0))
}

/// What remains of `free` after `request`, as a sum over the kinds; the most there is if it does not
/// fit. Without branches or divisions: whether a node has room in every kind cannot be foretold.
fn leftover(free: Amounts, request: Amounts, part: [u64; KINDS]) -> u64 {
    let (mut fits, mut sum) = (true, 0_u64);
    for ((free, request), part) in free.0.into_iter().zip(request.0).zip(part) {
        fits &= request <= free;
        sum = sum.wrapping_add(free.wrapping_sub(request).wrapping_mul(part));
    }
    if fits { sum } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_node_that_fits_is_taken() {
        let column = [Amounts::of(8, 8), Amounts::of(2, 2), Amounts::of(3, 3), Amounts::of(1, 9)];
        let scale = Amounts::of(14, 22);
        let best =
            |request, allowed: &dyn Fn(usize) -> bool| best(&column, request, scale, allowed);
        assert_eq!(best(Amounts::of(2, 2), &|_| true), Some(1));
        assert_eq!(best(Amounts::of(2, 2), &|slot| slot != 1), Some(2));
        assert_eq!(best(Amounts::of(1, 9), &|_| true), Some(3));
        assert_eq!(best(Amounts::of(9, 9), &|_| true), None);
    }
}
