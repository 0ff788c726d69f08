//! Atomic operations on map values. The compiler offers none for BPF, the machine has them (Linux 5.12).

use core::arch::asm;

/// `*counter += value`.
///
/// # Safety
/// `counter` must be a word of a map.
#[inline(always)]
pub(crate) unsafe fn add(counter: *mut u64, value: u64) {
    // SAFETY: as the caller promised; the verifier checks it.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) value) };
}

/// `*counter += value`, in 32 bits.
///
/// # Safety
/// `counter` must be a half word of a map.
#[inline(always)]
pub(crate) unsafe fn add_32(counter: *mut u32, value: u32) {
    // SAFETY: as the caller promised; the verifier checks it.
    unsafe { asm!("lock *(u32 *)({0} + 0) += {1}", in(reg) counter, in(wreg) value) };
}

/// Puts `value` there and gives what was there before.
///
/// # Safety
/// `word` must be a word of a map.
#[inline(always)]
pub(crate) unsafe fn exchange(word: *mut u64, value: u64) -> u64 {
    let mut before = value;
    // SAFETY: as the caller promised; the verifier checks it.
    unsafe { asm!("{1} = xchg_64({0} + 0, {1})", in(reg) word, inout(reg) before) };
    before
}
