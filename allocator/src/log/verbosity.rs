//! How much is told, as Mesos counts it, and telling more for a while. A process has one log, so this
//! is one too.

use super::filter;
use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use thiserror::Error;
use tokio::task::AbortHandle;
use tracing::{info, level_filters::LevelFilter};
use tracing_subscriber::{EnvFilter, Registry, reload};

/// More is told for so long, at most.
pub const MAX_RAISED: Duration = Duration::from_secs(24 * 3_600);

static CONTROL: OnceLock<Control> = OnceLock::new();

/// Why it stays as it is.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RaiseError {
    /// Less than what is configured (in Mesos' words).
    #[error("'{0}' < original level.")]
    Lower(u32),
    /// It would be forgotten.
    #[error("a log tells more for {} at most", humantime::format_duration(MAX_RAISED))]
    TooLong,
    /// Somebody else has set a log up, or nobody.
    #[error("this process has no log that could tell more")]
    NoLog,
    /// The log was refused what it was to tell.
    #[error("{0}")]
    Filter(String),
}

type Handle = reload::Handle<EnvFilter, Registry>;

struct Control {
    handle: Handle,
    /// As configured.
    level: String,
    original: u32,
    raised: Mutex<Raised>,
}

#[derive(Default)]
struct Raised {
    /// What is in force.
    verbosity: u32,
    /// Which change that was: what ends an older one is void.
    number: u64,
    end: Option<AbortHandle>,
}

/// Has `handle` do what is asked for here; `level` is what is configured.
pub(super) fn controlled_by(handle: Handle, level: &str) -> Result<(), String> {
    let original = match filter(level)?.max_level_hint() {
        Some(LevelFilter::TRACE) | None => 2,
        Some(LevelFilter::DEBUG) => 1,
        _ => 0,
    };
    let raised = Mutex::new(Raised { verbosity: original, ..Raised::default() });
    // Whoever set up the log has set up this: there is no second time.
    let _ = CONTROL.set(Control { handle, level: level.to_owned(), original, raised });
    Ok(())
}

/// What is in force, as Mesos counts it: 0 tells what matters, more tells more.
#[must_use]
pub fn verbosity() -> u32 {
    CONTROL.get().map_or(0, |control| control.raised().verbosity)
}

/// Tells more for `span`, then as much as is configured again: 1 is debug and above that is trace, of
/// what is Headroom's own and has no level of its own. Whoever asks last is obeyed. For a runtime.
///
/// # Errors
/// It is less than configured, or for too long.
pub fn raise(verbosity: u32, span: Duration) -> Result<(), RaiseError> {
    let control = CONTROL.get().ok_or(RaiseError::NoLog)?;
    if verbosity < control.original {
        return Err(RaiseError::Lower(verbosity));
    }
    if span > MAX_RAISED {
        return Err(RaiseError::TooLong);
    }
    let mut raised = control.raised();
    control.set(&mut raised, verbosity)?;
    info!(verbosity, span = %humantime::format_duration(span), "the log tells what was asked for");
    if verbosity != control.original {
        let number = raised.number;
        let end = tokio::spawn(async move {
            tokio::time::sleep(span).await;
            control.revert(number);
        });
        raised.end = Some(end.abort_handle());
    }
    Ok(())
}

impl Control {
    fn raised(&self) -> MutexGuard<'_, Raised> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, raised: &mut Raised, verbosity: u32) -> Result<(), RaiseError> {
        let mut filter = filter(&self.level).map_err(RaiseError::Filter)?;
        if verbosity > self.original {
            let own = if verbosity == 1 { "headroom=debug" } else { "headroom=trace" };
            let own = own.parse().map_err(|_| RaiseError::Filter(own.to_owned()))?;
            filter = filter.add_directive(own);
        }
        self.handle.reload(filter).map_err(|error| RaiseError::Filter(error.to_string()))?;
        raised.verbosity = verbosity;
        raised.number += 1;
        if let Some(end) = raised.end.take() {
            end.abort();
        }
        Ok(())
    }

    fn revert(&self, number: u64) {
        let mut raised = self.raised();
        // What can be configured can be set again.
        if raised.number == number && self.set(&mut raised, self.original).is_ok() {
            info!("the log tells as much as is configured again");
        }
    }
}
