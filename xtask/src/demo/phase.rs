//! One run of the demo: the service, with or without a batch job on what it leaves idle.

use super::{
    batch::{self, Units},
    cluster::{BATCH_ROLE, Cluster, Reclaim, terminate},
    log::{self, Quota, Waits},
    stop,
};
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout},
    sync::mpsc,
    thread::{self, available_parallelism},
    time::{Duration, Instant},
};

/// Whether idle resources are lent to a batch job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lending {
    On,
    Off,
}

/// Time for the service to show that it is idle, in every run.
const LEAD: Duration = Duration::from_secs(12);
/// For the batch job to find its place: other work on the machine has to be forgotten first.
const PLACE_PATIENCE: Duration = Duration::from_secs(120);
const EVERY_MS: u64 = 4_000;
const BURST_MS: u64 = 600;
const SERVICE: &str = "service";
const BATCH: &str = "batch";

/// About how long a phase takes.
pub(super) fn seconds(bursts: u32) -> u64 {
    LEAD.as_secs() + u64::from(bursts) * EVERY_MS / 1_000 + 5
}

/// What to run.
pub(super) struct Phase<'a> {
    pub(super) headroom: &'a Path,
    pub(super) bursts: u32,
    pub(super) lending: Lending,
    pub(super) reclaim: Reclaim,
}

/// One burst, by the service's own clock (CLOCK_MONOTONIC).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Burst {
    pub(super) started_ns: u64,
    pub(super) ended_ns: u64,
    pub(super) request_ns: Vec<u64>,
}

/// What a run gave.
pub(super) struct Outcome {
    pub(super) rung: String,
    pub(super) absences: Vec<String>,
    pub(super) total_cpus: f64,
    pub(super) service_cpus: f64,
    /// Part of the node's CPU time that was used, 0 to 1.
    pub(super) utilization: f64,
    /// CPUs lent, on average over the run.
    pub(super) lent_cpus: f64,
    pub(super) bursts: Vec<Burst>,
    pub(super) waits: Option<Waits>,
    pub(super) quotas: Vec<Quota>,
    pub(super) batch_units: u64,
}

