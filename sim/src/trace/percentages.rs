//! Archives and folders of files that each hold one task's use in per cent, one line every 5 minutes.

use super::{Lines, Place, Reading, Trace, TraceError, gather::Gatherer, source};
use std::{io::BufReader, path::Path, time::Duration};

const STEP: Duration = Duration::from_secs(300);
const LIMIT_PERCENT: f64 = 100.0;

/// `use_of` finds the use in a line that is not empty.
pub(super) fn read(
    path: &Path,
    reading: &Reading,
    use_of: impl Fn(Place<'_>, &str) -> Result<f64, TraceError>,
) -> Result<Trace, TraceError> {
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
                used.push(use_of(place, line)?);
            }
        }
        gatherer.whole(name, 0, LIMIT_PERCENT, &used);
        Ok(())
    })?;
    gatherer.finish(&path.display().to_string(), reading.resource)
}
