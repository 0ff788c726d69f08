//! A transportation problem with bounded arcs, solved exactly: primal network simplex on a strongly
//! feasible spanning tree (Cunningham 1976), which cannot cycle.
//!
//! Sources send their supply into slots of bounded capacity, each source at most so much a slot, from
//! its first slot on; what is left overflows into a last slot without bounds. The arcs are implicit:
//! a bit each says whether it is full, only those of the tree carry a flow of their own.

use std::{cmp::Reverse, collections::BTreeSet};
use thiserror::Error;

/// A problem that takes more pivots is given up.
pub const MAX_PIVOTS: u64 = 50_000_000;
/// Arcs looked at for one that enters, before the best so far is taken.
const BLOCK: usize = 128;
const NONE: usize = usize::MAX;

/// Where flow comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// All of it is sent.
    pub supply: i64,
    /// At most so much into one slot.
    pub per_slot: i64,
    /// The first slot it may use.
    pub from: usize,
}

/// No answer within [`MAX_PIVOTS`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the flow bound takes more than {MAX_PIVOTS} pivots; use longer slots")]
pub struct TooHard;

/// The solver's state. Nodes: sources, then slots, then the root, which is the overflow and the sink.
struct Simplex<'a, C> {
    sources: &'a [Source],
    slots: &'a [i64],
    cost: C,
    root: usize,
    parent: Vec<usize>,
    /// The tree's arc goes from the node to its parent.
    up: Vec<bool>,
    /// Of the arc between the node and its parent.
    flow: Vec<i64>,
    depth: Vec<u32>,
    potential: Vec<i64>,
    first_child: Vec<usize>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Full arcs outside of the tree, by source and slot; those of slots to the root in the last row.
    full: Vec<bool>,
    /// By source: none of its arcs into a later slot is full.
    last_full: Vec<usize>,
    cursor: (usize, usize),
    stack: Vec<usize>,
}

/// An arc from `tail` to `head`.
#[derive(Clone, Copy, Debug)]
struct Arc {
    tail: usize,
    head: usize,
    is_full: bool,
}

/// The least cost of sending everything; `cost(source, slot)` of a unit, the overflow being slot
/// number `slots.len()`.
///
/// # Errors
/// It takes too long.
pub fn least_cost<C: Fn(usize, usize) -> i64>(
    sources: &[Source],
    slots: &[i64],
    cost: C,
) -> Result<i128, TooHard> {
    let mut simplex = Simplex::new(sources, slots, cost);
    let mut pivots = 0;
    while let Some(entering) = simplex.entering() {
        simplex.pivot(entering);
        pivots += 1;
        if pivots > MAX_PIVOTS {
            return Err(TooHard);
        }
    }
    Ok(simplex.total())
}

impl<'a, C: Fn(usize, usize) -> i64> Simplex<'a, C> {
    /// Begins with a greedy schedule: slot by slot, the sources that are dearest to keep first.
    fn new(sources: &'a [Source], slots: &'a [i64], cost: C) -> Self {
        let root = sources.len() + slots.len();
        let mut simplex = Self {
            sources,
            slots,
            root,
            parent: vec![root; root + 1],
            up: vec![true; root + 1],
            flow: vec![0; root + 1],
            depth: vec![0; root + 1],
            potential: vec![0; root + 1],
            first_child: vec![NONE; root + 1],
            next: vec![NONE; root + 1],
            previous: vec![NONE; root + 1],
            full: vec![false; (sources.len() + 1) * slots.len()],
            last_full: vec![0; sources.len() + 1],
            cursor: (0, 0),
            stack: Vec::new(),
            cost,
        };
        simplex.parent[root] = NONE;
        simplex.last_full[sources.len()] = slots.len();
        let left = simplex.fill();
        for (node, left) in left.into_iter().enumerate() {
            if simplex.parent[node] == root {
                simplex.flow[node] = left;
            }
        }
        for node in 0..root {
            simplex.adopt(node, simplex.parent[node]);
        }
        simplex.measure();
        simplex
    }

