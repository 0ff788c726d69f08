//! The SURF Lisa week of OpenDC: one file of jobs, one of their CPU use.
//!
//! `NAME-tasks.csv`: `id,submission_time,duration,cpu_count,cpu_capacity,...` (times in ms, capacity
//! in MHz). Beside it `NAME-usage-rle.csv`: `id,use` in MHz every 30 s, `value` or `value*count`,
//! separated by semicolons. Both may be compressed (`.xz`, `.gz`).

use super::{
    jobs::JobsError,
    workload::{Job, Profile, Repairs, Workload},
};
use crate::trace::{
    Place, TraceError,
    surf::{each_row, each_use},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// One sample stands for so long.
const SAMPLE_MS: u64 = 30_000;
/// Values of MHz, and how often each comes.
type Samples = Vec<(Option<f64>, u64)>;

fn usage_beside(tasks: &Path) -> Option<PathBuf> {
    let name = tasks.file_name()?.to_str()?;
    let (stem, _) = name.split_once("-tasks.csv")?;
    let beside = |end: &str| tasks.with_file_name(format!("{stem}-usage-rle.csv{end}"));
    [".xz", ".gz", ""].into_iter().map(beside).find(|path| path.exists())
}

/// A number that is finite and not negative.
fn amount(place: Place<'_>, name: &str, text: &str) -> Result<f64, TraceError> {
    let value = place.number(name, text)?;
    let fault = || place.fault(format_args!("{name}: `{text}` is negative or not finite"));
    if value >= 0.0 && value.is_finite() { Ok(value) } else { Err(fault()) }
}

fn samples(place: Place<'_>, runs: &str) -> Result<Samples, TraceError> {
    let runs = runs.split(';').filter(|run| !run.is_empty());
    runs.map(|run| {
        let (value, count) = run.split_once('*').unwrap_or((run, "1"));
        let count = count.trim().parse::<u64>();
        let count = count.map_err(|_| place.fault(format_args!("`{run}`: no count after `*`")))?;
        let value = place.number("use", value)?;
        Ok(((value >= 0.0 && value.is_finite()).then_some(value), count))
    })
    .collect()
}

fn job(
    place: Place<'_>,
    line: &str,
    used: &BTreeMap<String, Samples>,
    repairs: &mut Repairs,
) -> Result<Job, TraceError> {
    let fields: Vec<_> = line.split(',').collect();
    let [id, submitted, duration, cpus, capacity, ..] = fields[..] else {
        return Err(place.fault(format_args!("{} fields instead of at least 5", fields.len())));
    };
    let cpus = amount(place, "cpu_count", cpus)?;
    let capacity_mhz = amount(place, "cpu_capacity", capacity)?;
    if capacity_mhz <= 0.0 {
        return Err(place.fault("cpu_capacity is zero"));
    }
    let samples =
        used.get(id).ok_or_else(|| place.fault(format_args!("job `{id}` has no usage")))?;
    let length_ms = amount(place, "duration", duration)? as u64;
    let (mut profile, mut last) = (Profile::default(), 0);
    for (mhz, count) in samples {
        match mhz {
            // The capacity is that of all its CPUs.
            Some(mhz) => last = (mhz / capacity_mhz * cpus * 1_000.0).round() as u64,
            None => repairs.not_a_use += count,
        }
        profile.push(SAMPLE_MS.saturating_mul(*count), last);
    }
    profile.truncate(length_ms);
    if profile.length_ms() < length_ms {
        repairs.short_usage += 1;
        profile.push(length_ms - profile.length_ms(), 0);
    }
    Ok(Job {
        name: id.to_owned(),
        submitted_ms: amount(place, "submission_time", submitted)? as u64,
        request_cpus_milli: (cpus * 1_000.0).round() as u64,
        profile,
        memory: None,
    })
}

/// Reads jobs and their use. Samples after a job's end are left out.
///
/// # Errors
/// A file is not there, a line is wrong, or a job has no line in the usage file.
pub(super) fn read(tasks: &Path) -> Result<Workload, JobsError> {
    let beside = || JobsError::Name(tasks.display().to_string());
    let usage = usage_beside(tasks).ok_or_else(beside)?;
    let mut used = BTreeMap::new();
    each_use(&usage, |place, id, runs| {
        used.insert(id.to_owned(), samples(place, runs)?);
        Ok(())
    })?;
    let (mut jobs, mut repairs) = (Vec::new(), Repairs::default());
    each_row(tasks, |place, line| {
        jobs.push(job(place, line, &used, &mut repairs)?);
        Ok(())
    })?;
    Workload::new(jobs, repairs).map_err(JobsError::of(tasks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read_text(tasks: &str, usage: &str) -> Result<Workload, JobsError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x-tasks.csv");
        fs::write(&path, tasks).unwrap();
        fs::write(dir.path().join("x-usage-rle.csv"), usage).unwrap();
        read(&path)
    }

    const HEAD: &str = "id,submission_time,duration,cpu_count,cpu_capacity,mem\n";

    #[test]
    fn jobs_and_their_use() {
        let tasks = format!("{HEAD}a,5000,90000,4,1000.0,1\nb,2000,60000,2,500,1\n");
        let jobs = read_text(&tasks, "id,use\na,500*2;1500;9\nb,250\n").unwrap();
        let [b, a] = &jobs.jobs[..] else { panic!("{jobs:?}") };
        assert_eq!((a.submitted_ms, a.request_cpus_milli), (3_000, 4_000));
        assert_eq!(a.profile.stretches(), [(60_000, 2_000), (90_000, 4_000)]);
        assert_eq!(b.profile.stretches(), [(30_000, 1_000), (60_000, 0)]);
        assert_eq!((jobs.repairs.capped, jobs.repairs.short_usage), (1, 1));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (tasks, usage, expected) in [
            ("a,1,2", "a,1", "x-tasks.csv, line 2: 3 fields"),
            ("a,-1,30000,1,1,1", "a,1", "x-tasks.csv, line 2: submission_time: `-1`"),
            ("a,0,NaN,1,1,1", "a,1", "x-tasks.csv, line 2: duration: `NaN`"),
            ("a,0,30000,1,0,1", "a,1", "cpu_capacity is zero"),
            ("a,0,30000,1,1,1", "b,1", "job `a` has no usage"),
            ("a,0,30000,1,1,1", "a,1*x", "x-usage-rle.csv, line 2: `1*x`"),
            ("a,0,30000,0,1,1", "a,1", "asks for no CPU"),
            (
                "a,0,0,1,1,1",
                "a,1",
                "holds no job that ran (left out or mended: 1 jobs of no length",
            ),
            ("", "a,1", "x-tasks.csv cannot be replayed: it holds no job"),
            ("a,0,30000,1e16,1,1", "a,1", "job \"a\" asks for more than"),
            ("a,0,30000,1,1,1\na,5,30000,1,1,1", "a,1", "job \"a\" is in it twice"),
        ] {
            let error = read_text(&format!("{HEAD}{tasks}"), &format!("h\n{usage}")).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let jobs = read_text(&format!("{HEAD}a,0,90000,1,10,1"), "h\na,5;NaN;-3").unwrap();
        assert_eq!((jobs.repairs.not_a_use, jobs.jobs[0].profile.work()), (2, 500 * 90_000));
        let error = read(Path::new("/nowhere/x.csv")).unwrap_err();
        assert!(error.to_string().contains("NAME-tasks.csv"), "{error}");
    }
}
