//! The demo's figures: for a newcomer as a table, for a program as one JSON object.

use super::phase::{Burst, Outcome};
use anyhow::Context as _;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
pub(super) struct Figures {
    rung: String,
    absences: Vec<String>,
    node_cpus: f64,
    service_reserved_cpus: f64,
    bursts: usize,
    utilization_without: f64,
    utilization_with: f64,
    lent_cpus: f64,
    reclaim_ms_p50: f64,
    reclaim_ms_p99: f64,
    reclaim_ms_max: f64,
    bursts_not_reclaimed: usize,
    service_wait_ms_p99_alone: f64,
    service_wait_ms_p99_with: f64,
    service_wait_ms_p99_unprotected: f64,
    service_wait_ms_p50_alone: f64,
    service_wait_ms_p50_with: f64,
    service_wait_ms_p50_unprotected: f64,
    service_wait_ms_sum_alone: f64,
    service_wait_ms_sum_with: f64,
    service_wait_ms_sum_unprotected: f64,
    service_displaced_by_lent_with: u64,
    service_displaced_by_lent_unprotected: u64,
    service_switches_with: u64,
    service_request_ms_p99_alone: f64,
    service_request_ms_p99_with: f64,
    service_request_ms_p99_unprotected: f64,
    batch_units_done: u64,
    batch_units_done_unprotected: u64,
}

impl Figures {
    pub(super) fn of(alone: &Outcome, with: &Outcome, without: &Outcome) -> anyhow::Result<Self> {
        let no_waits = "the agent did not measure the service's waits; its log says why";
        let waits = |of: &Outcome| of.waits.clone().context(no_waits);
        let (a, b, c) = (waits(alone)?, waits(with)?, waits(without)?);
        let p99 = |p: Option<f64>| p.unwrap_or(0.0);
        let (reclaims, missed) = reclaim_ms(with);
        Ok(Self {
            rung: with.rung.clone(),
            absences: with.absences.clone(),
            node_cpus: with.total_cpus,
            service_reserved_cpus: with.service_cpus,
            bursts: with.bursts.len(),
            utilization_without: alone.utilization,
            utilization_with: with.utilization,
            lent_cpus: with.lent_cpus,
            reclaim_ms_p50: quantile(&reclaims, 0.5),
            reclaim_ms_p99: quantile(&reclaims, 0.99),
            reclaim_ms_max: quantile(&reclaims, 1.0),
            bursts_not_reclaimed: missed,
            service_wait_ms_p99_alone: p99(a.wait_ms_p99),
            service_wait_ms_p99_with: p99(b.wait_ms_p99),
            service_wait_ms_p99_unprotected: p99(c.wait_ms_p99),
            service_wait_ms_p50_alone: p99(a.wait_ms_p50),
            service_wait_ms_p50_with: p99(b.wait_ms_p50),
            service_wait_ms_p50_unprotected: p99(c.wait_ms_p50),
            service_wait_ms_sum_alone: a.wait_ms,
            service_wait_ms_sum_with: b.wait_ms,
            service_wait_ms_sum_unprotected: c.wait_ms,
            service_displaced_by_lent_with: b.displaced_by_lent,
            service_displaced_by_lent_unprotected: c.displaced_by_lent,
            service_switches_with: b.switches,
            service_request_ms_p99_alone: request_ms_p99(alone),
            service_request_ms_p99_with: request_ms_p99(with),
            service_request_ms_p99_unprotected: request_ms_p99(without),
            batch_units_done: with.batch_units,
            batch_units_done_unprotected: without.batch_units,
        })
    }
}

/// From the start of each burst (its first wait comes later) to the moment from which, until the
/// burst ends, a quota gives at least half of the node back. A burst that ends without counts with
/// its whole length, and is counted apart.
fn reclaim_ms(outcome: &Outcome) -> (Vec<f64>, usize) {
    let half_milli = (outcome.total_cpus * 500.0) as u64;
    let given_back_since = |burst: &Burst| {
        let written =
            outcome.quotas.iter().take_while(|quota| quota.written_at_ns < burst.ended_ns);
        written.fold(None, |since: Option<u64>, quota| {
            let low = quota.quota_cpus_milli.is_some_and(|milli| milli <= half_milli);
            low.then(|| since.unwrap_or(quota.written_at_ns))
        })
    };
    let mut missed = 0;
    let times = outcome.bursts.iter().map(|burst| {
        let since = given_back_since(burst).unwrap_or_else(|| {
            missed += 1;
            burst.ended_ns
        });
        since.saturating_sub(burst.started_ns) as f64 / 1e6
    });
    (times.collect(), missed)
}

fn request_ms_p99(outcome: &Outcome) -> f64 {
    let all = outcome.bursts.iter().flat_map(|burst| &burst.request_ns);
    quantile(&all.map(|ns| *ns as f64 / 1e6).collect::<Vec<_>>(), 0.99)
}

/// The nearest-rank quantile; 0 of nothing.
fn quantile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (p * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nA service reserves {:.1} of {:.0} CPUs and is mostly idle; {} times it becomes busy.\n",
            self.service_reserved_cpus, self.node_cpus, self.bursts
        )?;
        let percent = |part: f64| format!("{:.1} %", part * 100.0);
        let ms = |ms: f64| format!("{ms:.2} ms");
        let mut row = |what: &str, values: [String; 3]| {
            writeln!(f, "{what:<44}{:>14}{:>16}{:>16}", values[0], values[1], values[2])
        };
        row("", ["alone".into(), "with lending".into(), "no reclaim".into()])?;
        row(
            "CPU of the node in use",
            [percent(self.utilization_without), percent(self.utilization_with), String::new()],
        )?;
        row(
            "CPUs lent to the batch job",
            ["-".into(), format!("{:.2}", self.lent_cpus), "".into()],
        )?;
        row(
            "files the batch job compressed",
            [
                "-".into(),
                self.batch_units_done.to_string(),
                self.batch_units_done_unprotected.to_string(),
            ],
        )?;
        row(
            "service waits for a CPU, 99th percentile",
            [
                ms(self.service_wait_ms_p99_alone),
                ms(self.service_wait_ms_p99_with),
                ms(self.service_wait_ms_p99_unprotected),
            ],
        )?;
        row(
            "service waits for a CPU, in all",
            [
                ms(self.service_wait_ms_sum_alone),
                ms(self.service_wait_ms_sum_with),
                ms(self.service_wait_ms_sum_unprotected),
            ],
        )?;
        row(
            "service answers a request, 99th percentile",
            [
                ms(self.service_request_ms_p99_alone),
                ms(self.service_request_ms_p99_with),
                ms(self.service_request_ms_p99_unprotected),
            ],
        )?;
        writeln!(
            f,
            "\nFrom the start of a burst to the batch job throttled: p50 {}, p99 {}, max {}{}.",
            ms(self.reclaim_ms_p50),
            ms(self.reclaim_ms_p99),
            ms(self.reclaim_ms_max),
            match self.bursts_not_reclaimed {
                0 => String::new(),
                missed => format!(" ({missed} bursts passed without)"),
            }
        )?;
        write!(f, "Measured on rung {} (docs/measuring.md).", self.rung)?;
        self.absences.iter().try_for_each(|absence| write!(f, "\n{absence}"))
    }
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn nearest_rank() {
        let twenty: Vec<_> = (1..=20).map(f64::from).collect();
        assert_eq!(quantile(&twenty, 0.5), 10.0);
        assert_eq!(quantile(&twenty, 0.99), 20.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
