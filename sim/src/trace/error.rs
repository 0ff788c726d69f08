//! What can be wrong with a trace, told with the file and the line.

use std::io;

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file is missing, cut off, or not what its name says.
    #[error("{file}: {source}{}", hint(source, *lines))]
    Read {
        /// Which file (and which one in it, if it is an archive).
        file: String,
        /// How many lines could be read before.
        lines: u64,
        /// What the operating system or the decompressor said.
        source: io::Error,
    },
    /// One line is not as the format wants it.
    #[error("{file}, line {line}: {what}")]
    Line {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The file as a whole is of no use.
    #[error("{file}: {what}")]
    File {
        /// Which file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
}

fn hint(source: &io::Error, lines: u64) -> String {
    let after = if lines == 0 { String::new() } else { format!(" after line {lines}") };
    match source.kind() {
        io::ErrorKind::UnexpectedEof => format!("{after}: the file seems to be cut off"),
        _ => after,
    }
}
