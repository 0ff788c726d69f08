//! Things with an id, one slot each: columns beside the table are indexed by slot.

use std::collections::BTreeMap;

/// Values by id and by slot; a vacant slot is taken again.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    slots: Vec<Option<V>>,
    vacant: Vec<u32>,
    by_id: BTreeMap<K, u32>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { slots: Vec::new(), vacant: Vec::new(), by_id: BTreeMap::new() }
    }
}

impl<K: Copy + Ord, V> Table<K, V> {
    /// Takes one in; says where it is.
    pub(crate) fn insert(&mut self, id: K, value: V) -> usize {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.by_id.insert(id, slot);
        self.slots[slot as usize] = Some(value);
        slot as usize
    }

    /// Takes one out; says where it was.
    pub(crate) fn remove(&mut self, id: K) -> Option<(usize, V)> {
        let slot = self.by_id.remove(&id)?;
        self.vacant.push(slot);
        Some((slot as usize, self.slots[slot as usize].take()?))
    }

    /// Where it is.
    pub(crate) fn slot(&self, id: K) -> Option<usize> {
        self.by_id.get(&id).map(|slot| *slot as usize)
    }

    /// What is at a slot; `None` if the slot is vacant.
    #[inline]
    pub(crate) fn at(&self, slot: usize) -> Option<&V> {
        self.slots.get(slot)?.as_ref()
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, slot: usize) -> Option<&mut V> {
        self.slots.get_mut(slot)?.as_mut()
    }

    pub(crate) fn get(&self, id: K) -> Option<&V> {
        self.at(self.slot(id)?)
    }

    /// All, in the order of their ids.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.slots().filter_map(|slot| self.at(slot))
    }

    /// All slots that are taken, in the order of the ids.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> {
        self.by_id.values().map(|slot| *slot as usize)
    }

    /// All, in the order of their slots.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut V)> {
        let slots = self.slots.iter_mut().enumerate();
        slots.filter_map(|(slot, value)| Some((slot, value.as_mut()?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_taken_again_and_order_is_that_of_ids() {
        let mut table = Table::default();
        assert_eq!((table.insert(7, 'a'), table.insert(3, 'b'), table.insert(9, 'c')), (0, 1, 2));
        assert_eq!(table.remove(7), Some((0, 'a')));
        assert_eq!(table.remove(7), None);
        assert_eq!((table.at(0), table.get(7), table.slot(3)), (None, None, Some(1)));
        assert_eq!(table.insert(5, 'd'), 0);
        assert_eq!(table.values().collect::<String>(), "bdc");
        assert_eq!(table.slots().collect::<Vec<_>>(), [1, 0, 2]);
        assert_eq!(table.len(), 3);
        table.iter_mut().for_each(|(slot, value)| *value = ['x', 'y', 'z'][slot]);
        assert_eq!(table.values().collect::<String>(), "yxz");
    }
}
