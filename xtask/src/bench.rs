//! `cargo xtask bench`: builds what is measured, has criterion run, then runs `headroom-bench`.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Seconds criterion warms up and measures each benchmark.
const CRITERION: [&str; 4] = ["--warm-up-time", "1", "--measurement-time", "3"];
const CRITERION_SUBJECT: &str = "criterion";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    Allocate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// `allocate`: the core alone at cluster size, in the shapes of Mesos' own benchmarks
    #[arg(value_name = "WHAT")]
    what: Option<What>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Only this subject: allocation, loopback, polling, mesos, criterion, switch or agent; of `allocate`: cycles,
    /// forever, placements, mixed, quota, sorter or memory
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Fewer samples and shorter windows: no figures to quote
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(What::Allocate) = arguments.what {
        return allocate(arguments);
    }
    let packages = ["headroom-benches", "headroom-allocator", "headroom-agent"];
    let mut build = cargo("build");
    build.arg("--release").args(packages.iter().flat_map(|name| ["--package", name]));
    succeed(build.arg("--bins"))?;
    let criterion = arguments.only.as_deref().is_none_or(|only| only == CRITERION_SUBJECT);
    if criterion {
        let mut bench = cargo("bench");
        bench.args(["--package", "headroom-benches", "--benches", "--", "--noplot"]);
        // What is asked for is printed by headroom-bench, and nothing else.
        succeed(bench.args(CRITERION).stdout(Stdio::null()))?;
    }
    let mut command = Command::new(workspace::target().join("release/headroom-bench"));
    command.args(arguments.json.then_some("--json"));
    command.args(arguments.quick.then_some("--quick"));
    command.args(arguments.only.iter().flat_map(|only| ["--only", only]));
    command.arg("--criterion").arg(workspace::target().join("criterion"));
    succeed(&mut command)
}

fn allocate(arguments: &Arguments) -> Result<()> {
    succeed(cargo("build").args(["--release", "--package", "headroom-engine-bench"]))?;
    let mut command = Command::new(workspace::target().join("release/headroom-engine-bench"));
    command.args(arguments.json.then_some("--json"));
    command.args(arguments.quick.then_some("--quick"));
    command.args(arguments.only.iter().flat_map(|only| ["--only", only]));
    succeed(&mut command)
}

fn cargo(chore: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg(chore).current_dir(workspace::root());
    command
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
