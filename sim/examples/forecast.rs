//! `headroom simulate forecast` without the rest of the command line.

use clap::Parser;
use headroom_sim::forecast::{Arguments, ForecastError, Surroundings, run};
use std::io::{IsTerminal, stderr, stdout};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<(), ForecastError> {
    let line = Line::parse();
    let progress = stderr().is_terminal();
    run(&line.arguments, &mut Surroundings { out: &mut stdout().lock(), json: line.json, progress })
}
