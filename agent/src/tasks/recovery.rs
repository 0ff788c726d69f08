//! What an earlier agent left: running tasks are adopted (or ended, by policy), ended ones are told.

use super::{Keeper, Told, kept::Kept};
use crate::{
    cgroup::Class, checkpoint::Condition, config::Recover, containers::ContainerError, order::Order,
};
use headroom_proto::v1 as wire;
use std::collections::BTreeSet;
use tracing::{error, info, warn};

impl Keeper {
    pub(super) fn take_over(&mut self, policy: Recover) -> Result<(), ContainerError> {
        let found = self.containerizer.recover()?;
        for bad in found.quarantined {
            warn!("{} was set aside: {}", bad.path.display(), bad.reason);
        }
        let mut documented = BTreeSet::new();
        for recovered in found.containers {
            documented.insert(recovered.spec.id.clone());
            let container = self.containerizer.adopt(&recovered.dir)?;
            let order = match Order::of(&recovered.spec) {
                Ok(order) => order,
                Err(fault) => {
                    error!("{fault}; it is ended");
                    let _ = container.cleanup();
                    continue;
                }
            };
            let mut kept = match Kept::open(container, order) {
                Ok(kept) => kept,
                Err(fault) => {
                    error!("{fault}");
                    continue;
                }
            };
            if let Some(group) = kept.order.group {
                self.groups.enter(group, kept.order.handle);
            } else if let Err(fault) = self.adopt_executor(&kept) {
                error!("an executor can't go on: {fault}; it is ended");
                let _ = kept.container.kill(None);
            }
            self.settle(&mut kept, recovered.condition, policy);
            self.tasks.insert(kept.order.handle, kept);
        }
        self.end_strays(&documented);
        Ok(())
    }

    fn settle(&self, kept: &mut Kept, condition: Condition, policy: Recover) {
        let task = kept.container.spec().task.clone();
        match condition {
            Condition::Running(_) => {
                info!(task, "runs on");
                // A crash may have cut a promotion short.
                if let Err(fault) = kept.container.finish_promotion() {
                    error!("{fault}");
                }
                self.measure(kept);
                if policy == Recover::Kill {
                    let why = "the agent was started with --recover kill";
                    kept.note_kill(wire::Reason::AgentRestarted, why);
                    if let Err(fault) = kept.container.kill(None) {
                        error!("{fault}");
                    }
                }
            }
            // It lives by those in it.
            Condition::Outer => {}
            // Told when its turn in the queue comes; if it was told before, the queue is empty.
            Condition::Exited(_) => {}
            Condition::Lost(why) => {
                warn!(task, "is lost: {why}");
                let _ = kept.container.cleanup();
                kept.has_ended = true;
                kept.push(Told::lost(&why));
            }
        }
    }

    /// Containers in our cgroups that no document speaks of are nobody's.
    fn end_strays(&self, documented: &BTreeSet<String>) {
        let Some(tree) = self.containerizer.tree() else { return };
        for class in [Class::Guaranteed, Class::Revocable] {
            let ids = tree.ids(class).unwrap_or_default();
            for id in ids.iter().filter(|id| !documented.contains(*id)) {
                warn!(container = id, "has no document and is ended");
                let ended = tree
                    .open_existing(class, id)
                    .and_then(|cgroup| cgroup.kill_all().and_then(|()| cgroup.remove()));
                if let Err(fault) = ended {
                    error!("{fault}");
                }
            }
        }
    }
}
