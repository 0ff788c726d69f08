//! A figure beside its target, its bound and its peer.

use crate::took::Took;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt::{self, Display};

/// One measured figure. All three to compare with are in the same unit; absent where there is none.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) case: String,
    pub(crate) shape: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The part of a time that was spent on a CPU.
    pub(crate) on_cpu: Option<f64>,
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
        let (on_cpu, target, bound, mesos) = (None, None, None, None);
        self.0.push(Figure { case, shape, value, unit, on_cpu, target, bound, mesos });
        self.0.last_mut().expect("one was just added")
    }

    /// Adds a time, in milliseconds.
    pub(crate) fn time(
        &mut self,
        case: impl Into<String>,
        shape: impl Display,
        took: Took,
    ) -> &mut Figure {
        let figure = self.add(case, shape, took.wall.as_secs_f64() * 1e3, "ms");
        figure.on_cpu = Some(took.cpu.as_secs_f64() * 1e3);
        figure
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
            "{:<46} {:>13} {:>10} {:<9} {:>9} {:>9} {:>9} {:>9}",
            "case", "shape", "value", "", "on CPU", "target", "bound", "Mesos"
        )?;
        let text = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), plain);
        for figure in &self.0 {
            let Figure { case, shape, value, unit, on_cpu, target, bound, mesos } = figure;
            writeln!(
                f,
                "{case:<46} {shape:>13} {:>10} {unit:<9} {:>9} {:>9} {:>9} {:>9}",
                plain(*value),
                text(*on_cpu),
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
