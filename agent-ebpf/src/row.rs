//! The rows of the maps that the programs write and the agent maps read-only.

use crate::bucket::BUCKETS;

/// Which cgroup owns a css id just now. Ids are re-used; serials never are.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `css.serial_nr`; 0 means the id was never seen.
    pub serial: u64,
    /// `css.cgroup->kn->id`, the inode number of the cgroup's directory.
    pub cgroup_id: u64,
}

/// Who runs in place of a task that was put off the CPU while it could still run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Displacer {
    /// Another thread of the same cgroup.
    Same = 0,
    /// A cgroup under the guaranteed parent.
    Guaranteed = 1,
    /// A cgroup under the revocable parent: lent resources.
    Revocable = 2,
    /// Anything else on the machine.
    System = 3,
}

impl Displacer {
    /// How many kinds there are.
    pub const COUNT: usize = 4;
}

/// One cgroup on one CPU, written at context switches of that CPU only. A slice is booked when it ends.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SchedRow {
    /// Serial of the cgroup that these figures are of.
    pub serial: u64,
    /// Time on the CPU, booked when a task leaves it.
    pub run_ns: u64,
    /// Time waiting on a run queue, booked when the task that waited leaves the CPU.
    pub wait_ns: u64,
    /// Times a task left the CPU.
    pub switches: u64,
    /// Of those, times it could still have run.
    pub involuntary: u64,
    /// Involuntary switches by [`Displacer`]. Their sum is less than `involuntary` where the CPU went idle: a quota.
    pub displaced_by: [u64; Displacer::COUNT],
    /// Waits by [`crate::bucket_of`]; each counter wraps.
    pub waits: [u32; BUCKETS],
    /// Rounds the row to eight cache lines.
    pub spare: [u64; 6],
}

/// What is remembered of a task from one going to the next.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TaskRow {
    /// The thread; 0 while the row is being written.
    pub pid: u32,
    /// `sched_info.pcount`, cut: how often it had come to a CPU.
    pub pcount: u32,
    /// Its `se.sum_exec_runtime`.
    pub sum_exec_ns: u64,
    /// Its `sched_info.run_delay`.
    pub run_delay_ns: u64,
}

/// What one CPU remembers of the task on it, and its health counters. One cache line.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CpuRow {
    /// The thread that came last.
    pub pid: u32,
    /// Keeps the rest on 8 bytes.
    pub reserved: u32,
    /// Its `se.sum_exec_runtime` when it came.
    pub sum_exec_ns: u64,
    /// Its `sched_info.run_delay` when it came, without the wait that just ended.
    pub run_delay_ns: u64,
    /// Slices whose beginning is not known; they are not booked.
    pub discontinuities: u64,
    /// Slices of cgroups whose css id has no row.
    pub overflow: u64,
    /// Rounds the row to a cache line.
    pub spare: [u64; 3],
}

/// What a block request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum BlockOp {
    /// `REQ_OP_READ`.
    Read = 0,
    /// `REQ_OP_WRITE`.
    Write = 1,
    /// Flush, discard, zone commands and the like.
    Other = 2,
}

impl BlockOp {
    /// How many kinds there are.
    pub const COUNT: usize = 3;
}

/// Block I/O of one cgroup on all CPUs, added to atomically. Row 0 is what no cgroup could be found for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BlockRow {
    /// Serial of the cgroup that these figures are of.
    pub serial: u64,
    /// Bytes completed, by [`BlockOp`].
    pub bytes: [u64; BlockOp::COUNT],
    /// Requests completed.
    pub ops: [u64; BlockOp::COUNT],
    /// Completions that carried an error.
    pub errors: [u64; BlockOp::COUNT],
    /// Sum of the latencies of stamped requests.
    pub latency_ns: [u64; BlockOp::COUNT],
    /// Requests without a start stamp (their queue has `iostats` off): counted, but with no latency.
    pub unstamped: u64,
    /// Latencies of reads and of writes by [`crate::bucket_of`]; each counter wraps.
    pub latencies: [[u32; BUCKETS]; 2],
    /// Rounds the row to 16 cache lines.
    pub spare: [u64; 16],
}

const _: () = assert!(size_of::<SchedRow>() == 512);
const _: () = assert!(size_of::<CpuRow>() == 64);
const _: () = assert!(size_of::<TaskRow>() == 24);
const _: () = assert!(size_of::<BlockRow>() <= 1024);
