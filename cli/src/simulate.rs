//! `headroom simulate`: what lending would win and risk, on a trace. It needs no allocator.

use std::io::{self, IsTerminal};

use clap::{Args, Subcommand};
use headroom_sim::{forecast, packing, schedule};

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
    #[command(after_help = SCHEDULE_HELP)]
    Schedule(Box<schedule::Arguments>),
    #[command(after_help = PACK_HELP)]
    Pack(Box<packing::Arguments>),
}

const FORECAST_HELP: &str = "\
Examples:
  headroom simulate forecast --trace mine.csv --format csv --machines 40
  headroom simulate forecast --trace rnd-2013-08-cpumem.csv.xz --format bitbrains --capacity 124800 --plot out.svg
  headroom simulate forecast --trace GCD_VMs.tar.gz --format gcd --resource mem --horizon 6h --predictor max,vpa";

const SCHEDULE_HELP: &str = "\
Examples:
  headroom simulate schedule --trace surf_week-tasks.csv.xz --format surf --nodes 125
  headroom simulate schedule --trace surf_week-tasks.csv.xz --format surf --nodes 125 --policy fcfs --reclaim off
  headroom simulate schedule --trace mine.csv --format csv --nodes 40 --node-cpus 16 --bound-slot 1m --json";

const PACK_HELP: &str = "\
Example:
  headroom simulate pack --pods openb_pod_list_default.csv.xz --nodes openb_node_list_all_node.csv.xz";

pub(crate) fn simulate(args: &SimulateArgs, output: Output) -> Result<(), Failure> {
    let (mut text, json, progress) = (Vec::new(), output.json, io::stderr().is_terminal());
    let out = &mut text;
    match &args.what {
        What::Forecast(arguments) => {
            forecast::run(arguments, &mut forecast::Surroundings { out, json, progress })?;
        }
        What::Schedule(arguments) => {
            schedule::run(arguments, &mut schedule::Surroundings { out, json, progress })?;
        }
        What::Pack(arguments) => packing::run(arguments, &mut packing::Surroundings { out, json })?,
    }
    output.line(String::from_utf8_lossy(&text).trim_end())
}
