//! Carries a task's stdout and stderr to ours until it has ended and all was sent.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinSet, block_in_place};

use crate::client::Client;
use crate::log::{LogReader, POLL, Sink, Stream};

/// After the task's end, how long to wait for output that does not come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to read what cannot be read.
const RETRY: Duration = Duration::from_millis(500);

/// What the two readers say to the run.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Something was written.
    Moved,
    /// Our own output cannot be written any more.
    Unwritable(io::Error),
}

/// Both outputs of one task.
#[derive(Debug)]
pub(crate) struct Followers {
    readers: JoinSet<()>,
    /// How many readers are kept from writing, by a pager perhaps.
    writing: Arc<AtomicUsize>,
    heard: mpsc::Receiver<Heard>,
}

impl Followers {
    pub(crate) fn start(
        client: &Client,
        task_id: &str,
        framework_id: &str,
        json: Option<&str>,
    ) -> Self {
        // Bounded: a reader that is not heard waits.
        let (tell, heard) = mpsc::channel(16);
        let mut readers = JoinSet::new();
        let writing = Arc::new(AtomicUsize::new(0));
        for stream in [Stream::Stdout, Stream::Stderr] {
            let reader = LogReader::new(client, task_id, framework_id, stream);
            let sink = Sink::new(stream, json.map(Into::into), false);
            readers.spawn(follow(reader, sink, tell.clone(), writing.clone()));
        }
        Followers { readers, writing, heard }
    }

    /// The error that keeps us from writing, when there is one; until then, for ever.
    pub(crate) async fn unwritable(&mut self) -> io::Error {
        loop {
            match self.heard.recv().await {
                Some(Heard::Unwritable(error)) => return error,
                Some(Heard::Moved) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Waits for the rest. False: it did not come, the output is cut short.
    pub(crate) async fn drain(mut self) -> bool {
        loop {
            tokio::select! {
                joined = self.readers.join_next() => {
                    if joined.is_none() {
                        return true;
                    }
                }
                Some(heard) = self.heard.recv() => {
                    if let Heard::Unwritable(_) = heard {
                        return true;
                    }
                }
                () = tokio::time::sleep(PATIENCE) => {
                    if self.writing.load(Ordering::Relaxed) == 0 {
                        return false;
                    }
                }
            }
        }
    }
}

async fn follow(
    mut reader: LogReader,
    mut sink: Sink,
    tell: mpsc::Sender<Heard>,
    writing: Arc<AtomicUsize>,
) {
    loop {
        let piece = match reader.next().await {
            Ok(piece) => piece,
            // Not there yet, or the allocator or the node is away: the run decides when to stop.
            Err(_) => {
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let idle = piece.data.is_empty();
        // A pager may keep us from writing for hours; the other tasks must go on.
        writing.fetch_add(1, Ordering::Relaxed);
        let written = block_in_place(|| {
            sink.write(&piece.data)?;
            if piece.ended { sink.finish() } else { Ok(()) }
        });
        writing.fetch_sub(1, Ordering::Relaxed);
        let heard = match written {
            Ok(()) => Heard::Moved,
            Err(error) => Heard::Unwritable(error),
        };
        let stop = piece.ended || matches!(heard, Heard::Unwritable(_));
        if !idle || stop {
            // The run no longer listens: it is over.
            if tell.send(heard).await.is_err() {
                return;
            }
        }
        if stop {
            return;
        }
        if idle {
            tokio::time::sleep(POLL).await;
        }
    }
}
