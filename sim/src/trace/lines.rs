//! The lines of a file, counted, so that every complaint names its line.

use super::TraceError;
use std::{
    fmt::Display,
    io::{BufRead, Read},
};

/// The longest line read (SURF writes a whole job on one): 16 MiB.
const LINE_BYTES: u64 = 16 << 20;

pub(crate) struct Lines<R> {
    file: String,
    reader: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(file: impl Display, reader: R) -> Self {
        Self { file: file.to_string(), reader, line: Vec::new(), number: 0 }
    }

    /// The next line without its end and outer blanks, and where it is; none at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<(Place<'_>, &str)>, TraceError> {
        self.line.clear();
        let read = (&mut self.reader).take(LINE_BYTES).read_until(b'\n', &mut self.line);
        let read = read.map_err(|source| TraceError::Read {
            file: self.file.clone(),
            lines: self.number,
            source,
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let place = Place { file: &self.file, line: self.number };
        if read as u64 == LINE_BYTES {
            return Err(place.fault(format_args!("longer than {LINE_BYTES} bytes")));
        }
        match str::from_utf8(&self.line) {
            Ok(text) => Ok(Some((place, text.trim()))),
            Err(_) => Err(place.fault("not text (UTF-8); compressed, but not named .xz or .gz?")),
        }
    }
}

/// Where in a file something was read.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: u64,
}

impl Place<'_> {
    pub(crate) fn fault(&self, what: impl Display) -> TraceError {
        TraceError::Line { file: self.file.to_owned(), line: self.line, what: what.to_string() }
    }

    /// A time; unlike an amount it must be a real number.
    pub(crate) fn seconds(&self, column: &str, text: &str) -> Result<f64, TraceError> {
        let time = self.number(column, text)?;
        if time.is_finite() {
            return Ok(time);
        }
        Err(self.fault(format_args!("{column}: `{text}` is no time")))
    }

    /// A number; NaN and infinities pass, as the gatherer counts them.
    pub(crate) fn number(&self, column: &str, text: &str) -> Result<f64, TraceError> {
        text.trim().parse().map_err(|_| self.fault(format_args!("{column}: `{text}` is no number")))
    }
}
