//! How the queue of jobs is worked off.

use std::time::Duration;

/// Who queues, and what is done with what is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// One queue for all, strictly first come first served.
    Fcfs,
    /// A queue a framework; the core's weighted dominant-resource fairness says who is next.
    Drf,
    /// As `drf`; with `--reclaim on`, work that began on lent resources is promoted in place when
    /// its node is given back, and begun again on a free node when it has come to a stand.
    Headroom,
}

/// Lent work that goes slower than this, in millionths of its full speed, is better begun again on a
/// free node. Without any knowledge of run times, as much lies ahead as behind (sizes are
/// heavy-tailed): staying costs done / speed, beginning again 2 x done.
pub(crate) const STANDS_BELOW_PPM: u64 = 500_000;

/// Of what a job asks for, at least such a part (in thousandths) of lent CPU lets it begin.
const LEAST_LENT_MILLI: u64 = 100;

/// The same for a job that was begun so often before: each time in vain it asks for twice as much,
/// at last for a promise.
pub(crate) fn least_lent_milli(begun_before: u64) -> u64 {
    let doubled = 1_u64.checked_shl(u32::try_from(begun_before).unwrap_or(u32::MAX));
    doubled.map_or(u64::MAX, |times| LEAST_LENT_MILLI.saturating_mul(times)).min(1_000)
}

/// What cannot be used now is declined for so long; a new arrival revives.
pub(crate) const REFUSAL: Duration = Duration::from_secs(3_600);
