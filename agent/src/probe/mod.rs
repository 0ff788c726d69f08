//! Measures tasks from inside the kernel. Owns the eBPF programs: finds out what this kernel has, loads what
//! it can, reads the rows by shared memory, and says what is missing and why. It reads no cgroup files.

mod alarm;
mod block;
pub mod btf;
pub mod cost;
mod histogram;
mod key;
mod mapped;
mod object;
mod offsets;
mod rung;
mod sched;
#[cfg(test)]
mod tests;
mod workload;

use std::{fs, path::Path};

pub use alarm::Alarms;
use aya::Ebpf;
pub use block::{BlockCounters, BlockKey};
use btf::{KERNEL_BTF, KernelBtf};
use headroom_agent_ebpf::MAX_TASK_ROWS;
pub use headroom_agent_ebpf::{BlockOp, DEFAULT_SLOTS, Displacer};
pub use histogram::WaitHistogram;
pub use key::{CgroupKey, Counters, MAX_CGROUPS_PER_TASK};
pub use object::{LoadError, ProgramCost, ProgramTiming};
use object::{Settings, Size};
pub use rung::{CgroupLayout, Rung};
pub use sched::{SchedCounters, SchedHealth, SchedKey};

/// Rows a table may have: css ids end at 65,535.
pub const MAX_SLOTS: u32 = 1 << 16;

/// The signals that come from here, as they are named in reports.
pub const SIGNAL_SCHED: &str = "run-queue wait";
/// See [`SIGNAL_SCHED`].
pub const SIGNAL_ALARM: &str = "alarm on a long wait";
/// See [`SIGNAL_SCHED`].
pub const SIGNAL_BLOCK: &str = "block latency";

/// Where the kernel lists its CPUs. One that is plugged in later is not measured until the next start.
const CPUS_PRESENT: &str = "/sys/devices/system/cpu/present";
/// The kernel's limit of pids.
const PID_MAX: &str = "/proc/sys/kernel/pid_max";
/// CPUs there may be rows for.
const MAX_CPUS: usize = 8192;

/// What to measure.
#[derive(Clone, Debug)]
pub struct ProbeConfig {
    /// Rows per table: cgroups that can be told apart at once. Rounded up to a power of two.
    pub slots: u32,
    /// Inode number of the cgroup whose children are guaranteed containers.
    pub guaranteed_parent_inode: Option<u64>,
    /// Inode number of the cgroup whose children run on lent resources.
    pub revocable_parent_inode: Option<u64>,
    /// Where the controllers are; it decides the rung.
    pub layout: CgroupLayout,
    /// Whether to watch the scheduler.
    pub sched: bool,
    /// Whether to watch block devices.
    pub block: bool,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            slots: DEFAULT_SLOTS,
            guaranteed_parent_inode: None,
            revocable_parent_inode: None,
            layout: CgroupLayout::Legacy,
            sched: true,
            block: true,
        }
    }
}

/// A signal this node cannot give, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// What is missing.
    pub signal: &'static str,
    /// Why, and where possible what would help.
    pub reason: String,
}

/// The programs in the kernel and their rows. Dropping it takes them out.
pub struct Probe {
    sched: Option<sched::Sched>,
    block: Option<block::Block>,
    alarms: Option<Alarms>,
    absences: Vec<Absence>,
    layout: CgroupLayout,
    ebpf: Option<Ebpf>,
}

impl Probe {
    /// Loads what this kernel takes. It never fails: what is missing is told by [`Self::absences`].
    pub fn load(config: &ProbeConfig) -> Self {
        return_freed_memory();
        let mut probe = Self {
            sched: None,
            block: None,
            alarms: None,
            absences: Vec::new(),
            layout: config.layout,
            ebpf: None,
        };
        let settings = probe.prepare(config);
        if let Some(settings) = settings {
            probe.start(&settings);
        }
        trim_memory();
        probe
    }

    /// Finds the fields and decides which programs can be tried.
    fn prepare(&mut self, config: &ProbeConfig) -> Option<Settings> {
        let wanted = [(SIGNAL_SCHED, config.sched), (SIGNAL_BLOCK, config.block)];
        for (signal, _) in wanted.iter().filter(|(_, wanted)| !wanted) {
            self.absent(signal, "switched off in the configuration");
        }
        if !config.sched && !config.block {
            return None;
        }
        let ready = KernelBtf::read(Path::new(KERNEL_BTF))
            .map_err(|error| format!("{error}; eBPF needs a kernel with BTF type information"))
            .and_then(|btf| Ok((btf, cpus_present()?)));
        let (btf, cpus) = match ready {
            Ok(ready) => ready,
            Err(reason) => {
                for (signal, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
                    self.absent(signal, &reason);
                }
                return None;
            }
        };
        let slots = config.slots.clamp(2, MAX_SLOTS).next_power_of_two();
        let size = Size { cpus, slots: slots as usize, tasks: task_rows() };
        let mut settings = Settings {
            offsets: vec![("SLOTS", slots)],
            guaranteed_parent: config.guaranteed_parent_inode.unwrap_or(0),
            revocable_parent: config.revocable_parent_inode.unwrap_or(0),
            sched: None,
            block: None,
        };
        if config.sched {
            settings.sched = self.resolve(SIGNAL_SCHED, offsets::sched(&btf), &mut settings, size);
        }
        if config.block {
            settings.block = self.resolve(SIGNAL_BLOCK, offsets::block(&btf), &mut settings, size);
        }
        (settings.sched.is_some() || settings.block.is_some()).then_some(settings)
    }

