//! What is replayed: jobs that arrive, ask for CPUs and memory and use them as the trace says.

use std::{collections::BTreeSet, fmt};
use thiserror::Error;

/// Longer runs are taken for mistakes in the trace: 10 years.
pub const MAX_SPAN_MS: u64 = 10 * 365 * 24 * 3_600_000;
/// At most so many jobs are replayed.
pub const MAX_JOBS: usize = 1_000_000;
/// Nobody asks for more, in thousandths of the trace's unit; more is a mistake.
pub const MAX_REQUEST_MILLI: u64 = 1_000_000_000_000_000;
/// Nanoseconds in a millisecond.
pub(crate) const NS_PER_MS: u64 = 1_000_000;

/// Why a trace cannot be replayed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WorkloadError {
    /// Not one job, after the rules for bad input.
    #[error("it holds no job that ran (left out or mended: {0})")]
    Empty(Repairs),
    /// More than [`MAX_REQUEST_MILLI`].
    #[error("job {0:?} asks for more than {max:e} of CPU or memory: a mistake, or a smaller unit than can be replayed", max = MAX_REQUEST_MILLI / 1_000)]
    AsksTooMuch(String),
    /// Nodes so small that none of so many jobs fits one.
    #[error("none of its {0} jobs fits a node: give larger nodes (--node-cpus, --node-memory)")]
    TooLarge(usize),
    /// More than [`MAX_JOBS`].
    #[error("it holds {0} jobs, at most {MAX_JOBS} are replayed")]
    TooMany(usize),
    /// Two jobs of one name.
    #[error("job {0:?} is in it twice")]
    Twice(String),
    /// It never ends, or ends after [`MAX_SPAN_MS`].
    #[error("job {0:?} ends more than ten years after the trace begins")]
    Span(String),
    /// It asks for nothing.
    #[error("job {0:?} asks for no CPU")]
    AsksNothing(String),
}

/// Use of CPU, or of memory, over a job's own time: how much it would use, had it all it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Ends of stretches of even use in the job's own time (ms), and the use in thousandths of the
    /// trace's unit.
    stretches: Vec<(u64, u64)>,
}

impl Profile {
    /// Appends `length_ms` of even use; stretches of the same use become one.
    pub fn push(&mut self, length_ms: u64, used_milli: u64) {
        let end = self.length_ms().saturating_add(length_ms);
        match self.stretches.last_mut() {
            _ if length_ms == 0 => {}
            Some(last) if last.1 == used_milli => last.0 = end,
            _ => self.stretches.push((end, used_milli)),
        }
    }

    /// How long the job runs when nothing slows it.
    #[must_use]
    pub fn length_ms(&self) -> u64 {
        self.stretches.last().map_or(0, |last| last.0)
    }

    /// The stretches: each its end (ms of own time) and its use (thousandths).
    #[must_use]
    pub fn stretches(&self) -> &[(u64, u64)] {
        &self.stretches
    }

    /// All it uses, in thousandths times milliseconds.
    #[must_use]
    pub fn work(&self) -> u128 {
        let mut start = 0;
        let parts = self.stretches.iter().map(|(end, use_milli)| {
            let length = end - start;
            start = *end;
            u128::from(length) * u128::from(*use_milli)
        });
        parts.sum()
    }

    /// Cuts it off after `length_ms`; says whether there was more.
    pub(crate) fn truncate(&mut self, length_ms: u64) -> bool {
        let cut = self.length_ms() > length_ms;
        if cut {
            let keep = self.stretches.partition_point(|(end, _)| *end < length_ms);
            self.stretches.truncate(keep + 1);
            if let Some(last) = self.stretches.last_mut() {
                last.0 = length_ms;
            }
            if length_ms == 0 {
                self.stretches.clear();
            }
        }
        cut
    }

    /// The same, each use made another.
    #[must_use]
    pub(crate) fn mapped(&self, of: impl Fn(u64) -> u64) -> Self {
        let mut mapped = Self::default();
        let mut start = 0;
        for (end, used) in &self.stretches {
            mapped.push(end - start, of(*used));
            start = *end;
        }
        mapped
    }

    /// Bounds its use by `most_milli`; says whether any passed it.
    pub(crate) fn cap(&mut self, most_milli: u64) -> bool {
        let passes = self.stretches.iter().any(|(_, used)| *used > most_milli);
        if passes {
            *self = self.mapped(|used| used.min(most_milli));
        }
        passes
    }
}

