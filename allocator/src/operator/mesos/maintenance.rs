//! Maintenance as Mesos' operators say it and are told of it.

use super::{answers::framework_id, snapshot::Snapshot};
use crate::mesos::node::unavailability_out;
use headroom_core::{
    inverse::Answer,
    maintenance::{MachineId, Maintenance, Unavailability, Window},
};
use headroom_proto::mesos::v1::{
    self, TimeInfo,
    allocator::{InverseOfferStatus, inverse_offer_status::Status},
    maintenance::{self, ClusterStatus, Schedule, cluster_status::DrainingMachine},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn windows_in(schedule: Schedule) -> Vec<Window> {
    let windows = schedule.windows.into_iter().map(|window| {
        let v1::Unavailability { start, duration } = window.unavailability;
        let duration_ns = duration.map(|duration| duration.nanoseconds);
        let unavailability = Unavailability { start_ns: start.nanoseconds, duration_ns };
        Window { machines: machines_in(&window.machine_ids), unavailability }
    });
    windows.collect()
}

pub(super) fn machines_in(ids: &[v1::MachineId]) -> Vec<MachineId> {
    let machines = ids.iter().map(|id| MachineId::new(id.hostname(), id.ip()));
    machines.collect()
}

fn machine_out(machine: &MachineId) -> v1::MachineId {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    v1::MachineId { hostname: given(&machine.hostname), ip: given(&machine.ip) }
}

pub(super) fn schedule(maintenance: &Maintenance) -> Schedule {
    let windows = maintenance.windows().iter().map(|window| maintenance::Window {
        machine_ids: window.machines.iter().map(machine_out).collect(),
        unavailability: unavailability_out(window.unavailability),
    });
    Schedule { windows: windows.collect() }
}

pub(super) fn status(snapshot: &Snapshot) -> ClusterStatus {
    let maintenance = &snapshot.maintenance;
    let machines = maintenance.windows().iter().flat_map(|window| &window.machines);
    let draining = machines.filter(|machine| !maintenance.down().contains(machine));
    let draining = draining.map(|machine| {
        let answers = snapshot.answers.iter().filter(|answer| answer.machine == *machine);
        let statuses = answers.map(|answer| InverseOfferStatus {
            status: match answer.answer {
                Answer::Accepted => Status::Accept.into(),
                Answer::Declined => Status::Decline.into(),
            },
            framework_id: framework_id(answer.framework),
            timestamp: TimeInfo { nanoseconds: nanoseconds_at(answer.age) },
        });
        DrainingMachine { id: machine_out(machine), statuses: statuses.collect() }
    });
    ClusterStatus {
        draining_machines: draining.collect(),
        down_machines: maintenance.down().iter().map(machine_out).collect(),
    }
}

/// The time that was so long ago, in nanoseconds since 1970.
fn nanoseconds_at(age: Duration) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.saturating_sub(age).as_nanos()).unwrap_or(i64::MAX)
}
