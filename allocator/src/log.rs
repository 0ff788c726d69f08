//! The log: where it goes and how a line looks. Fields: `agent`, `framework`, `task`.

mod verbosity;

pub use verbosity::{MAX_RAISED, RaiseError, raise, verbosity};

use crate::config::Log;
use clap::ValueEnum;
use serde::Deserialize;
use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};
use thiserror::Error;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

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
    /// Its file can't be written to.
    #[error(
        "log.file {path}: {source}; name a file in a directory that is there and may be written"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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

/// Sends this process's log to its file, or to stderr if it has none.
///
/// # Errors
/// The level is wrong, the file can't be written to, or there is a log already.
pub fn init(log: &Log) -> Result<(), LogError> {
    let (filter, control) = reload::Layer::new(filter(&log.level).map_err(LogError::Level)?);
    let (writer, is_terminal) = match &log.file {
        Some(path) => (BoxMakeWriter::new(appended(path)?), false),
        None => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
    };
    let lines = fmt::layer().with_writer(writer).with_ansi(is_terminal);
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    registry.try_init().map_err(|_| LogError::Twice)?;
    verbosity::controlled_by(control, &log.level).map_err(LogError::Level)
}

/// Each line is one write at the end, wherever that is: whoever rotates it copies and truncates.
fn appended(path: &Path) -> Result<File, LogError> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|source| LogError::File { path: path.to_owned(), source })
}