    /// Fills the slots and hangs each node to one above it. A slot hangs to a source that goes on in
    /// a later slot, a source to the slot it ends in: so nothing hangs to itself. Returns what is left
    /// of each source for the overflow.
    fn fill(&mut self) -> Vec<i64> {
        let mut left: Vec<_> = self.sources.iter().map(|source| source.supply).collect();
        let mut arrivals: Vec<_> = (0..self.sources.len()).collect();
        arrivals.sort_by_key(|source| self.sources[*source].from);
        let mut arrivals = arrivals.into_iter().peekable();
        let mut ready = BTreeSet::new();
        for slot in 0..self.slots.len() {
            while let Some(source) = arrivals.next_if(|at| self.sources[*at].from <= slot) {
                ready.insert((Reverse((self.cost)(source, self.slots.len())), source));
            }
            let mut room = self.slots[slot];
            let mut taken = Vec::new();
            for (_, source) in &ready {
                if room == 0 {
                    break;
                }
                let amount = left[*source].min(self.sources[*source].per_slot).min(room);
                if amount > 0 {
                    left[*source] -= amount;
                    room -= amount;
                    taken.push((*source, amount));
                }
            }
            ready.retain(|(_, source)| left[*source] > 0);
            self.hang_slot(slot, room, &taken, &left);
        }
        left
    }

    fn hang_slot(&mut self, slot: usize, room: i64, taken: &[(usize, i64)], left: &[i64]) {
        let node = self.sources.len() + slot;
        for (source, amount) in taken.iter().copied() {
            if amount == self.sources[source].per_slot {
                self.full[source * self.slots.len() + slot] = true;
                self.note_full(source, node);
            } else if left[source] == 0 {
                (self.parent[source], self.flow[source]) = (node, amount);
            }
        }
        self.flow[node] = self.slots[slot] - room;
        // The last one taken may be cut short by the slot's end: its arc must be in the tree.
        let goes_on = taken.iter().rev().find(|(source, _)| left[*source] > 0);
        let Some((source, amount)) = goes_on.or(taken.last()).copied() else { return };
        if room > 0 {
            return;
        }
        if left[source] == 0 {
            // All end here: this one hangs to the root instead.
            (self.parent[source], self.flow[source]) = (self.root, 0);
        }
        (self.parent[node], self.up[node], self.flow[node]) = (source, false, amount);
        self.full[source * self.slots.len() + slot] = false;
        let into_root = self.sources.len() * self.slots.len() + slot;
        self.full[into_root] = self.slots[slot] > 0;
    }

    /// Depths and potentials of the whole tree.
    fn measure(&mut self) {
        self.stack.push(self.root);
        while let Some(node) = self.stack.pop() {
            let mut child = self.first_child[node];
            while child != NONE {
                let (tail, head) = self.ends(child);
                let cost = self.cost_of(tail, head);
                self.potential[child] =
                    self.potential[node] + if self.up[child] { -cost } else { cost };
                self.depth[child] = self.depth[node] + 1;
                self.stack.push(child);
                child = self.next[child];
            }
        }
    }

    const fn slot(&self, node: usize) -> usize {
        node - self.sources.len()
    }

    fn cost_of(&self, tail: usize, head: usize) -> i64 {
        if tail >= self.sources.len() {
            return 0;
        }
        (self.cost)(tail, if head == self.root { self.slots.len() } else { self.slot(head) })
    }

    fn capacity(&self, tail: usize, head: usize) -> i64 {
        match (self.sources.get(tail), head == self.root) {
            (Some(_), true) => i64::MAX,
            (Some(source), false) => source.per_slot,
            (None, _) => self.slots[self.slot(tail)],
        }
    }