    /// Takes a program's offsets, or notes why there are none.
    fn resolve(
        &mut self,
        signal: &'static str,
        found: Result<offsets::Offsets, btf::BtfError>,
        settings: &mut Settings,
        size: Size,
    ) -> Option<Size> {
        match found {
            Ok(offsets) => {
                settings.offsets.extend(offsets);
                Some(size)
            }
            Err(error) => {
                self.absent(signal, &error.to_string());
                None
            }
        }
    }

    /// Puts the programs into the kernel, each for itself.
    fn start(&mut self, settings: &Settings) {
        let opened = object::open(settings).and_then(|ebpf| Ok((ebpf, object::tracepoints()?)));
        let (mut ebpf, btf) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let reason = error.to_string();
                for (signal, size) in
                    [(SIGNAL_SCHED, settings.sched), (SIGNAL_BLOCK, settings.block)]
                {
                    if size.is_some() {
                        self.absent(signal, &reason);
                    }
                }
                return;
            }
        };
        if let Some(size) = settings.sched {
            let started = object::attach(&mut ebpf, sched::PROGRAM, sched::TRACEPOINT, &btf)
                .and_then(|()| sched::Sched::open(&ebpf, size));
            self.sched = self.note(SIGNAL_SCHED, started);
            let alarms = Alarms::take(&mut ebpf);
            self.alarms = self.note(SIGNAL_ALARM, alarms);
        }
        if let Some(size) = settings.block {
            let started = object::attach(&mut ebpf, block::PROGRAM, block::TRACEPOINT, &btf)
                .and_then(|()| block::Block::open(&ebpf, size));
            self.block = self.note(SIGNAL_BLOCK, started);
        }
        self.ebpf = Some(ebpf);
    }

    fn note<T>(&mut self, signal: &'static str, started: Result<T, LoadError>) -> Option<T> {
        started.map_err(|error| self.absent(signal, &error.to_string())).ok()
    }

    fn absent(&mut self, signal: &'static str, reason: &str) {
        self.absences.push(Absence { signal, reason: reason.to_owned() });
    }

    /// A task's scheduling figures. `None` when the signal is absent; a cgroup in which nothing ran yet reads zero.
    pub fn sched(&self, key: &mut SchedKey) -> Option<SchedCounters> {
        self.sched.as_ref().map(|sched| sched.read(key))
    }

    /// A task's run-queue wait alone.
    pub fn wait_ns(&self, key: &mut SchedKey) -> Option<u64> {
        self.sched(key).map(|counters| counters.wait_ns)
    }

    /// Tells of long waits, to whoever takes it first.
    pub fn take_alarms(&mut self) -> Option<Alarms> {
        self.alarms.take()
    }

    /// A task's block I/O. `None` when the signal is absent.
    pub fn block(&self, key: &mut BlockKey) -> Option<BlockCounters> {
        self.block.as_ref().map(|block| block.read(key))
    }

    /// Block I/O that belongs to no cgroup we can tell: no bio, no cgroup, or an id beyond the table.
    pub fn block_unattributed(&self) -> Option<BlockCounters> {
        self.block.as_ref().map(block::Block::unattributed)
    }

    /// The signals this node cannot give.
    pub fn absences(&self) -> &[Absence] {
        &self.absences
    }

    /// Which way of measuring is in use.
    pub fn rung(&self) -> Rung {
        Rung::of(self.sched.is_some(), self.layout)
    }

    /// Whether the counting itself went well. `None` when the scheduler is not watched.
    pub fn health(&self) -> Option<SchedHealth> {
        self.sched.as_ref().map(sched::Sched::health)
    }

    /// Lets the kernel time every eBPF program of the machine while the guard is held. That costs each of them
    /// two clock reads a run, so hold it for seconds, not always.
    pub fn time_programs(&self) -> Result<ProgramTiming, LoadError> {
        ProgramTiming::start()
    }

    /// What the loaded programs have cost.
    pub fn costs(&self) -> Vec<ProgramCost> {
        let Some(ebpf) = &self.ebpf else { return Vec::new() };
        [sched::PROGRAM, block::PROGRAM]
            .into_iter()
            .filter_map(|name| object::cost(ebpf, name))
            .collect()
    }
}

/// How many rows of CPUs are needed: one more than the highest number.
fn cpus_present() -> Result<usize, String> {
    let list =
        fs::read_to_string(CPUS_PRESENT).map_err(|error| format!("{CPUS_PRESENT}: {error}"))?;
    let last = list.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<usize>().ok());
    match last {
        Some(last) if last < MAX_CPUS => Ok(last + 1),
        _ => Err(format!("{CPUS_PRESENT}: cannot make out CPUs in {:?}", list.trim())),
    }
}

/// A row for every pid there can be, within bounds.
fn task_rows() -> u32 {
    let limit = fs::read_to_string(PID_MAX).ok().and_then(|text| text.trim().parse::<u32>().ok());
    limit.unwrap_or(MAX_TASK_ROWS).clamp(1, MAX_TASK_ROWS).next_power_of_two()
}

/// Below this the allocator keeps what was freed; its own default, which it would raise.
#[cfg(target_env = "gnu")]
const KEPT_FREE_BYTES: libc::c_int = 128 << 10;

/// Has the allocator return what is freed to the kernel. After one large allocation it would stop to, and the
/// kernel's types, read once, would stay with the process as 10 MB of nothing.
fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number inside the allocator.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_FREE_BYTES);
    }
}

/// Returns what is free between pieces in use.
fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
