//! The log: where it goes and how a line looks. Fields: `agent`, `framework`, `task`.

use clap::ValueEnum;
use serde::Deserialize;
use std::io::{self, IsTerminal};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level is no level.
    #[error("{0}")]
    Level(String),
    /// Somebody has set a log up already.
    #[error("a log is set up already")]
    Twice,
}

/// Whether `level` is something [`init`] takes.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_level(level: &str) -> Result<(), String> {
    filter(level).map(|_| ())
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(level).map_err(|error| {
        format!("{level:?} is no level ({error}); use error, warn, info, debug or trace")
    })
}

/// Sends this process's log to stderr.
///
/// # Errors
/// The level is wrong, or there is a log already.
pub fn init(format: LogFormat, level: &str) -> Result<(), LogError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(level).map_err(LogError::Level)?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|_| LogError::Twice)
}
