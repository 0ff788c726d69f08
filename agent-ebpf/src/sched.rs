//! `sched_switch`: run time, run-queue wait and who displaced whom, per cgroup.
//!
//! Nothing is timed here. The kernel keeps both sums per task: `se.sum_exec_runtime`, up to date when a task goes,
//! and `sched_info.run_delay`, which takes in a wait when the task comes (kernel/sched/stats.h). What they grew by
//! since the same task went the last time is its run time and its wait; `sched_info.pcount`, the times it came,
//! tells whether it really was the last time.
//!
//! All is booked when a task goes. Its coming is only noted, in case the last going is not known: some kernels
//! do not trace every switch away from idle, and a task may have waited on several CPUs before it came.

use aya_ebpf::{
    helpers::bpf_get_smp_processor_id, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use headroom_agent_ebpf::{CpuRow, Displacer, SchedRow, TaskRow, bucket_of};

use crate::{
    kernel::{Css, load},
    maps::{ALARMS, CPUS, SCHED_IDS, SCHED_ROWS, TASKS},
    offsets::{
        ALARM_WAIT_NS, GUARANTEED_PARENT, HAS_PREV_STATE, REVOCABLE_PARENT, SLOTS, TASK_GROUP,
        TASK_GROUP_CSS, TASK_PCOUNT, TASK_PID, TASK_ROWS, TASK_RUN_DELAY, TASK_STATE,
        TASK_SUM_EXEC,
    },
};

/// The root's css id; 0 belongs to autogroups. Neither is a container.
const ROOT_ID: u32 = 1;

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
    if left != 0 {
        leave(&ctx, Task { task: prev, pid: left }, Task { task: next, pid: came }, cpu, state);
    }
    // SAFETY: as above.
    unsafe {
        state.pid = came;
        state.sum_exec_ns = load(next, &TASK_SUM_EXEC);
        state.run_delay_ns = load(next, &TASK_RUN_DELAY);
    }
    0
}

/// A `struct task_struct *` and its pid.
#[derive(Clone, Copy)]
struct Task {
    task: *const u8,
    pid: u32,
}

impl Task {
    /// Its cgroup in the cpu controller.
    #[inline(always)]
    fn css(self) -> Css {
        // SAFETY: `task_struct.sched_task_group`, of which the css is a part.
        unsafe {
            let group = load::<*const u8>(self.task, &TASK_GROUP);
            Css::new(group.add(TASK_GROUP_CSS.load() as usize))
        }
    }
}

/// Books what a task has used and waited since it went the last time.
#[inline(always)]
fn leave(ctx: &BtfTracePointContext, goes: Task, comes: Task, cpu: u32, state: &mut CpuRow) {
    let css = goes.css();
    let slot = css.id();
    if slot <= ROOT_ID {
        return;
    }
    if slot >= SLOTS.load() {
        state.overflow += 1;
        return;
    }
    let Some(row) = SCHED_ROWS.get_ptr_mut(cpu * SLOTS.load() + slot) else { return };
    let serial = css.serial();
    // SAFETY: only this CPU writes the row.
    let row = unsafe {
        if (*row).serial != serial {
            claim(row, css, slot);
        }
        &mut *row
    };
    // SAFETY: `goes` is a task.
    let now = unsafe {
        TaskRow {
            pid: goes.pid,
            pcount: load::<u64>(goes.task, &TASK_PCOUNT) as u32,
            sum_exec_ns: load(goes.task, &TASK_SUM_EXEC),
            run_delay_ns: load(goes.task, &TASK_RUN_DELAY),
        }
    };
    if let Some((sum_exec_ns, run_delay_ns)) = last_going(&now, state) {
        let wait_ns = now.run_delay_ns.wrapping_sub(run_delay_ns);
        book(row, now.sum_exec_ns.wrapping_sub(sum_exec_ns), wait_ns);
        if wait_ns >= ALARM_WAIT_NS.load() {
            raise_alarm(css, wait_ns);
        }
    } else {
        state.discontinuities += 1;
    }
    if could_run(ctx, goes.task) {
        row.involuntary += 1;
        if comes.pid != 0 {
            let by = displacer(comes.css(), css);
            if let Some(count) = row.displaced_by.get_mut(by as usize) {
                *count += 1;
            }
        }
    }
}

