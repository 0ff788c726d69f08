//! All that is here, for a hello.

use super::Keeper;
use crate::reserved;
use headroom_proto::v1::{self as wire, held_task::Kind};

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
                kind: match (&kept.order.executor, kept.order.group) {
                    (Some(_), _) if spec.is_outer() => Some(Kind::IsDefaultExecutor(true)),
                    (Some(_), _) => Some(Kind::IsExecutor(true)),
                    (None, Some(group)) => Some(Kind::ExecutorHandle(group.executor)),
                    (None, None) => None,
                },
            }
        });
        let inside = self.hosting.inside.values().map(|task| wire::HeldTask {
            handle: task.order.handle,
            framework_id: task.framework.clone(),
            task_id: task.name.clone(),
            resources: Some(task.order.resources()),
            revocable: task.revocable,
            state: task.state.into(),
            role: task.order.role.clone(),
            reserved: reserved::told(&task.order.reserved),
            kind: Some(Kind::ExecutorHandle(task.executor)),
        });
        held.chain(inside).collect()
    }
}
