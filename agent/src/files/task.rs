//! Which files hold the figures of one container, and the figures they gave last.

use std::path::PathBuf;

use super::parse;
use super::{FileId, Reader};
use crate::absence::Absence;
use crate::cgroup::{Controller, Group, GroupDir};

/// A container's cumulative counters and levels, as of the last read. `None` is "not measured";
/// [`TaskFiles::absences`] says why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSample {
    /// Run time.
    pub cpu_usage_ns: Option<u64>,
    /// Enforcement periods of its quota.
    pub cpu_periods: Option<u64>,
    /// Those in which it was throttled.
    pub throttled_periods: Option<u64>,
    /// Time throttled, summed over CPUs.
    pub throttled_ns: Option<u64>,
    /// Memory charged to it, page cache included.
    pub memory_bytes: Option<u64>,
    /// The same less file pages that were not used lately.
    pub working_set_bytes: Option<u64>,
    /// File pages that were not used lately (read at the slow cadence).
    pub inactive_file_bytes: Option<u64>,
    /// Processes the kernel killed for memory.
    pub oom_kills: Option<u64>,
    /// Bytes read from block devices.
    pub io_read_bytes: Option<u64>,
    /// Bytes written to block devices.
    pub io_write_bytes: Option<u64>,
    /// Requests read.
    pub io_reads: Option<u64>,
    /// Requests written.
    pub io_writes: Option<u64>,
    /// Time at least one of its tasks waited for a CPU.
    pub psi_cpu_some_us: Option<u64>,
    /// Time all of them waited for a CPU.
    pub psi_cpu_full_us: Option<u64>,
    /// Time at least one waited for memory.
    pub psi_memory_some_us: Option<u64>,
    /// Time all waited for memory.
    pub psi_memory_full_us: Option<u64>,
    /// Time at least one waited for I/O.
    pub psi_io_some_us: Option<u64>,
    /// Time all waited for I/O.
    pub psi_io_full_us: Option<u64>,
}

/// What a file is for. The order is the order of reading: by kind over all tasks, as alternating
/// kinds makes the kernel flush its statistics again for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    CpuUsage,
    CpuStat,
    MemoryUsage,
    OomKills,
    PsiCpu,
    PsiMemory,
    PsiIo,
    MemoryStat,
    IoStat,
    IoBytes,
    IoOps,
}

impl Kind {
    pub(super) const ALL: [Kind; 11] = [
        Kind::CpuUsage,
        Kind::CpuStat,
        Kind::MemoryUsage,
        Kind::OomKills,
        Kind::PsiCpu,
        Kind::PsiMemory,
        Kind::PsiIo,
        Kind::MemoryStat,
        Kind::IoStat,
        Kind::IoBytes,
        Kind::IoOps,
    ];

    /// Dear files (a flush of the memory or io statistics each) have a cadence of their own.
    pub(super) fn is_slow(self) -> bool {
        matches!(self, Kind::MemoryStat | Kind::IoStat | Kind::IoBytes | Kind::IoOps)
    }

    fn what(self) -> &'static str {
        match self {
            Kind::CpuUsage => "cpu_usage_ns",
            Kind::CpuStat => "throttled_ns",
            Kind::MemoryUsage => "memory_bytes",
            Kind::OomKills => "oom_kills",
            Kind::PsiCpu => "psi_cpu",
            Kind::PsiMemory => "psi_memory",
            Kind::PsiIo => "psi_io",
            Kind::MemoryStat => "working_set_bytes",
            Kind::IoStat | Kind::IoBytes => "io_bytes",
            Kind::IoOps => "io_operations",
        }
    }

    fn controller(self) -> Controller {
        match self {
            Kind::CpuUsage => Controller::Cpuacct,
            Kind::CpuStat => Controller::Cpu,
            Kind::MemoryUsage | Kind::OomKills | Kind::MemoryStat => Controller::Memory,
            Kind::IoStat | Kind::IoBytes | Kind::IoOps => Controller::Io,
            Kind::PsiCpu | Kind::PsiMemory | Kind::PsiIo => Controller::Unified,
        }
    }

    /// The file in the controller's version; `None` where the other version's kind does it.
    fn file(self, dir: &GroupDir) -> Option<PathBuf> {
        let name = match (self, dir.v2) {
            (Kind::CpuUsage, false) => "cpuacct.usage",
            (Kind::CpuUsage | Kind::CpuStat, _) => "cpu.stat",
            (Kind::MemoryUsage, false) => "memory.usage_in_bytes",
            (Kind::MemoryUsage, true) => "memory.current",
            (Kind::OomKills, false) => "memory.oom_control",
            (Kind::OomKills, true) => "memory.events",
            (Kind::PsiCpu, _) => "cpu.pressure",
            (Kind::PsiMemory, _) => "memory.pressure",
            (Kind::PsiIo, _) => "io.pressure",
            (Kind::MemoryStat, _) => "memory.stat",
            (Kind::IoStat, true) => "io.stat",
            (Kind::IoBytes, false) => return Some(recursive(dir, "io_service_bytes")),
            (Kind::IoOps, false) => return Some(recursive(dir, "io_serviced")),
            (Kind::IoStat, false) | (Kind::IoBytes | Kind::IoOps, true) => return None,
        };
        Some(dir.path.join(name))
    }
}