impl Phase<'_> {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let cpus = available_parallelism()?.get();
        let service_cpus = cpus as f64 * 0.9;
        let cluster = Cluster::start(self.headroom, self.reclaim)?;
        let mut service = self.start_service(&cluster, service_cpus)?;
        let bursts = bursts_of(service.stdout.take().context("the service has no output")?);
        let idle_since = Instant::now();
        let mut batch = match self.lending {
            Lending::On => Some(start_batch(&cluster, cpus)?),
            Lending::Off => None,
        };
        stop::wait("the lead", LEAD * 2, || Ok((idle_since.elapsed() > LEAD).then_some(())))?;
        fs::write(cluster.start_file(), "")?;
        let measured = self.measure(&cluster, &mut service, batch.as_ref(), &bursts);
        if let Some((batch, _)) = &mut batch {
            terminate(batch);
        }
        terminate(&mut service);
        let measured = measured?;
        let agent = cluster.agent()?;
        let log = cluster.finish()?;
        Ok(Outcome {
            rung: agent["rung"].as_str().unwrap_or("?").to_owned(),
            absences: log::absences(&log),
            total_cpus: agent["total"]["cpus"].as_f64().unwrap_or(cpus as f64),
            service_cpus,
            utilization: measured.utilization,
            lent_cpus: measured.lent_cpus,
            bursts: measured.bursts,
            waits: log::waits(&log, SERVICE),
            quotas: log::quotas(&log),
            batch_units: measured.batch_units,
        })
    }

    fn start_service(&self, cluster: &Cluster, cpus: f64) -> anyhow::Result<Child> {
        let xtask = std::env::current_exe()?;
        let xtask = xtask.to_str().context("the path of this program is not UTF-8")?;
        let bursts = self.bursts.to_string();
        let start = cluster.start_file();
        let start = start.to_str().context("the temporary directory's path is not UTF-8")?;
        let (every, burst) = (EVERY_MS.to_string(), BURST_MS.to_string());
        let cpus = format!("{cpus:.3}");
        let service = cluster.run(&[
            "--name",
            SERVICE,
            "--cpus",
            &cpus,
            "--memory",
            "256MiB",
            "--",
            xtask,
            "demo-service",
            "--start",
            start,
            "--bursts",
            &bursts,
            "--every-ms",
            &every,
            "--burst-ms",
            &burst,
        ])?;
        stop::wait("the service to run", Duration::from_secs(20), || {
            Ok(cluster.runs(SERVICE)?.then_some(()))
        })?;
        Ok(service)
    }

    /// From the end of the lead to the service's end.
    fn measure(
        &self,
        cluster: &Cluster,
        service: &mut Child,
        batch: Option<&(Child, Units)>,
        told: &mpsc::Receiver<Burst>,
    ) -> anyhow::Result<Measured> {
        let patience = Duration::from_secs(30);
        let mut bursts =
            vec![stop::wait("the first burst", patience, || Ok(told.try_recv().ok()))?];
        let before = (cpu_times()?, batch.map_or(0, |(_, units)| units.so_far()));
        let mut lent = Vec::new();
        let patience = Duration::from_secs(seconds(self.bursts) + 30);
        let status = stop::wait("the service's last burst", patience, || {
            bursts.extend(told.try_iter());
            thread::sleep(Duration::from_millis(950));
            lent.push(cluster.agent()?["lent"]["cpus"].as_f64().unwrap_or(0.0));
            Ok(service.try_wait()?)
        })?;
        bursts.extend(told.try_iter());
        if !status.success() || bursts.len() != self.bursts as usize {
            bail!("the service ended early ({status}, {} bursts)", bursts.len());
        }
        let (busy, all) = cpu_times()?;
        Ok(Measured {
            utilization: (busy - before.0.0) as f64 / (all - before.0.1).max(1) as f64,
            lent_cpus: lent.iter().sum::<f64>() / lent.len().max(1) as f64,
            batch_units: batch.map_or(0, |(_, units)| units.so_far() - before.1),
            bursts,
        })
    }
}

struct Measured {
    utilization: f64,
    lent_cpus: f64,
    batch_units: u64,
    bursts: Vec<Burst>,
}

fn start_batch(cluster: &Cluster, cpus: usize) -> anyhow::Result<(Child, Units)> {
    let asks = format!("{:.3}", cpus as f64 * 0.6);
    let mut batch = cluster.run(&[
        "--name",
        BATCH,
        "--role",
        BATCH_ROLE,
        "--cpus",
        &asks,
        "--memory",
        "256MiB",
        "--",
        "sh",
        "-c",
        &batch::script(cpus),
    ])?;
    let placed = stop::wait("the batch job's place", PLACE_PATIENCE, || {
        Ok(cluster.runs(BATCH)?.then_some(()))
    });
    let output = batch.stdout.take().context("the batch job has no output")?;
    if let Err(fault) = placed {
        let why = cluster.why(BATCH);
        terminate(&mut batch);
        bail!("{fault}: nothing could be lent. Is the machine busy with other work?\n{why}");
    }
    Ok((batch, Units::count(output)))
}

fn bursts_of(output: ChildStdout) -> mpsc::Receiver<Burst> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Ok(burst) = serde_json::from_str(&line) {
                let _ = tell.send(burst);
            }
        }
    });
    told
}

/// Busy and all CPU time of the node in ticks, the first line of /proc/stat: user nice system idle
/// iowait irq softirq steal.
fn cpu_times() -> anyhow::Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let times: Vec<u64> = line.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, ..] = times[..] else {
        bail!("/proc/stat is not understood: {line:?}");
    };
    let busy = user + nice + system + irq + softirq;
    Ok((busy, busy + idle + iowait))
}