/// Both sums when the task went the last time, and from now on those of this time.
#[inline(always)]
fn last_going(now: &TaskRow, state: &CpuRow) -> Option<(u64, u64)> {
    let remembered = TASKS.get_ptr_mut(now.pid & (TASK_ROWS.load() - 1))?;
    // SAFETY: a row of the map. Another task that shares it may write at the same time from another CPU: it
    // takes the pid out first, so a pid that is right before and after vouches for what is between.
    unsafe {
        let pid = &raw mut (*remembered).pid;
        let before = pid.read_volatile();
        let pcount = (&raw const (*remembered).pcount).read_volatile();
        let sums = (
            (&raw const (*remembered).sum_exec_ns).read_volatile(),
            (&raw const (*remembered).run_delay_ns).read_volatile(),
        );
        let known = before == now.pid
            && pid.read_volatile() == now.pid
            && pcount.wrapping_add(1) == now.pcount;
        pid.write_volatile(0);
        (&raw mut (*remembered).pcount).write_volatile(now.pcount);
        (&raw mut (*remembered).sum_exec_ns).write_volatile(now.sum_exec_ns);
        (&raw mut (*remembered).run_delay_ns).write_volatile(now.run_delay_ns);
        pid.write_volatile(now.pid);
        if known {
            Some(sums)
        } else if now.pcount == 1 {
            // Its first time on a CPU: fork starts both sums at zero.
            Some((0, 0))
        } else if state.pid == now.pid {
            Some((state.sum_exec_ns, state.run_delay_ns))
        } else {
            None
        }
    }
}

#[inline(always)]
fn book(row: &mut SchedRow, run_ns: u64, wait_ns: u64) {
    row.run_ns += run_ns;
    row.wait_ns += wait_ns;
    row.switches += 1;
    if let Some(count) = row.waits.get_mut(bucket_of(wait_ns)) {
        *count = count.wrapping_add(1);
    }
}

/// Wakes the agent if the task that waited is a guaranteed one. Rare, so not inlined.
#[inline(never)]
fn raise_alarm(css: Css, wait_ns: u64) {
    if container(css).1 == GUARANTEED_PARENT.load() {
        // A full ring is one that nobody reads just now.
        let _ = ALARMS.output(wait_ns, 0);
    }
}

/// Gives the row to a cgroup. Rare: once per cgroup and CPU.
#[inline(always)]
unsafe fn claim(row: *mut SchedRow, css: Css, slot: u32) {
    let identity = css.identity();
    let words = row.cast::<u64>();
    // SAFETY: so many words make the row. Volatile, so that the serial is seen to change last.
    unsafe {
        for word in 0..size_of::<SchedRow>() / size_of::<u64>() {
            core::ptr::write_volatile(words.add(word), 0);
        }
        core::ptr::write_volatile(&raw mut (*row).serial, identity.serial);
    }
    if let Some(owner) = SCHED_IDS.get_ptr_mut(slot) {
        // SAFETY: CPUs that get here at once write the same.
        unsafe { core::ptr::write_volatile(owner, identity) };
    }
}

/// The container that a cgroup belongs to, and the class of that; class 0: to none of ours. A process is
/// in its container's own cgroup, or in the one that Docker makes below it: what is deeper is not looked
/// for, as every step costs four loads.
#[inline(always)]
fn container(css: Css) -> (Css, u64) {
    let parent = css.parent();
    let class = parent.cgroup_id();
    if is_class(class) {
        return (css, class);
    }
    let above = parent.parent().cgroup_id();
    (parent, if is_class(above) { above } else { 0 })
}

#[inline(always)]
fn is_class(cgroup_id: u64) -> bool {
    cgroup_id != 0
        && (cgroup_id == GUARANTEED_PARENT.load() || cgroup_id == REVOCABLE_PARENT.load())
}

/// What the cgroup that comes is to the one that goes.
#[inline(always)]
fn displacer(comes: Css, goes: Css) -> Displacer {
    if comes.id() == goes.id() {
        return Displacer::Same;
    }
    let (its, class) = container(comes);
    if class == 0 {
        Displacer::System
    } else if its.id() == container(goes).0.id() {
        Displacer::Same
    } else if class == GUARANTEED_PARENT.load() {
        Displacer::Guaranteed
    } else {
        Displacer::Revocable
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
