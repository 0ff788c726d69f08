//! `headroom top` on a real pseudo-terminal: it shows, obeys keys and gives the terminal back.

#[allow(dead_code)]
mod pocket;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use pocket::{Mischief, Pocket};

const HANG: Duration = Duration::from_secs(60);
const ENTER_SCREEN: &str = "\x1b[?1049h";
const LEAVE_SCREEN: &str = "\x1b[?1049l";

/// A terminal with `top` in it.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// Our end of the program's side, to look at its settings.
    line: File,
}

impl Terminal {
    fn open(address: &str) -> Self {
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("a pseudo-terminal");
        let line = File::from(pty.slave);
        let stdio = || Stdio::from(line.try_clone().expect("cloned"));
        let child = Command::new(env!("CARGO_BIN_EXE_headroom"))
            .args(["--address", address, "top", "--interval", "100ms"])
            .env("TERM", "xterm-256color")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .expect("started");
        let keyboard = File::from(pty.master);
        let mut reader = keyboard.try_clone().expect("cloned");
        let (tell, screen) = mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut piece) {
                if tell.send(piece[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { child, keyboard, screen, seen: String::new(), line }
    }

    /// Reads until `text` has been written.
    fn shows(&mut self, text: &str) {
        let begin = Instant::now();
        while !self.seen.contains(text) {
            match self.screen.recv_timeout(Duration::from_millis(100)) {
                Ok(piece) => self.seen += &String::from_utf8_lossy(&piece),
                Err(RecvTimeoutError::Timeout) if begin.elapsed() < HANG => {}
                Err(e) => panic!("no {text:?} ({e}): {:?}", self.seen),
            }
        }
    }

    fn ends_well(mut self) {
        let begin = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("waited") {
                Some(status) => break status,
                None if begin.elapsed() < HANG => std::thread::sleep(Duration::from_millis(20)),
                None => panic!("hangs"),
            }
        };
        self.shows(LEAVE_SCREEN);
        assert!(status.success(), "{status}: {:?}", self.seen);
        assert!(!self.is_raw());
    }

    fn is_raw(&self) -> bool {
        let settings = tcgetattr(&self.line).expect("a terminal");
        !settings.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_signals_give_the_terminal_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let pocket = Pocket::serve(directory.path().into(), Mischief::default()).await;
    let address = pocket.address;
    let looks = tokio::task::spawn_blocking(move || {
        let shown = || {
            let mut terminal = Terminal::open(&address);
            terminal.shows(ENTER_SCREEN);
            terminal.shows("nodes");
            terminal.shows("q quit");
            assert!(terminal.is_raw());
            terminal
        };
        for keys in ["q", "\x03", "?xwrn\t\x1b[B\x1b[Aq"] {
            let mut terminal = shown();
            terminal.keyboard.write_all(keys.as_bytes()).expect("typed");
            terminal.ends_well();
        }
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            let terminal = shown();
            let pid = i32::try_from(terminal.child.id()).expect("a pid");
            kill(Pid::from_raw(pid), signal).expect("signalled");
            terminal.ends_well();
        }
    });
    looks.await.expect("no panic");
}
