//! Jobs from a trace, in the formats of [`crate::trace`].
//!
//! SURF and openb tell when a job was asked for and how long it ran. Other traces tell who was there
//! and what they used: a task that appears in a step is a job submitted then, which ends when it is
//! gone; one that is there to the end of the trace ends with it.

use super::{
    surf,
    workload::{Job, Profile, Repairs, Workload, WorkloadError},
};
use crate::trace::{self, Format, Reading, Resource, Trace, TraceError};
use std::path::Path;
use thiserror::Error;

/// Why a trace cannot be replayed.
#[derive(Debug, Error)]
pub enum JobsError {
    /// It cannot be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Its name does not say where the usage is.
    #[error(
        "{0}: the file of jobs is called NAME-tasks.csv[.xz|.gz], and NAME-usage-rle.csv[.xz|.gz] \
         lies beside it"
    )]
    Name(String),
    /// It makes no sense as a whole.
    #[error("the trace cannot be replayed: {0}")]
    Workload(#[from] WorkloadError),
}

/// The unit of CPU in which requests of a format are given, for people.
#[must_use]
pub(super) fn unit(format: Format) -> &'static str {
    match format {
        Format::Bitbrains => "MHz",
        Format::Planetlab | Format::Gcd => "% of a task's CPU",
        Format::Surf | Format::Openb | Format::Csv => "CPUs",
    }
}

/// Reads the jobs at `path`.
///
/// # Errors
/// A file is not there, a line is wrong, or nothing is left to replay.
pub fn read(path: &Path, reading: &Reading) -> Result<Workload, JobsError> {
    match reading.format {
        Format::Surf => surf::read(path),
        Format::Openb => pods(path),
        Format::Bitbrains | Format::Planetlab | Format::Gcd | Format::Csv => {
            let reading = Reading { resource: Resource::Cpu, ..reading.clone() };
            series(&trace::read(path, &reading)?)
        }
    }
}

/// Requests and uses are in the trace's own unit.
fn series(trace: &Trace) -> Result<Workload, JobsError> {
    let step_ms = u64::try_from(trace.step.as_millis()).unwrap_or(u64::MAX);
    let milli = |amount: f32| (f64::from(amount) * 1_000.0).round() as u64;
    let jobs = trace.series.iter().map(|series| {
        let mut profile = Profile::default();
        series.used.iter().for_each(|used| profile.push(step_ms, milli(*used)));
        Job {
            name: series.name.clone(),
            submitted_ms: (series.first as u64).saturating_mul(step_ms),
            request_cpus_milli: milli(series.limit).max(1),
            profile,
        }
    });
    let repairs = Repairs { capped: trace.repairs.capped, ..Repairs::default() };
    Ok(Workload::new(jobs.collect(), repairs)?)
}

/// What pods used is not told: they are taken to use all they ask for.
fn pods(path: &Path) -> Result<Workload, JobsError> {
    let mut repairs = Repairs::default();
    let mut jobs = Vec::new();
    for pod in trace::read_pods(path)? {
        let ran = pod.scheduled_s.zip(pod.deleted_s).map(|(from, to)| to - from);
        let Some(ran_s) = ran.filter(|ran| *ran > 0 && pod.created_s >= 0) else {
            repairs.never_ran += 1;
            continue;
        };
        let mut profile = Profile::default();
        profile.push(ran_s.unsigned_abs().saturating_mul(1_000), pod.cpus_milli);
        jobs.push(Job {
            name: pod.name,
            submitted_ms: pod.created_s.unsigned_abs().saturating_mul(1_000),
            request_cpus_milli: pod.cpus_milli,
            profile,
        });
    }
    Ok(Workload::new(jobs, repairs)?)
}
