//! Protobuf in, with the check that proto2 asks for.
//!
//! Out it goes by `prost` itself, with one flaw: it leaves a value of nothing but zeros out of the
//! entry of a map, so a `Value.Scalar` of 0 in a map lacks its required field for other readers.

use super::{descriptor, required::missing};
use prost::{Message, Name};
use prost_reflect::DynamicMessage;
use thiserror::Error;

/// Why bytes are not the message that they should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// They are no protobuf of it.
    #[error("not a protobuf of {message}: {problem}")]
    Malformed {
        /// The message that they should be.
        message: String,
        /// What is wrong.
        problem: String,
    },
    /// A required field is not there.
    #[error("missing required field: {path}")]
    Missing {
        /// Where, from the outermost message: `accept.offer_ids[0].value`.
        path: String,
    },
}

/// Reads an `M` with all its required fields; unknown fields are skipped.
///
/// # Errors
/// The bytes are no `M`, are nested deeper than protobuf allows (100), or lack a required field.
pub fn decode<M: Message + Name + Default>(bytes: &[u8]) -> Result<M, WireError> {
    let malformed = |error: prost::DecodeError| WireError::Malformed {
        message: M::full_name(),
        problem: error.to_string(),
    };
    let seen = DynamicMessage::decode(descriptor::<M>(), bytes).map_err(malformed)?;
    if let Some(path) = missing(&seen) {
        return Err(WireError::Missing { path });
    }
    M::decode(bytes).map_err(malformed)
}
