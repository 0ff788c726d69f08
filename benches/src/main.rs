//! `headroom-bench`: only wiring; `cargo xtask bench` builds what it needs and runs it.

use clap::Parser;
use headroom_benches::report::{Report, Subject, Wish};
use std::{path::PathBuf, process::ExitCode};

/// Measures Headroom on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Only this subject
    #[arg(long, value_name = "NAME")]
    only: Option<Subject>,
    /// Fewer samples and shorter windows
    #[arg(long)]
    quick: bool,
    /// Where criterion has left its estimates (target/criterion)
    #[arg(long, value_name = "DIR")]
    criterion: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Arguments { json, only, quick, criterion } = Arguments::parse();
    let report = Report::take(&Wish { only, quick, criterion }, |doing| eprintln!("{doing} ..."));
    if json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => println!("{text}"),
            Err(fault) => {
                eprintln!("headroom-bench: {fault}");
                return ExitCode::FAILURE;
            }
        }
    } else {
        print!("{report}");
    }
    if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
