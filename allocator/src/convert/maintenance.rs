//! Maintenance: schedules, machines, what frameworks are asked and answer.

use super::{MAX_NAME_BYTES, Wrong, at_most, plain, scheduler, wrong};
use headroom_core::{
    command::Command,
    inverse::{Answer, InverseOffer},
    maintenance::{MAX_MACHINES, MachineId, Unavailability, Window},
};
use headroom_proto::v1;

pub(crate) fn windows_in(windows: Vec<v1::MaintenanceWindow>) -> Result<Vec<Window>, Wrong> {
    at_most("windows", windows.len(), MAX_MACHINES)?;
    let windows = windows.into_iter().enumerate().map(|(at, window)| {
        let field = format!("windows[{at}]");
        let unavailability = window.unavailability;
        let unavailability =
            unavailability.ok_or_else(|| wrong(format!("{field}.unavailability"), "is missing"))?;
        let v1::Unavailability { start_ns, duration_ns } = unavailability;
        let unavailability = Unavailability { start_ns, duration_ns };
        let machines = machines_in(&format!("{field}.machines"), window.machines)?;
        Ok(Window { machines, unavailability })
    });
    windows.collect()
}

pub(crate) fn machines_in(
    field: &str,
    machines: Vec<v1::Machine>,
) -> Result<Vec<MachineId>, Wrong> {
    at_most(field, machines.len(), MAX_MACHINES)?;
    let machines = machines.into_iter().map(|machine| {
        let hostname = plain(field, machine.hostname, MAX_NAME_BYTES)?;
        Ok(MachineId::new(&hostname, &plain(field, machine.ip, MAX_NAME_BYTES)?))
    });
    machines.collect()
}

pub(crate) fn machine_out(machine: &MachineId) -> v1::Machine {
    v1::Machine { hostname: machine.hostname.clone(), ip: machine.ip.clone() }
}

pub(crate) fn window_out(window: &Window) -> v1::MaintenanceWindow {
    v1::MaintenanceWindow {
        machines: window.machines.iter().map(machine_out).collect(),
        unavailability: Some(unavailability_out(window.unavailability)),
    }
}

pub(crate) const fn unavailability_out(unavailability: Unavailability) -> v1::Unavailability {
    let Unavailability { start_ns, duration_ns } = unavailability;
    v1::Unavailability { start_ns, duration_ns }
}

pub(crate) fn inverse_offer_out(made: &InverseOffer) -> v1::InverseOffer {
    v1::InverseOffer {
        inverse_offer_id: made.id.to_string(),
        agent_id: made.agent.to_string(),
        hostname: made.node.hostname.clone(),
        unavailability: made.node.unavailability.map(unavailability_out),
    }
}

pub(crate) fn answer_in(request: v1::AnswerInverseOffersRequest) -> Result<Command, Wrong> {
    let caller = scheduler::caller_in(request.caller)?;
    at_most("inverse_offer_ids", request.inverse_offer_ids.len(), scheduler::MAX_NAMED)?;
    let ids = request.inverse_offer_ids.iter();
    let ids = ids.map(|id| id.parse().map_err(|problem| wrong("inverse_offer_ids", problem)));
    let answer = if request.accept { Answer::Accepted } else { Answer::Declined };
    let refusal = scheduler::refusal(request.refuse_ms);
    Ok(Command::AnswerInverse(caller, ids.collect::<Result<_, _>>()?, answer, refusal))
}
