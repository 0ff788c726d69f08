//! Chance from a seed: the same seed gives the same order on every machine and with every version.

/// Steele, Lea and Flood's SplitMix64 (OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// Chance that depends on `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..count`; `count` must not be 0.
    pub fn below(&mut self, count: usize) -> usize {
        // The high half of the product is uniform but for one in 2^64 / count.
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// Puts `items` in any order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_published_and_every_order_comes() {
        let mut seed = Seed::new(1_234_567);
        assert_eq!(seed.next(), 6_457_827_717_110_365_317, "the reference's first output");
        let mut orders = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut items = [0, 1, 2, 3];
            Seed::new(seed).shuffle(&mut items);
            orders.insert(items);
        }
        assert_eq!(orders.len(), 24);
    }
}