/// What a job asks for of memory, and what it uses; in thousandths of the trace's unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What it asks for.
    pub request_milli: u64,
    /// What it uses.
    pub profile: Profile,
}

/// One job: one task that runs to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name in the trace.
    pub name: String,
    /// When it is submitted, from the begin of the trace.
    pub submitted_ms: u64,
    /// What it asks for, in thousandths of a CPU.
    pub request_cpus_milli: u64,
    /// What it uses.
    pub profile: Profile,
    /// Its memory, where the trace tells of it.
    pub memory: Option<Memory>,
}

/// What the rules for bad input changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Repairs {
    /// Jobs that used more than they asked for somewhere: capped there.
    pub capped: u64,
    /// Jobs of no length: left out, as they hold nothing.
    pub instant: u64,
    /// Jobs that ask for more than a node has: left out.
    pub too_large: u64,
    /// Jobs whose usage ends before they do: they use nothing for the rest.
    pub short_usage: u64,
    /// Samples that are negative or no number: the one before them stands in.
    pub not_a_use: u64,
    /// Jobs that never began or never ended: left out.
    pub never_ran: u64,
    /// Samples left out, as their use or limit is negative or no number.
    pub samples_left_out: u64,
    /// Samples whose time lies before that of the one before: put where their time says.
    pub backwards: u64,
    /// Steps without a sample that repeat the last one.
    pub carried: u64,
    /// Steps without a sample for so long that they count as no use.
    pub gaps: u64,
    /// Tasks left out: without a usable sample, or with a limit of zero.
    pub no_use: u64,
}

impl fmt::Display for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mended = [
            (self.capped, "jobs or samples above what was asked for, capped"),
            (self.instant, "jobs of no length left out"),
            (self.too_large, "jobs larger than a node left out"),
            (self.short_usage, "jobs whose usage ends early, idle for the rest"),
            (self.not_a_use, "samples negative or no number, the last one repeated"),
            (self.never_ran, "jobs that never began or ended left out"),
            (self.samples_left_out, "samples left out: use or limit negative or no number"),
            (self.backwards, "samples back in time, put where their time says"),
            (self.carried, "missing steps filled with the last sample"),
            (self.gaps, "missing steps counted as no use"),
            (self.no_use, "tasks left out: no usable sample, or a limit of zero"),
        ];
        let mended = mended.into_iter().filter(|(count, _)| *count > 0);
        let texts: Vec<_> = mended.map(|(count, what)| format!("{count} {what}")).collect();
        f.write_str(&if texts.is_empty() { "nothing".to_owned() } else { texts.join("; ") })
    }
}

/// All jobs in the order of their submission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What was changed of the trace.
    pub repairs: Repairs,
}

impl Workload {
    /// Applies the rules for bad input and orders the jobs; the first is submitted at 0.
    ///
    /// # Errors
    /// There is nothing to replay, or it makes no sense.
    pub fn new(mut jobs: Vec<Job>, mut repairs: Repairs) -> Result<Self, WorkloadError> {
        let before = jobs.len();
        jobs.retain(|job| job.profile.length_ms() > 0);
        repairs.instant += (before - jobs.len()) as u64;
        if jobs.is_empty() {
            return Err(WorkloadError::Empty(repairs));
        }
        if jobs.len() > MAX_JOBS {
            return Err(WorkloadError::TooMany(jobs.len()));
        }
        let start = jobs.iter().map(|job| job.submitted_ms).min().unwrap_or(0);
        let mut names = BTreeSet::new();
        for job in &mut jobs {
            job.submitted_ms -= start;
            if !names.insert(job.name.clone()) {
                return Err(WorkloadError::Twice(job.name.clone()));
            }
            if job.submitted_ms.saturating_add(job.profile.length_ms()) > MAX_SPAN_MS {
                return Err(WorkloadError::Span(job.name.clone()));
            }
            let memory_milli = job.memory.as_ref().map_or(0, |memory| memory.request_milli);
            if job.request_cpus_milli.max(memory_milli) > MAX_REQUEST_MILLI {
                return Err(WorkloadError::AsksTooMuch(job.name.clone()));
            }
            if job.request_cpus_milli == 0 {
                return Err(WorkloadError::AsksNothing(job.name.clone()));
            }
            let mut capped = job.profile.cap(job.request_cpus_milli);
            if let Some(memory) = &mut job.memory {
                memory.profile.truncate(job.profile.length_ms());
                capped |= memory.profile.cap(memory.request_milli);
            }
            repairs.capped += u64::from(capped);
        }
        jobs.sort_by_key(|job| job.submitted_ms);
        Ok(Self { jobs, repairs })
    }

