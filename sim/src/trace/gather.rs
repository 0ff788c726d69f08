//! Samples at any time become series on one grid of steps; what had to be mended is counted.
//!
//! The rules: a step's use is the mean of the samples in it. A step without samples repeats the last
//! one for up to [`CARRIED`], and then counts as no use. A task is there from its first to its last
//! sample. Its limit is the largest it ever had, and use above that is cut. A use or limit that is
//! negative or no number is left out. Time may run backwards: a sample goes where its time says.

use super::{Place, Repairs, Resource, Series, Trace, TraceError};
use std::time::Duration;

/// How long the last sample stands in for missing ones.
const CARRIED: Duration = Duration::from_secs(30 * 60);
/// The longest trace: a time outside it is a broken clock, not a trace.
const LONGEST: Duration = Duration::from_secs(1_000 * 86_400);
/// The most steps of a trace, so that a wrong step does not eat the memory (ten years of 5 minutes).
const MOST_STEPS: i64 = 1 << 20;
/// The most steps of all tasks together (half a GB).
const MOST_CELLS: usize = 1 << 27;

/// One measurement of one task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) time_s: i64,
    pub(crate) limit: f64,
    pub(crate) used: f64,
}

/// The samples of one task, as they are read.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<(i64, f32, f32)>);

impl Samples {
    /// The most common distance in time between one sample and the next.
    pub(crate) fn distances_s(&self) -> impl Iterator<Item = i64> {
        self.0.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|distance| *distance > 0)
    }
}

pub(crate) struct Gatherer {
    step_s: i64,
    earliest_s: Option<i64>,
    series: Vec<(i64, Series)>,
    cells: usize,
    repairs: Repairs,
}

impl Gatherer {
    pub(crate) fn new(step: Duration) -> Self {
        let repairs = Repairs::default();
        let mut new = Self { step_s: 1, earliest_s: None, series: Vec::new(), cells: 0, repairs };
        new.set_step(step);
        new
    }

    pub(crate) fn set_step(&mut self, step: Duration) {
        self.step_s = i64::try_from(step.as_secs()).unwrap_or(i64::MAX).max(1);
    }

    pub(crate) fn repairs(&mut self) -> &mut Repairs {
        &mut self.repairs
    }

    /// Takes a sample in, if it is one.
    pub(crate) fn note(
        &mut self,
        samples: &mut Samples,
        sample: Sample,
        place: Place<'_>,
    ) -> Result<(), TraceError> {
        let first = *self.earliest_s.get_or_insert(sample.time_s);
        if sample.time_s.abs_diff(first) > LONGEST.as_secs() {
            let days = LONGEST.as_secs() / 86_400;
            return Err(place.fault(format_args!(
                "time {} lies more than {days} days from the first sample's {first}",
                sample.time_s
            )));
        }
        if !is_amount(sample.used) {
            self.repairs.not_a_use += 1;
            return Ok(());
        }
        if !is_amount(sample.limit) {
            self.repairs.not_a_limit += 1;
            return Ok(());
        }
        if samples.0.last().is_some_and(|last| sample.time_s < last.0) {
            self.repairs.backwards += 1;
        }
        samples.0.push((sample.time_s, sample.limit as f32, sample.used as f32));
        Ok(())
    }

    /// All samples of the task are in.
    pub(crate) fn close(&mut self, name: &str, samples: &Samples) {
        let cell = |time_s: i64| time_s.div_euclid(self.step_s);
        let cells = samples.0.iter().map(|sample| cell(sample.0));
        let (Some(first), Some(last)) = (cells.clone().min(), cells.max()) else {
            self.repairs.tasks_without_samples += 1;
            return;
        };
        let limit = samples.0.iter().fold(0f32, |most, sample| most.max(sample.1));
        if limit <= 0.0 {
            self.repairs.tasks_without_limit += 1;
            return;
        }
        let length = (last - first + 1).min(MOST_STEPS + 1) as usize;
        self.cells = self.cells.saturating_add(length);
        if self.cells > MOST_CELLS {
            return; // `finish` refuses so large a trace
        }
        let (mut sums, mut counts) = (vec![0f64; length], vec![0u32; length]);
        for (time_s, _, used) in &samples.0 {
            let at = (cell(*time_s) - first) as usize;
            if at >= length {
                continue; // `finish` refuses so long a trace
            }
            self.repairs.samples += 1;
            self.repairs.capped += u64::from(*used > limit);
            sums[at] += f64::from(used.min(limit));
            counts[at] += 1;
        }
        let used = self.fill(&sums, &counts);
        self.series.push((first, Series { name: name.to_owned(), first: 0, limit, used }));
    }

    fn fill(&mut self, sums: &[f64], counts: &[u32]) -> Vec<f32> {
        let carried_steps = CARRIED.as_secs() as i64 / self.step_s;
        let (mut last, mut missing) = (0f32, 0);
        let mut used = Vec::with_capacity(sums.len());
        for (sum, count) in sums.iter().zip(counts) {
            if *count > 0 {
                (last, missing) = ((sum / f64::from(*count)) as f32, 0);
            } else {
                missing += 1;
                if missing > carried_steps {
                    last = 0.0;
                    self.repairs.gap_steps += 1;
                } else {
                    self.repairs.carried_steps += 1;
                }
            }
            used.push(last);
        }
        used
    }

    /// A task whose use is already one figure a step.
    pub(crate) fn whole(&mut self, name: &str, start_s: i64, limit: f64, used: &[f64]) {
        let mut samples = Samples::default();
        for (at, used) in (0i64..).zip(used) {
            if is_amount(*used) && is_amount(limit) {
                samples.0.push((start_s + at * self.step_s, limit as f32, *used as f32));
            } else {
                self.repairs.not_a_use += 1;
            }
        }
        self.close(name, &samples);
    }

    /// All tasks on one grid that begins with the first of them.
    pub(crate) fn finish(self, file: &str, resource: Resource) -> Result<Trace, TraceError> {
        let failed = |what: String| TraceError::File { file: file.to_owned(), what };
        if self.cells > MOST_CELLS {
            let most = format!("more than {MOST_CELLS} steps of all tasks together");
            return Err(failed(format!("{most}; choose a longer step than {} s", self.step_s)));
        }
        let Some(start) = self.series.iter().map(|(first, _)| *first).min() else {
            return Err(failed(format!("no usable sample in it ({})", self.repairs)));
        };
        let end = |(first, series): &(i64, Series)| first + series.used.len() as i64;
        let steps = self.series.iter().map(end).max().unwrap_or(start) - start;
        if steps > MOST_STEPS {
            return Err(failed(format!(
                "{steps} steps of {} s; at most {MOST_STEPS} are read: choose a longer step",
                self.step_s
            )));
        }
        let settle =
            |(first, series): (i64, Series)| Series { first: (first - start) as usize, ..series };
        Ok(Trace {
            resource,
            step: Duration::from_secs(self.step_s.unsigned_abs()),
            start_s: start * self.step_s,
            steps: steps as usize,
            series: self.series.into_iter().map(settle).collect(),
            repairs: self.repairs,
        })
    }
}

/// An amount that means something: not negative, a number, and within a float's range.
fn is_amount(amount: f64) -> bool {
    amount >= 0.0 && amount <= f64::from(f32::MAX)
}
