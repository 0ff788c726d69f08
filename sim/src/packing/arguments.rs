//! `headroom simulate pack`: its command line, and the run from trace to output.

use super::{
    Arrival, Packing, Summary, arrivals,
    figures::pack,
    placer::{Chance, Core, amounts},
};
use crate::trace::{self, TraceError};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use headroom_core::machine::Refusal;
use std::{fmt::Write as _, io, io::Write, path::PathBuf};
use thiserror::Error;

/// Place pods that stay on nodes with GPUs: how many GPUs can be handed out before nothing fits?
///
/// The trace is Alibaba's openb: a file of pods and one of nodes. Pods come in an order made by the
/// seed until more is asked for than there is. docs/simulate.md says what the figures mean.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The pods (plain, .xz, .gz): name, cpu_milli, memory_mib, num_gpu, gpu_milli, ...
    #[arg(long, value_name = "FILE")]
    pub pods: PathBuf,
    /// The nodes: sn, cpu_milli, memory_mib, gpu, ...
    #[arg(long, value_name = "FILE")]
    pub nodes: PathBuf,
    /// Pods come until so many per cent of the cluster's GPUs have been asked for
    #[arg(long, value_name = "PERCENT", default_value_t = 130)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub until: u64,
    /// Makes the order of the pods
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Leave out pods that ask for a part of a GPU
    #[arg(long)]
    pub whole_gpus: bool,
}

/// What a run needs besides its arguments.
pub struct Surroundings<'a> {
    /// Where the result goes.
    pub out: &'a mut dyn Write,
    /// JSON instead of a table.
    pub json: bool,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub enum PackError {
    /// A file is no good.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// There is nothing to measure.
    #[error("{0}")]
    Empty(String),
    /// The core refused what it never should.
    #[error("the core refused a command of the simulation: {0}")]
    Refused(#[from] Refusal),
    /// The result could not be written.
    #[error("the result cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Reads, places and prints.
///
/// # Errors
/// A file makes no sense, or the result cannot be written.
pub fn run(arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> Result<(), PackError> {
    let summary = simulate(arguments)?;
    let text = if surroundings.json {
        serde_json::to_string(&summary).unwrap_or_default() + "\n"
    } else {
        table(&summary)
    };
    Ok(surroundings.out.write_all(text.as_bytes())?)
}

/// Reads and places.
///
/// # Errors
/// A file makes no sense.
pub fn simulate(arguments: &Arguments) -> Result<Summary, PackError> {
    let nodes = trace::read_nodes(&arguments.nodes)?;
    let mut pods: Vec<_> = trace::read_pods(&arguments.pods)?.iter().map(Arrival::of).collect();
    if arguments.whole_gpus {
        pods.retain(|pod| !pod.shares());
    }
    let gpus: u64 = nodes.iter().map(|node| node.gpus).sum();
    if gpus == 0 {
        let file = arguments.nodes.display();
        return Err(PackError::Empty(format!("{file}: no node has a GPU: nothing to hand out")));
    }
    if !pods.iter().any(|pod| pod.asked_gpus_milli > 0) {
        let file = arguments.pods.display();
        return Err(PackError::Empty(format!("{file}: no pod asks for a GPU")));
    }
    let until = gpus.saturating_mul(10).saturating_mul(arguments.until);
    let coming = arrivals(&pods, until, arguments.seed);
    let free: Vec<_> = nodes.iter().map(amounts).collect();
    let by_core = pack(&mut Core::new(&nodes)?, &coming, free.clone(), &pods)?;
    let by_chance = pack(&mut Chance::new(&nodes, arguments.seed), &coming, free, &pods)?;
    Ok(Summary {
        nodes: nodes.len(),
        gpus,
        pods: pods.len(),
        sharing: pods.iter().filter(|pod| pod.shares()).count(),
        seed: arguments.seed,
        packings: vec![
            Packing { placer: "headroom", rows: by_core },
            Packing { placer: "random", rows: by_chance },
        ],
    })
}

fn table(summary: &Summary) -> String {
    let Summary { nodes, gpus, pods, sharing, seed, packings } = summary;
    let mut text = format!(
        "{pods} pods, {sharing} of them ask for a part of a GPU; {nodes} nodes, {gpus} GPUs; seed {seed}\n\n"
    );
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["PLACED BY", "ASKED", "ALLOCATED", "HELD", "FRAGMENTED", "PODS", "LEFT OUT"]);
    table.column_iter_mut().skip(1).for_each(|column| {
        column.set_cell_alignment(CellAlignment::Right);
    });
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    for packing in packings {
        for row in &packing.rows {
            table.add_row([
                packing.placer.to_owned(),
                percent(row.asked),
                percent(row.allocated),
                percent(row.held),
                row.fragmented.map_or("-".to_owned(), percent),
                row.pods.to_string(),
                row.left_out.to_string(),
            ]);
        }
    }
    let _ = writeln!(text, "{table}");
    text
}
