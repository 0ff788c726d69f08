//! A task that is measured, and what was last seen of it.

use super::nested::Nested;
use crate::{
    cgroup::{Class, ContainerCgroup},
    probe::{BlockKey, SchedKey, WaitHistogram},
};
use headroom_core::{
    forecast::Average,
    ids::TaskHandle,
    resources::Amounts,
    time::Time,
    usage::{Rates, Sample, rates},
};

/// A task to measure.
#[derive(Debug)]
pub struct Metered {
    /// The launch.
    pub handle: u64,
    /// Promised or lent.
    pub class: Class,
    /// Where its figures are, if the agent could make a cgroup.
    pub cgroup: Option<ContainerCgroup>,
    /// What it is called.
    pub name: String,
    /// Whether it runs in groups below its own: in a Docker container.
    pub nests: bool,
    /// What it holds.
    pub request: Amounts,
}

/// What was last seen of a task.
pub(super) struct Meters {
    pub(super) handle: u64,
    pub(super) name: String,
    pub(super) class: Class,
    pub(super) request: Amounts,
    pub(super) since: Time,
    pub(super) nested: Option<Nested>,
    pub(super) sched: Option<SchedKey>,
    pub(super) block: Option<BlockKey>,
    pub(super) before: Option<Sample>,
    /// Its CPUs of late: what is forecast.
    pub(super) cpus: Average,
    /// Block I/O totals are read in some steps only: the last such sample, and what came of it.
    pub(super) io_before: Option<Sample>,
    pub(super) io_rates: Rates,
    /// Waits up to the last step.
    pub(super) waits: WaitHistogram,
    /// Run-queue wait up to the last look, in nanoseconds.
    pub(super) looked_wait_ns: Option<u64>,
}

impl Meters {
    pub(super) fn new(task: &Metered, since: Time) -> Self {
        Self {
            handle: task.handle,
            name: task.name.clone(),
            class: task.class,
            request: task.request,
            since,
            nested: None,
            sched: None,
            block: None,
            before: None,
            cpus: Average::default(),
            io_before: None,
            io_rates: Rates::default(),
            waits: WaitHistogram::default(),
            looked_wait_ns: None,
        }
    }

    /// The launch, as the core names it.
    pub(super) const fn handle(&self) -> TaskHandle {
        TaskHandle::from_number(self.handle)
    }

    /// Block I/O since it was last read, as rates over that whole time: over one step they would
    /// be too high, and nothing in the steps between.
    pub(super) fn observe_io(&mut self, sample: &Sample) {
        let before = self.io_before.replace(*sample);
        self.io_rates = before.and_then(|before| rates(&before, sample)).unwrap_or_default();
    }

    /// Names the task to the kernel programs by its directories' inodes.
    pub(super) fn find(&mut self, cgroup: &ContainerCgroup) {
        self.sched = cgroup.cpu_inode().ok().map(SchedKey::new);
        self.block = cgroup.io_inode().ok().map(BlockKey::new);
    }
}
