//! The last minutes of each node, for the small curves.

use std::collections::{HashMap, VecDeque};

use super::rows::NodeRow;

/// How many looks are kept; as wide as a wide terminal's half.
const LENGTH: usize = 240;
/// Curves are drawn from whole numbers: thousandths of a CPU.
const SCALE: f64 = 1000.0;

/// One node's curves, oldest first. A look without a measurement is a gap.
#[derive(Debug, Default)]
pub(crate) struct Curves {
    pub(crate) used: VecDeque<Option<u64>>,
    pub(crate) requested: VecDeque<Option<u64>>,
    /// The top of both curves.
    pub(crate) total: u64,
}

/// All nodes' curves.
#[derive(Debug, Default)]
pub(crate) struct History {
    nodes: HashMap<String, Curves>,
}

impl History {
    /// Adds a look; nodes that are gone are forgotten.
    pub(crate) fn add(&mut self, nodes: &[NodeRow]) {
        self.nodes.retain(|id, _| nodes.iter().any(|row| row.node.agent_id == *id));
        for row in nodes {
            let node = &row.node;
            let curves = self.nodes.entry(node.agent_id.clone()).or_default();
            let used = node.used.cpus.filter(|_| node.connected);
            push(&mut curves.used, used.map(scaled));
            push(&mut curves.requested, Some(scaled(node.requested.cpus + node.lent.cpus)));
            curves.total = scaled(node.total.cpus);
        }
    }

    pub(crate) fn of(&self, agent_id: &str) -> Option<&Curves> {
        self.nodes.get(agent_id)
    }
}

fn scaled(cpus: f64) -> u64 {
    // `as` saturates: a negative or absurd figure draws a line at the edge.
    (cpus * SCALE).round() as u64
}

fn push(curve: &mut VecDeque<Option<u64>>, value: Option<u64>) {
    if curve.len() == LENGTH {
        curve.pop_front();
    }
    curve.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Look, tests::cluster};
    use super::*;

    #[test]
    fn bounded_with_gaps_and_forgetful() {
        let mut look = Look::of(&cluster());
        let mut history = History::default();
        for _ in 0..LENGTH + 5 {
            history.add(&look.nodes);
        }
        let curves = history.of("a").expect("curves");
        assert_eq!((curves.used.len(), curves.used[0], curves.total), (LENGTH, Some(1500), 4000));
        assert_eq!(history.of("b").expect("curves").used[0], None);
        look.nodes.remove(0);
        history.add(&look.nodes);
        assert!(history.of("a").is_none());
    }
}