    /// Leaves out what no node of `cpus_milli`, and so much memory, can ever hold.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn fitting(mut self, cpus_milli: u64, memory_milli: u64) -> Result<Self, WorkloadError> {
        let before = self.jobs.len();
        let asks = |job: &Job| job.memory.as_ref().map_or(0, |memory| memory.request_milli);
        self.jobs.retain(|job| job.request_cpus_milli <= cpus_milli && asks(job) <= memory_milli);
        self.repairs.too_large += (before - self.jobs.len()) as u64;
        if self.jobs.is_empty() { Err(WorkloadError::TooLarge(before)) } else { Ok(self) }
    }

    /// The most memory that any job asks for; none: the trace does not tell of memory.
    #[must_use]
    pub fn largest_request_memory_milli(&self) -> Option<u64> {
        let asked = self.jobs.iter().filter_map(|job| Some(job.memory.as_ref()?.request_milli));
        asked.max().filter(|most| *most > 0)
    }

    /// The most that any job asks for.
    #[must_use]
    pub fn largest_request_cpus_milli(&self) -> u64 {
        self.jobs.iter().map(|job| job.request_cpus_milli).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, submitted_ms: u64, parts: &[(u64, u64)]) -> Job {
        let mut profile = Profile::default();
        parts.iter().for_each(|(length, used)| profile.push(*length, *used));
        Job { name: name.into(), submitted_ms, request_cpus_milli: 1_000, profile, memory: None }
    }

    #[test]
    fn a_profile_joins_even_stretches_and_can_be_cut_and_capped() {
        let mut profile = job("a", 0, &[(10, 5), (0, 9), (10, 5), (20, 7)]).profile;
        assert_eq!(profile.stretches(), [(20, 5), (40, 7)]);
        assert_eq!(profile.work(), 20 * 5 + 20 * 7);
        assert!(profile.cap(6) && !profile.cap(6));
        assert!(profile.truncate(30) && !profile.truncate(30));
        assert_eq!(profile.stretches(), [(20, 5), (30, 6)]);
        assert!(profile.truncate(0));
        assert_eq!(profile.length_ms(), 0);
    }

    #[test]
    fn bad_jobs_are_refused_by_name_or_counted() {
        let new = |jobs| Workload::new(jobs, Repairs::default());
        assert_eq!(new(vec![]), Err(WorkloadError::Empty(Repairs::default())));
        let instant = Repairs { instant: 1, ..Repairs::default() };
        assert_eq!(new(vec![job("a", 0, &[])]), Err(WorkloadError::Empty(instant)));
        let much = Job { request_cpus_milli: MAX_REQUEST_MILLI + 1, ..job("a", 0, &[(1, 1)]) };
        assert_eq!(new(vec![much]), Err(WorkloadError::AsksTooMuch("a".into())));
        let twice = vec![job("a", 0, &[(1, 1)]), job("a", 5, &[(1, 1)])];
        assert_eq!(new(twice), Err(WorkloadError::Twice("a".into())));
        let long = vec![job("a", 0, &[(u64::MAX, 1)])];
        assert_eq!(new(long), Err(WorkloadError::Span("a".into())));
        let ok = new(vec![job("b", 9, &[(5, 2_000)]), job("c", 7, &[(5, 1)]), job("d", 8, &[])]);
        let ok = ok.unwrap();
        assert_eq!((ok.repairs.capped, ok.repairs.instant), (1, 1));
        assert_eq!((ok.jobs[0].name.as_str(), ok.jobs[1].submitted_ms), ("c", 2));
        assert_eq!(ok.clone().fitting(1_000, 0).unwrap(), ok);
        assert_eq!(ok.fitting(999, 0), Err(WorkloadError::TooLarge(2)));
        let mut large = job("m", 0, &[(5, 1)]);
        let mut profile = Profile::default();
        profile.push(9, 30);
        large.memory = Some(Memory { request_milli: 20, profile });
        let large = new(vec![large]).unwrap();
        let memory = large.jobs[0].memory.as_ref().unwrap();
        assert_eq!(
            memory.profile.stretches(),
            [(5, 20)],
            "cut to the job, and to what it asks for"
        );
        assert_eq!(large.largest_request_memory_milli(), Some(20));
        assert_eq!(large.fitting(1_000, 19), Err(WorkloadError::TooLarge(1)));
    }
}
