//! How much a task may still fetch.

use super::{FetchError, Uri};
use std::io::{self, Read, Write};

const BUFFER_BYTES: usize = 64 << 10;

/// Bytes that are left of the bound.
#[derive(Debug)]
pub(super) struct Budget {
    bound: u64,
    left: u64,
}

impl Budget {
    pub(super) fn new(bound: u64) -> Self {
        Self { bound, left: bound }
    }

    /// Takes `bytes` of it.
    pub(super) fn take(&mut self, uri: &Uri, bytes: u64) -> Result<(), FetchError> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                return Err(FetchError::TooMuch { uri: uri.value.clone(), bytes: self.bound });
            }
        }
        Ok(())
    }

    /// Copies all of `from`; what fails on either side is told apart.
    pub(super) fn copy(
        &mut self,
        uri: &Uri,
        mut from: impl Read,
        mut to: impl Write,
        read: impl Fn(io::Error) -> FetchError,
        write: impl Fn(io::Error) -> FetchError,
    ) -> Result<u64, FetchError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut copied = 0;
        loop {
            let some = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(some) => some,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
                Err(fault) => return Err(read(fault)),
            };
            self.take(uri, some as u64)?;
            to.write_all(&buffer[..some]).map_err(&write)?;
            copied += some as u64;
        }
        to.flush().map_err(write)?;
        Ok(copied)
    }
}
