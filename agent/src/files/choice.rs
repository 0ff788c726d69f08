//! io_uring or pread: measured at start on this machine's own files, and said why.
//!
//! Formatting a cgroup file costs more than the system call it saves, so neither is faster
//! everywhere.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::reader::{BATCH_FILES, BUFFER_BYTES};
use super::uring::Ring;

/// How often each way reads the whole batch; the median of these counts.
const ROUNDS: usize = 41;
/// How many descriptors the measured batch has: about what an agent with ten tasks reads.
const MEASURED_FILES: usize = 48;
/// The ring must be clearly better: it costs memory, and some hosts watch its users.
const CLEARLY_FASTER: f64 = 0.9;

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// One io_uring submission per batch.
    Uring,
    /// One pread per file.
    Pread,
}

/// What the operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Whichever is faster here.
    #[default]
    Auto,
    /// io_uring if it is allowed at all.
    Uring,
    /// pread.
    Pread,
}

/// What was chosen and on which figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceReport {
    /// What is used.
    pub backend: Backend,
    /// What was asked for.
    pub choice: Choice,
    /// The median time of one batch by pread, if measured.
    pub pread_batch_ns: Option<u64>,
    /// The median time of one batch by io_uring, if measured.
    pub uring_batch_ns: Option<u64>,
    /// How many files the measured batch had.
    pub batch_files: usize,
    /// Why it was chosen.
    pub reason: String,
}

impl fmt::Display for ChoiceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = |ns: Option<u64>| ns.map_or("not measured".into(), |ns| format!("{ns} ns"));
        write!(
            f,
            "{:?} ({}); a batch of {} files: pread {}, io_uring {}",
            self.backend,
            self.reason,
            self.batch_files,
            ns(self.pread_batch_ns),
            ns(self.uring_batch_ns)
        )
    }
}

/// Decides, and hands over the ring if it is to be used.
pub(super) fn choose(choice: Choice, probes: &[PathBuf]) -> (ChoiceReport, Option<Ring>) {
    let mut report = ChoiceReport {
        backend: Backend::Pread,
        choice,
        pread_batch_ns: None,
        uring_batch_ns: None,
        batch_files: 0,
        reason: "asked for".into(),
    };
    if choice == Choice::Pread {
        return (report, None);
    }
    let ring = match Ring::new(BATCH_FILES as u32) {
        Ok(ring) => ring,
        Err(e) => {
            report.reason = format!("io_uring is refused here: {e}");
            return (report, None);
        }
    };
    let files: Vec<File> = probes.iter().filter_map(|path| File::open(path).ok()).collect();
    if files.is_empty() {
        report.reason = format!("none of {} files to measure with can be opened", probes.len());
    } else {
        match measure(ring, &files, &mut report) {
            Ok(ring) if choice == Choice::Uring || uring_wins(&report) => {
                report.backend = Backend::Uring;
                report.reason = reason(choice, "io_uring measured clearly faster");
                return (report, Some(ring));
            }
            Ok(_) => report.reason = "io_uring measured no clear gain".into(),
            Err(e) => report.reason = format!("io_uring fails here: {e}"),
        }
    }
    (report, None)
}

fn reason(choice: Choice, measured: &str) -> String {
    if choice == Choice::Auto { measured.into() } else { "asked for".into() }
}

fn uring_wins(report: &ChoiceReport) -> bool {
    match (report.uring_batch_ns, report.pread_batch_ns) {
        (Some(uring), Some(pread)) => (uring as f64) < CLEARLY_FASTER * pread as f64,
        _ => false,
    }
}

/// Reads the same batch both ways, in turns, so that a busy moment hits both.
fn measure(mut ring: Ring, files: &[File], report: &mut ChoiceReport) -> io::Result<Ring> {
    let batch: Vec<&File> = files.iter().cycle().take(MEASURED_FILES).collect();
    let fds: Vec<i32> = batch.iter().map(|file| file.as_raw_fd()).collect();
    let mut buffer = vec![0; BUFFER_BYTES * fds.len()];
    let mut answers = vec![0; fds.len()];
    let (mut pread, mut uring) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for (file, part) in batch.iter().zip(buffer.chunks_exact_mut(BUFFER_BYTES)) {
            file.read_at(part, 0)?;
        }
        pread.push(started.elapsed().as_nanos() as u64);
        let started = Instant::now();
        ring.read(&fds, &mut buffer, BUFFER_BYTES, &mut answers)?;
        uring.push(started.elapsed().as_nanos() as u64);
        if let Some(refused) = answers.iter().find(|answer| **answer < 0) {
            return Err(io::Error::from_raw_os_error(-refused));
        }
    }
    report.batch_files = fds.len();
    report.pread_batch_ns = Some(median(&mut pread));
    report.uring_batch_ns = Some(median(&mut uring));
    Ok(ring)
}

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Files that every Linux has, for a start before there is any container.
pub(super) fn default_probes() -> Vec<PathBuf> {
    let paths = [
        "/proc/self/stat",
        "/proc/pressure/cpu",
        "/proc/pressure/memory",
        "/proc/pressure/io",
        "/sys/fs/cgroup/cpu.stat",
        "/sys/fs/cgroup/unified/cpu.stat",
        "/sys/fs/cgroup/cpuacct/cpuacct.usage",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ];
    paths.iter().map(PathBuf::from).filter(|path: &PathBuf| Path::exists(path)).collect()
}
