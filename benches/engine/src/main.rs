//! `headroom-engine-bench`: the core alone at cluster size, in the shapes of Mesos' own benchmarks.
//! `cargo xtask bench allocate` builds and runs it.

mod cluster;
mod cycles;
mod figure;
mod heap;
mod memory;
mod mixed;
mod placements;
mod quota;
mod sorter;
mod took;

use crate::{
    cluster::{Fault, Shape},
    figure::Figures,
};
use clap::{Parser, ValueEnum};
use std::process::ExitCode;

#[global_allocator]
static HEAP: heap::Counted = heap::Counted;

/// Agents x frameworks, as Mesos' own benchmark pairs them.
const SHAPES: [Shape; 5] = [
    Shape { agents: 1_000, frameworks: 100 },
    Shape { agents: 5_000, frameworks: 500 },
    Shape { agents: 10_000, frameworks: 1_000 },
    Shape { agents: 20_000, frameworks: 2_000 },
    Shape { agents: 50_000, frameworks: 5_000 },
];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Agents added one by one, full cycles, declines, steps, what is suppressed.
    Cycles,
    /// Every offer declined for ever, round after round.
    Forever,
    /// From a want to its offer; placements one after another.
    Placements,
    /// Many small frameworks beside a few large ones, until all tasks run.
    Mixed,
    /// 3,000 roles with a quota each.
    Quota,
    /// The order of frameworks.
    Sorter,
    /// Bytes an agent and a task.
    Memory,
}

/// Measures the core at cluster size.
#[derive(Debug, Parser)]
struct Arguments {
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Small shapes and few rounds: no figures to quote
    #[arg(long)]
    quick: bool,
    /// Only this case
    #[arg(long, value_name = "CASE")]
    only: Option<Case>,
    /// Only the shape of so many agents
    #[arg(long, value_name = "AGENTS")]
    agents: Option<usize>,
    /// Rounds of each cycle
    #[arg(long, default_value_t = 15)]
    rounds: usize,
}

fn measure(arguments: &Arguments) -> Result<Figures, Fault> {
    let mut figures = Figures::default();
    let rounds = if arguments.quick { 3 } else { arguments.rounds };
    let shapes = SHAPES.into_iter().filter(|shape| {
        let small = !arguments.quick || shape.agents <= 5_000;
        arguments.agents.map_or(small, |agents| shape.agents == agents)
    });
    let shapes: Vec<_> = shapes.collect();
    let large = shapes.iter().find(|shape| shape.agents == 10_000).or(shapes.last());
    let large = large.copied().unwrap_or(SHAPES[0]);
    let wanted = |case| arguments.only.is_none_or(|only| only == case);
    for shape in &shapes {
        if wanted(Case::Cycles) {
            cycles::measure(*shape, rounds, &mut figures)?;
        }
        if wanted(Case::Forever) && shape.agents <= 10_000 {
            cycles::measure_forever(*shape, rounds * 4, &mut figures)?;
        }
    }
    if wanted(Case::Placements) {
        placements::measure(large, if arguments.quick { 2_000 } else { 50_000 }, &mut figures)?;
    }
    if wanted(Case::Mixed) {
        mixed::measure(&mut figures)?;
    }
    if wanted(Case::Quota) {
        quota::measure(if arguments.quick { 300 } else { 3_000 }, rounds, &mut figures)?;
    }
    if wanted(Case::Sorter) {
        sorter::measure(if arguments.quick { 5_000 } else { 50_000 }, 1_000, rounds, &mut figures)?;
    }
    if wanted(Case::Memory) {
        memory::measure(large, &mut figures)?;
    }
    Ok(figures)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let said = measure(&arguments).map_err(|fault| fault.to_string()).and_then(|figures| {
        if !arguments.json {
            return Ok(figures.to_string());
        }
        serde_json::to_string_pretty(&figures).map_err(|fault| fault.to_string())
    });
    match said {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("headroom-engine-bench: {fault}");
            ExitCode::FAILURE
        }
    }
}