    /// The place of an arc's bit; `None` for the unbounded arcs into the overflow.
    fn bit(&self, tail: usize, head: usize) -> Option<usize> {
        match (tail < self.sources.len(), head == self.root) {
            (true, true) => None,
            (true, false) => Some(tail * self.slots.len() + self.slot(head)),
            (false, _) => Some(self.sources.len() * self.slots.len() + self.slot(tail)),
        }
    }

    fn is_in_tree(&self, tail: usize, head: usize) -> bool {
        self.parent[tail] == head || self.parent[head] == tail
    }

    /// How much a unit less (or, on a full arc, more) along an arc outside of the tree would save.
    fn gain(&self, arc: Arc) -> i64 {
        let reduced =
            self.cost_of(arc.tail, arc.head) + self.potential[arc.tail] - self.potential[arc.head];
        if arc.is_full { reduced } else { -reduced }
    }

    /// An arc worth exchanging; `None`: the tree is optimal. Costs usually grow from slot to slot, so
    /// at first a row is left where its costs pass what the source's flow is worth.
    fn entering(&mut self) -> Option<Arc> {
        self.search(true).or_else(|| self.search(false))
    }

    /// The best arc of the first block that has one.
    fn search(&mut self, quick: bool) -> Option<Arc> {
        let rows = self.sources.len() + 1;
        let (mut best, mut found, mut looked) = (0, None, 0);
        let (mut row, mut column) = self.cursor;
        // One row more than there are, as the first is begun in the middle.
        for _ in 0..=rows {
            let source = self.sources.get(row);
            let end = self.slots.len() + usize::from(source.is_some());
            for at in column.max(source.map_or(0, |source| source.from))..end {
                let arc = self.arc(row, at);
                let gain = self.gain(arc);
                if gain > best && !self.is_in_tree(arc.tail, arc.head) {
                    (best, found) = (gain, Some(arc));
                }
                looked += 1;
                if looked >= BLOCK && found.is_some() {
                    self.cursor = (row, at + 1);
                    return found;
                }
                let worth = -self.potential[arc.tail];
                if quick && at >= self.last_full[row] && self.cost_of(arc.tail, arc.head) > worth {
                    break;
                }
            }
            row = (row + 1) % rows;
            column = 0;
        }
        self.cursor = (row, 0);
        found
    }

    fn arc(&self, row: usize, at: usize) -> Arc {
        let (tail, head) = match (row < self.sources.len(), at == self.slots.len()) {
            (true, true) => (row, self.root),
            (true, false) => (row, self.sources.len() + at),
            (false, _) => (self.sources.len() + at, self.root),
        };
        let is_full = self.bit(tail, head).is_some_and(|bit| self.full[bit]);
        Arc { tail, head, is_full }
    }

    /// What can still flow along the tree from a node to its parent (`upwards`) or back.
    fn room(&self, node: usize, upwards: bool) -> i64 {
        if self.up[node] == upwards {
            let (tail, head) = self.ends(node);
            self.capacity(tail, head) - self.flow[node]
        } else {
            self.flow[node]
        }
    }

    /// Tail and head of the arc between a node and its parent.
    fn ends(&self, node: usize) -> (usize, usize) {
        if self.up[node] { (node, self.parent[node]) } else { (self.parent[node], node) }
    }

