//! All that is here, for a hello.

use super::Keeper;
use crate::reserved;
use headroom_proto::v1 as wire;

impl Keeper {
    pub(super) fn inventory(&self) -> Vec<wire::HeldTask> {
        let held = self.tasks.values().map(|kept| {
            let spec = kept.container.spec();
            wire::HeldTask {
                handle: kept.order.handle,
                framework_id: spec.framework.clone(),
                task_id: spec.task.clone(),
                resources: Some(kept.order.resources()),
                revocable: spec.class == crate::cgroup::Class::Revocable,
                state: kept.state.into(),
                role: kept.order.role.clone(),
                reserved: reserved::told(&kept.order.reserved),
                kind: None,
            }
        });
        held.collect()
    }
}
