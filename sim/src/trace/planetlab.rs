//! PlanetLab (CoMon project; beloglazov/planetlab-workload-traces): each file is a VM-day, one CPU percentage every 5 minutes.
//!
//! The VM-days of all folders are laid side by side on the clock of one day, as CloudSim does; `--only 20110303` takes one folder.

use super::{Reading, Trace, TraceError, cpu_only, percentages};
use std::path::Path;

pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Trace, TraceError> {
    cpu_only(path, reading.resource, "PlanetLab")?;
    percentages::read(path, reading, |place, line| place.number("CPU percentage", line))
}
