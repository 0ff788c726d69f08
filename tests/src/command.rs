//! A run of the command line: its output and its exit code.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sys::signal::Signal;

use crate::{Json, daemon::Daemon};

/// One that has ended.
#[derive(Debug)]
pub struct Done {
    /// Its exit code; 128 and a signal's number if one ended it.
    pub code: i32,
    /// What it wrote.
    pub out: String,
    /// What it complained about.
    pub err: String,
}

impl Done {
    /// What it wrote, as JSON.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// One that runs.
#[derive(Debug)]
pub struct Started {
    daemon: Daemon,
    out: PathBuf,
    err: PathBuf,
}

impl Started {
    /// Starts it; its output goes to files in `dir`.
    #[must_use]
    pub fn new(command: Command, dir: &Path) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (dir.join(format!("out-{unique}")), dir.join(format!("err-{unique}")));
        let daemon = Daemon::start_with(command, &out, &err);
        Self { daemon, out, err }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// What it has written so far.
    #[must_use]
    pub fn out(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// What it has complained about so far.
    #[must_use]
    pub fn err(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.daemon.has_ended()
    }

    /// Waits for its end.
    #[must_use]
    pub fn done(mut self) -> Done {
        let code = self.daemon.wait();
        Done { code, out: self.out(), err: self.err() }
    }
}
