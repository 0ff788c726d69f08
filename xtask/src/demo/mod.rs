//! `cargo xtask demo`: what is reserved and idle is lent, and taken back when its owner needs it.
//!
//! Three runs of the real product on this machine, each with the same bursty service: alone, with
//! lending, and with lending but no reclaim. Nothing is simulated: the figures are the kernel's
//! (eBPF, /proc/stat), the service's own clock, and the count of files that the batch job compressed.

mod batch;
mod cluster;
mod figures;
mod log;
mod phase;
mod service;
mod stop;

pub(crate) use service::ServiceArguments;
pub(crate) use service::run as run_service;

use crate::workspace;
use anyhow::{Context as _, bail};
use cluster::Reclaim;
use figures::Figures;
use phase::{Lending, Phase};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// How to run the demo.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
    /// How often the service becomes busy in each run
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    bursts: u32,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    stop::listen()?;
    let headroom = build()?;
    let phase = |lending, reclaim| {
        eprintln!("{}", announce(lending, reclaim, arguments.bursts));
        Phase { headroom: &headroom, bursts: arguments.bursts, lending, reclaim }.run()
    };
    let alone = phase(Lending::Off, Reclaim::On)?;
    let with = phase(Lending::On, Reclaim::On)?;
    let unprotected = phase(Lending::On, Reclaim::Off)?;
    let figures = Figures::of(&alone, &with, &unprotected)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{figures}");
    }
    Ok(())
}

fn announce(lending: Lending, reclaim: Reclaim, bursts: u32) -> String {
    let what = match (lending, reclaim) {
        (Lending::Off, _) => "1/3  the service alone",
        (_, Reclaim::On) => "2/3  its idle CPUs lent to a batch job, taken back when it is busy",
        (_, Reclaim::Off) => {
            "3/3  the same, but nothing is taken back (to show what reclaim is for)"
        }
    };
    format!("{what}: {bursts} bursts, about {} s", phase::seconds(bursts))
}

/// Builds the product; all it needs beyond Rust is a C linker.
fn build() -> anyhow::Result<PathBuf> {
    if workspace::find_program("cc").is_none() {
        bail!("no C linker (cc) is there; on Debian: apt-get install -y gcc libc6-dev");
    }
    eprintln!("building (release) ...");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "headroom"])
        .current_dir(workspace::root())
        .stdout(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the build failed ({status})");
    }
    Ok(workspace::target().join("release/headroom"))
}
