//! A lent task's resources become a promise: its container changes its class, and goes on running.
//!
//! What can't be done now (the task has not begun to run, the disk is full) is tried again; an agent that ends before
//! it is done is told again, as it names the task as lent in its next hello.

use super::Keeper;
use crate::{cgroup::Class, meter, order};
use headroom_proto::v1 as wire;
use tracing::{error, info, warn};

impl Keeper {
    pub(super) fn promote(&mut self, ordered: wire::PromoteTask) {
        let handle = ordered.handle;
        let Some(kept) = self.tasks.get_mut(&handle).filter(|kept| !kept.has_ended) else { return };
        let task = kept.container.spec().task.clone();
        // Until it executes its own program it is about to join the groups it was launched for.
        if kept.container.is_starting() {
            info!(task, "is promoted once it runs");
            kept.promotion = Some(ordered);
            return;
        }
        let (spec, order) = match order::promoted(kept.container.spec(), &kept.order, &ordered) {
            Ok(promoted) => promoted,
            Err(fault) => return error!(task, "is not promoted: {fault}"),
        };
        let was_lent = kept.container.spec().class == Class::Revocable;
        let done = if was_lent {
            self.containerizer.promote(&mut kept.container, spec)
        } else {
            kept.container.finish_promotion()
        };
        // As soon as its description says so it is promised, whether all of it has moved or not.
        let changed = was_lent && kept.container.spec().class == Class::Guaranteed;
        if changed {
            kept.order = order;
        }
        match &done {
            Ok(()) => info!(task, "is promoted: it holds a promise, and runs on"),
            Err(fault) => error!(task, "is not promoted yet: {fault}"),
        }
        kept.promotion = done.is_err().then_some(ordered);
        if changed {
            self.measure_anew(handle);
        }
    }

    /// Its groups are others: so are the files and the rows of the kernel programs that hold its figures.
    fn measure_anew(&self, handle: u64) {
        if self.meter.try_send(meter::Message::Remove(handle)).is_err() {
            return warn!("the meter does not keep up: a promoted task is measured as lent");
        }
        if let Some(kept) = self.tasks.get(&handle) {
            self.measure(kept);
        }
    }

    /// Tries again what could not be done.
    pub(super) fn promote_late(&mut self) {
        let waiting = self.tasks.values().filter_map(|kept| kept.promotion.clone());
        for ordered in waiting.collect::<Vec<_>>() {
            self.promote(ordered);
        }
    }
}
