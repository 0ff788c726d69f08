//! One look, printed: tables or a line of JSON.

use headroom_proto::v1::Cluster;

use super::rows::{Look, NODE_HEADINGS, Sort, TASK_HEADINGS, node_cells, task_cells};
use crate::failure::Failure;
use crate::output::{Output, Tone, cell, figure};

pub(crate) fn print(cluster: &Cluster, output: Output) -> Result<(), Failure> {
    let mut look = Look::of(cluster);
    look.sort(Sort::Name, false);
    if output.json {
        return output.json(&look);
    }
    let nodes = look.nodes.iter().map(|node| node_cells(node).to_vec());
    output.line(table(&NODE_HEADINGS, nodes, output))?;
    if look.tasks.is_empty() {
        return output.line("\nno tasks");
    }
    let tasks = look.tasks.iter().map(|task| task_cells(task).to_vec());
    output.line(format!("\n{}", table(&TASK_HEADINGS, tasks, output)))
}

fn table(
    headings: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    output: Output,
) -> comfy_table::Table {
    let mut table = output.table(headings);
    for row in rows {
        let cells = row.into_iter().enumerate();
        table.add_row(cells.map(|(column, text)| match column {
            0 => cell(text, Tone::Strong),
            _ => figure(text),
        }));
    }
    table
}
