//! Google clusterdata-2011-2 as HiPro-IT derived it: each file is a task-day, CPU and memory percentage every 5 minutes.
//!
//! Memory may pass 100 (by up to 115): it is cut.

use super::{Lines, Reading, Resource, Trace, TraceError, gather::Gatherer, source};
use std::{io::BufReader, path::Path, time::Duration};

const STEP: Duration = Duration::from_secs(300);
const LIMIT_PERCENT: f64 = 100.0;

pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Trace, TraceError> {
    let mut gatherer = Gatherer::new(reading.step.unwrap_or(STEP));
    source::each_member(path, |name, content| {
        if reading.only.as_ref().is_some_and(|only| !name.starts_with(only)) {
            return Ok(());
        }
        let member = format!("{}: {name}", path.display());
        let mut lines = Lines::new(member, BufReader::new(content));
        let mut used = Vec::new();
        while let Some((place, line)) = lines.next()? {
            if line.is_empty() {
                continue;
            }
            let Some((cpu, memory)) = line.split_once(char::is_whitespace) else {
                return Err(place.fault("one figure instead of two (CPU and memory percentage)"));
            };
            let (cpu, memory) = (place.number("CPU", cpu)?, place.number("memory", memory)?);
            used.push(if reading.resource == Resource::Cpu { cpu } else { memory });
        }
        gatherer.whole(name, 0, LIMIT_PERCENT, &used);
        Ok(())
    })?;
    gatherer.finish(&path.display().to_string(), reading.resource)
}
