//! What `block_rq_complete` counts: bytes, requests, errors and latency of block devices.

use aya::Ebpf;
use headroom_agent_ebpf::{BlockOp, BlockRow, Identity};

use super::{
    histogram::WaitHistogram,
    key::{CgroupKey, Counters},
    mapped::Mapped,
    object::{self, LoadError, Size},
};

/// The tracepoint it is attached to.
pub(crate) const TRACEPOINT: &str = "block_rq_complete";
/// The program's name in the object.
pub(crate) const PROGRAM: &str = "block_rq_complete";

/// A task's block I/O since it started, each array indexed by [`BlockOp`]; only ever grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockCounters {
    /// Bytes moved without error.
    pub bytes: [u64; BlockOp::COUNT],
    /// Requests completed.
    pub ops: [u64; BlockOp::COUNT],
    /// Completions with an error.
    pub errors: [u64; BlockOp::COUNT],
    /// Sum of latencies, from the request's making to its end.
    pub latency_ns: [u64; BlockOp::COUNT],
    /// Requests without a latency, because their queue keeps no start times.
    pub unstamped: u64,
    /// Latencies of reads.
    pub read_latency: WaitHistogram,
    /// Latencies of writes.
    pub write_latency: WaitHistogram,
}

impl Counters for BlockCounters {
    fn merge(&mut self, other: &Self) {
        add(&mut self.bytes, &other.bytes);
        add(&mut self.ops, &other.ops);
        add(&mut self.errors, &other.errors);
        add(&mut self.latency_ns, &other.latency_ns);
        self.unstamped += other.unstamped;
        self.read_latency.merge(&other.read_latency);
        self.write_latency.merge(&other.write_latency);
    }
}

fn add(sum: &mut [u64; BlockOp::COUNT], more: &[u64; BlockOp::COUNT]) {
    for (count, more) in sum.iter_mut().zip(more) {
        *count += more;
    }
}

/// Names a task by its cgroups in the block controller's hierarchy (blkio on v1, io on v2).
pub type BlockKey = CgroupKey<BlockCounters>;

/// The row of requests that no cgroup could be found for.
const UNATTRIBUTED: usize = 0;

/// The rows of the attached program.
pub(crate) struct Block {
    rows: Mapped<BlockRow>,
    ids: Mapped<Identity>,
}

impl Block {
    pub(crate) fn open(ebpf: &Ebpf, size: Size) -> Result<Self, LoadError> {
        // SAFETY: the object declares these maps with these types (agent-ebpf/src/maps.rs).
        unsafe {
            Ok(Self {
                rows: object::map(ebpf, "BLOCK_ROWS", size.slots)?,
                ids: object::map(ebpf, "BLOCK_IDS", size.slots)?,
            })
        }
    }

    pub(crate) fn read(&self, key: &mut BlockKey) -> BlockCounters {
        key.read(&self.ids, |slot, serial| {
            self.rows
                .copy(slot as usize)
                .filter(|row| row.serial == serial)
                .map(|row| counters(&row))
        })
    }

    /// Requests that belong to no cgroup with a row.
    pub(crate) fn unattributed(&self) -> BlockCounters {
        self.rows.copy(UNATTRIBUTED).map(|row| counters(&row)).unwrap_or_default()
    }
}

fn counters(row: &BlockRow) -> BlockCounters {
    let mut counters = BlockCounters {
        bytes: row.bytes,
        ops: row.ops,
        errors: row.errors,
        latency_ns: row.latency_ns,
        unstamped: row.unstamped,
        ..BlockCounters::default()
    };
    counters.read_latency.add_counts(&row.latencies[BlockOp::Read as usize]);
    counters.write_latency.add_counts(&row.latencies[BlockOp::Write as usize]);
    counters
}
