//! Reading a task's stdout or stderr, piece by piece, and writing it where it belongs.

use std::io::{self, Write};
use std::time::Duration;

use headroom_proto::v1::ReadLogRequest;
use serde::Serialize;
use tonic::Status;

use crate::client::Client;

/// How long to wait before asking again when nothing new was there.
pub(crate) const POLL: Duration = Duration::from_millis(100);
/// The most that is asked for at once; the allocator's own bound.
const PIECE_BYTES: u32 = 256 << 10;

/// Which of a task's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// One read.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) data: Vec<u8>,
    /// There was no more when it was read. The allocator holds an empty answer back for a while in
    /// the hope of more, so that the end of a busy file is not known from an empty piece.
    pub(crate) caught_up: bool,
    pub(crate) ended: bool,
}

/// Reads one output of one task from its beginning.
#[derive(Debug)]
pub(crate) struct LogReader {
    client: Client,
    task_id: String,
    framework_id: String,
    stream: Stream,
    offset: u64,
}

impl LogReader {
    pub(crate) fn new(client: &Client, task_id: &str, framework_id: &str, stream: Stream) -> Self {
        LogReader {
            client: client.clone(),
            task_id: task_id.into(),
            framework_id: framework_id.into(),
            stream,
            offset: 0,
        }
    }

    /// What has come since the last read; empty when nothing has.
    pub(crate) async fn next(&mut self) -> Result<Piece, Status> {
        let request = ReadLogRequest {
            task_id: self.task_id.clone(),
            framework_id: self.framework_id.clone(),
            file: self.stream.name().into(),
            offset: self.offset,
            max_bytes: PIECE_BYTES,
        };
        let answer = self.client.operator().read_log(request).await?.into_inner();
        // A piece that does not move on would be printed for ever.
        let next = answer.next_offset.max(self.offset);
        let data = if next > self.offset { answer.data } else { Vec::new() };
        self.offset = next;
        let caught_up = data.len() < PIECE_BYTES as usize;
        Ok(Piece { data, caught_up, ended: answer.ended })
    }
}

/// Where a task's output is written.
#[derive(Debug)]
pub(crate) struct Sink {
    stream: Stream,
    /// Set: JSON lines on standard output, with this task id.
    json: Option<String>,
    /// `logs --stderr` prints stderr on standard output.
    to_stdout: bool,
    /// The beginning of a character whose rest is still to come.
    carry: Vec<u8>,
}

#[derive(Serialize)]
struct OutputLine<'a> {
    event: &'static str,
    task_id: &'a str,
    stream: &'static str,
    text: &'a str,
}

impl Sink {
    pub(crate) fn new(stream: Stream, json: Option<String>, to_stdout: bool) -> Self {
        Sink { stream, json, to_stdout, carry: Vec::new() }
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let Some(task_id) = &self.json else {
            return match self.stream {
                Stream::Stderr if !self.to_stdout => put(io::stderr().lock(), data),
                _ => put(io::stdout().lock(), data),
            };
        };
        self.carry.extend_from_slice(data);
        let whole = whole_characters(&self.carry);
        let rest = self.carry.split_off(whole);
        let text = String::from_utf8_lossy(&self.carry);
        write_text(task_id, self.stream, &text)?;
        self.carry = rest;
        Ok(())
    }

    /// Writes what was kept back in the hope of its rest.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match &self.json {
            Some(task_id) if !self.carry.is_empty() => {
                write_text(task_id, self.stream, &String::from_utf8_lossy(&self.carry))?;
                self.carry.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn put(mut to: impl Write, data: &[u8]) -> io::Result<()> {
    to.write_all(data)?;
    to.flush()
}

fn write_text(task_id: &str, stream: Stream, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let line = OutputLine { event: "output", task_id, stream: stream.name(), text };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    put(io::stdout().lock(), &line)
}

/// How many bytes do not end in the middle of a UTF-8 character.
fn whole_characters(data: &[u8]) -> usize {
    match std::str::from_utf8(data) {
        Ok(_) => data.len(),
        // No error length: the data merely ends too early. Bytes that are wrong are printed as such.
        Err(e) if e.error_len().is_none() => e.valid_up_to(),
        Err(_) => {
            let tail = data.len().saturating_sub(3);
            let start = (tail..data.len()).find(|&i| needs(data[i]) > data.len() - i);
            start.unwrap_or(data.len())
        }
    }
}

/// The length of the character that this byte begins.
fn needs(lead: u8) -> usize {
    match lead {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_character_is_not_cut_in_two() {
        let text = "größe 💡".as_bytes();
        assert_eq!(whole_characters(text), text.len());
        assert_eq!(whole_characters(&text[..text.len() - 1]), text.len() - 4);
        assert_eq!(whole_characters(b"ok\xff"), 3);
        assert_eq!(whole_characters(b"\xffok\xc3"), 3);
        assert_eq!(whole_characters(b""), 0);
    }

    proptest! {
        #[test]
        fn at_most_three_bytes_are_kept_back(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(data.len() - whole_characters(&data) <= 3);
        }

        #[test]
        fn text_cut_anywhere_is_whole_again(text in "\\PC{0,32}", cut in 0_usize..128) {
            let bytes = text.as_bytes();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let whole = whole_characters(first);
            let mut joined = String::from_utf8_lossy(&first[..whole]).into_owned();
            let rest = [&first[whole..], second].concat();
            joined.push_str(&String::from_utf8_lossy(&rest));
            prop_assert_eq!(joined, text);
        }
    }
}
