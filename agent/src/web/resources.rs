//! Resources in the forms of Mesos' pages.

use headroom_proto::v1 as wire;
use serde_json::{Map, Value, json};

/// `{"cpus": 1.0, "disk": 0.0, "gpus": 0.0, "mem": 64.0, "ports": "[31000-31001]"}`; lent ones are
/// called `cpus_revocable` and so on.
pub(super) fn summary(resources: &wire::Resources, revocable: bool) -> Value {
    let mut summary = Map::new();
    for (name, amount) in scalars(resources) {
        summary.insert(name.into(), json!(if revocable { 0.0 } else { amount }));
        if revocable && amount > 0.0 {
            summary.insert(format!("{name}_revocable"), json!(amount));
        }
    }
    if !resources.ports.is_empty() {
        let ranges = resources.ports.iter().map(|range| format!("{}-{}", range.first, range.last));
        let name = if revocable { "ports_revocable" } else { "ports" };
        summary.insert(name.into(), json!(format!("[{}]", ranges.collect::<Vec<_>>().join(", "))));
    }
    Value::Object(summary)
}

/// The amounts by Mesos' names.
pub(super) fn scalars(resources: &wire::Resources) -> [(&'static str, f64); 4] {
    let wire::Resources { cpus, memory_mib, disk_mib, gpus, .. } = resources;
    [("cpus", *cpus), ("disk", *disk_mib), ("gpus", *gpus), ("mem", *memory_mib)]
}

/// The sum of several.
pub(super) fn sum<'a>(all: impl Iterator<Item = &'a wire::Resources>) -> wire::Resources {
    all.fold(wire::Resources::default(), |sum, one| wire::Resources {
        cpus: sum.cpus + one.cpus,
        memory_mib: sum.memory_mib + one.memory_mib,
        disk_mib: sum.disk_mib + one.disk_mib,
        gpus: sum.gpus + one.gpus,
        ports: [sum.ports, one.ports.clone()].concat(),
    })
}

/// What is left of `all` without `part`; ports are left as they are.
pub(super) fn less(all: &wire::Resources, part: &wire::Resources) -> wire::Resources {
    wire::Resources {
        cpus: all.cpus - part.cpus,
        memory_mib: all.memory_mib - part.memory_mib,
        disk_mib: all.disk_mib - part.disk_mib,
        gpus: all.gpus - part.gpus,
        ports: all.ports.clone(),
    }
}
