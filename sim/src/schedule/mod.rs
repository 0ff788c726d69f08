//! `headroom simulate schedule`: a trace's jobs through the real deciding core.
//!
//! Nothing is decided here twice: [`headroom_core::machine::Machine`] offers, accounts and promotes,
//! `core/reclaim` and `core/forecast` do on a simulated node what they do on a real one. What is made
//! up here is the world: virtual time, nodes that share CPU, frameworks that queue.

mod arguments;
mod cluster;
mod framework;
mod jobs;
mod node;
mod output;
mod policy;
mod record;
mod summary;
mod surf;
pub mod workload;

pub use arguments::{Arguments, ScheduleError, Surroundings, Switch, run, simulate};
pub use cluster::{ClusterError, Setup};
pub use jobs::{JobsError, read};
pub use policy::Policy;
pub use record::{JobRecord, Record, Series};
pub use summary::{Bounds, SizeClass, Spread, Summary, summarise};

use workload::Workload;

/// Runs a workload through the core; `progress` hears after every step how many jobs are done.
///
/// # Errors
/// The core refused something, or jobs never get a place.
pub fn replay(
    setup: &Setup,
    workload: &Workload,
    progress: impl FnMut(usize),
) -> Result<Record, ClusterError> {
    cluster::Cluster::new(setup, workload)?.run(progress)
}
