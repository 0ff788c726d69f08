//! The format for anyone's own trace; `docs/forecast.md` documents it.
//!
//! A header names the columns, in any order: `time_s` (seconds of any clock), `task` (a name), and of the resource that
//! is asked for `cpu_limit` and `cpu_used`, or `memory_limit` and `memory_used`, in any one unit. Other columns are
//! ignored. Rows come in any order; an empty use or limit is a missing sample.

use super::{
    Place, Reading, Resource, Trace, TraceError,
    gather::{Gatherer, Sample, Samples},
    source,
};
use ::csv as table;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::Duration,
};

/// The step when no task has two samples to tell it.
const STEP: Duration = Duration::from_secs(300);

pub(crate) fn read(path: &Path, reading: &Reading) -> Result<Trace, TraceError> {
    let file = path.display().to_string();
    let mut rows =
        table::ReaderBuilder::new().trim(table::Trim::All).from_reader(source::open(path)?);
    let header = rows.headers().map_err(|error| fault(&file, 0, error))?.clone();
    let columns = Columns::find(&header, reading.resource, &file)?;
    let mut gatherer = Gatherer::new(reading.step.unwrap_or(STEP));
    let mut tasks: Vec<(String, Samples)> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut row = table::StringRecord::new();
    let mut line = 1;
    while rows.read_record(&mut row).map_err(|error| fault(&file, line, error))? {
        line = row.position().map_or(line, table::Position::line);
        let place = Place { file: &file, line };
        let task = &row[columns.task];
        if task.is_empty() {
            return Err(place.fault("task: no name"));
        }
        let number = numbers.get(task).copied().unwrap_or_else(|| {
            tasks.push((task.to_owned(), Samples::default()));
            numbers.insert(task.to_owned(), tasks.len() - 1);
            tasks.len() - 1
        });
        let sample = Sample {
            time_s: columns.time(&row, place)?,
            limit: amount(&row[columns.limit], "limit", place)?,
            used: amount(&row[columns.used], "used", place)?,
        };
        gatherer.note(&mut tasks[number].1, sample, place)?;
    }
    if reading.step.is_none() {
        gatherer.set_step(usual_distance(&tasks));
    }
    for (name, samples) in &tasks {
        gatherer.close(name, samples);
    }
    gatherer.finish(&file, reading.resource)
}

/// Whether the header names columns of memory.
pub(super) fn tells_memory(path: &Path) -> Result<bool, TraceError> {
    let file = path.display().to_string();
    let mut rows =
        table::ReaderBuilder::new().trim(table::Trim::All).from_reader(source::open(path)?);
    let header = rows.headers().map_err(|error| fault(&file, 0, error))?;
    let has = |wanted: &str| header.iter().any(|name| name == wanted);
    // With one of the two the other is missed: the reader says so.
    Ok(has("memory_limit") || has("memory_used"))
}

struct Columns {
    time: usize,
    task: usize,
    limit: usize,
    used: usize,
}

impl Columns {
    fn find(
        header: &table::StringRecord,
        resource: Resource,
        file: &str,
    ) -> Result<Self, TraceError> {
        let (limit, used) = match resource {
            Resource::Cpu => ("cpu_limit", "cpu_used"),
            Resource::Memory => ("memory_limit", "memory_used"),
        };
        if header.is_empty() {
            return Err(Place { file, line: 1 }.fault("the file is empty: no header"));
        }
        let find = |wanted: &str| {
            header.iter().position(|name| name == wanted).ok_or_else(|| {
                let header: Vec<&str> = header.iter().collect();
                let what = format!("no column `{wanted}` in the header `{}`", header.join(","));
                Place { file, line: 1 }.fault(what)
            })
        };
        Ok(Self {
            time: find("time_s")?,
            task: find("task")?,
            limit: find(limit)?,
            used: find(used)?,
        })
    }

    fn time(&self, row: &table::StringRecord, place: Place<'_>) -> Result<i64, TraceError> {
        Ok(place.seconds("time_s", &row[self.time])?.floor() as i64)
    }
}

/// An empty field is a missing sample, which is counted as not a number is.
fn amount(text: &str, column: &str, place: Place<'_>) -> Result<f64, TraceError> {
    if text.is_empty() { Ok(f64::NAN) } else { place.number(column, text) }
}

fn usual_distance(tasks: &[(String, Samples)]) -> Duration {
    let mut counts = BTreeMap::new();
    for distance in tasks.iter().flat_map(|(_, samples)| samples.distances_s()) {
        *counts.entry(distance).or_insert(0u64) += 1;
    }
    let usual =
        counts.into_iter().max_by_key(|(distance, count)| (*count, std::cmp::Reverse(*distance)));
    usual.map_or(STEP, |(distance, _)| Duration::from_secs(distance.unsigned_abs()))
}

/// `last`: the last line that could be read, for errors that know none.
pub(super) fn fault(file: &str, last: u64, error: table::Error) -> TraceError {
    let line = error.position().map_or(last, table::Position::line);
    match error.into_kind() {
        table::ErrorKind::Io(source) => {
            TraceError::Read { file: file.to_owned(), lines: line, source }
        }
        table::ErrorKind::UnequalLengths { expected_len, len, pos } => {
            Place { file, line: pos.map_or(line, |pos| pos.line()) }
                .fault(format_args!("{len} fields instead of {expected_len}"))
        }
        table::ErrorKind::Utf8 { .. } => Place { file, line }.fault("not text (UTF-8)"),
        other => Place { file, line }.fault(format_args!("{other:?}")),
    }
}
