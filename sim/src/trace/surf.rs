//! The SURF Lisa cluster as OpenDC (atlarge-research/opendc) keeps it: jobs, and their CPU use every 30 s.
//!
//! `NAME-tasks.csv` has a header and id, submission_time (ms), duration (ms), cpu_count, cpu_capacity (MHz), ...;
//! beside it `NAME-usage-rle.csv` has one job a line: id, then MHz values or `value*count`, parted by semicolons.

use super::{Lines, Place, Reading, Trace, TraceError, cpu_only, gather::Gatherer, source};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

const STEP: Duration = Duration::from_secs(30);
/// The most steps of a job (300 days); more is a broken count.
const MOST_STEPS: usize = 864_000;

pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Trace, TraceError> {
    cpu_only(path, reading.resource, "SURF")?;
    if reading.step.is_some_and(|step| step != STEP) {
        let what = "SURF traces have steps of 30 s: leave --step out".to_owned();
        return Err(TraceError::File { file: path.display().to_string(), what });
    }
    let mut uses = read_uses(&uses_beside(path)?)?;
    let mut gatherer = Gatherer::new(STEP);
    each_row(path, |place, line| {
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() < 5 {
            return Err(place.fault(format_args!("{} fields instead of at least 5", fields.len())));
        }
        let submitted_s = place.seconds("submission_time", fields[1])? / 1_000.0;
        let limit = place.number("cpu_capacity", fields[4])?;
        match uses.remove(fields[0]) {
            Some(used) => gatherer.whole(fields[0], submitted_s as i64, limit, &used),
            None => gatherer.repairs().tasks_without_samples += 1,
        }
        Ok(())
    })?;
    gatherer.finish(&path.display().to_string(), reading.resource)
}

fn uses_beside(path: &Path) -> Result<PathBuf, TraceError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains("-tasks") {
        let what = "the name should hold `-tasks` (its uses are read from the file named `-usage-rle` instead)";
        return Err(TraceError::File { file: path.display().to_string(), what: what.to_owned() });
    }
    Ok(path.with_file_name(name.replacen("-tasks", "-usage-rle", 1)))
}

fn read_uses(path: &Path) -> Result<HashMap<String, Vec<f64>>, TraceError> {
    let mut uses = HashMap::new();
    each_use(path, |place, id, runs| {
        uses.insert(id.to_owned(), unroll(runs, place)?);
        Ok(())
    })?;
    Ok(uses)
}

/// Shows each line after the heading to `each`, but for empty ones.
pub(crate) fn each_row(
    path: &Path,
    mut each: impl FnMut(Place<'_>, &str) -> Result<(), TraceError>,
) -> Result<(), TraceError> {
    let mut lines = Lines::new(path.display(), source::open(path)?);
    lines.next()?;
    while let Some((place, line)) = lines.next()? {
        if !line.is_empty() {
            each(place, line)?;
        }
    }
    Ok(())
}

/// Shows each job of a usage file to `each`: its id, and its runs of even use.
pub(crate) fn each_use(
    path: &Path,
    mut each: impl FnMut(Place<'_>, &str, &str) -> Result<(), TraceError>,
) -> Result<(), TraceError> {
    each_row(path, |place, line| {
        let no_comma = || place.fault("no comma after the job's id");
        let (id, runs) = line.split_once(',').ok_or_else(no_comma)?;
        each(place, id, runs)
    })
}

fn unroll(runs: &str, place: Place<'_>) -> Result<Vec<f64>, TraceError> {
    let mut values = Vec::new();
    for run in runs.split(';') {
        let (value, count) = run.split_once('*').unwrap_or((run, "1"));
        let value = place.number("use", value)?;
        let count: usize =
            count.parse().map_err(|_| place.fault(format_args!("`{run}`: no count after `*`")))?;
        if values.len().saturating_add(count) > MOST_STEPS {
            return Err(place.fault(format_args!("more than {MOST_STEPS} values for one job")));
        }
        values.resize(values.len() + count, value);
    }
    Ok(values)
}
