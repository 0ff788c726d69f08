//! `headroom simulate forecast`: its command line, and the run from trace to output.

use super::{Comparison, ForecastError, Rule, Terms, output, plot, predictors, progress};
use crate::trace::{self, Format, Reading, Resource, Trace};
use std::{fs, io::Write, path::PathBuf};

/// Tasks on a machine at the busiest step, where neither `--machines` nor `--capacity` says otherwise.
const TASKS_A_MACHINE: usize = 25;

/// Replay a trace, and compare what forecasts of each machine's peak would have won and risked
///
/// Tasks are placed on machines by seed. Each predictor is shown step after step, and asked for the peak of the
/// coming while; a violation is a peak above the forecast. docs/forecast.md says what the columns mean, and how
/// to write down a trace of your own (--format csv).
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The trace: a file (plain, .xz, .gz, .tar.xz, .tar.gz), or a folder for planetlab and gcd
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// How the trace is written
    #[arg(long, value_enum)]
    pub format: Format,
    /// Which resource
    #[arg(long, value_enum, default_value = "cpu")]
    pub resource: Resource,
    /// How far to look ahead
    #[arg(long, value_delimiter = ',', default_value = "5m,1h,6h,24h", value_name = "TIME[,..]")]
    pub horizon: Vec<humantime::Duration>,
    /// Which predictors: all, or names
    #[arg(long, value_delimiter = ',', default_value = "all", value_name = "all|NAME[,..]")]
    pub predictor: Vec<String>,
    /// The violation rate to aim at
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    pub target: f64,
    /// So many machines; each task goes to the one with the fewest tasks
    #[arg(long, value_name = "N")]
    pub machines: Option<usize>,
    /// Instead: machines of this size (in the trace's unit), as many as needed; each task goes to the first it fits
    #[arg(long, value_name = "AMOUNT", conflicts_with = "machines")]
    pub capacity: Option<f64>,
    /// Makes the order in which tasks that come together are placed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Length of a step [default: the format's; csv: the usual distance of samples]
    #[arg(long, value_name = "TIME")]
    pub step: Option<humantime::Duration>,
    /// Show, but do not judge the beginning [default: 24h, or 2h of a trace shorter than two days]
    #[arg(long, value_name = "TIME")]
    pub skip: Option<humantime::Duration>,
    /// Of an archive or folder only files whose names begin so
    #[arg(long, value_name = "PREFIX")]
    pub only: Option<String>,
    /// Print CSV
    #[arg(long)]
    pub csv: bool,
    /// Also draw violations against savings into this file (SVG)
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// How many threads [default: as many as processors]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// What a run needs besides its arguments.
pub struct Surroundings<'a> {
    /// Where the result goes.
    pub out: &'a mut dyn Write,
    /// JSON instead of a table.
    pub json: bool,
    /// A progress bar on standard error.
    pub progress: bool,
}

/// Reads, replays, judges and prints.
pub fn run(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), ForecastError> {
    arguments.check()?;
    let predictors = predictors::named(&arguments.predictor)?;
    let reading = Reading {
        format: arguments.format,
        resource: arguments.resource,
        step: arguments.step.map(Into::into),
        only: arguments.only.clone(),
    };
    let spinner = progress::reading(surroundings.progress);
    let trace = trace::read(&arguments.trace, &reading);
    spinner.finish_and_clear();
    let trace = trace?;
    let terms = Terms {
        rule: arguments.rule(&trace),
        seed: arguments.seed,
        horizons: arguments.horizon.iter().map(|horizon| **horizon).collect(),
        target: arguments.target,
        skip: arguments.skip.map(Into::into),
        threads: arguments.threads,
    };
    let bar = progress::replaying(surroundings.progress, predictors.len() * trace.steps);
    let comparison = Comparison::run(&trace, &predictors, &terms, &|| bar.inc(1));
    bar.finish_and_clear();
    let comparison = comparison?;
    if let Some(path) = &arguments.plot {
        let failed = |source| ForecastError::Write { path: path.clone(), source };
        fs::write(path, plot::svg(&comparison)).map_err(failed)?;
    }
    let text = match (surroundings.json, arguments.csv) {
        (true, _) => output::json(&comparison),
        (false, true) => output::csv(&comparison),
        (false, false) => output::table(&comparison, &predictors),
    };
    let failed = |source| ForecastError::Write { path: PathBuf::from("standard output"), source };
    surroundings.out.write_all(text.as_bytes()).map_err(failed)
}

impl Arguments {
    fn check(&self) -> Result<(), ForecastError> {
        let refuse = |what: &str| Err(ForecastError::Option(what.to_owned()));
        if !(self.target > 0.0 && self.target < 1.0) {
            return refuse("--target must lie between 0 and 1, as 0.01 for one step in a hundred");
        }
        if self.machines == Some(0) {
            return refuse("--machines must be at least 1");
        }
        if self.capacity.is_some_and(|capacity| !(capacity > 0.0 && capacity.is_finite())) {
            return refuse("--capacity must be above zero");
        }
        if self.step.is_some_and(|step| step.as_secs() == 0 || step.subsec_nanos() != 0) {
            return refuse("--step must be whole seconds, at least one");
        }
        if self.horizon.iter().any(|horizon| horizon.is_zero()) {
            return refuse("--horizon must be above zero");
        }
        Ok(())
    }

    fn rule(&self, trace: &Trace) -> Rule {
        match (self.capacity, self.machines) {
            (Some(capacity), _) => Rule::FirstFit { capacity },
            (None, Some(machines)) => Rule::Spread { machines },
            (None, None) => {
                Rule::Spread { machines: trace.most_present().div_ceil(TASKS_A_MACHINE).max(1) }
            }
        }
    }
}
