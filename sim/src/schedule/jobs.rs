//! Jobs from a trace, in the formats of [`crate::trace`].
//!
//! SURF and openb tell when a job was asked for and how long it ran. Other traces tell who was there
//! and what they used: a task that appears in a step is a job submitted then, which ends when it is
//! gone; one that is there to the end of the trace ends with it.

use super::{
    surf,
    workload::{Job, Memory, Profile, Repairs, Workload, WorkloadError},
};
use crate::trace::{self, Format, Reading, Resource, Series, Trace, TraceError};
use std::{collections::BTreeMap, path::Path, time::Duration};
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
    #[error("{file} cannot be replayed: {source}")]
    Workload {
        /// Which file.
        file: String,
        /// Why.
        source: WorkloadError,
    },
}

impl JobsError {
    pub(super) fn of(path: &Path) -> impl Fn(WorkloadError) -> Self + '_ {
        |source| Self::Workload { file: path.display().to_string(), source }
    }
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

/// The unit of memory, likewise.
#[must_use]
pub(super) fn memory_unit(format: Format) -> &'static str {
    match format {
        Format::Bitbrains => "KB",
        Format::Planetlab | Format::Gcd => "% of a task's memory",
        Format::Surf | Format::Openb => "MiB",
        Format::Csv => "units of memory",
    }
}

/// Reads the jobs at `path`, with their memory if `memory` and the trace tells of it.
///
/// # Errors
/// A file is not there, a line is wrong, or nothing is left to replay.
pub fn read(path: &Path, reading: &Reading, memory: bool) -> Result<Workload, JobsError> {
    match reading.format {
        Format::Surf => surf::read(path),
        Format::Openb => pods(path, memory),
        Format::Bitbrains | Format::Planetlab | Format::Gcd | Format::Csv => {
            let reading = Reading { resource: Resource::Cpu, ..reading.clone() };
            let cpu = trace::read(path, &reading)?;
            let memory = memory && trace::tells_memory(path, reading.format)?;
            // On the same steps.
            let step = Some(cpu.step);
            let reading = Reading { resource: Resource::Memory, step, ..reading };
            let memory = memory.then(|| trace::read(path, &reading)).transpose()?;
            series(&cpu, memory.as_ref()).map_err(JobsError::of(path))
        }
    }
}

/// Requests and uses are in the trace's own unit.
fn series(cpu: &Trace, memory: Option<&Trace>) -> Result<Workload, WorkloadError> {
    let by_name: BTreeMap<&str, &Series> =
        memory.iter().flat_map(|trace| &trace.series).map(|of| (of.name.as_str(), of)).collect();
    // The first step of memory, in steps of CPU.
    let step_s = i64::try_from(cpu.step.as_secs()).unwrap_or(i64::MAX).max(1);
    let ahead = memory.map_or(0, |memory| (memory.start_s - cpu.start_s).div_euclid(step_s));
    let jobs = cpu.series.iter().map(|series| {
        let submitted_ms = in_steps(cpu.step, series.first as u64);
        let request_cpus_milli = milli(series.limit).max(1);
        let profile = profile(cpu.step, series, 0);
        let memory = by_name.get(series.name.as_str()).map(|memory| Memory {
            request_milli: milli(memory.limit),
            profile: self::profile(
                cpu.step,
                memory,
                ahead + memory.first as i64 - series.first as i64,
            ),
        });
        Job { name: series.name.clone(), submitted_ms, request_cpus_milli, profile, memory }
    });
    let of = |count: fn(&trace::Repairs) -> u64| {
        count(&cpu.repairs) + memory.map_or(0, |memory| count(&memory.repairs))
    };
    let repairs = Repairs {
        capped: of(|of| of.capped),
        samples_left_out: of(trace::Repairs::left_out),
        backwards: of(|of| of.backwards),
        carried: of(|of| of.carried_steps),
        gaps: of(|of| of.gap_steps),
        no_use: cpu.repairs.tasks_without_samples + cpu.repairs.tasks_without_limit,
        ..Repairs::default()
    };
    Workload::new(jobs.collect(), repairs)
}

fn milli(amount: f32) -> u64 {
    (f64::from(amount) * 1_000.0).round() as u64
}

fn in_steps(step: Duration, count: u64) -> u64 {
    u64::try_from(step.as_millis()).unwrap_or(u64::MAX).saturating_mul(count)
}

/// What a series uses, from `late` steps after its job's begin on: before, nothing is known and none
/// counted.
fn profile(step: Duration, series: &Series, late: i64) -> Profile {
    let mut profile = Profile::default();
    profile.push(in_steps(step, late.max(0).unsigned_abs()), 0);
    let early = usize::try_from(-late.min(0)).unwrap_or(usize::MAX);
    series.used.iter().skip(early).for_each(|used| profile.push(in_steps(step, 1), milli(*used)));
    profile
}

/// What pods used is not told: they are taken to use all they ask for.
fn pods(path: &Path, memory: bool) -> Result<Workload, JobsError> {
    let mut repairs = Repairs::default();
    let mut jobs = Vec::new();
    for pod in trace::read_pods(path)? {
        let ran = pod.scheduled_s.zip(pod.deleted_s).map(|(from, to)| to - from);
        let Some(ran_s) = ran.filter(|ran| *ran > 0 && pod.created_s >= 0) else {
            repairs.never_ran += 1;
            continue;
        };
        let mut profile = Profile::default();
        let ran_ms = ran_s.unsigned_abs().saturating_mul(1_000);
        profile.push(ran_ms, pod.cpus_milli);
        let memory = memory.then(|| {
            let request_milli = pod.memory_mib.saturating_mul(1_000);
            let mut profile = Profile::default();
            profile.push(ran_ms, request_milli);
            Memory { request_milli, profile }
        });
        jobs.push(Job {
            name: pod.name,
            submitted_ms: pod.created_s.unsigned_abs().saturating_mul(1_000),
            request_cpus_milli: pod.cpus_milli,
            profile,
            memory,
        });
    }
    Workload::new(jobs, repairs).map_err(JobsError::of(path))
}
