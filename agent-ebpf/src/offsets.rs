//! Where the running kernel keeps the fields the programs read. The agent finds them in the kernel's
//! BTF and sets them before load; from then on they are constants to the verifier, which checks every
//! access against the real struct.

use aya_ebpf::Global;

/// Declares the globals by the names under which the agent sets them (agent/src/probe/offsets.rs).
macro_rules! globals {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)+) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub(crate) static $name: Global<u32> = Global::new($value);)+
    };
}

globals! {
    /// Rows per CPU, a power of two.
    SLOTS = headroom_agent_ebpf::DEFAULT_SLOTS;
    /// Rows of the table of tasks, a power of two.
    TASK_ROWS = 1;
    /// 1 when `sched_switch` passes `prev_state` (Linux 5.18 and later).
    HAS_PREV_STATE = 0;
    TASK_PID = 0;
    TASK_STATE = 0;
    TASK_SUM_EXEC = 0;
    TASK_RUN_DELAY = 0;
    TASK_PCOUNT = 0;
    TASK_GROUP = 0;
    TASK_GROUP_CSS = 0;
    CSS_ID = 0;
    CSS_SERIAL = 0;
    CSS_PARENT = 0;
    CSS_CGROUP = 0;
    CGROUP_KN = 0;
    KN_ID = 0;
    RQ_CMD_FLAGS = 0;
    RQ_DATA_LEN = 0;
    RQ_START_TIME = 0;
    RQ_BIO = 0;
    BIO_BLKG = 0;
    BLKG_BLKCG = 0;
    BLKCG_CSS = 0;
}

/// A guaranteed task that waited so long on a run queue raises an alarm.
#[unsafe(no_mangle)]
pub(crate) static ALARM_WAIT_NS: Global<u64> = Global::new(u64::MAX);
/// Inode number of the cgroup under which guaranteed containers live; 0 is none.
#[unsafe(no_mangle)]
pub(crate) static GUARANTEED_PARENT: Global<u64> = Global::new(0);
/// Inode number of the cgroup under which lent-to containers live; 0 is none.
#[unsafe(no_mangle)]
pub(crate) static REVOCABLE_PARENT: Global<u64> = Global::new(0);
