//! RecordIO: a stream of records, each its length in decimal, one line feed, and so many bytes.

use thiserror::Error;

/// Digits of a length, at most: those of the largest 64-bit number.
const MAX_DIGITS: usize = 20;

/// Why a stream of records cannot be read on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// A length is not written in decimal digits and one line feed; a carriage return is none.
    #[error("byte {0:#04x} in the length of a record: digits and then one line feed are wanted")]
    Length(u8),
    /// A length without digits.
    #[error("a record without a length")]
    NoLength,
    /// No record has length 0.
    #[error("a record of length 0")]
    Empty,
    /// The record is longer than this reader takes.
    #[error("a record longer than {max} bytes")]
    TooLong {
        /// The longest that it takes.
        max: usize,
    },
    /// The stream ended inside a record.
    #[error("the stream ended inside a record")]
    Truncated,
}

/// `body` as one record. An empty body gives nothing at all: no reader takes a record of length 0.
#[must_use]
pub fn encode(body: &[u8]) -> Vec<u8> {
    if body.is_empty() {
        return Vec::new();
    }
    let mut record = body.len().to_string().into_bytes();
    record.reserve_exact(1 + body.len());
    record.push(b'\n');
    record.extend_from_slice(body);
    record
}

/// Takes a stream apart into its records, from pieces of any size.
///
/// It holds at most one unread piece and one record of `max` bytes. After an error nothing more
/// can be read: where the next record begins is not known.
#[derive(Clone, Debug)]
pub struct Decoder {
    max: usize,
    unread: Vec<u8>,
    start: usize,
    failed: Option<RecordError>,
}

impl Decoder {
    /// A reader of records of up to `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, unread: Vec::new(), start: 0, failed: None }
    }

    /// Takes the next piece of the stream. Read all records ([`Decoder::next_record`]) in between.
    pub fn push(&mut self, piece: &[u8]) {
        self.unread.drain(..self.start);
        self.start = 0;
        if self.failed.is_none() {
            self.unread.extend_from_slice(piece);
        }
    }

    /// The next record that is there as a whole.
    ///
    /// # Errors
    /// The stream is none of records, or the record is too long.
    pub fn next_record(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let rest = &self.unread[self.start..];
        let result = head(rest, self.max);
        match result {
            Ok(Some((begin, end))) if end <= rest.len() => {
                let record = rest[begin..end].to_vec();
                self.start += end;
                Ok(Some(record))
            }
            Ok(_) => Ok(None),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Says that the stream is over.
    ///
    /// # Errors
    /// It ended inside a record, or had failed before.
    pub fn finish(self) -> Result<(), RecordError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.start < self.unread.len() => Err(RecordError::Truncated),
            None => Ok(()),
        }
    }
}

/// Where the record at the start of `bytes` begins and ends; `None`: its length is not all there.
fn head(bytes: &[u8], max: usize) -> Result<Option<(usize, usize)>, RecordError> {
    let mut length = 0_usize;
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if index < MAX_DIGITS => {
                let digit = usize::from(byte - b'0');
                length = length.saturating_mul(10).saturating_add(digit);
                if length > max {
                    return Err(RecordError::TooLong { max });
                }
            }
            b'0'..=b'9' => return Err(RecordError::TooLong { max }),
            b'\n' if index == 0 => return Err(RecordError::NoLength),
            b'\n' if length == 0 => return Err(RecordError::Empty),
            b'\n' => return Ok(Some((index + 1, index + 1 + length))),
            other => return Err(RecordError::Length(other)),
        }
    }
    Ok(None)
}
