//! The time-step model's sums: held, used, wait.

use crate::{agents::Sums, machine::Machine};

/// Sums over all steps and workloads so far.
///
/// Held is what nobody else can be using: on each agent the guaranteed and the lent holdings
/// together, less what lies doubly on the same capacity (so held never passes capacity).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Steps counted.
    pub steps: u64,
    /// CPU-steps held.
    pub held_cpus: f64,
    /// CPU-steps used by tasks, where measured.
    pub used_cpus: f64,
    /// MiB-steps held.
    pub held_memory_mib: f64,
    /// MiB-steps used by tasks, where measured.
    pub used_memory_mib: f64,
    /// CPU-steps lent.
    pub lent_cpus: f64,
    /// MiB-steps lent.
    pub lent_memory_mib: f64,
    /// Workloads that waited and were placed.
    pub waits: u64,
    /// Their steps from request to first holding, summed.
    pub wait_steps: u64,
    /// The longest of them.
    pub wait_steps_max: u64,
}

impl Ledger {
    pub(crate) fn placed(&mut self, waited_steps: u64) {
        self.waits += 1;
        self.wait_steps += waited_steps;
        self.wait_steps_max = self.wait_steps_max.max(waited_steps);
    }

    /// Held over used CPU, when something was used.
    #[must_use]
    pub fn held_over_used_cpus(&self) -> Option<f64> {
        (self.used_cpus > 0.0).then(|| self.held_cpus / self.used_cpus)
    }
}

impl Machine {
    /// Closes a time step: adds what was held, used and lent in it.
    pub(crate) fn account(&mut self) {
        let Sums { held, lent, used, .. } = self.state.agents.sums();
        let ledger = &mut self.state.ledger;
        ledger.steps += 1;
        let ([held_cpus, held_memory, ..], [used_cpus, used_memory, ..]) =
            (held.units(), used.units());
        ledger.held_cpus += held_cpus;
        ledger.held_memory_mib += held_memory;
        ledger.used_cpus += used_cpus;
        ledger.used_memory_mib += used_memory;
        let [lent_cpus, lent_memory, ..] = lent.units();
        ledger.lent_cpus += lent_cpus;
        ledger.lent_memory_mib += lent_memory;
    }
}
