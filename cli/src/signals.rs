//! The signals that ask a command to end.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;

/// After so many nobody wants to wait for anything any more.
const IMPATIENT: u32 = 3;
/// More than these in one moment are not told apart.
const QUEUE: usize = 8;

/// Ctrl-C, a polite kill, and a terminal that was closed; those of them that are not ignored, so
/// that `nohup` and a script's `&` work as ever.
#[derive(Debug)]
pub(crate) struct Signals {
    heard: mpsc::Receiver<i32>,
}

/// Becomes the number of the third signal, whatever else is going on.
pub(crate) type Impatience = oneshot::Receiver<i32>;

impl Signals {
    pub(crate) fn listen() -> Result<(Self, Impatience), Failure> {
        let ignored = ignored_signals();
        let listen = |kind: SignalKind| {
            if ignored >> (kind.as_raw_value() - 1) & 1 == 1 {
                return Ok(None);
            }
            let listening = signal(kind).map(Some);
            listening.map_err(|source| Failure::Io { action: "cannot hear signals", source })
        };
        let sources = [
            (SignalKind::interrupt(), listen(SignalKind::interrupt())?),
            (SignalKind::terminate(), listen(SignalKind::terminate())?),
            (SignalKind::hangup(), listen(SignalKind::hangup())?),
        ];
        let (tell, heard) = mpsc::channel(QUEUE);
        let (lose_patience, impatience) = oneshot::channel();
        tokio::spawn(pass_on(sources, tell, lose_patience));
        Ok((Signals { heard }, impatience))
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> i32 {
        match self.heard.recv().await {
            Some(signal) => signal,
            None => pending().await,
        }
    }
}

async fn pass_on(
    sources: [(SignalKind, Option<Signal>); 3],
    tell: mpsc::Sender<i32>,
    lose_patience: oneshot::Sender<i32>,
) {
    let [(a, mut first), (b, mut second), (c, mut third)] = sources;
    let mut lose_patience = Some(lose_patience);
    let mut count = 0;
    loop {
        let kind = tokio::select! {
            () = heard(&mut first) => a,
            () = heard(&mut second) => b,
            () = heard(&mut third) => c,
        };
        count += 1;
        // A full queue holds enough of them.
        tell.try_send(kind.as_raw_value()).ok();
        if count == IMPATIENT
            && let Some(tell) = lose_patience.take()
        {
            tell.send(kind.as_raw_value()).ok();
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}

/// The bits of SigIgn, proc_pid_status(5); none where that cannot be read.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_ones_are_read() {
        // Rust's start-up ignores SIGPIPE (13) in every program.
        assert_eq!(ignored_signals() >> 12 & 1, 1);
    }
}
