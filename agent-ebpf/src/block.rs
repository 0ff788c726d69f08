//! `block_rq_complete`: bytes, requests, errors and latency per block cgroup.
//!
//! The request carries when it was made and the cgroup it is made for, so one hook at its end does: nothing
//! is remembered in between. Completions of one cgroup come on any CPU, hence the atomic additions; at a few
//! hundred nanoseconds a request they are not the cost, and rows per CPU would be.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::btf_tracepoint, programs::BtfTracePointContext};
use headroom_agent_ebpf::{BlockOp, BlockRow, bucket_of};

use crate::{
    atomic::{add, add_32, exchange},
    kernel::{Css, load},
    maps::{BLOCK_IDS, BLOCK_ROWS},
    offsets::{
        BIO_BLKG, BLKCG_CSS, BLKG_BLKCG, RQ_BIO, RQ_CMD_FLAGS, RQ_DATA_LEN, RQ_START_TIME, SLOTS,
    },
};

/// `REQ_OP_MASK` and two operations of include/linux/blk_types.h, unchanged since 4.8.
const OP_MASK: u32 = 0xff;
const OP_READ: u32 = 0;
const OP_WRITE: u32 = 1;

/// The row of requests that no cgroup could be found for.
const UNATTRIBUTED: u32 = 0;

#[btf_tracepoint(function = "block_rq_complete")]
pub(crate) fn block_rq_complete(ctx: BtfTracePointContext) -> i32 {
    let request: *const u8 = ctx.arg(0);
    let error: u32 = ctx.arg(1);
    let bytes: u32 = ctx.arg(2);
    // SAFETY: `struct request *`.
    let (flags, left, start_ns) = unsafe {
        (
            load::<u32>(request, &RQ_CMD_FLAGS),
            load::<u32>(request, &RQ_DATA_LEN),
            load::<u64>(request, &RQ_START_TIME),
        )
    };
    let Some(row) = find(request) else { return 0 };
    let op = match flags & OP_MASK {
        OP_READ => BlockOp::Read,
        OP_WRITE => BlockOp::Write,
        _ => BlockOp::Other,
    } as usize;
    // SAFETY: a row of the map; `op` is less than `BlockOp::COUNT`.
    unsafe {
        // `blk_status_t` is a byte, before 4.13 a negative int: either way not zero in its low byte.
        if error as u8 != 0 {
            add(&raw mut (*row).errors[op], 1);
        } else {
            add(&raw mut (*row).bytes[op], u64::from(bytes));
        }
        // A part of a request that goes on; the rest will be seen too.
        if bytes < left {
            return 0;
        }
        add(&raw mut (*row).ops[op], 1);
        if start_ns == 0 {
            add(&raw mut (*row).unstamped, 1);
            return 0;
        }
        let latency_ns = bpf_ktime_get_ns().saturating_sub(start_ns);
        add(&raw mut (*row).latency_ns[op], latency_ns);
        let latencies = &mut (*row).latencies;
        if let Some(count) = latencies.get_mut(op).and_then(|of| of.get_mut(bucket_of(latency_ns)))
        {
            add_32(count, 1);
        }
    }
    0
}

/// The row of the cgroup the request is made for.
#[inline(always)]
fn find(request: *const u8) -> Option<*mut BlockRow> {
    // SAFETY: any link of the chain may be null (a flush has no bio); then all the rest reads as zero.
    let css = unsafe {
        let bio = load::<*const u8>(request, &RQ_BIO);
        let group = load::<*const u8>(bio, &BIO_BLKG);
        let blkcg = load::<*const u8>(group, &BLKG_BLKCG);
        Css::new(blkcg.add(BLKCG_CSS.load() as usize))
    };
    let id = css.id();
    let slot = if id < SLOTS.load() { id } else { UNATTRIBUTED };
    let row = BLOCK_ROWS.get_ptr_mut(slot)?;
    if slot != UNATTRIBUTED {
        claim(row, css, slot);
    }
    Some(row)
}

/// Gives the row to the cgroup if it was another's. Of several CPUs that come at once one wipes; what the
/// others add before it is done may be lost: at most a few requests, the first of a new cgroup.
#[inline(always)]
fn claim(row: *mut BlockRow, css: Css, slot: u32) {
    let serial = css.serial();
    // SAFETY: a row of the map. Only the first to exchange sees another's serial.
    unsafe {
        let owner = &raw mut (*row).serial;
        if core::ptr::read_volatile(owner) == serial || exchange(owner, serial) == serial {
            return;
        }
    }
    let words = row.cast::<u64>();
    for word in 1..size_of::<BlockRow>() / size_of::<u64>() {
        // SAFETY: so many words make the row; the first is the serial.
        unsafe { core::ptr::write_volatile(words.add(word), 0) };
    }
    if let Some(identity) = BLOCK_IDS.get_ptr_mut(slot) {
        // SAFETY: the one CPU that won the exchange writes.
        unsafe { core::ptr::write_volatile(identity, css.identity()) };
    }
}
