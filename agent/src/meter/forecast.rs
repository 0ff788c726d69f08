//! The node's forecast: fed every step, kept over restarts of the agent.
//!
//! It goes by the wall clock, as what recurs each day must be found again after a restart; a clock that is set
//! back is taken to have stood still (core/forecast/outlook). CPU is averaged over some seconds first.

use super::metered::Meters;
use crate::{
    cgroup::Class,
    checkpoint::{CheckpointError, load_or_quarantine_up_to, save_compact},
    config::Config,
    node,
};
use headroom_core::{
    command::Usage,
    forecast::{Average, NodeForecast, NodeTask, Quality},
    resources::Amounts,
    time::Time,
};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{info, warn};

/// Below the state directory.
const FILE: &str = "forecast.json";
/// A checkpoint of another form is not read.
const VERSION: u32 = 2;
/// So much at most is lost by a crash: one slot of the digest's shorter ring.
const SAVE_EVERY: Duration = Duration::from_secs(300);
/// Some 10,000 tasks. A bigger one is not written, and said.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    node: NodeForecast,
}

/// See the module.
pub(super) struct Forecast {
    node: NodeForecast,
    /// What the machine has: the system can't use more.
    capacity: Amounts,
    /// The CPUs of the system of late, and over how long all are averaged.
    system_cpus: Average,
    average: Duration,
    /// Room for one step.
    tasks: Vec<NodeTask>,
    path: PathBuf,
    saved_at: Instant,
    saving: Option<JoinHandle<Result<(), CheckpointError>>>,
    /// Said once, until it works again.
    fails: bool,
}

impl Forecast {
    /// What an earlier agent learnt, or nothing.
    pub(super) fn load(config: &Config) -> Self {
        let path = config.state_dir.join(FILE);
        let (cpus, memory) = (config.cpu_forecast(), config.memory_forecast());
        let mut node = read(&path).unwrap_or_else(|| NodeForecast::new(&cpus, &memory));
        node.adapt(&cpus, &memory);
        Self {
            node,
            capacity: node::capacity(),
            system_cpus: Average::default(),
            average: Duration::from_secs(config.forecast_average_s),
            tasks: Vec::new(),
            path,
            saved_at: Instant::now(),
            saving: None,
            fails: false,
        }
    }

    /// Takes note of a step: `usages` stand in the order of `meters`, `system` is what no task used.
    pub(super) fn observe(
        &mut self,
        meters: &mut [Meters],
        usages: impl Iterator<Item = Usage>,
        system: Usage,
    ) {
        let (now, over) = (wall(), self.average);
        let averaged = |of: &mut Average, usage: Usage| Usage {
            cpus_milli: usage.cpus_milli.and_then(|used| of.observe(now, used, over)),
            ..usage
        };
        let guaranteed =
            meters.iter_mut().zip(usages).filter(|(task, _)| task.class == Class::Guaranteed);
        self.tasks.clear();
        self.tasks.extend(guaranteed.map(|(task, usage)| NodeTask {
            task: task.handle(),
            request: task.request,
            usage: averaged(&mut task.cpus, usage),
        }));
        let system = averaged(&mut self.system_cpus, system);
        self.node.observe(now, &self.tasks, system, self.capacity);
    }

    /// The most that a task will use by itself; absent if it is not part of [`Self::needed`].
    pub(super) fn of_task(&self, task: &Meters) -> Usage {
        match task.class {
            Class::Guaranteed => self.node.own_peak(task.handle()),
            Class::Revocable => Usage::default(),
        }
    }

    /// The most that all else on the node will use by itself.
    pub(super) fn of_system(&self) -> Usage {
        self.node.system_peak()
    }

    /// What must be kept of the node.
    pub(super) fn needed(&self) -> Usage {
        self.node.needed()
    }

