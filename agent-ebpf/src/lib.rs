//! What the kernel programs and the agent must agree on: the layout of the rows both sides map, and
//! the buckets of the latency histograms. Plain data and arithmetic; no map, no program, no I/O.
#![no_std]

pub mod bucket;
pub mod row;

pub use bucket::{BUCKETS, bucket_of, lower_bound_ns, upper_bound_ns};
pub use row::{BlockOp, BlockRow, CpuRow, Displacer, Identity, SchedRow, TaskRow};

/// Rows per CPU when the agent does not say otherwise: css ids are small and re-used at once.
pub const DEFAULT_SLOTS: u32 = 1024;
/// Room for long waits that the agent has not seen yet: one page, the least there is.
pub const ALARM_BYTES: usize = 4096;
/// Most threads that are remembered from one slice to the next; two whose pids fall on one row displace each other.
pub const MAX_TASK_ROWS: u32 = 1 << 16;
