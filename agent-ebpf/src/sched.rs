//! `sched_switch`: run time, run-queue wait and who displaced whom, per cgroup.
//!
//! Nothing is timed here. The kernel keeps both sums per task (`se.sum_exec_runtime`,
//! `sched_info.run_delay`, which include/trace/events/sched.h precedes on the way out and kernel/sched/stats.h
//! follows on the way in): what they grew by between a task's switch-in and switch-out is its run time and the
//! wait before it. One row of scratch per CPU carries them across.

use aya_ebpf::{
    helpers::bpf_get_smp_processor_id, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use headroom_agent_ebpf::{CpuRow, Displacer, SchedRow, bucket_of};

use crate::{
    kernel::{Css, load},
    maps::{CPUS, SCHED_IDS, SCHED_ROWS},
    offsets::{
        GUARANTEED_PARENT, HAS_PREV_STATE, REVOCABLE_PARENT, SLOTS, TASK_GROUP, TASK_GROUP_CSS,
        TASK_PID, TASK_RUN_DELAY, TASK_STATE, TASK_SUM_EXEC,
    },
};

/// The root's css id; 0 belongs to autogroups. Neither is a container.
const ROOT_ID: u32 = 1;
/// Words of a row that are wiped when another cgroup takes it: all but the serial, set last.
const ROW_WORDS: usize = size_of::<SchedRow>() / size_of::<u64>();

#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(state) = CPUS.get_ptr_mut(cpu) else { return 0 };
    // SAFETY: this CPU's row, and switches of one CPU do not overlap.
    let state = unsafe { &mut *state };
    let prev: *const u8 = ctx.arg(1);
    let next: *const u8 = ctx.arg(2);
    // SAFETY: both arguments are `struct task_struct *`.
    let (left, came) = unsafe { (load::<u32>(prev, &TASK_PID), load::<u32>(next, &TASK_PID)) };

    let arrival = if came == 0 { Arrival::NONE } else { arrive(next, cpu, state) };
    if left != state.pid {
        state.discontinuities += 1;
    } else if state.slot != 0 {
        leave(&ctx, prev, cpu, state, came, &arrival);
    }
    state.pid = came;
    state.slot = arrival.slot;
    state.serial = arrival.serial;
    if arrival.slot != 0 {
        // SAFETY: `next` is a `struct task_struct *`.
        unsafe {
            state.sum_exec_ns = load(next, &TASK_SUM_EXEC);
            state.run_delay_ns = load(next, &TASK_RUN_DELAY);
        }
    }
    0
}

/// The cgroup of the task that comes.
struct Arrival {
    /// Its row on this CPU; 0 when it is not booked.
    slot: u32,
    serial: u64,
    class: u32,
}

impl Arrival {
    const NONE: Self = Self { slot: 0, serial: 0, class: Displacer::System as u32 };
}

/// Finds the row of the task that comes, and wipes it if it was another cgroup's.
#[inline(always)]
fn arrive(task: *const u8, cpu: u32, state: &mut CpuRow) -> Arrival {
    // SAFETY: `task_struct.sched_task_group`, whose first part is its css.
    let css = unsafe {
        let group = load::<*const u8>(task, &TASK_GROUP);
        Css::new(group.add(TASK_GROUP_CSS.load() as usize))
    };
    let slot = css.id();
    if slot <= ROOT_ID {
        return Arrival::NONE;
    }
    if slot >= SLOTS.load() {
        state.overflow += 1;
        return Arrival::NONE;
    }
    let Some(row) = SCHED_ROWS.get_ptr_mut(cpu * SLOTS.load() + slot) else {
        return Arrival::NONE;
    };
    let serial = css.serial();
    // SAFETY: only this CPU writes the row.
    unsafe {
        if (*row).serial != serial {
            claim(row, css, slot, serial);
        }
        Arrival { slot, serial, class: (*row).class }
    }
}

/// Gives the row to a cgroup. Rare: once per cgroup and CPU.
#[inline(always)]
unsafe fn claim(row: *mut SchedRow, css: Css, slot: u32, serial: u64) {
    let parent = css.parent().cgroup_id();
    let class = if parent == 0 {
        Displacer::System
    } else if parent == GUARANTEED_PARENT.load() {
        Displacer::Guaranteed
    } else if parent == REVOCABLE_PARENT.load() {
        Displacer::Revocable
    } else {
        Displacer::System
    };
    let words = row.cast::<u64>();
    // SAFETY: `ROW_WORDS` words make the row. Volatile, so that the serial is seen to change last.
    unsafe {
        for word in 0..ROW_WORDS {
            core::ptr::write_volatile(words.add(word), 0);
        }
        (*row).class = class as u32;
        core::ptr::write_volatile(&raw mut (*row).serial, serial);
    }
    if let Some(identity) = SCHED_IDS.get_ptr_mut(slot) {
        // SAFETY: CPUs that get here at once write the same.
        unsafe { core::ptr::write_volatile(identity, css.identity()) };
    }
}

/// Books what the task that goes has used and waited since it came.
#[inline(always)]
fn leave(
    ctx: &BtfTracePointContext,
    task: *const u8,
    cpu: u32,
    state: &mut CpuRow,
    came: u32,
    arrival: &Arrival,
) {
    let Some(row) = SCHED_ROWS.get_ptr_mut(cpu * SLOTS.load() + state.slot) else { return };
    // SAFETY: only this CPU writes the row.
    let row = unsafe { &mut *row };
    if row.serial != state.serial {
        state.stale += 1;
        return;
    }
    // SAFETY: `task` is a `struct task_struct *`.
    let (sum_exec, run_delay) =
        unsafe { (load::<u64>(task, &TASK_SUM_EXEC), load::<u64>(task, &TASK_RUN_DELAY)) };
    let wait = run_delay.wrapping_sub(state.run_delay_ns);
    row.run_ns += sum_exec.wrapping_sub(state.sum_exec_ns);
    row.wait_ns += wait;
    row.switches += 1;
    if let Some(count) = row.waits.get_mut(bucket_of(wait)) {
        *count = count.wrapping_add(1);
    }
    if could_run(ctx, task) {
        row.involuntary += 1;
        if came != 0 {
            let by =
                if arrival.slot == state.slot { Displacer::Same as u32 } else { arrival.class };
            if let Some(count) = row.displaced_by.get_mut(by as usize) {
                *count += 1;
            }
        }
    }
}

/// Whether the task that goes was still runnable, by the kernel's own rule for `nivcsw`.
#[inline(always)]
fn could_run(ctx: &BtfTracePointContext, task: *const u8) -> bool {
    let preempted: u64 = ctx.arg(0);
    if preempted as u8 != 0 {
        return true;
    }
    let state: u32 = if HAS_PREV_STATE.load() != 0 {
        ctx.arg(3)
    } else {
        // SAFETY: `task` is a `struct task_struct *`; the field is `__state`, before 5.14 `state`.
        unsafe { load(task, &TASK_STATE) }
    };
    state == 0
}
