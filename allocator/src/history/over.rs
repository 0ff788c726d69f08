//! Tasks and frameworks that are over, as many as are kept.

use super::{Ended, Known, MAX_OVER};
use headroom_core::ids::FrameworkId;
use std::collections::{BTreeMap, VecDeque};

/// A framework that is over.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    pub(crate) id: FrameworkId,
    pub(crate) known: Known,
}

/// Tasks that are over, by the order in which they came here.
#[derive(Debug)]
pub(super) struct Over {
    all: BTreeMap<u64, Ended>,
    of: BTreeMap<FrameworkId, VecDeque<u64>>,
    next: u64,
    most_of_one: usize,
    most: usize,
}

impl Over {
    pub(super) const fn new(most_of_one: usize) -> Self {
        Self { all: BTreeMap::new(), of: BTreeMap::new(), next: 0, most_of_one, most: MAX_OVER }
    }

    /// Keeps one more; the oldest of its framework, and of all, go at the bounds.
    pub(super) fn add(&mut self, ended: Ended) {
        if self.most_of_one == 0 {
            return;
        }
        let number = self.next;
        self.next += 1;
        let own = self.of.entry(ended.task.framework).or_default();
        own.push_back(number);
        if own.len() > self.most_of_one
            && let Some(oldest) = own.pop_front()
        {
            self.all.remove(&oldest);
        }
        self.all.insert(number, ended);
        if self.all.len() > self.most
            && let Some((_, oldest)) = self.all.pop_first()
            && let Some(own) = self.of.get_mut(&oldest.task.framework)
        {
            own.pop_front();
            if own.is_empty() {
                self.of.remove(&oldest.task.framework);
            }
        }
    }

    /// Forgets all of one framework.
    pub(super) fn forget(&mut self, framework: FrameworkId) {
        for number in self.of.remove(&framework).unwrap_or_default() {
            self.all.remove(&number);
        }
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Ended> {
        self.all.values()
    }
}
