//! What the live view shows now: the newest look, what is selected, how it is sorted.

use headroom_proto::v1::Cluster;

use super::history::{Curves, History};
use super::rows::{Look, NodeRow, Sort};
use crate::failure::Failure;
use crate::record::{LedgerRecord, TaskRecord};

/// Which list the arrows move in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    Nodes,
    Tasks,
}

/// The state of the live view.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) address: String,
    pub(crate) look: Look,
    pub(crate) ledger: LedgerRecord,
    pub(crate) warnings: Vec<String>,
    pub(crate) waiting: u64,
    /// Why the look is an old one.
    pub(crate) trouble: Option<String>,
    pub(crate) focus: Focus,
    pub(crate) sort: Sort,
    pub(crate) reverse: bool,
    pub(crate) help: bool,
    /// Only this node's tasks.
    pub(crate) only_node: Option<String>,
    /// Selected by identity, so that sorting does not move the selection to another.
    node: Option<String>,
    task: Option<(String, String)>,
    history: History,
}

impl Board {
    pub(crate) fn new(address: String, cluster: Cluster) -> Self {
        let mut board = Board {
            address,
            look: Look { step: 0, nodes: Vec::new(), tasks: Vec::new() },
            ledger: LedgerRecord::from(&cluster.ledger.unwrap_or_default()),
            warnings: Vec::new(),
            waiting: 0,
            trouble: None,
            focus: Focus::Nodes,
            sort: Sort::Cpu,
            reverse: false,
            help: false,
            only_node: None,
            node: None,
            task: None,
            history: History::default(),
        };
        board.take(Ok(cluster));
        board
    }

    /// A new look, or why there is none.
    pub(crate) fn take(&mut self, look: Result<Cluster, Failure>) {
        let cluster = match look {
            Ok(cluster) => cluster,
            Err(failure) => {
                self.trouble = Some(failure.to_string());
                return;
            }
        };
        self.trouble = None;
        self.look = Look::of(&cluster);
        self.history.add(&self.look.nodes);
        self.ledger = LedgerRecord::from(&cluster.ledger.unwrap_or_default());
        self.waiting = cluster.frameworks.iter().map(|f| u64::from(f.wanted)).sum();
        self.warnings = cluster.warnings;
        self.arrange();
    }

    /// Sorts and keeps the selection on something that is there.
    pub(crate) fn arrange(&mut self) {
        self.look.sort(self.sort, self.reverse);
        if self.selected_node().is_none() {
            self.node = self.look.nodes.first().map(|row| row.node.agent_id.clone());
        }
        if self.selected_task().is_none() {
            self.task = self.tasks().first().map(|task| key(task));
        }
    }

    /// The tasks to be listed.
    pub(crate) fn tasks(&self) -> Vec<&TaskRecord> {
        let wanted = |task: &&TaskRecord| {
            self.only_node.as_ref().is_none_or(|agent_id| task.agent_id == *agent_id)
        };
        self.look.tasks.iter().filter(wanted).collect()
    }

    pub(crate) fn selected_node(&self) -> Option<usize> {
        self.look.nodes.iter().position(|row| Some(&row.node.agent_id) == self.node.as_ref())
    }

    pub(crate) fn selected_task(&self) -> Option<usize> {
        self.tasks().iter().position(|task| Some(key(task)) == self.task)
    }

    pub(crate) fn node(&self) -> Option<&NodeRow> {
        self.selected_node().and_then(|at| self.look.nodes.get(at))
    }

    pub(crate) fn curves(&self) -> Option<&Curves> {
        self.node.as_ref().and_then(|agent_id| self.history.of(agent_id))
    }

    /// Moves the selection in the list that has the focus.
    pub(crate) fn step(&mut self, by: isize) {
        let to = |at: Option<usize>, length: usize| {
            at.unwrap_or(0).saturating_add_signed(by).min(length.saturating_sub(1))
        };
        match self.focus {
            Focus::Nodes => {
                let at = to(self.selected_node(), self.look.nodes.len());
                self.node = self.look.nodes.get(at).map(|row| row.node.agent_id.clone());
            }
            Focus::Tasks => {
                let at = to(self.selected_task(), self.tasks().len());
                self.task = self.tasks().get(at).map(|task| key(task));
            }
        }
    }

    /// Shows the selected node's tasks only, or all again.
    pub(crate) fn toggle_node(&mut self) {
        self.only_node = match self.only_node.take() {
            Some(_) => None,
            None => self.node.clone(),
        };
        self.arrange();
    }
}

/// Two frameworks may have tasks of one name.
fn key(task: &TaskRecord) -> (String, String) {
    (task.framework_id.clone(), task.task_id.clone())
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::cluster;
    use super::*;

    #[test]
    fn the_selection_stays_on_its_node_and_within_the_list() {
        let mut board = Board::new("http://a:1".into(), cluster());
        assert_eq!(board.node().expect("one").node.agent_id, "a");
        board.step(1);
        assert_eq!(board.node().expect("one").node.agent_id, "b");
        board.sort = Sort::Name;
        board.reverse = true;
        board.arrange();
        assert_eq!((board.selected_node(), board.node().expect("one").tasks), (Some(0), 0));
        board.step(99);
        assert_eq!(board.selected_node(), Some(1));
        board.step(-99);
        assert_eq!(board.selected_node(), Some(0));
    }

    #[test]
    fn one_node_s_tasks_only() {
        let mut board = Board::new("http://a:1".into(), cluster());
        board.step(1);
        board.toggle_node();
        assert!(board.tasks().is_empty());
        assert_eq!(board.selected_task(), None);
        board.toggle_node();
        assert_eq!(board.tasks().len(), 2);
    }

    #[test]
    fn without_an_answer_the_old_look_stays() {
        let mut board = Board::new("http://a:1".into(), cluster());
        let gone = Failure::Unreachable { address: "http://a:1".into(), cause: "gone".into() };
        board.take(Err(gone));
        assert!(board.trouble.as_ref().expect("trouble").contains("no allocator answers"));
        assert_eq!(board.look.step, 7);
        board.take(Ok(Cluster::default()));
        assert_eq!((board.trouble.as_ref(), board.node().is_none()), (None, true));
        board.step(1);
    }
}
