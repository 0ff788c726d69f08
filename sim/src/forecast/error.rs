//! Why a forecast could not be judged.

use crate::trace::TraceError;
use std::{io, path::PathBuf};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    /// The trace could not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// `--predictor` names one that is not there.
    #[error("no predictor `{name}`; there are: all, {known}")]
    NoSuchPredictor {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// More than fits in memory.
    #[error(
        "{steps} steps on {machines} machines are too many ({most} steps x machines x horizons \
         at most): choose a longer --step, fewer --machines or fewer horizons"
    )]
    TooLarge {
        /// Steps of the trace.
        steps: usize,
        /// Machines.
        machines: usize,
        /// The bound.
        most: usize,
    },
    /// No horizon leaves any step to judge.
    #[error(
        "the trace is {steps} steps of {step_s} s long: after the first {skip_s} s no step is left \
         whose whole horizon is known; choose a shorter --horizon or --skip"
    )]
    TooShort {
        /// Steps of the trace.
        steps: usize,
        /// How long one is.
        step_s: u64,
        /// What is skipped.
        skip_s: u64,
    },
    /// An option that makes no sense.
    #[error("{0}")]
    Option(String),
    /// The result could not be written.
    #[error("{path}: {source}")]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
