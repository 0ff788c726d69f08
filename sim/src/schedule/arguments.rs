//! `headroom simulate schedule`: its command line, and the run from trace to output.

use super::{
    ClusterError, JobsError, Policy, Setup, jobs, output, replay,
    summary::{Summary, summarise},
};
use crate::trace::{Format, Reading, Resource};
use indicatif::{ProgressBar, ProgressStyle};
use std::{io, io::Write, path::PathBuf, time::Duration};
use thiserror::Error;

/// At most so many nodes are simulated.
const MAX_NODES: usize = 100_000;
/// The core offers no less than so much.
const LEAST_CPUS_MILLI: u64 = headroom_core::offer::SMALLEST.cpus_milli();
/// At most so many frameworks.
const MAX_FRAMEWORKS: usize = 10_000;

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// Replay a trace's jobs through the allocator's own decisions: waits, waste, evictions, and the bounds
///
/// Jobs are submitted as the trace says to frameworks on simulated nodes; agents report and reclaim
/// with the code the real ones run. Nobody knows how long a job will run. docs/simulate.md says what
/// the figures mean, and how to bring a trace of your own.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The trace: a file (plain, .xz, .gz); for surf the NAME-tasks.csv, its usage lies beside it
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// How the trace is written
    #[arg(long, value_enum)]
    pub format: Format,
    /// So many nodes
    #[arg(long, value_name = "N")]
    pub nodes: usize,
    /// CPUs of a node, in the trace's unit [default: the most that a job asks for]
    #[arg(long, value_name = "AMOUNT")]
    pub node_cpus: Option<f64>,
    /// Memory of a node, in the trace's unit [default: the most that a job asks for]
    #[arg(long, value_name = "AMOUNT")]
    pub node_memory: Option<f64>,
    /// Whether jobs ask for and use memory, where the trace tells of it
    #[arg(long, value_enum, default_value = "on")]
    pub memory: Switch,
    /// How the queue is worked off
    #[arg(long, value_enum, default_value = "headroom")]
    pub policy: Policy,
    /// Whether what is held but idle is lent, and taken back
    #[arg(long, value_enum, default_value = "on")]
    pub reclaim: Switch,
    /// Jobs are dealt to so many frameworks (fcfs: always one queue)
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub frameworks: usize,
    /// Deals the jobs to the frameworks
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Length of a time step
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub step: humantime::Duration,
    /// Of a csv trace: the distance of samples [default: the usual one]
    #[arg(long, value_name = "TIME")]
    pub sample: Option<humantime::Duration>,
    /// Of an archive or folder only files whose names begin so
    #[arg(long, value_name = "PREFIX")]
    pub only: Option<String>,
    /// Length of the flow bound's time slots: shorter is sharper and slower; 0s leaves it out
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub bound_slot: humantime::Duration,
    /// How far the peak oracle must cover
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub horizon: humantime::Duration,
}

/// What a run needs besides its arguments.
pub struct Surroundings<'a> {
    /// Where the result goes.
    pub out: &'a mut dyn Write,
    /// JSON instead of tables.
    pub json: bool,
    /// A progress bar on standard error.
    pub progress: bool,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// An option that makes no sense.
    #[error("{0}")]
    Option(String),
    /// The trace is no good.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// The simulation failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The result could not be written.
    #[error("the result cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Reads, replays and prints.
///
/// # Errors
/// An option or the trace makes no sense, or the result cannot be written.
pub fn run(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), ScheduleError> {
    let summary = simulate(arguments, surroundings.progress)?;
    let text = if surroundings.json {
        output::json(&summary)
    } else {
        let units = [jobs::unit(arguments.format), jobs::memory_unit(arguments.format)];
        output::table(&summary, units)
    };
    Ok(surroundings.out.write_all(text.as_bytes())?)
}

/// Reads and replays.
///
/// # Errors
/// An option or the trace makes no sense.
pub fn simulate(arguments: &Arguments, progress: bool) -> Result<Summary, ScheduleError> {
    arguments.check()?;
    let reading = Reading {
        format: arguments.format,
        resource: Resource::Cpu,
        step: arguments.sample.map(Into::into),
        only: arguments.only.clone(),
    };
    let workload = jobs::read(&arguments.trace, &reading, arguments.memory == Switch::On)?;
    let milli = |amount: f64| (amount * 1_000.0).round() as u64;
    let node_cpus_milli = arguments.node_cpus.map_or(workload.largest_request_cpus_milli(), milli);
    if node_cpus_milli < LEAST_CPUS_MILLI {
        let what = "nodes of less than 0.01 CPUs are never offered: give larger ones (--node-cpus)";
        return Err(ScheduleError::Option(what.to_owned()));
    }
    let largest = workload.largest_request_memory_milli();
    if largest.is_none() && arguments.node_memory.is_some() {
        let what = "--node-memory: the trace does not tell of memory, or --memory is off";
        return Err(ScheduleError::Option(what.to_owned()));
    }
    let node_memory_milli = largest.map(|largest| arguments.node_memory.map_or(largest, milli));
    let fitting = workload.fitting(node_cpus_milli, node_memory_milli.unwrap_or(0));
    let workload = fitting.map_err(JobsError::of(&arguments.trace))?;
    let setup = Setup {
        policy: arguments.policy,
        reclaim: arguments.reclaim == Switch::On,
        nodes: arguments.nodes,
        node_cpus_milli,
        node_memory_milli,
        frameworks: arguments.frameworks,
        step: arguments.step.into(),
        seed: arguments.seed,
    };
    let bar = bar(progress, workload.jobs.len());
    let record = replay(&setup, &workload, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let slot = Some(Duration::from(arguments.bound_slot)).filter(|slot| !slot.is_zero());
    Ok(summarise(&setup, &workload, &record?, slot, arguments.horizon.into()))
}

fn bar(shown: bool, jobs: usize) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(jobs as u64);
    let style = ProgressStyle::with_template("replaying {wide_bar} {pos} of {len} jobs");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

impl Arguments {
    fn check(&self) -> Result<(), ScheduleError> {
        let refuse = |what: String| Err(ScheduleError::Option(what));
        if !(1..=MAX_NODES).contains(&self.nodes) {
            return refuse(format!("--nodes must lie between 1 and {MAX_NODES}"));
        }
        if !(1..=MAX_FRAMEWORKS).contains(&self.frameworks) {
            return refuse(format!("--frameworks must lie between 1 and {MAX_FRAMEWORKS}"));
        }
        if self.node_cpus.is_some_and(|cpus| !(0.01..=1e9).contains(&cpus)) {
            return refuse("--node-cpus must lie above 0 (0.01 at least), up to 1e9".to_owned());
        }
        if self.node_memory.is_some_and(|memory| !(0.001..=1e15).contains(&memory)) {
            return refuse(
                "--node-memory must lie above 0 (0.001 at least), up to 1e15".to_owned(),
            );
        }
        let whole_ms = |time: humantime::Duration| time.subsec_nanos().is_multiple_of(1_000_000);
        if self.step.is_zero() || !whole_ms(self.step) || self.step.as_secs() > 3_600 {
            return refuse("--step must be whole milliseconds, up to an hour".to_owned());
        }
        if !self.bound_slot.is_zero() && self.bound_slot.as_secs() == 0 {
            return refuse("--bound-slot must be a second at least, or 0s for none".to_owned());
        }
        if self.horizon.as_secs() > 86_400 {
            return refuse("--horizon can be a day at most".to_owned());
        }
        Ok(())
    }
}
