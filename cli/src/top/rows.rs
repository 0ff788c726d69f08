//! What `top` shows of each node and each task, and in which order.

use std::cmp::Ordering;

use headroom_proto::v1::{AgentState, Cluster, TaskInstance};
use serde::Serialize;

use crate::amount::{cpus, measured, memory, millis};
use crate::record::{AgentRecord, TaskRecord};
use crate::state;

/// Short, so that all fit on 80 columns; `?` and `--help` explain them.
pub(crate) const NODE_HEADINGS: [&str; 12] =
    ["NODE", "CPU", "REQ", "LENT", "USED", "FCST", "MEMORY", "REQ", "USED", "WAIT", "P99", "THR"];
pub(crate) const TASK_HEADINGS: [&str; 11] =
    ["TASK", "NODE", "CPU", "USED", "FCST", "MEMORY", "USED", "FCST", "WAIT", "P99", "THR"];

/// A node, with what its tasks together waited.
#[derive(Debug, Serialize)]
pub(crate) struct NodeRow {
    #[serde(flatten)]
    pub(crate) node: AgentRecord,
    pub(crate) tasks: usize,
    pub(crate) wait_ms: Option<f64>,
    pub(crate) wait_p99_ms: Option<f64>,
    pub(crate) throttled_ms: Option<f64>,
}

/// One look at the cluster.
#[derive(Debug, Serialize)]
pub(crate) struct Look {
    pub(crate) step: u64,
    pub(crate) nodes: Vec<NodeRow>,
    pub(crate) tasks: Vec<TaskRecord>,
}

/// What the lists are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Name,
    Cpu,
    Memory,
    Wait,
    Throttled,
}

impl Look {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let live = || cluster.tasks.iter().filter(|task| !state::is_terminal(task.state));
        Look {
            step: cluster.step,
            nodes: cluster.agents.iter().map(|agent| node_row(agent, live())).collect(),
            tasks: live().map(TaskRecord::from).collect(),
        }
    }

    /// The unmeasured come last, whichever way the rest goes.
    pub(crate) fn sort(&mut self, by: Sort, reverse: bool) {
        self.nodes.sort_by(|a, b| {
            let figure = |row: &NodeRow| match by {
                Sort::Name => None,
                Sort::Cpu => row.node.used.cpus,
                Sort::Memory => row.node.used.memory_mib,
                Sort::Wait => row.wait_ms,
                Sort::Throttled => row.throttled_ms,
            };
            order((&a.node.hostname, figure(a)), (&b.node.hostname, figure(b)), reverse)
        });
        self.tasks.sort_by(|a, b| {
            let figure = |row: &TaskRecord| match by {
                Sort::Name => None,
                Sort::Cpu => row.used.cpus,
                Sort::Memory => row.used.memory_mib,
                Sort::Wait => row.wait_ms,
                Sort::Throttled => row.throttled_ms,
            };
            order((&a.task_id, figure(a)), (&b.task_id, figure(b)), reverse)
        });
    }
}

/// Largest figure first; names upwards.
fn order(a: (&str, Option<f64>), b: (&str, Option<f64>), reverse: bool) -> Ordering {
    let turn = |ordering: Ordering| if reverse { ordering.reverse() } else { ordering };
    match (a.1, b.1) {
        (Some(x), Some(y)) => turn(y.total_cmp(&x)).then_with(|| a.0.cmp(b.0)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => turn(a.0.cmp(b.0)),
    }
}

fn node_row<'a>(agent: &AgentState, tasks: impl Iterator<Item = &'a TaskInstance>) -> NodeRow {
    let mut row = NodeRow {
        node: AgentRecord::from(agent),
        tasks: 0,
        wait_ms: None,
        wait_p99_ms: None,
        throttled_ms: None,
    };
    for task in tasks.filter(|task| task.agent_id == agent.agent_id) {
        row.tasks += 1;
        row.wait_ms = join(row.wait_ms, task.wait_ms, |a, b| a + b);
        row.wait_p99_ms = join(row.wait_p99_ms, task.wait_p99_ms, f64::max);
        row.throttled_ms = join(row.throttled_ms, task.throttled_ms, |a, b| a + b);
    }
    row
}

