//! What a framework said of itself, as Mesos words it, by whichever API it subscribed.

use super::snapshot::FrameworkSeen;
use headroom_proto::mesos::v1::{
    FrameworkId, FrameworkInfo,
    framework_info::{Capability, capability::Type},
};
use prost::Message as _;

pub(super) struct About {
    pub(super) info: FrameworkInfo,
}

impl About {
    pub(super) fn of(framework: &FrameworkSeen) -> Self {
        let known = &framework.info;
        let id = Some(FrameworkId { value: framework.id.to_string() });
        // By the Mesos API it said all of it; the core keeps it as it was.
        if !known.payload.is_empty()
            && let Ok(info) = FrameworkInfo::decode(known.payload.as_slice())
        {
            return Self { info: FrameworkInfo { id, ..info } };
        }
        let multi_role = known.roles.len() != 1;
        let can = [
            (known.accepts_revocable || known.only_revocable, Type::RevocableResources),
            (known.capabilities.gpu_resources, Type::GpuResources),
            (known.capabilities.region_aware, Type::RegionAware),
            (multi_role, Type::MultiRole),
        ];
        let can = can.into_iter().filter(|(can, _)| *can);
        let info = FrameworkInfo {
            user: known.user.clone(),
            name: known.name.clone(),
            id,
            failover_timeout: Some(known.failover_timeout.as_secs_f64()),
            // Tasks always outlive the agent.
            checkpoint: Some(true),
            role: (!multi_role).then(|| known.roles.concat()),
            roles: if multi_role { known.roles.clone() } else { Vec::new() },
            capabilities: can.map(|(_, kind)| Capability { r#type: Some(kind.into()) }).collect(),
            ..FrameworkInfo::default()
        };
        Self { info }
    }

    pub(super) fn capabilities(&self) -> Vec<&'static str> {
        self.info.capabilities.iter().map(|one| one.r#type().as_str_name()).collect()
    }

    pub(super) fn is_multi_role(&self) -> bool {
        self.info.capabilities.iter().any(|one| one.r#type() == Type::MultiRole)
    }
}
