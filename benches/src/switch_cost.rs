//! What the scheduler program costs a context switch, net of an empty program.

use crate::fault::Fault;
use headroom_agent::probe::cost;
use nix::unistd::geteuid;
use serde::Serialize;

const ROUNDS: u32 = 21;
const QUICK_ROUNDS: u32 = 5;

/// Medians over rounds, in nanoseconds a context switch.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Rounds; each times the empty program and ours right after one another.
    pub rounds: u32,
    /// Switches timed in all.
    pub switches: u64,
    /// The empty program: hook and timing.
    pub empty_ns: f64,
    /// Ours.
    pub sched_ns: f64,
    /// The rounds' differences.
    pub net_ns: f64,
    /// The least difference of a round.
    pub net_min_ns: f64,
    /// The greatest.
    pub net_max_ns: f64,
}

/// Has the kernel time both programs under a ping-pong.
///
/// # Errors
/// Absent without root; otherwise the program could not be loaded or attached.
pub fn measure(quick: bool) -> Result<Measured, Fault> {
    if !geteuid().is_root() {
        return Err(Fault::Absent("loading kernel programs needs root".to_owned()));
    }
    let rounds = if quick { QUICK_ROUNDS } else { ROUNDS };
    let report = cost::measure(rounds).map_err(|fault| Fault::Absent(fault.to_string()))?;
    Ok(Measured {
        rounds: report.rounds,
        switches: report.switches,
        empty_ns: report.empty_ns,
        sched_ns: report.sched_ns,
        net_ns: report.net_ns,
        net_min_ns: report.net_range_ns.0,
        net_max_ns: report.net_range_ns.1,
    })
}
