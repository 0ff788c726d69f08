//! Google clusterdata-2011-2 as HiPro-IT derived it: each file is a task-day, CPU and memory percentage every 5 minutes.
//!
//! Memory may pass 100 (by up to 115): it is cut.

use super::{Reading, Resource, Trace, TraceError, percentages};
use std::path::Path;

pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Trace, TraceError> {
    percentages::read(path, reading, |place, line| {
        let Some((cpu, memory)) = line.split_once(char::is_whitespace) else {
            return Err(place.fault("one figure instead of two (CPU and memory percentage)"));
        };
        let (cpu, memory) = (place.number("CPU", cpu)?, place.number("memory", memory)?);
        Ok(if reading.resource == Resource::Cpu { cpu } else { memory })
    })
}