fn join(a: Option<f64>, b: Option<f64>, with: fn(f64, f64) -> f64) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(with(a, b)),
        (a, b) => a.or(b),
    }
}

/// A node's cells, below [`NODE_HEADINGS`].
pub(crate) fn node_cells(row: &NodeRow) -> [String; 12] {
    let node = &row.node;
    [
        node.hostname.clone(),
        cpus(node.total.cpus),
        cpus(node.requested.cpus),
        cpus(node.lent.cpus),
        measured(node.used.cpus, cpus),
        measured(node.forecast.cpus, cpus),
        memory(node.total.memory_mib),
        memory(node.requested.memory_mib + node.lent.memory_mib),
        measured(node.used.memory_mib, memory),
        measured(row.wait_ms, millis),
        measured(row.wait_p99_ms, millis),
        measured(row.throttled_ms, millis),
    ]
}

/// A task's cells, below [`TASK_HEADINGS`]; `~` marks the lent.
pub(crate) fn task_cells(task: &TaskRecord) -> [String; 11] {
    let lent = if task.revocable { "~" } else { "" };
    [
        format!("{lent}{}", task.task_id),
        task.hostname.clone(),
        cpus(task.requested.cpus),
        measured(task.used.cpus, cpus),
        measured(task.forecast.cpus, cpus),
        memory(task.requested.memory_mib),
        measured(task.used.memory_mib, memory),
        measured(task.forecast.memory_mib, memory),
        measured(task.wait_ms, millis),
        measured(task.wait_p99_ms, millis),
        measured(task.throttled_ms, millis),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use headroom_proto::v1::{Resources, TaskState, Usage};

    /// Two nodes; one task measured, one lent and not measured, one ended.
    pub(crate) fn cluster() -> Cluster {
        let agent = |id: &str, used: Option<f64>| AgentState {
            agent_id: id.into(),
            hostname: format!("node-{id}"),
            connected: true,
            total: Some(Resources { cpus: 4.0, memory_mib: 8192.0, ..Default::default() }),
            guaranteed: Some(Resources { cpus: 3.0, memory_mib: 1024.0, ..Default::default() }),
            usage: used.map(|cpus| Usage { cpus: Some(cpus), memory_mib: Some(512.0) }),
            ..Default::default()
        };
        let task = |id: &str, state: TaskState, wait_ms: Option<f64>| TaskInstance {
            task_id: id.into(),
            agent_id: "a".into(),
            hostname: "node-a".into(),
            state: state as i32,
            revocable: wait_ms.is_none(),
            wait_ms,
            ..Default::default()
        };
        Cluster {
            step: 7,
            agents: vec![agent("a", Some(1.5)), agent("b", None)],
            tasks: vec![
                task("lent", TaskState::Running, None),
                task("busy", TaskState::Running, Some(12.0)),
                task("gone", TaskState::Finished, Some(99.0)),
            ],
            ..Default::default()
        }
    }

    #[test]
    fn a_node_waits_as_long_as_its_live_tasks() {
        let look = Look::of(&cluster());
        assert_eq!(look.tasks.len(), 2);
        assert_eq!((look.nodes[0].tasks, look.nodes[0].wait_ms), (2, Some(12.0)));
        assert_eq!((look.nodes[1].tasks, look.nodes[1].wait_ms), (0, None));
    }

    #[test]
    fn the_unmeasured_come_last_both_ways() {
        let mut look = Look::of(&cluster());
        for reverse in [false, true] {
            look.sort(Sort::Wait, reverse);
            let names: Vec<_> = look.tasks.iter().map(|task| task.task_id.as_str()).collect();
            assert_eq!(names, ["busy", "lent"]);
        }
        look.sort(Sort::Name, true);
        assert_eq!(look.nodes[0].node.hostname, "node-b");
    }

    #[test]
    fn json_has_null_for_the_unmeasured() {
        let json = serde_json::to_value(Look::of(&cluster())).expect("json");
        assert_eq!(json["nodes"][0]["hostname"], "node-a");
        assert!(json["nodes"][1]["used"]["cpus"].is_null());
        assert!(json["nodes"][1]["wait_ms"].is_null());
    }
}
