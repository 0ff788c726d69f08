//! The kernel fields each program reads, by the names of the globals that take their offsets
//! (agent-ebpf/src/offsets.rs).

use super::btf::{BtfError, KernelBtf};

/// A global of the object, and the field it stands for; several names where it was renamed.
type Field = (&'static str, &'static [&'static str]);

const CGROUP: &[Field] = &[
    ("CSS_ID", &["cgroup_subsys_state.id"]),
    ("CSS_SERIAL", &["cgroup_subsys_state.serial_nr"]),
    ("CSS_PARENT", &["cgroup_subsys_state.parent"]),
    ("CSS_CGROUP", &["cgroup_subsys_state.cgroup"]),
    ("CGROUP_KN", &["cgroup.kn"]),
    ("KN_ID", &["kernfs_node.id"]),
];

const SCHED: &[Field] = &[
    ("TASK_PID", &["task_struct.pid"]),
    ("TASK_STATE", &["task_struct.__state", "task_struct.state"]),
    ("TASK_SUM_EXEC", &["task_struct.se.sum_exec_runtime"]),
    ("TASK_RUN_DELAY", &["task_struct.sched_info.run_delay"]),
    ("TASK_PCOUNT", &["task_struct.sched_info.pcount"]),
    ("TASK_GROUP", &["task_struct.sched_task_group"]),
    ("TASK_GROUP_CSS", &["task_group.css"]),
];

const BLOCK: &[Field] = &[
    ("RQ_CMD_FLAGS", &["request.cmd_flags"]),
    ("RQ_DATA_LEN", &["request.__data_len"]),
    ("RQ_START_TIME", &["request.start_time_ns"]),
    ("RQ_BIO", &["request.bio"]),
    ("BIO_BLKG", &["bio.bi_blkg"]),
    ("BLKG_BLKCG", &["blkcg_gq.blkcg"]),
    ("BLKCG_CSS", &["blkcg.css"]),
];

/// `sched_switch` passes preempt, prev, next and, since Linux 5.18, prev_state.
const ARGUMENTS_WITH_PREV_STATE: usize = 4;

/// Globals and their values.
pub(crate) type Offsets = Vec<(&'static str, u32)>;

/// What `sched_switch` needs.
pub(crate) fn sched(btf: &KernelBtf) -> Result<Offsets, BtfError> {
    let mut offsets = resolve(btf, &[CGROUP, SCHED])?;
    let arguments = btf.tracepoint_arguments("sched_switch")?;
    offsets.push(("HAS_PREV_STATE", u32::from(arguments >= ARGUMENTS_WITH_PREV_STATE)));
    Ok(offsets)
}

/// What `block_rq_complete` needs.
pub(crate) fn block(btf: &KernelBtf) -> Result<Offsets, BtfError> {
    resolve(btf, &[CGROUP, BLOCK])
}

fn resolve(btf: &KernelBtf, tables: &[&[Field]]) -> Result<Offsets, BtfError> {
    let fields = tables.iter().copied().flatten();
    fields.map(|(global, names)| Ok((*global, btf.first_offset(names)?))).collect()
}