    fn apex(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            if self.depth[a] >= self.depth[b] {
                a = self.parent[a];
            } else {
                b = self.parent[b];
            }
        }
        a
    }

    /// Sends as much as can be round the cycle that an arc closes, and exchanges the arc that stops
    /// it for the one that entered.
    fn pivot(&mut self, entering: Arc) {
        let Arc { tail, head, is_full } = entering;
        // The flow goes from the apex down to `first`, over the arc, and from `second` up again.
        let (first, second) = if is_full { (head, tail) } else { (tail, head) };
        let apex = self.apex(tail, head);
        let capacity = self.capacity(tail, head);
        let (amount, leaving) = self.leaving(first, second, apex, capacity);
        self.send(first, apex, false, amount);
        self.send(second, apex, true, amount);
        let carried = if is_full { capacity - amount } else { amount };
        let bit = self.bit(tail, head);
        let Some((out, on_first)) = leaving else {
            bit.into_iter().for_each(|bit| self.full[bit] = !is_full);
            self.note_full(tail, head);
            return;
        };
        bit.into_iter().for_each(|bit| self.full[bit] = false);
        let (out_tail, out_head) = self.ends(out);
        if let Some(bit) = self.bit(out_tail, out_head) {
            self.full[bit] =
                self.flow[out] > 0 && self.flow[out] == self.capacity(out_tail, out_head);
            self.note_full(out_tail, out_head);
        }
        let (below, above) = if on_first { (first, second) } else { (second, first) };
        self.rehang(below, above, out, below == tail, carried);
    }

    fn note_full(&mut self, tail: usize, head: usize) {
        if tail < self.sources.len() && head != self.root {
            self.last_full[tail] = self.last_full[tail].max(self.slot(head));
        }
    }

    /// How much can flow, and which arc stops it: the last one on the way round, which keeps the tree
    /// strongly feasible. `None`: the entering arc itself.
    fn leaving(
        &self,
        first: usize,
        second: usize,
        apex: usize,
        capacity: i64,
    ) -> (i64, Option<(usize, bool)>) {
        let (mut least, mut out) = (i64::MAX, None);
        let mut node = first;
        while node != apex {
            let room = self.room(node, false);
            if room < least {
                (least, out) = (room, Some((node, true)));
            }
            node = self.parent[node];
        }
        if capacity <= least {
            (least, out) = (capacity, None);
        }
        node = second;
        while node != apex {
            let room = self.room(node, true);
            if room <= least {
                (least, out) = (room, Some((node, false)));
            }
            node = self.parent[node];
        }
        (least, out)
    }

    fn send(&mut self, from: usize, apex: usize, upwards: bool, amount: i64) {
        let mut node = from;
        while node != apex {
            self.flow[node] += if self.up[node] == upwards { amount } else { -amount };
            node = self.parent[node];
        }
    }

    /// Takes the subtree at `out` off, turns it so that `below` is on top, and hangs it to `above`.
    fn rehang(&mut self, below: usize, above: usize, out: usize, up: bool, carried: i64) {
        let (mut child, mut parent, mut up, mut flow) = (below, above, up, carried);
        loop {
            let old = (self.parent[child], self.up[child], self.flow[child]);
            self.disown(child, old.0);
            (self.parent[child], self.up[child], self.flow[child]) = (parent, up, flow);
            self.adopt(child, parent);
            if child == out {
                break;
            }
            (parent, child, up, flow) = (child, old.0, !old.1, old.2);
        }
        let (tail, head) = self.ends(below);
        let cost = self.cost_of(tail, head);
        let wanted = self.potential[above] + if self.up[below] { -cost } else { cost };
        self.shift(below, wanted - self.potential[below]);
    }

    /// Moves the potentials of a subtree by `by` and counts its depths anew.
    fn shift(&mut self, top: usize, by: i64) {
        self.stack.push(top);
        while let Some(node) = self.stack.pop() {
            self.potential[node] += by;
            self.depth[node] = self.depth[self.parent[node]] + 1;
            let mut child = self.first_child[node];
            while child != NONE {
                self.stack.push(child);
                child = self.next[child];
            }
        }
    }

    fn adopt(&mut self, child: usize, parent: usize) {
        let eldest = self.first_child[parent];
        self.next[child] = eldest;
        self.previous[child] = NONE;
        if eldest != NONE {
            self.previous[eldest] = child;
        }
        self.first_child[parent] = child;
    }

    fn disown(&mut self, child: usize, parent: usize) {
        let (previous, next) = (self.previous[child], self.next[child]);
        if previous == NONE {
            self.first_child[parent] = next;
        } else {
            self.next[previous] = next;
        }
        if next != NONE {
            self.previous[next] = previous;
        }
    }

    fn total(&self) -> i128 {
        let mut total = 0;
        for node in 0..self.root {
            let (tail, head) = self.ends(node);
            total += i128::from(self.flow[node]) * i128::from(self.cost_of(tail, head));
        }
        for (row, source) in self.sources.iter().enumerate() {
            for slot in source.from..self.slots.len() {
                if self.full[row * self.slots.len() + slot] {
                    total += i128::from(source.per_slot) * i128::from((self.cost)(row, slot));
                }
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem};
    use proptest::prelude::*;

    /// The same by a general solver.
    fn by_simplex(sources: &[Source], slots: &[i64], cost: impl Fn(usize, usize) -> i64) -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let mut into = vec![LinearExpr::empty(); slots.len()];
        for (number, source) in sources.iter().enumerate() {
            let mut sent = LinearExpr::empty();
            for (slot, into) in into.iter_mut().enumerate().skip(source.from) {
                let bounds = (0.0, source.per_slot as f64);
                let arc = problem.add_var(cost(number, slot) as f64, bounds);
                sent.add(arc, 1.0);
                into.add(arc, 1.0);
            }
            let over = problem.add_var(cost(number, slots.len()) as f64, (0.0, f64::INFINITY));
            sent.add(over, 1.0);
            problem.add_constraint(sent, ComparisonOp::Eq, source.supply as f64);
        }
        for (into, capacity) in into.into_iter().zip(slots) {
            problem.add_constraint(into, ComparisonOp::Le, *capacity as f64);
        }
        problem.solve().unwrap().solution().unwrap().objective()
    }

    #[test]
    fn the_cheaper_source_goes_first() {
        let source = |supply| Source { supply, per_slot: 10, from: 0 };
        let cost = |source: usize, slot: usize| (slot as i64) * [1, 3][source];
        assert_eq!(least_cost(&[source(10), source(10)], &[10, 10], cost), Ok(10));
        assert_eq!(least_cost(&[source(0)], &[10], cost), Ok(0));
        assert_eq!(least_cost(&[], &[10], cost), Ok(0));
        assert_eq!(least_cost(&[source(5)], &[], |_, _| 7), Ok(35), "all overflows");
    }

    proptest! {
        #[test]
        fn as_a_general_solver(
            sources in prop::collection::vec((0i64..30, 1i64..12, 0usize..6), 1..7),
            slots in prop::collection::vec(0i64..20, 1..7),
            costs in prop::collection::vec(0i64..50, 49),
        ) {
            let slot_count = slots.len();
            let sources: Vec<_> = sources
                .into_iter()
                .map(|(supply, per_slot, from)| Source { supply, per_slot, from: from.min(slot_count) })
                .collect();
            // The overflow is dearer than any slot or not: both happen.
            let cost = |source: usize, slot: usize| costs[source * 7 + slot];
            let ours = least_cost(&sources, &slots, cost).unwrap();
            let theirs = by_simplex(&sources, &slots, cost);
            prop_assert!((ours as f64 - theirs).abs() < 1e-3, "{} and {}", ours, theirs);
        }

        /// With the costs of waiting, as the bound has them, and many ties.
        #[test]
        fn as_a_general_solver_in_time(
            sources in prop::collection::vec((1i64..30, 1i64..6, 0usize..8), 1..7),
            capacity in 1i64..12,
        ) {
            let slots = vec![capacity; 10];
            let sources: Vec<_> = sources
                .into_iter()
                .map(|(supply, per_slot, from)| Source { supply, per_slot, from })
                .collect();
            let cost = |source: usize, slot: usize| {
                (slot - sources[source].from) as i64 * 2_520 / sources[source].supply
            };
            let ours = least_cost(&sources, &slots, cost).unwrap();
            let theirs = by_simplex(&sources, &slots, cost);
            prop_assert!((ours as f64 - theirs).abs() < 1e-3, "{} and {}", ours, theirs);
        }
    }
}
