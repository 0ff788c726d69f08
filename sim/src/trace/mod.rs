//! Traces: who was there, what each might use and what each used, on one grid of time.
//!
//! One reader for each format. What a reader had to mend is counted in [`Repairs`]; what it cannot mend is an
//! error with file and line. `docs/forecast.md` documents the formats.

mod bitbrains;
mod csv;
mod error;
mod gather;
mod gcd;
mod lines;
mod openb;
mod percentages;
mod planetlab;
mod repairs;
pub(crate) mod source;
pub(crate) mod surf;

pub use error::TraceError;
pub use openb::{Node, Pod, read_nodes, read_pods};
pub use repairs::Repairs;

pub(crate) use lines::{Lines, Place};
use std::{path::Path, time::Duration};

/// Which resource of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Processor time.
    Cpu,
    /// Memory.
    #[value(name = "mem", alias = "memory")]
    Memory,
}

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Bitbrains (GWA-T-12), all VMs in one file: `#vm N`, then unix s, cores, MHz provisioned, MHz used, KB provisioned, KB active.
    Bitbrains,
    /// SURF Lisa as OpenDC keeps it: NAME-tasks.csv, and beside it NAME-usage-rle.csv (CPU only).
    Surf,
    /// PlanetLab: folders of files with one CPU percentage for each 5 minutes of a day (CPU only).
    Planetlab,
    /// Google 2011 as HiPro-IT derived it: files with CPU and memory percentage for each 5 minutes of a day.
    Gcd,
    /// Alibaba openb pods: requests and waits, no use (not for forecasts).
    Openb,
    /// Your own: a header, then time_s,task,cpu_limit,cpu_used,memory_limit,memory_used.
    Csv,
}

/// One task: there from step `first` on, for as many steps as `used` has.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the trace calls it.
    pub name: String,
    /// The step in which it appeared.
    pub first: usize,
    /// What it may never pass.
    pub limit: f32,
    /// What it used in each step; at most `limit`.
    pub used: Vec<f32>,
}

impl Series {
    /// The first step in which it is gone.
    #[must_use]
    pub fn end(&self) -> usize {
        self.first + self.used.len()
    }
}

/// One resource of all tasks of a trace.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Which resource this is.
    pub resource: Resource,
    /// How long a step is.
    pub step: Duration,
    /// When step 0 begins, in seconds of the trace's own clock.
    pub start_s: i64,
    /// How many steps there are.
    pub steps: usize,
    /// All tasks, in the order of the file.
    pub series: Vec<Series>,
    /// What had to be mended.
    pub repairs: Repairs,
}

/// How to read a trace.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How it is written.
    pub format: Format,
    /// Which resource is wanted.
    pub resource: Resource,
    /// The length of a step; absent: the format's own, or for csv the most common distance of two samples.
    pub step: Option<Duration>,
    /// Of an archive or folder only the files whose names begin so.
    pub only: Option<String>,
}

/// Reads the trace at `path`.
pub fn read(path: &Path, reading: &Reading) -> Result<Trace, TraceError> {
    let trace = match reading.format {
        Format::Bitbrains => bitbrains::read(path, reading),
        Format::Surf => surf::read(path, reading),
        Format::Planetlab => planetlab::read(path, reading),
        Format::Gcd => gcd::read(path, reading),
        Format::Csv => csv::read(path, reading),
        Format::Openb => Err(TraceError::File {
            file: path.display().to_string(),
            what: "openb tells what was requested, not what was used: nothing to forecast \
                   (it serves `headroom simulate schedule`)"
                .to_owned(),
        }),
    };
    trace.map(|trace| trace.cut_to_limits())
}

/// Whether a trace tells of memory in use.
pub fn tells_memory(path: &Path, format: Format) -> Result<bool, TraceError> {
    match format {
        Format::Bitbrains | Format::Gcd => Ok(true),
        Format::Csv => csv::tells_memory(path),
        Format::Surf | Format::Planetlab | Format::Openb => Ok(false),
    }
}

impl Trace {
    /// How many tasks there are in the busiest step.
    #[must_use]
    pub fn most_present(&self) -> usize {
        let comes = self.series.iter().map(|series| (series.first, 1i64));
        let goes = self.series.iter().map(|series| (series.end(), -1i64));
        let mut changes: Vec<_> = comes.chain(goes).collect();
        changes.sort_unstable(); // who goes in a step goes before who comes
        let mut present = 0;
        let counts = changes.into_iter().map(|(_, change)| {
            present += change;
            present
        });
        counts.max().map_or(0, |most| most as usize)
    }

    /// Rounding in a mean must not lift a use above the limit.
    fn cut_to_limits(mut self) -> Self {
        for series in &mut self.series {
            for used in &mut series.used {
                *used = used.min(series.limit);
            }
        }
        self
    }
}

fn cpu_only(path: &Path, resource: Resource, format: &str) -> Result<(), TraceError> {
    if resource == Resource::Cpu {
        return Ok(());
    }
    let what = format!("{format} traces tell CPU use only: ask for --resource cpu");
    Err(TraceError::File { file: path.display().to_string(), what })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Tasks from their first step and uses; their limit is 10.
    pub(crate) fn trace_of(series: &[(usize, Vec<u8>)]) -> Trace {
        let series: Vec<Series> = series
            .iter()
            .map(|(first, used)| Series {
                name: String::new(),
                first: *first,
                limit: 10.0,
                used: used.iter().map(|used| f32::from(*used)).collect(),
            })
            .collect();
        let steps = series.iter().map(Series::end).max().unwrap_or(0);
        let (step, repairs) = (Duration::from_secs(300), Repairs::default());
        Trace { resource: Resource::Cpu, step, start_s: 0, steps, series, repairs }
    }

    #[test]
    fn the_busiest_step() {
        let trace = trace_of(&[(0, vec![1; 5]), (3, vec![1; 4]), (5, vec![1; 2]), (9, vec![1])]);
        assert_eq!(trace.most_present(), 2);
    }
}
