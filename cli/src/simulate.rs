//! `headroom simulate`: what lending would win and risk, on a trace. It needs no allocator.

use std::io::{self, IsTerminal};

use clap::{Args, Subcommand};
use headroom_sim::forecast;

use crate::failure::Failure;
use crate::output::Output;

/// Replay a trace: what lending would win and risk
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(after_help = FORECAST_HELP)]
    Forecast(Box<forecast::Arguments>),
}

const FORECAST_HELP: &str = "\
Examples:
  headroom simulate forecast --trace mine.csv --format csv --machines 40
  headroom simulate forecast --trace rnd-2013-08-cpumem.csv.xz --format bitbrains --capacity 124800 --plot out.svg
  headroom simulate forecast --trace GCD_VMs.tar.gz --format gcd --resource mem --horizon 6h --predictor max,vpa";

pub(crate) fn simulate(args: &SimulateArgs, output: Output) -> Result<(), Failure> {
    let What::Forecast(arguments) = &args.what;
    let mut text = Vec::new();
    let progress = io::stderr().is_terminal();
    let mut surroundings = forecast::Surroundings { out: &mut text, json: output.json, progress };
    forecast::run(arguments, &mut surroundings)?;
    output.line(String::from_utf8_lossy(&text).trim_end())
}
