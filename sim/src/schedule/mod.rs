//! `headroom simulate schedule`: a trace's jobs through the real deciding core.

mod cluster;
mod framework;
mod node;
mod policy;
mod record;
pub mod surf;
pub mod workload;

pub use cluster::{ClusterError, Setup};
pub use policy::Policy;
pub use record::{JobRecord, Record, Series};

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
