//! `headroom logs`: a task's output.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use clap::Args;
use tonic::Status;

use crate::client::{self, Client, Subject};
use crate::failure::Failure;
use crate::log::{LogReader, POLL, Piece, Sink, Stream};
use crate::output::{Output, Tone, paint};

/// How long to follow on while the allocator does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What `--tail` keeps at most.
const TAIL_BYTES: usize = 64 << 20;

/// Print a task's output
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headroom logs web-3f9a01                 its stdout so far
  headroom logs -f --tail 20 web-3f9a01    the last 20 lines, then all that comes until it ends
  headroom logs --stderr web-3f9a01")]
pub(crate) struct LogsArgs {
    /// The task's id
    #[arg(value_name = "TASK")]
    task: String,
    /// Go on until the task has ended
    #[arg(short, long)]
    follow: bool,
    /// Its stderr instead of its stdout
    #[arg(long)]
    stderr: bool,
    /// Begin with the last N lines
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    tail: Option<u32>,
    /// The framework's id, where several have a task of that name
    #[arg(long, value_name = "FRAMEWORK")]
    framework: Option<String>,
}

pub(crate) async fn logs(args: &LogsArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let stream = if args.stderr { Stream::Stderr } else { Stream::Stdout };
    let framework = args.framework.as_deref().unwrap_or_default();
    let mut reader = LogReader::new(client, &args.task, framework, stream);
    let mut sink = Sink::new(stream, output.json.then(|| args.task.clone()), true);
    let mut tail = args.tail.map(Tail::new);
    let mut quiet = Quiet::default();
    loop {
        let piece = match reader.next().await {
            Ok(piece) => piece,
            Err(e) if args.follow && quiet.bears(&e, output) => {
                tokio::time::sleep(POLL * 10).await;
                continue;
            }
            Err(e) => return Err(client.failure("cannot read it", &e, Subject::Task(&args.task))),
        };
        quiet = Quiet::default();
        let Piece { data, caught_up, ended } = piece;
        let idle = data.is_empty();
        match &mut tail {
            Some(lines) => lines.push(&data),
            None => write(&mut sink, &data)?,
        }
        if (caught_up || ended)
            && let Some(lines) = tail.take()
        {
            write(&mut sink, &lines.into_bytes())?;
        }
        if ended || (caught_up && !args.follow) {
            return sink.finish().map_err(write_failure);
        }
        if idle {
            tokio::time::sleep(POLL).await;
        }
    }
}

fn write(sink: &mut Sink, data: &[u8]) -> Result<(), Failure> {
    sink.write(data).map_err(write_failure)
}

fn write_failure(source: std::io::Error) -> Failure {
    Failure::Io { action: "cannot write the output", source }
}

/// How long the allocator has been silent.
#[derive(Default)]
struct Quiet {
    since: Option<Instant>,
}

impl Quiet {
    /// Whether to ask again; the first time says so.
    fn bears(&mut self, status: &Status, output: Output) -> bool {
        if !client::is_transport(status) {
            return false;
        }
        let since = *self.since.get_or_insert_with(|| {
            let text = paint(
                "headroom: the allocator is gone, trying again",
                Tone::Faint,
                output.color_errors,
            );
            eprintln!("{text}");
            Instant::now()
        });
        since.elapsed() < PATIENCE
    }
}

/// The last lines of a text that is read from its beginning.
struct Tail {
    wanted: usize,
    /// Whole lines, then perhaps one without its end.
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Tail {
    fn new(wanted: u32) -> Self {
        Tail { wanted: wanted as usize, lines: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, data: &[u8]) {
        for part in data.split_inclusive(|&byte| byte == b'\n') {
            match self.lines.back_mut() {
                Some(last) if !last.ends_with(b"\n") => last.extend_from_slice(part),
                _ => self.lines.push_back(part.to_vec()),
            }
            self.bytes += part.len();
            while self.lines.len() > self.wanted || self.bytes > TAIL_BYTES {
                match self.lines.pop_front() {
                    Some(line) => self.bytes -= line.len(),
                    None => break,
                }
            }
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        self.lines.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tail(wanted: u32, pieces: &[&str]) -> String {
        let mut tail = Tail::new(wanted);
        pieces.iter().for_each(|piece| tail.push(piece.as_bytes()));
        String::from_utf8(tail.into_bytes()).expect("utf-8")
    }

    #[test]
    fn the_last_lines_though_cut_into_pieces() {
        assert_eq!(tail(2, &["a\nb\nc\n"]), "b\nc\n");
        assert_eq!(tail(2, &["a\nb", "b\nc"]), "bb\nc");
        assert_eq!(tail(0, &["a\nb"]), "");
        assert_eq!(tail(9, &["a\n", "", "b"]), "a\nb");
    }

    proptest! {
        #[test]
        fn as_the_lines_of_the_whole(text in "[ab\n]{0,40}", wanted in 0_u32..6, cut in 0_usize..40) {
            let (first, second) = text.split_at(cut.min(text.len()));
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let want = lines[lines.len().saturating_sub(wanted as usize)..].concat();
            prop_assert_eq!(tail(wanted, &[first, second]), want);
        }
    }
}
