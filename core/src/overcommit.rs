//! How much an agent may lend.
//!
//! headroom = capacity - margin - forecast of the system - forecast of every guaranteed task, where a
//! task without a forecast counts with its full request, and a resource whose system share is not
//! measured is not lent at all. Only CPU and memory are lent.

use crate::{
    agents::Agent,
    command::Usage,
    ids::OfferId,
    machine::{Machine, Settings},
    resources::Amounts,
    time::Time,
};

/// An agent whose newest report is older than so many steps lends nothing.
pub const STALE_STEPS: u32 = 5;

/// What may be lent of `total` in all, given the forecast of what must not be disturbed.
#[must_use]
pub fn lendable(total: Amounts, forecast: Amounts, system: Usage, settings: &Settings) -> Amounts {
    let part = |amount: u64, margin_milli: u64| amount * (1_000 - margin_milli.min(1_000)) / 1_000;
    let cpus =
        part(total.cpus_milli(), settings.cpu_margin_milli).saturating_sub(forecast.cpus_milli());
    let memory = part(total.memory_milli_mib(), settings.memory_margin_milli)
        .saturating_sub(forecast.memory_milli_mib());
    Amounts::of(
        system.cpus_milli.map_or(0, |_| cpus),
        system.memory_milli_mib.map_or(0, |_| memory),
    )
}

impl Machine {
    /// Works out anew what an agent may lend.
    pub(crate) fn refresh_lending(&mut self, now: Time, slot: usize) {
        let Some(agent) = self.state.agents.at(slot) else { return };
        let system = agent.report.system_forecast;
        let forecast = agent.peaks.plus(system.or(Amounts::ZERO));
        let fresh =
            agent.reported.is_some_and(|at| now.since(at) <= self.settings.step * STALE_STEPS);
        let lends = self.settings.lending && agent.connected && agent.report.lending && fresh;
        let total = agent.total.amounts;
        let may =
            if lends { lendable(total, forecast, system, &self.settings) } else { Amounts::ZERO };
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
        let lent = |system: Usage, task: Usage| {
            let forecast = task.or(request).plus(system.or(Amounts::ZERO));
            lendable(total, forecast, system, &settings)
        };
        assert_eq!(lent(measured, Usage::default()).cpus_milli(), 500);
        let idle = Usage { cpus_milli: Some(200), memory_milli_mib: Some(1_000) };
        assert_eq!(lent(measured, idle), Amounts::of(3_300, 0));
        assert_eq!(lent(Usage::default(), idle), Amounts::ZERO);
        let all = Amounts([4_000, 1_000_000, 50_000, 2_000]);
        let may = lendable(all, Amounts::ZERO, idle, &settings);
        assert_eq!((may.disk_milli_mib(), may.gpus_milli()), (0, 0), "accounted, never lent");
    }
}
