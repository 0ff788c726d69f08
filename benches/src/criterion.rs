//! What criterion found: read from the files it leaves.

use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// Benchmarks by criterion's names, which are also its directories.
pub const BENCHES: [&str; 3] =
    ["fit/10000 agents", "fit/10000 agents, none fits", "fairness/1000 hungry frameworks"];

/// One benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Criterion's name of it.
    pub name: &'static str,
    /// Nanoseconds a call.
    pub mean_ns: f64,
    /// The confidence interval of the mean.
    pub mean_ns_95: (f64, f64),
    /// The median.
    pub median_ns: f64,
}

#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Reads the newest estimates below `dir`.
///
/// # Errors
/// Absent when a benchmark has not been run.
pub fn read(dir: Option<&Path>) -> Result<Vec<Measured>, Fault> {
    let absent = || Fault::Absent("not run; `cargo xtask bench` runs it first".to_owned());
    let dir = dir.ok_or_else(absent)?;
    BENCHES.iter().map(|name| one(dir, name)).collect()
}

fn one(dir: &Path, name: &'static str) -> Result<Measured, Fault> {
    let path = dir.join(name).join("new/estimates.json");
    let read = || -> Option<Estimates> { serde_json::from_slice(&fs::read(&path).ok()?).ok() };
    let found = read().ok_or_else(|| {
        let path = path.display();
        Fault::Absent(format!("no estimates in {path}: `cargo bench -p headroom-benches`"))
    })?;
    let Interval { lower_bound, upper_bound } = found.mean.confidence_interval;
    Ok(Measured {
        name,
        mean_ns: found.mean.point_estimate,
        mean_ns_95: (lower_bound, upper_bound),
        median_ns: found.median.point_estimate,
    })
}
