//! The SURF Lisa week of OpenDC: one file of jobs, one of their CPU use.
//!
//! `NAME-tasks.csv`: `id,submission_time,duration,cpu_count,cpu_capacity,...` (times in ms, capacity
//! in MHz). Beside it `NAME-usage-rle.csv`: `id,use` in MHz every 30 s, `value` or `value*count`,
//! separated by semicolons. Both may be compressed (`.xz`).

use super::workload::{Job, Profile, Repairs, Workload, WorkloadError};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// One sample stands for so long.
const SAMPLE_MS: u64 = 30_000;
/// A file that unpacks to more is refused: 4 GiB.
const MAX_BYTES: u64 = 4 << 30;

/// Why a trace cannot be read.
#[derive(Debug, Error)]
pub enum SurfError {
    /// The file cannot be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not the comma-separated table it should be.
    #[error("{path}: {source}")]
    Table {
        /// Which.
        path: PathBuf,
        /// Why, with the line.
        source: csv::Error,
    },
    /// A field is missing or no number.
    #[error("{path}, line {line}: {what}")]
    Field {
        /// Which.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The name does not say where the usage is.
    #[error(
        "{0}: the file of jobs is called NAME-tasks.csv[.xz], and NAME-usage-rle.csv[.xz] lies beside it"
    )]
    Name(PathBuf),
    /// The trace as a whole makes no sense.
    #[error("{path}: {source}")]
    Workload {
        /// Which.
        path: PathBuf,
        /// Why.
        source: WorkloadError,
    },
}

/// Reads a file, unpacked if its name ends in `.xz`.
fn open(path: &Path) -> Result<csv::Reader<Box<dyn Read>>, SurfError> {
    let file =
        File::open(path).map_err(|source| SurfError::Io { path: path.to_owned(), source })?;
    let plain = BufReader::new(file);
    let packed = path.extension().is_some_and(|end| end == "xz");
    let unpacked: Box<dyn Read> =
        if packed { Box::new(lzma_rust2::XzReader::new(plain, true)) } else { Box::new(plain) };
    // The usage file's heading has a comma of its own: rows say themselves what they lack.
    Ok(csv::ReaderBuilder::new().flexible(true).from_reader(Box::new(unpacked.take(MAX_BYTES))))
}

struct Row<'a> {
    path: &'a Path,
    fields: csv::StringRecord,
}

impl Row<'_> {
    fn wrong(&self, what: String) -> SurfError {
        let line = self.fields.position().map_or(0, csv::Position::line);
        SurfError::Field { path: self.path.to_owned(), line, what }
    }

    fn text(&self, at: usize, name: &str) -> Result<&str, SurfError> {
        self.fields.get(at).ok_or_else(|| self.wrong(format!("there is no {name}")))
    }

    /// A number that is finite and not negative.
    fn number(&self, at: usize, name: &str) -> Result<f64, SurfError> {
        self.amount(self.text(at, name)?, name)
    }

    fn amount(&self, text: &str, name: &str) -> Result<f64, SurfError> {
        match text.trim().parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
            _ => Err(self.wrong(format!("{name} is {text:?}, not a number from 0 on"))),
        }
    }
}

fn rows(
    path: &Path,
    mut each: impl FnMut(&Row<'_>) -> Result<(), SurfError>,
) -> Result<(), SurfError> {
    for fields in open(path)?.into_records() {
        let fields = fields.map_err(|source| SurfError::Table { path: path.to_owned(), source })?;
        each(&Row { path, fields })?;
    }
    Ok(())
}

fn usage_beside(tasks: &Path) -> Option<PathBuf> {
    let name = tasks.file_name()?.to_str()?;
    let (stem, _) = name.split_once("-tasks.csv")?;
    let beside = |end: &str| tasks.with_file_name(format!("{stem}-usage-rle.csv{end}"));
    [beside(".xz"), beside("")].into_iter().find(|path| path.exists())
}

/// Samples of MHz, run-length coded, in MHz: value and how often.
fn samples(row: &Row<'_>) -> Result<Vec<(f64, u64)>, SurfError> {
    let parts = row.text(1, "usage")?.split(';').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (value, count) = part.split_once('*').unwrap_or((part, "1"));
            let often = count.trim().parse::<u64>();
            let often =
                often.map_err(|_| row.wrong(format!("{count:?} is no count of samples")))?;
            Ok((row.amount(value, "a sample")?, often))
        })
        .collect()
}

/// Reads jobs and their use.
///
/// A job whose samples end early uses nothing for the rest; samples after its end are left out; a
/// job without a line in the usage file is an error.
///
/// # Errors
/// A file is not there, or a line is wrong; it is named.
pub fn read(tasks: &Path) -> Result<Workload, SurfError> {
    let usage = usage_beside(tasks).ok_or_else(|| SurfError::Name(tasks.to_owned()))?;
    let mut used = BTreeMap::new();
    rows(&usage, |row| {
        used.insert(row.text(0, "id")?.to_owned(), samples(row)?);
        Ok(())
    })?;
    let (mut jobs, mut repairs) = (Vec::new(), Repairs::default());
    rows(tasks, |row| {
        let name = row.text(0, "id")?.to_owned();
        let cpus = row.number(3, "cpu_count")?;
        let capacity_mhz = row.number(4, "cpu_capacity")?;
        let samples =
            used.get(&name).ok_or_else(|| row.wrong(format!("job {name:?} has no usage")))?;
        if capacity_mhz <= 0.0 {
            return Err(row.wrong("cpu_capacity is zero".to_owned()));
        }
        let length_ms = row.number(2, "duration")? as u64;
        let mut profile = Profile::default();
        for (mhz, often) in samples {
            // MHz over the capacity of all its CPUs.
            let milli = (mhz / capacity_mhz * cpus * 1_000.0).round() as u64;
            profile.push(SAMPLE_MS.saturating_mul(*often), milli);
        }
        profile.truncate(length_ms);
        if profile.length_ms() < length_ms {
            repairs.short_usage += 1;
            profile.push(length_ms - profile.length_ms(), 0);
        }
        let submitted_ms = row.number(1, "submission_time")? as u64;
        let request_cpus_milli = (cpus * 1_000.0).round() as u64;
        jobs.push(Job { name, submitted_ms, request_cpus_milli, profile });
        Ok(())
    })?;
    Workload::new(jobs, repairs)
        .map_err(|source| SurfError::Workload { path: tasks.to_owned(), source })
}
