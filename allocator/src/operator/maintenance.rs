//! Maintenance as one message.

use crate::convert::maintenance::{machine_out, window_out};
use headroom_core::{agents::Agent, inverse::Answer, machine::State, maintenance::MachineId};
use headroom_proto::v1;
use std::collections::BTreeMap;

pub(super) fn maintenance(state: &State) -> v1::Maintenance {
    let maintenance = &state.maintenance;
    let mut there: BTreeMap<&MachineId, Vec<&Agent>> = BTreeMap::new();
    for agent in state.agents.iter() {
        if let Some(machine) = maintenance.machine(&agent.node) {
            there.entry(machine).or_default().push(agent);
        }
    }
    let machines = maintenance.windows().iter().flat_map(|window| &window.machines);
    let machines = machines.map(|machine| {
        let agents = there.get(machine).map(Vec::as_slice).unwrap_or_default();
        v1::MaintainedMachine {
            machine: Some(machine_out(machine)),
            down: maintenance.down().contains(machine),
            agent_ids: agents.iter().map(|agent| agent.id.to_string()).collect(),
            answers: agents.iter().flat_map(|agent| answers(state, agent)).collect(),
        }
    });
    v1::Maintenance {
        windows: maintenance.windows().iter().map(window_out).collect(),
        machines: machines.collect(),
    }
}

fn answers(state: &State, agent: &Agent) -> Vec<v1::InverseOfferAnswer> {
    let answers = state.inverse.of(agent.id).map(|(framework, summons)| {
        let known = state.frameworks.get(&framework);
        v1::InverseOfferAnswer {
            framework_id: framework.to_string(),
            framework_name: known.map(|known| known.info.name.clone()).unwrap_or_default(),
            agent_id: agent.id.to_string(),
            accepted: summons.answer.map(|(answer, _)| answer == Answer::Accepted),
        }
    });
    answers.collect()
}
