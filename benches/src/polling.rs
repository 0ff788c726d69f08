//! What it costs offers that operators' tools ask for the whole state all the time: the benchmark of
//! [`crate::loopback`] on a full cluster, with and without pollers of `/state`, in turns.

use crate::{
    fault::Fault,
    latency::{Latencies, Latency},
    loopback::{Bench, configured, start},
};
use serde::Serialize;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime,
    task::JoinSet,
};

const AGENTS: usize = 100;
const FRAMEWORKS: usize = 10;
/// Tasks an agent; 10,000 in all.
const SLOTS: u64 = 100;
const POLLERS: usize = 20;
const ROUNDS: usize = 3;
/// Placements timed in each half of a round.
const SAMPLES: usize = 2_000;
const QUESTION: &[u8] = b"GET /state HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";

/// All rounds together.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Running tasks.
    pub tasks: usize,
    /// Who poll at a time, each again as soon as it is answered.
    pub pollers: usize,
    /// From status to offer while nobody polls.
    pub alone: Latency,
    /// The same while all poll.
    pub polled: Latency,
    /// From a poll's connection to its last byte.
    pub poll: Latency,
    /// Answers a second, to all pollers together.
    pub polls_per_s: f64,
    /// Bytes of one answer.
    pub answer_bytes: usize,
}

/// Times all rounds.
///
/// # Errors
/// The allocator did not start, did not offer, or did not answer.
pub fn measure(quick: bool) -> Result<Measured, Fault> {
    let shape = if quick { (10, 20, SAMPLES / 20) } else { (AGENTS, SLOTS, SAMPLES) };
    rounds(shape.0, shape.1, shape.2)
}

fn rounds(agents: usize, slots: u64, samples: usize) -> Result<Measured, Fault> {
    let state = tempfile::tempdir().map_err(Fault::io("cannot make", std::env::temp_dir()))?;
    let server = start(runtime::Builder::new_multi_thread().worker_threads(1).enable_all())?;
    let clients = start(runtime::Builder::new_current_thread().enable_all())?;
    let running = server.block_on(headroom_allocator::start(&configured(state.path())?))?;
    let address = running.address;
    let (mut alone, mut polled) = (Latencies::default(), Latencies::default());
    let mut polls = Polls::default();
    let measured: Result<(), Fault> = clients.block_on(async {
        let mut bench =
            Bench::connect(&format!("http://{address}"), agents, FRAMEWORKS, slots).await?;
        for _ in 0..ROUNDS {
            bench.time(samples, &mut alone).await?;
            let polling = Polling::start(address)?;
            bench.time(samples, &mut polled).await?;
            polls.add(polling.stop()?);
        }
        Ok(())
    });
    drop(clients);
    server.block_on(running.stop())?;
    measured?;
    Ok(Measured {
        tasks: agents * slots as usize,
        pollers: POLLERS,
        alone: alone.summary(),
        polled: polled.summary(),
        poll: polls.latencies.summary(),
        polls_per_s: polls.latencies.summary().count as f64 / polls.took.as_secs_f64(),
        answer_bytes: polls.answer_bytes,
    })
}

/// What pollers saw.
#[derive(Default)]
struct Polls {
    latencies: Latencies,
    took: Duration,
    answer_bytes: usize,
}

impl Polls {
    fn add(&mut self, (took, answers): (Duration, Vec<(Duration, usize)>)) {
        self.took += took;
        for (latency, bytes) in answers {
            self.latencies.record(latency);
            self.answer_bytes = self.answer_bytes.max(bytes);
        }
    }
}

type Answers = Result<Vec<(Duration, usize)>, Fault>;

/// The pollers, on a thread of their own.
struct Polling {
    stop: Arc<AtomicBool>,
    since: Instant,
    thread: std::thread::JoinHandle<Answers>,
}

impl Polling {
    fn start(address: SocketAddr) -> Result<Self, Fault> {
        let runtime = start(runtime::Builder::new_current_thread().enable_all())?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let mut pollers = JoinSet::new();
                for _ in 0..POLLERS {
                    pollers.spawn(poll(address, Arc::clone(&told)));
                }
                let mut all = Vec::new();
                while let Some(answers) = pollers.join_next().await {
                    all.extend(answers.map_err(|_| Fault::Core("a poller fell over".into()))??);
                }
                Ok(all)
            })
        });
        Ok(Self { stop, since: Instant::now(), thread })
    }

    fn stop(self) -> Result<(Duration, Vec<(Duration, usize)>), Fault> {
        self.stop.store(true, Ordering::Relaxed);
        let answers = self.thread.join();
        let answers = answers.map_err(|_| Fault::Core("the pollers fell over".into()))??;
        Ok((self.since.elapsed(), answers))
    }
}

async fn poll(address: SocketAddr, stop: Arc<AtomicBool>) -> Answers {
    let mut answers = Vec::new();
    let mut text = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        text.clear();
        let broken = Fault::io("cannot poll", "/state");
        let answered = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(QUESTION).await?;
            stream.read_to_end(&mut text).await
        };
        answered.await.map_err(broken)?;
        if !text.starts_with(b"HTTP/1.1 200") {
            return Err(Fault::Core("/state was refused".into()));
        }
        answers.push((asked.elapsed(), text.len()));
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_come_while_all_poll() {
        let measured = rounds(2, 4, 10).unwrap();
        assert_eq!(measured.polled.count, 30);
        assert!(
            measured.poll.count >= POLLERS as u64 && measured.answer_bytes > 1_000,
            "{measured:?}"
        );
    }
}
