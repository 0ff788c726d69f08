//! A daemon under test: a child process with its output in a file.

use std::{
    fs::{self, File},
    io,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::{
        prctl::set_pdeathsig,
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use crate::{binaries, patience::wait_for};

/// One of the product's programs, with none of this shell's settings for it.
#[must_use]
pub fn program(name: &str) -> Command {
    let mut command = Command::new(binaries::find(name));
    let vars = std::env::vars_os().map(|(name, _)| name);
    for name in vars.filter(|name| name.to_string_lossy().starts_with("HEADROOM_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// A running child; it is killed when this is dropped, or when the test's thread ends.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it; what it writes is added to the file `log`.
    ///
    /// # Panics
    /// It can't be started.
    #[must_use]
    pub fn start(command: Command, log: &Path) -> Self {
        Self::start_with(command, log, log)
    }

    pub(crate) fn start_with(mut command: Command, out: &Path, err: &Path) -> Self {
        let file = |path| File::options().create(true).append(true).open(path).expect("a log");
        command.stdout(file(out)).stderr(file(err));
        // SAFETY: prctl is safe between fork and exec, and allocates nothing.
        unsafe {
            command.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
        }
        let child = command.spawn().expect("started");
        Self { child, log: err.to_owned() }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    /// All it wrote so far, former starts with the same file included.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// Kills it and waits for its end.
    pub fn kill(mut self) {
        self.end();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits for its end; a signal that ended it counts as 128 and its number.
    ///
    /// # Panics
    /// It does not end.
    pub fn wait(&mut self) -> i32 {
        let status: ExitStatus =
            wait_for("a daemon's end", || self.child.try_wait().expect("a child"));
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}
