//! Wire to core and back. Everything that comes from outside is checked here, once.

pub(crate) mod agent;
pub(crate) mod amounts;
mod check;
pub(crate) mod container;
pub(crate) mod maintenance;
pub(crate) mod quality;
pub(crate) mod reserved;
pub(crate) mod scheduler;
pub(crate) mod task;

use crate::driver::{CallError, Ended};
use headroom_core::machine::Refusal;
use std::fmt::Display;
use thiserror::Error;
use tonic::Status;

/// Names, users, label keys and values: at most so many bytes.
pub(crate) const MAX_NAME_BYTES: usize = 255;
/// Sentences for people: cut at so many bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 4_096;
/// Attributes of an agent, labels of a task: at most so many.
pub(crate) const MAX_LABELS: usize = 128;

/// A field of a message is wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{field}: {problem}")]
pub(crate) struct Wrong {
    field: String,
    problem: String,
}

pub(crate) fn wrong(field: impl Display, problem: impl Display) -> Wrong {
    Wrong { field: field.to_string(), problem: problem.to_string() }
}

impl From<Wrong> for Status {
    fn from(wrong: Wrong) -> Self {
        Self::invalid_argument(wrong.to_string())
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            CallError::Stopped => Self::unavailable(text),
            CallError::NotDurable(_) => Self::resource_exhausted(text),
            CallError::Refused(refusal) => match refusal {
                Refusal::UnknownFramework(_)
                | Refusal::UnknownAgent(_)
                | Refusal::UnknownTask(_) => Self::not_found(text),
                Refusal::WrongSession(_) => Self::unauthenticated(text),
                Refusal::Invalid(_) => Self::invalid_argument(text),
                Refusal::Reservation(..) | Refusal::AgentGone(_) | Refusal::MachineDown(_) => {
                    Self::failed_precondition(text)
                }
                Refusal::Bound { .. } => Self::resource_exhausted(text),
            },
        }
    }
}

/// How a stream's end looks on the wire; `None`: as an orderly end.
pub(crate) fn ended(why: Option<Ended>) -> Option<Status> {
    // The driver always says why, unless it fell over.
    let Some(why) = why else { return Some(CallError::Stopped.into()) };
    let text = why.to_string();
    match why {
        Ended::Told => None,
        Ended::Replaced => Some(Status::aborted(text)),
        Ended::TooSlow(_) => Some(Status::resource_exhausted(text)),
        Ended::Stopping => Some(Status::unavailable(text)),
    }
}

/// A text of bounded length without control characters; it may be empty.
pub(crate) fn plain(field: impl Display, text: String, most: usize) -> Result<String, Wrong> {
    if text.len() > most {
        return Err(wrong(
            field,
            format_args!("has {} bytes, at most {most} are taken", text.len()),
        ));
    }
    if text.contains(char::is_control) {
        return Err(wrong(field, "has a control character"));
    }
    Ok(text)
}

/// A text cut to [`MAX_TEXT_BYTES`] at a character.
pub(crate) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

/// Not more than `most` of something.
pub(crate) fn at_most(field: impl Display, count: usize, most: usize) -> Result<(), Wrong> {
    if count > most {
        return Err(wrong(field, format_args!("{count} are too many, at most {most} are taken")));
    }
    Ok(())
}

/// A finite number that is not negative.
pub(crate) fn measured(field: &str, value: Option<f64>) -> Result<Option<f64>, Wrong> {
    match value {
        Some(value) if !(value.is_finite() && value >= 0.0) => {
            Err(wrong(field, format_args!("{value} cannot have been measured")))
        }
        value => Ok(value),
    }
}

/// The sixteen bytes of an update's id; none for an empty field.
pub(crate) fn uuid(field: &str, bytes: &[u8]) -> Result<Option<[u8; 16]>, Wrong> {
    if bytes.is_empty() {
        return Ok(None);
    }
    <[u8; 16]>::try_from(bytes)
        .map(Some)
        .map_err(|_| wrong(field, format_args!("has {} bytes, not 16", bytes.len())))
}
