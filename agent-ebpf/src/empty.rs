//! The program that does nothing: what it costs is the hook, not us. Loaded only to measure.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn empty(_ctx: BtfTracePointContext) -> i32 {
    0
}