/// The table of the whole subtree where the kernel has it (v1 blkio, Linux 4.16).
fn recursive(dir: &GroupDir, name: &str) -> PathBuf {
    let whole = dir.path.join(format!("blkio.throttle.{name}_recursive"));
    if whole.exists() { whole } else { dir.path.join(format!("blkio.throttle.{name}")) }
}

/// block/blk-throttle.c, v1: a group's I/O to a device is counted once some limit is set on it.
const V1_IO_NOT_COUNTED: &str =
    "cgroup v1 counts block I/O only of devices that some limit is set on, or there was none yet";

/// The kept files of one container.
#[derive(Debug)]
pub struct TaskFiles {
    files: [Option<FileId>; Kind::ALL.len()],
    sample: FileSample,
    absences: Vec<Absence>,
    gone: bool,
}

impl TaskFiles {
    /// Opens every file this host has for `group`; what it lacks is in `absences`.
    pub fn open(reader: &mut Reader, group: &Group) -> TaskFiles {
        let mut task = TaskFiles {
            files: [None; Kind::ALL.len()],
            sample: FileSample::default(),
            absences: Vec::new(),
            gone: false,
        };
        let mut one_file_for_cpu = false;
        for kind in Kind::ALL {
            let Some(dir) = group.dir(kind.controller()) else {
                let reason = format!("the {} controller is not usable", kind.controller().name());
                task.note(kind, reason);
                continue;
            };
            if kind == Kind::CpuUsage {
                // On v2 one cpu.stat gives both, unless only the core's is there.
                one_file_for_cpu = dir.v2;
            }
            if kind == Kind::CpuStat && one_file_for_cpu && dir.v2 {
                continue;
            }
            let Some(path) = kind.file(dir) else { continue };
            match reader.open(&path) {
                Ok(id) => task.files[kind as usize] = Some(id),
                Err(e) => task.note(kind, e.to_string()),
            }
        }
        task
    }

    /// Drops the descriptors.
    pub fn close(&mut self, reader: &mut Reader) {
        for file in &mut self.files {
            if let Some(id) = file.take() {
                reader.close(id);
            }
        }
    }

    /// The figures of the last read.
    pub fn sample(&self) -> &FileSample {
        &self.sample
    }

    /// What is not measured, and why. A later success does not remove an entry's reason from the
    /// past: the sample's `None` is what counts now.
    pub fn absences(&self) -> &[Absence] {
        &self.absences
    }

