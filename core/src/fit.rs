//! Which agent fits best: a scan over columns.
//!
//! What an agent has left after a request, summed over the kinds, is what it has free less what the
//! request takes: among those where it fits, the agent with the least free in sum leaves least. So
//! each agent has one number, its size, and a scan looks for the least size that fits. All columns
//! are of 32 bits, so that 10,000 agents are read from the second cache in a few microseconds.

use crate::{
    fairness::Scale,
    resources::{Amounts, KINDS},
    slots::SlotSet,
};

/// Agents that are looked at together.
const BLOCK: usize = 64;
/// What the average agent has of one kind counts so much in its size.
const AVERAGE: f64 = (1 << 20) as f64;

/// What agents have free of one kind of resources, by slot.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    free: Vec<Amounts>,
    /// The same by kind, at most `i32::MAX`, in whole blocks.
    kinds: [Vec<i32>; KINDS],
    size: Vec<i32>,
    scale: Scale,
    /// What one thousandth of each kind counts in a size.
    parts: [f64; KINDS],
    /// Those with CPUs or memory free.
    some: SlotSet,
    /// What all of them have free.
    total: Amounts,
}

fn small(amount: u64) -> i32 {
    i32::try_from(amount).unwrap_or(i32::MAX)
}

impl Columns {
    /// Agents that have this free, in a cluster that has no more than that.
    #[must_use]
    pub fn of(free: &[Amounts]) -> Self {
        let mut columns = Self::default();
        columns.rescale(free.iter().copied().fold(Amounts::ZERO, Amounts::plus), free.len());
        for (slot, free) in free.iter().enumerate() {
            columns.set(slot, *free);
        }
        columns
    }

    /// Sets what an agent has free; says whether it has more of something than before.
    pub(crate) fn set(&mut self, slot: usize, free: Amounts) -> bool {
        if slot >= self.free.len() {
            self.free.resize(slot + 1, Amounts::ZERO);
            let whole = (slot + 1).next_multiple_of(BLOCK);
            self.kinds.iter_mut().for_each(|kind| kind.resize(whole, 0));
            self.size.resize(whole, 0);
        }
        let before = std::mem::replace(&mut self.free[slot], free);
        if before == free {
            return false;
        }
        for (kind, amount) in self.kinds.iter_mut().zip(free.0) {
            kind[slot] = small(amount);
        }
        self.size[slot] = self.size_of(free);
        self.some.set(slot, free.cpus_milli() > 0 || free.memory_milli_mib() > 0);
        self.total = self.total.minus(before).plus(free);
        !free.fits_in(before)
    }

    fn size_of(&self, free: Amounts) -> i32 {
        let parts = free.0.iter().zip(self.parts).map(|(free, part)| *free as f64 * part);
        // The largest number stands for "does not fit".
        (parts.sum::<f64>() as i32).min(i32::MAX - 1)
    }

    /// Weighs the kinds against each other by what the cluster has of them.
    pub(crate) fn rescale(&mut self, total: Amounts, agents: usize) {
        if !self.scale.has_drifted(total) {
            return;
        }
        self.scale = Scale::of(total);
        let count = agents.max(1) as f64;
        self.parts = total.0.map(|all| if all == 0 { 0.0 } else { AVERAGE * count / all as f64 });
        for slot in 0..self.free.len() {
            self.size[slot] = self.size_of(self.free[slot]);
        }
    }

    /// What an agent has free.
    #[must_use]
    #[inline]
    pub fn free(&self, slot: usize) -> Amounts {
        self.free.get(slot).copied().unwrap_or_default()
    }

    /// What all of them have free.
    #[must_use]
    pub const fn total(&self) -> Amounts {
        self.total
    }

    /// Those with CPUs or memory free.
    #[must_use]
    pub const fn some(&self) -> &SlotSet {
        &self.some
    }

    /// The slot that holds `request` and has least left over, among those `allowed`; ties go to the
    /// lowest slot.
    ///
    /// Left over is measured against what the cluster has of each kind: an agent that the request
    /// nearly fills is taken first, so that large requests find whole agents later.
    #[must_use]
    pub fn best(&self, request: Amounts, allowed: impl FnMut(usize) -> bool) -> Option<usize> {
        let wanted = request.0.map(small);
        let [cpus, memory, rest @ ..] = wanted;
        let [of_cpus, of_memory, ..] = &self.kinds;
        if wanted.contains(&i32::MAX) {
            // A column can't tell such amounts from larger ones.
            self.scan(request, allowed, |at| self.least_exactly(request, at))
        } else if rest.iter().any(|kind| *kind > 0) {
            let kinds = self.kinds.each_ref();
            self.scan(request, allowed, |at| least(&self.size, kinds, wanted, at))
        } else {
            let (kinds, wanted) = ([of_cpus, of_memory], [cpus, memory]);
            self.scan(request, allowed, |at| least(&self.size, kinds, wanted, at))
        }
    }

