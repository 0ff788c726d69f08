//! JSON as Mesos writes and reads it, which is not the JSON mapping of protobuf: field names as in
//! the `.proto` files, 64-bit integers as numbers, and defaults written out.
//!
//! The rules are those of Mesos' `3rdparty/stout/include/stout/protobuf.hpp`.

mod read;
mod write;

use super::{descriptor, required::missing};
use prost::{Message, Name};
use prost_reflect::DynamicMessage;
use thiserror::Error;

/// Why a text is not the message that it should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JsonError {
    /// It is no JSON, no object, or nested too deep.
    #[error("not the JSON of a message: {problem}")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
    /// A field has a value that it cannot have.
    #[error("{path}: {problem}")]
    Field {
        /// Where, from the outermost message: `accept.offer_ids[0].value`.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A required field is not there.
    #[error("missing required field: {path}")]
    Missing {
        /// Where, from the outermost message.
        path: String,
    },
}

/// One line of JSON: what is set, and what is unset but has a default that is not deprecated.
///
/// Bytes become base64, enumerations their names. Numbers that JSON does not have become
/// `"Infinity"`, `"-Infinity"` and `"NaN"`.
#[must_use]
pub fn to_string<M: Message + Name>(message: &M) -> String {
    let mut seen = DynamicMessage::new(descriptor::<M>());
    seen.transcode_from(message).expect("a message is what its descriptor says");
    serde_json::to_string(&write::Written(&seen)).expect("its keys are strings")
}

/// Reads an `M` with all its required fields.
///
/// Unknown fields are skipped, `null` is unset, numbers and booleans may be strings, one value may
/// stand for a list of it, and a name that an enumeration does not have is unset unless required.
///
/// # Errors
/// The text is no JSON object, is nested too deep (100), has a value of a wrong type, or lacks a
/// required field; the last two name the path.
pub fn from_slice<M: Message + Name + Default>(text: &[u8]) -> Result<M, JsonError> {
    let malformed = |problem: String| JsonError::Malformed { problem };
    let object: serde_json::Map<_, _> =
        serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
    let seen = read::message(&descriptor::<M>(), &object)
        .map_err(|read::Wrong { path, problem }| JsonError::Field { path, problem })?;
    if let Some(path) = missing(&seen) {
        return Err(JsonError::Missing { path });
    }
    seen.transcode_to().map_err(|error| malformed(error.to_string()))
}
