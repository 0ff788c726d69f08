//! The maps. All are arrays that the agent maps into its memory; it sets their real sizes at load.

use aya_ebpf::{
    btf_maps::{Array, RingBuf},
    macros::btf_map,
};
use headroom_agent_ebpf::{ALARM_BYTES, BlockRow, CpuRow, Identity, SchedRow, TaskRow};

/// `BPF_F_MMAPABLE`: the agent reads without a system call.
const MMAPABLE: usize = 1 << 10;

/// `[cpu * SLOTS + css id]`: one writer each, so plain additions do.
#[btf_map]
pub(crate) static SCHED_ROWS: Array<SchedRow, 1, MMAPABLE> = Array::new();

/// `[css id]` of the cpu controller.
#[btf_map]
pub(crate) static SCHED_IDS: Array<Identity, 1, MMAPABLE> = Array::new();

/// `[cpu]`, a cache line each.
#[btf_map]
pub(crate) static CPUS: Array<CpuRow, 1, MMAPABLE> = Array::new();

/// `[pid % TASK_ROWS]`; only the programs read it.
#[btf_map]
pub(crate) static TASKS: Array<TaskRow, 1, 0> = Array::new();

/// `[css id]` of the block controller; row 0 is what no cgroup could be found for.
#[btf_map]
pub(crate) static BLOCK_ROWS: Array<BlockRow, 1, MMAPABLE> = Array::new();

/// `[css id]` of the block controller.
#[btf_map]
pub(crate) static BLOCK_IDS: Array<Identity, 1, MMAPABLE> = Array::new();

/// Long waits of guaranteed tasks, in nanoseconds: wakes the agent between two looks. When nobody reads it fills up
/// and what comes then is dropped.
#[btf_map]
pub(crate) static ALARMS: RingBuf<u64, ALARM_BYTES> = RingBuf::new();