    /// Whether the group was removed: the sample is the last that was seen.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn file(&self, kind: Kind) -> Option<FileId> {
        self.files[kind as usize]
    }

    /// The group is gone; its last figures stay.
    pub(super) fn mark_gone(&mut self, kind: Kind) {
        self.gone = true;
        self.files[kind as usize] = None;
    }

    /// A file could not be read: its figures are absent from now on until it can.
    pub(super) fn fail(&mut self, kind: Kind, reason: String) {
        self.store(kind, None);
        self.note(kind, reason);
    }

    /// Takes over what a file holds.
    pub(super) fn take(&mut self, kind: Kind, text: &[u8]) {
        if !self.store(kind, Some(text)) {
            let reason = match kind {
                Kind::IoBytes | Kind::IoOps => V1_IO_NOT_COUNTED,
                _ => "the file is not understood",
            };
            self.note(kind, reason);
        }
    }

    /// Stores what the file holds, or that it could not be read; returns whether it gave what it is
    /// read for. No text is not an empty text: an empty io.stat means no I/O, which is a zero.
    fn store(&mut self, kind: Kind, text: Option<&[u8]>) -> bool {
        let sample = &mut self.sample;
        match kind {
            Kind::CpuUsage => {
                let stat = text.map(parse::cpu_stat).unwrap_or_default();
                sample.cpu_usage_ns = stat.usage_ns.or(text.and_then(parse::number));
                if stat.usage_ns.is_some() {
                    sample.set_throttling(&stat);
                }
                sample.cpu_usage_ns.is_some()
            }
            Kind::CpuStat => {
                sample.set_throttling(&text.map(parse::cpu_stat).unwrap_or_default());
                sample.throttled_ns.is_some()
            }
            Kind::MemoryUsage => {
                sample.memory_bytes = text.and_then(parse::number);
                sample.set_working_set();
                sample.memory_bytes.is_some()
            }
            Kind::MemoryStat => {
                sample.inactive_file_bytes = text.and_then(parse::inactive_file_bytes);
                sample.set_working_set();
                sample.inactive_file_bytes.is_some()
            }
            Kind::OomKills => {
                sample.oom_kills = text.and_then(parse::oom_kills);
                sample.oom_kills.is_some()
            }
            Kind::PsiCpu | Kind::PsiMemory | Kind::PsiIo => sample.set_pressure(kind, text),
            Kind::IoStat | Kind::IoBytes | Kind::IoOps => sample.set_io(kind, text),
        }
    }

    /// Once per figure: the list is bounded by the number of kinds.
    fn note(&mut self, kind: Kind, reason: impl Into<String>) {
        if !self.absences.iter().any(|absence| absence.what == kind.what()) {
            self.absences.push(Absence::new(kind.what(), reason.into()));
        }
    }
}

/// A table of nothing but zeros says nothing: see [`V1_IO_NOT_COUNTED`].
fn v1_io(text: &[u8]) -> Option<(u64, u64)> {
    parse::throttle_table(text).filter(|(read, write)| read + write > 0)
}

impl FileSample {
    fn set_throttling(&mut self, stat: &parse::CpuStat) {
        self.cpu_periods = stat.periods;
        self.throttled_periods = stat.throttled_periods;
        self.throttled_ns = stat.throttled_ns;
    }

    fn set_working_set(&mut self) {
        let both = self.memory_bytes.zip(self.inactive_file_bytes);
        // The two are not read at the same moment, so the difference can be below nothing.
        self.working_set_bytes = both.map(|(all, inactive)| all.saturating_sub(inactive));
    }

    fn set_pressure(&mut self, kind: Kind, text: Option<&[u8]>) -> bool {
        let found = text.map(parse::pressure).unwrap_or_default();
        let (some, full) = match kind {
            Kind::PsiCpu => (&mut self.psi_cpu_some_us, &mut self.psi_cpu_full_us),
            Kind::PsiMemory => (&mut self.psi_memory_some_us, &mut self.psi_memory_full_us),
            _ => (&mut self.psi_io_some_us, &mut self.psi_io_full_us),
        };
        (*some, *full) = (found.some_us, found.full_us);
        found.some_us.is_some()
    }

    fn set_io(&mut self, kind: Kind, text: Option<&[u8]>) -> bool {
        let (bytes, ops) = match kind {
            Kind::IoStat => {
                let totals = text.and_then(parse::io_stat);
                let bytes = totals.map(|all| (all.read_bytes, all.write_bytes));
                (Some(bytes), Some(totals.map(|all| (all.reads, all.writes))))
            }
            Kind::IoBytes => (Some(text.and_then(v1_io)), None),
            _ => (None, Some(text.and_then(v1_io))),
        };
        if let Some(bytes) = bytes {
            (self.io_read_bytes, self.io_write_bytes) = bytes.unzip();
        }
        if let Some(ops) = ops {
            (self.io_reads, self.io_writes) = ops.unzip();
        }
        bytes.flatten().or(ops.flatten()).is_some()
    }
}
