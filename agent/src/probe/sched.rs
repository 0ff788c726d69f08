//! What `sched_switch` counts: run time, run-queue wait, and who displaced whom.
//!
//! The kernel program books a slice, with the wait before it, when its thread leaves the CPU: what runs or waits
//! just now is seen up to one slice late.

use aya::Ebpf;
use headroom_agent_ebpf::{CpuRow, Displacer, Identity, SchedRow};

use super::{
    histogram::WaitHistogram,
    key::{CgroupKey, Counters},
    mapped::Mapped,
    object::{self, LoadError, Size},
};

/// The tracepoint it is attached to.
pub(crate) const TRACEPOINT: &str = "sched_switch";
/// The program's name in the object.
pub(crate) const PROGRAM: &str = "sched_switch";

/// A task's scheduling figures since it started; only ever grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedCounters {
    /// Time on a CPU.
    pub run_ns: u64,
    /// Time runnable but waiting for a CPU.
    pub wait_ns: u64,
    /// Times a thread left a CPU.
    pub switches: u64,
    /// Of those, times it could have run on.
    pub involuntary: u64,
    /// Involuntary switches by who came instead, indexed by [`Displacer`].
    pub displaced_by: [u64; Displacer::COUNT],
    /// Every wait, by length.
    pub wait_histogram: WaitHistogram,
}

impl Counters for SchedCounters {
    fn merge(&mut self, other: &Self) {
        self.run_ns += other.run_ns;
        self.wait_ns += other.wait_ns;
        self.switches += other.switches;
        self.involuntary += other.involuntary;
        for (count, more) in self.displaced_by.iter_mut().zip(&other.displaced_by) {
            *count += more;
        }
        self.wait_histogram.merge(&other.wait_histogram);
    }
}

/// Names a task by its cgroups in the cpu controller's hierarchy.
pub type SchedKey = CgroupKey<SchedCounters>;

/// What went wrong in the counting itself, since load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedHealth {
    /// Slices whose beginning was not seen, so not booked: of threads older than the probe, one each.
    pub discontinuities: u64,
    /// Slices of cgroups whose css id is beyond the table.
    pub overflow: u64,
}

/// The rows of the attached program.
pub(crate) struct Sched {
    rows: Mapped<SchedRow>,
    ids: Mapped<Identity>,
    cpus: Mapped<CpuRow>,
    slots: usize,
}

impl Sched {
    pub(crate) fn open(ebpf: &Ebpf, size: Size) -> Result<Self, LoadError> {
        // SAFETY: the object declares these maps with these types (agent-ebpf/src/maps.rs).
        unsafe {
            Ok(Self {
                rows: object::map(ebpf, "SCHED_ROWS", size.cpus * size.slots)?,
                ids: object::map(ebpf, "SCHED_IDS", size.slots)?,
                cpus: object::map(ebpf, "CPUS", size.cpus)?,
                slots: size.slots,
            })
        }
    }

    pub(crate) fn read(&self, key: &mut SchedKey) -> SchedCounters {
        key.read(&self.ids, |slot, serial| self.sum(slot as usize, serial))
    }

    /// Adds up one cgroup's rows. A CPU it never ran on still has somebody older's row.
    fn sum(&self, slot: usize, serial: u64) -> Option<SchedCounters> {
        let mut sum = SchedCounters::default();
        for cpu in 0..self.cpus.len() {
            let row = self.rows.row(cpu * self.slots + slot)?;
            // SAFETY: inside the mapping.
            let owner = unsafe { (&raw const (*row).serial).read_volatile() };
            if owner > serial {
                return None;
            }
            if owner == serial {
                add(&mut sum, &self.rows.copy(cpu * self.slots + slot)?);
            }
        }
        Some(sum)
    }

    pub(crate) fn health(&self) -> SchedHealth {
        let mut health = SchedHealth::default();
        for row in (0..self.cpus.len()).filter_map(|cpu| self.cpus.copy(cpu)) {
            health.discontinuities += row.discontinuities;
            health.overflow += row.overflow;
        }
        health
    }
}

fn add(sum: &mut SchedCounters, row: &SchedRow) {
    sum.run_ns += row.run_ns;
    sum.wait_ns += row.wait_ns;
    sum.switches += row.switches;
    sum.involuntary += row.involuntary;
    for (count, more) in sum.displaced_by.iter_mut().zip(&row.displaced_by) {
        *count += more;
    }
    sum.wait_histogram.add_counts(&row.waits);
}
