//! The allocator as a program of its own.

use anyhow::Context as _;
use clap::Parser;
use headroom_allocator::{Config, config::Overrides, log, serve};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Headroom's allocator: offers what the agents have to frameworks, lends what is idle.
#[derive(Parser)]
#[command(name = "headroom-allocator", version)]
struct Flags {
    #[command(flatten)]
    overrides: Overrides,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headroom-allocator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> anyhow::Result<()> {
    let config = Config::load(&flags.overrides)?;
    log::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        Ok(serve(config, shutdown).await?)
    })
}