    /// How good it was of late.
    pub(super) fn qualities(&self) -> impl Iterator<Item = Quality> + '_ {
        self.node.qualities()
    }

    /// Writes down what was learnt when it is time, on another thread: a slow disk must not delay a reclaim.
    pub(super) async fn save_late(&mut self) {
        if let Some(saving) = self.saving.take_if(|saving| saving.is_finished()) {
            match saving.await {
                Ok(saved) => self.note(&saved),
                Err(fault) => warn!("the forecast was not written down: {fault}"),
            }
        }
        if self.saving.is_none() && self.saved_at.elapsed() >= SAVE_EVERY {
            self.saved_at = Instant::now();
            let (path, document) = (self.path.clone(), self.document());
            self.saving = Some(spawn_blocking(move || save_compact(&path, &document, MAX_BYTES)));
        }
    }

    /// Writes it down now: the agent stops.
    pub(super) async fn save(&mut self) {
        if let Some(saving) = self.saving.take() {
            let _ = saving.await;
        }
        let saved = save_compact(&self.path, &self.document(), MAX_BYTES);
        self.note(&saved);
    }

    fn document(&self) -> Document {
        Document { version: VERSION, node: self.node.clone() }
    }

    fn note(&mut self, saved: &Result<(), CheckpointError>) {
        if let Err(fault) = saved
            && !self.fails
        {
            warn!("what the forecast learnt is not durable: {fault}");
        }
        self.fails = saved.is_err();
    }
}

fn read(path: &Path) -> Option<NodeForecast> {
    let document = match load_or_quarantine_up_to::<Document>(path, MAX_BYTES) {
        Ok(Ok(document)) => document?,
        Ok(Err(reason)) => {
            warn!(
                "{} is damaged and was set aside: {reason}; forecasts start anew",
                path.display()
            );
            return None;
        }
        Err(fault) => {
            warn!("{fault}; forecasts start anew");
            return None;
        }
    };
    if document.version != VERSION {
        warn!("{} is of another version; forecasts start anew", path.display());
        return None;
    }
    info!("forecasts go on from {}", path.display());
    Some(document.node)
}

/// Since 1970, by the wall clock.
fn wall() -> Time {
    let since = clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from).unwrap_or_default();
    Time::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Metered;
    use std::fs;

    const QUICK: (u64, u64) = (4, 12);

    fn config(dir: &Path) -> Config {
        Config {
            state_dir: dir.to_owned(),
            forecast_horizon_s: QUICK.0,
            forecast_memory_horizon_s: QUICK.1,
            forecast_average_s: 0,
            ..Config::default()
        }
    }

    fn meters() -> Vec<Meters> {
        let task = |handle, class| Metered {
            handle,
            class,
            cgroup: None,
            name: handle.to_string(),
            nests: false,
            request: Amounts::of(1_000, 64_000),
        };
        let tasks = [task(1 << 32 | 1, Class::Guaranteed), task(1 << 32 | 2, Class::Revocable)];
        tasks.iter().map(|task| Meters::new(task, Time::ZERO)).collect()
    }

    fn observe(forecast: &mut Forecast, meters: &mut [Meters]) {
        let usage = Usage { cpus_milli: Some(100), memory_milli_mib: Some(2_000) };
        let usages = vec![usage; meters.len()];
        forecast.observe(meters, usages.into_iter(), usage);
    }

    #[tokio::test]
    async fn what_was_learnt_survives_a_restart_and_damage_only_starts_it_anew() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let mut meters = meters();
        let mut forecast = Forecast::load(&config);
        observe(&mut forecast, &mut meters);
        let system = node::capacity();
        let cold = forecast.needed().or(Amounts::ZERO);
        assert_eq!(cold, system.plus(Amounts::of(1_000, 64_000)), "all, while nothing is known");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        observe(&mut forecast, &mut meters);
        let warm = forecast.needed();
        assert!(warm.cpus_milli < Some(cold.cpus_milli()), "{warm:?}");
        assert!(warm.cpus_milli >= Some(200), "not below the present use: {warm:?}");
        assert_eq!(forecast.of_task(&meters[1]), Usage::default(), "lent work is not forecast");
        assert_eq!(forecast.of_task(&meters[0]).cpus_milli, Some(100));
        forecast.save().await;

        let mut again = Forecast::load(&config);
        assert_eq!(again.node, forecast.node);
        observe(&mut again, &mut meters);
        assert!(again.needed().cpus_milli < Some(cold.cpus_milli()), "it is not cold");

        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let anew = Forecast::load(&config);
        let (cpus, memory) = (config.cpu_forecast(), config.memory_forecast());
        assert_eq!(anew.node, NodeForecast::new(&cpus, &memory));
        assert!(dir.path().join("forecast.json.bad").exists() && !path.exists());
        assert_eq!(Forecast::load(&config).node, anew.node, "said once");
    }

    #[tokio::test]
    async fn what_cannot_be_written_harms_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut forecast = Forecast::load(&config(&dir.path().join("not there")));
        forecast.save().await;
        assert!(forecast.fails);
        observe(&mut forecast, &mut meters());
    }
}
