//! Sets of slots, one bit each: what is to be looked at, who declined, who may take.

/// A set of small numbers.
#[derive(Clone, Debug, Default)]
pub struct SlotSet {
    words: Vec<u64>,
    len: usize,
}

const BITS: usize = u64::BITS as usize;

impl SlotSet {
    /// Nothing.
    pub const NONE: Self = Self { words: Vec::new(), len: 0 };

    /// Adds one; says whether it was not there.
    pub fn insert(&mut self, slot: usize) -> bool {
        let word = slot / BITS;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bit = 1 << (slot % BITS);
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes one out; says whether it was there.
    pub fn remove(&mut self, slot: usize) -> bool {
        let was = self.contains(slot);
        if was {
            self.words[slot / BITS] &= !(1 << (slot % BITS));
            self.len -= 1;
        }
        was
    }

    /// Adds or takes out.
    pub fn set(&mut self, slot: usize, is_in: bool) {
        if is_in {
            self.insert(slot);
        } else {
            self.remove(slot);
        }
    }

    /// Whether it is there.
    #[must_use]
    #[inline]
    pub fn contains(&self, slot: usize) -> bool {
        self.words.get(slot / BITS).is_some_and(|word| word >> (slot % BITS) & 1 == 1)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes all out; keeps the room.
    pub fn clear(&mut self) {
        if self.len > 0 {
            self.words.fill(0);
            self.len = 0;
        }
    }

    /// Adds all of `other`.
    pub fn add_all(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            self.len += (more & !*word).count_ones() as usize;
            *word |= more;
        }
    }

    /// The least that is no less than `from`.
    #[must_use]
    pub fn next(&self, from: usize) -> Option<usize> {
        let first = from / BITS;
        let mut word = self.words.get(first)? & (u64::MAX << (from % BITS));
        let mut at = first;
        while word == 0 {
            at += 1;
            word = *self.words.get(at)?;
        }
        Some(at * BITS + word.trailing_zeros() as usize)
    }

    /// All, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| bits(at, *word))
    }

    /// All that are in `self` or `or` and not in `without`, ascending.
    pub fn either_without<'a>(
        &'a self,
        or: &'a Self,
        without: &'a Self,
    ) -> impl Iterator<Item = usize> + 'a {
        let words = self.words.len().max(or.words.len());
        let word = |of: &Self, at| of.words.get(at).copied().unwrap_or(0);
        (0..words)
            .flat_map(move |at| bits(at, (word(self, at) | word(or, at)) & !word(without, at)))
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

impl PartialEq for SlotSet {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl FromIterator<usize> for SlotSet {
    fn from_iter<I: IntoIterator<Item = usize>>(slots: I) -> Self {
        let mut set = Self::default();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

/// The slots of one word's bits.
fn bits(at: usize, mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(at * BITS + bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_an_ordered_set(
            changes in prop::collection::vec((0usize..300, any::<bool>()), 0..200),
            other in prop::collection::btree_set(0usize..400, 0..50),
            from in 0usize..400,
        ) {
            let (mut set, mut plain) = (SlotSet::default(), BTreeSet::new());
            for (slot, is_in) in changes {
                set.set(slot, is_in);
                if is_in { plain.insert(slot) } else { plain.remove(&slot) };
            }
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), plain.clone());
            prop_assert_eq!(set.len(), plain.len());
            prop_assert_eq!(set.next(from), plain.range(from..).next().copied());
            let more: SlotSet = other.iter().copied().collect();
            let none = SlotSet::default();
            let without: Vec<_> = set.either_without(&none, &more).collect();
            prop_assert_eq!(without, plain.difference(&other).copied().collect::<Vec<_>>());
            set.add_all(&more);
            plain.extend(other);
            prop_assert_eq!(set.len(), plain.len());
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), plain);
        }
    }
}
