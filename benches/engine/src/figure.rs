//! A figure beside its target, its bound and its peer.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::{
    fmt::{self, Display},
    time::Duration,
};

/// One measured figure. All three to compare with are in the same unit; absent where there is none.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) case: String,
    pub(crate) shape: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What is aimed at.
    pub(crate) target: Option<f64>,
    /// What the machine can't go below, from the costs of single operations.
    pub(crate) bound: Option<f64>,
    /// Mesos' own allocator at this shape, on another machine of the kind (docs/performance.md).
    pub(crate) mesos: Option<f64>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    /// Adds one with nothing to compare with yet.
    pub(crate) fn add(
        &mut self,
        case: impl Into<String>,
        shape: impl Display,
        value: f64,
        unit: &'static str,
    ) -> &mut Figure {
        let (case, shape) = (case.into(), shape.to_string());
        let (target, bound, mesos) = (None, None, None);
        self.0.push(Figure { case, shape, value, unit, target, bound, mesos });
        self.0.last_mut().expect("one was just added")
    }
}

impl Figure {
    pub(crate) fn target(&mut self, target: impl Into<Option<f64>>) -> &mut Self {
        self.target = target.into();
        self
    }

    pub(crate) fn bound(&mut self, bound: impl Into<Option<f64>>) -> &mut Self {
        self.bound = bound.into();
        self
    }

    pub(crate) fn mesos(&mut self, mesos: impl Into<Option<f64>>) -> &mut Self {
        self.mesos = mesos.into();
        self
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<46} {:>15} {:>12} {:<9} {:>9} {:>9} {:>9}",
            "case", "shape", "value", "", "target", "bound", "Mesos"
        )?;
        let text = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), plain);
        for figure in &self.0 {
            let Figure { case, shape, value, unit, target, bound, mesos } = figure;
            writeln!(
                f,
                "{case:<46} {shape:>15} {:>12} {unit:<9} {:>9} {:>9} {:>9}",
                plain(*value),
                text(*target),
                text(*bound),
                text(*mesos)
            )?;
        }
        Ok(())
    }
}

/// Three significant digits, or all that stand before the point.
fn plain(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// Milliseconds.
pub(crate) fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// The middle one of several durations; none: zero.
pub(crate) fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Longer latencies count as this long.
const LONGEST_NS: u64 = 60_000_000_000;

/// Latencies as a histogram with three significant digits, in nanoseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("bounds and digits are in range")
}

/// Quantiles of a histogram of nanoseconds, in microseconds.
pub(crate) fn quantiles(of: &Histogram<u64>) -> [(&'static str, f64); 4] {
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)]
        .map(|(name, part)| (name, of.value_at_quantile(part) as f64 / 1e3))
}
