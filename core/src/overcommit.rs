//! How much an agent may lend.
//!
//! headroom = capacity - margin - forecast of the system and every guaranteed task, where a task without
//! a forecast counts with its full request, and a resource whose system share is not measured is not lent
//! at all. The forecast is the agent's of all of them together; from an agent that gives none, the sum of
//! the single ones. Only CPU and memory are lent.

use crate::{
    agents::Agent,
    command::{AgentReport, Usage},
    ids::OfferId,
    machine::{Machine, Settings},
    resources::Amounts,
    time::Time,
};

/// An agent whose newest report is older than so many steps lends nothing.
pub const STALE_STEPS: u32 = 5;

/// Predicted peaks of guaranteed tasks, added up; of one or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Each task's own, its request where nothing is predicted.
    pub apart: Amounts,
    /// The requests of which nothing is predicted.
    pub unforetold: Amounts,
}

impl Peaks {
    /// Of a task that holds `request`.
    #[must_use]
    pub fn of(request: Amounts, forecast: Usage) -> Self {
        let foretold = Amounts::of(
            forecast.cpus_milli.map_or(0, |_| request.cpus_milli()),
            forecast.memory_milli_mib.map_or(0, |_| request.memory_milli_mib()),
        );
        let request = Usage::default().or(request);
        Self { apart: forecast.or(request), unforetold: request.minus(foretold) }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            apart: self.apart.plus(other.apart),
            unforetold: self.unforetold.plus(other.unforetold),
        }
    }

    /// These without the other.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            apart: self.apart.minus(other.apart),
            unforetold: self.unforetold.minus(other.unforetold),
        }
    }
}

/// The predicted peak of all that must not be disturbed, and the agent's own part of it: absent where the
/// system was not measured.
#[must_use]
pub fn forecast(report: &AgentReport, peaks: Peaks) -> (Amounts, Usage) {
    let (joint, system) = (report.joint_forecast, report.system_forecast);
    let apart = peaks.apart.plus(system.or(Amounts::ZERO));
    let unforetold = peaks.unforetold;
    let together = Usage {
        cpus_milli: joint.cpus_milli.map(|peak| peak + unforetold.cpus_milli()),
        memory_milli_mib: joint.memory_milli_mib.map(|peak| peak + unforetold.memory_milli_mib()),
    };
    let measured = Usage {
        cpus_milli: joint.cpus_milli.or(system.cpus_milli),
        memory_milli_mib: joint.memory_milli_mib.or(system.memory_milli_mib),
    };
    (together.or(apart), measured)
}

/// What may be lent of `total` in all, given the forecast of what must not be disturbed and what of it was
/// `measured`.
#[must_use]
pub fn lendable(
    total: Amounts,
    forecast: Amounts,
    measured: Usage,
    settings: &Settings,
) -> Amounts {
    let part = |amount: u64, margin_milli: u64| amount * (1_000 - margin_milli.min(1_000)) / 1_000;
    let cpus =
        part(total.cpus_milli(), settings.cpu_margin_milli).saturating_sub(forecast.cpus_milli());
    let memory = part(total.memory_milli_mib(), settings.memory_margin_milli)
        .saturating_sub(forecast.memory_milli_mib());
    Amounts::of(
        measured.cpus_milli.map_or(0, |_| cpus),
        measured.memory_milli_mib.map_or(0, |_| memory),
    )
}

impl Machine {
    /// Works out anew what an agent may lend.
    pub(crate) fn refresh_lending(&mut self, now: Time, slot: usize) {
        let Some(agent) = self.state.agents.at(slot) else { return };
        let (forecast, measured) = forecast(&agent.report, agent.peaks);
        let fresh =
            agent.reported.is_some_and(|at| now.since(at) <= self.settings.step * STALE_STEPS);
        let may_lend = self.settings.lending && agent.standing.is_active();
        let lends = may_lend && agent.connected && agent.report.lending && fresh;
        let total = agent.total.amounts;
        let may =
            if lends { lendable(total, forecast, measured, &self.settings) } else { Amounts::ZERO };
        let forecast = agent.reported.map(|_| forecast);
        if (agent.lendable, agent.forecast) == (may, forecast) {
            return;
        }
        self.state.agents.update_at(slot, |agent| {
            agent.lendable = may;
            agent.forecast = forecast;
        });
    }

    /// Offers of lent resources that there is no room for any more, newest first.
    pub(crate) fn overdrawn_offers(&self, agent: &Agent) -> Vec<OfferId> {
        let mut over = agent.lent.plus(agent.lent_offered).minus(agent.lendable);
        let mut overdrawn = Vec::new();
        for id in agent.offers.iter().rev() {
            let Some(offer) = self.state.offers.get(*id).filter(|offer| offer.revocable) else {
                continue;
            };
            if over.is_zero() {
                break;
            }
            over = over.minus(offer.made.resources.amounts);
            overdrawn.push(*id);
        }
        overdrawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_task_counts_in_full_and_the_unmeasured_is_not_lent() {
        let settings = Settings { cpu_margin_milli: 100, ..Settings::default() };
        let (total, request) = (Amounts::of(4_000, 1_000_000), Amounts::of(3_000, 500_000));
        let measured = Usage { cpus_milli: Some(100), memory_milli_mib: None };
        let lent = |system_forecast, task| {
            let report = AgentReport { system_forecast, ..AgentReport::default() };
            let (forecast, measured) = forecast(&report, Peaks::of(request, task));
            lendable(total, forecast, measured, &settings)
        };
        assert_eq!(lent(measured, Usage::default()).cpus_milli(), 500);
        let idle = Usage { cpus_milli: Some(200), memory_milli_mib: Some(1_000) };
        assert_eq!(lent(measured, idle), Amounts::of(3_300, 0));
        assert_eq!(lent(Usage::default(), idle), Amounts::ZERO);
        let all = Amounts([4_000, 1_000_000, 50_000, 2_000]);
        let may = lendable(all, Amounts::ZERO, idle, &settings);
        assert_eq!((may.disk_milli_mib(), may.gpus_milli()), (0, 0), "accounted, never lent");
    }

    #[test]
    fn what_peaks_together_counts_together_and_who_is_not_part_of_it_in_full() {
        let usage = |cpus, memory| Usage { cpus_milli: cpus, memory_milli_mib: memory };
        let report = AgentReport {
            system_forecast: usage(Some(300), Some(9_000)),
            joint_forecast: usage(Some(2_500), None),
            ..AgentReport::default()
        };
        let request = Amounts::of(3_000, 500_000);
        let known = Peaks::of(request, usage(Some(2_000), Some(400_000)));
        let all = known.plus(known).plus(Peaks::of(request, Usage::default()));
        let (sum, measured) = forecast(&report, all);
        assert_eq!(sum.cpus_milli(), 5_500, "2.5 together, and 3 of the one that just came");
        assert_eq!(sum.memory_milli_mib(), 1_309_000, "the sum of what is known apart");
        assert_eq!(measured, usage(Some(2_500), Some(9_000)));
    }
}