    /// Looks at the agents of a block one by one only if `least_of` says that it has a better one.
    fn scan(
        &self,
        request: Amounts,
        mut allowed: impl FnMut(usize) -> bool,
        least_of: impl Fn(usize) -> i32,
    ) -> Option<usize> {
        let mut best = (i32::MAX, None);
        for at in (0..self.size.len()).step_by(BLOCK) {
            if least_of(at) >= best.0 {
                continue;
            }
            for slot in at..at + BLOCK {
                let size = self.size[slot];
                if size < best.0 && request.fits_in(self.free(slot)) && allowed(slot) {
                    best = (size, Some(slot));
                }
            }
        }
        best.1
    }

    fn least_exactly(&self, request: Amounts, at: usize) -> i32 {
        let fitting = (at..at + BLOCK).filter(|slot| request.fits_in(self.free(*slot)));
        fitting.map(|slot| self.size[slot]).min().unwrap_or(i32::MAX)
    }
}

/// The least size in a block of those that hold the request. Without branches: whether an agent has
/// room cannot be foretold, and so the compiler looks at several at a time.
#[inline]
fn least<const N: usize>(size: &[i32], kinds: [&Vec<i32>; N], wanted: [i32; N], at: usize) -> i32 {
    let block = |column: &[i32]| -> [i32; BLOCK] {
        let mut block = [0; BLOCK];
        block.copy_from_slice(&column[at..at + BLOCK]);
        block
    };
    let mut sizes = block(size);
    for (kind, wanted) in kinds.into_iter().zip(wanted) {
        for (size, free) in sizes.iter_mut().zip(block(kind)) {
            *size = if wanted <= free { *size } else { i32::MAX };
        }
    }
    sizes.into_iter().min().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_tightest_node_that_fits_is_taken() {
        let free = [Amounts::of(8, 8), Amounts::of(2, 2), Amounts::of(3, 3), Amounts::of(1, 9)];
        let columns = Columns::of(&free);
        assert_eq!(columns.best(Amounts::of(2, 2), |_| true), Some(1));
        assert_eq!(columns.best(Amounts::of(2, 2), |slot| slot != 1), Some(2));
        assert_eq!(columns.best(Amounts::of(1, 9), |_| true), Some(3));
        assert_eq!(columns.best(Amounts::of(9, 9), |_| true), None);
    }

    #[test]
    fn amounts_past_a_column_are_told_apart() {
        let huge = |memory| Amounts::of(1_000, memory);
        let columns = Columns::of(&[huge(3_000_000_000), huge(5_000_000_000), huge(1)]);
        assert_eq!(columns.best(huge(4_000_000_000), |_| true), Some(1));
        assert_eq!(columns.best(huge(2_000_000_000), |_| true), Some(0));
        assert_eq!(columns.best(huge(6_000_000_000), |_| true), None);
    }

    proptest! {
        #[test]
        fn the_scan_finds_what_looking_at_each_finds(
            free in prop::collection::vec([0u64..9, 0u64..9, 0u64..3, 0u64..2], 1..300),
            request in [0u64..9, 1u64..9, 0u64..3, 0u64..2],
            forbidden in prop::collection::btree_set(0usize..300, 0..100),
        ) {
            let free: Vec<_> = free.into_iter().map(Amounts).collect();
            let (columns, request) = (Columns::of(&free), Amounts(request));
            let fitting = (0..free.len()).filter(|slot| request.fits_in(free[*slot]));
            let allowed = fitting.filter(|slot| !forbidden.contains(slot));
            let best = allowed.min_by_key(|slot| (columns.size[*slot], *slot));
            prop_assert_eq!(columns.best(request, |slot| !forbidden.contains(&slot)), best);
            let sum = free.iter().copied().fold(Amounts::ZERO, Amounts::plus);
            prop_assert_eq!(columns.total(), sum);
        }
    }
}
