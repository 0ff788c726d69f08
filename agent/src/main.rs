//! `headroom-agent`: only wiring.

use anyhow::Context as _;
use clap::Parser;
use headroom_agent::{
    config::{Config, Flags},
    daemon, supervisor,
};
use std::{ffi::OsStr, path::Path, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Headroom's node agent: measures, contains, throttles
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    /// What to log: error, warn, info, debug or trace, also by module
    #[arg(long, env = "HEADROOM_LOG", default_value = "info")]
    log: String,
    /// Log lines as JSON objects
    #[arg(long, env = "HEADROOM_LOG_JSON")]
    log_json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    // Before anything else: a supervisor forks, and must have no runtime.
    if args.next().as_deref() == Some(OsStr::new(supervisor::SUBCOMMAND))
        && let Some(dir) = args.next()
    {
        return Ok(supervisor::run(Path::new(&dir)));
    }
    let cli = Cli::parse();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&cli.log).context("--log")?)
        .with_writer(std::io::stderr);
    if cli.log_json {
        logs.json().init()
    } else {
        logs.init()
    }
    let config = Config::load(&cli.flags)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        daemon::run(config, stop).await.map_err(anyhow::Error::from)
    })?;
    Ok(ExitCode::SUCCESS)
}
