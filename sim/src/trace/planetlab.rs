//! PlanetLab (CoMon project; beloglazov/planetlab-workload-traces): each file is a VM-day, one CPU percentage every 5 minutes.
//!
//! The VM-days of all folders are laid side by side on the clock of one day, as CloudSim does; `--only 20110303` takes one folder.

use super::{Lines, Reading, Trace, TraceError, cpu_only, gather::Gatherer, source};
use std::{io::BufReader, path::Path, time::Duration};

const STEP: Duration = Duration::from_secs(300);
const LIMIT_PERCENT: f64 = 100.0;

pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Trace, TraceError> {
    cpu_only(path, reading.resource, "PlanetLab")?;
    let mut gatherer = Gatherer::new(reading.step.unwrap_or(STEP));
    source::each_member(path, |name, content| {
        if reading.only.as_ref().is_some_and(|only| !name.starts_with(only)) {
            return Ok(());
        }
        let member = format!("{}: {name}", path.display());
        let mut lines = Lines::new(member, BufReader::new(content));
        let mut used = Vec::new();
        while let Some((place, line)) = lines.next()? {
            if !line.is_empty() {
                used.push(place.number("CPU percentage", line)?);
            }
        }
        gatherer.whole(name, 0, LIMIT_PERCENT, &used);
        Ok(())
    })?;
    gatherer.finish(&path.display().to_string(), reading.resource)
}
