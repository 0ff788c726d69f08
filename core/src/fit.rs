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
    let mut best: Option<(f64, usize)> = None;
    for (slot, free) in column.iter().enumerate() {
        if !request.fits_in(*free) {
            continue;
        }
        let left = leftover(*free, request, part);
        if best.is_none_or(|(least, _)| left < least) && allowed(slot) {
            best = Some((left, slot));
        }
    }
    best.map(|(_, slot)| slot)
}

/// By what an amount of each kind is multiplied to be a part of the whole cluster's; 0 for kinds that
/// the cluster lacks. A multiplication a node instead of a division.
fn part_of(scale: Amounts) -> [f64; KINDS] {
    scale.0.map(|all| if all > 0 { 1.0 / all as f64 } else { 0.0 })
}

/// What remains of `free` after `request`, as a sum of parts over the kinds.
fn leftover(free: Amounts, request: Amounts, part: [f64; KINDS]) -> f64 {
    (0..KINDS).map(|kind| (free.0[kind] - request.0[kind]) as f64 * part[kind]).sum()
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
