//! Measures the node and its tasks, and takes back what was lent: one thread, two rhythms.
//!
//! Every step (1 s): one sample of each task -> rates -> forecast -> report. Every 100 ms, while
//! something is lent: pressure -> core/reclaim -> one write to the cgroup of all that is lent; a long wait is
//! answered at once.
//! It starts and ends no tasks: a task that must give way is named to the keeper.

mod alarm;
mod forecast;
mod look;
mod metered;
mod nested;
mod report;
mod step;

pub use metered::Metered;

use crate::{
    cgroup::{Class, Tree},
    config::{Config, FileReader, Switch},
    files::{Choice, NodeFiles, Reader, TaskFiles, TaskSampler},
    probe::{Displacer, Probe},
    tasks,
};
use forecast::Forecast;
use headroom_core::{
    reclaim::{Policy, Reclaimer},
    resources::Amounts,
    time::Time,
    usage::Sample,
};
use headroom_proto::v1 as wire;
use metered::Meters;
use nested::Nested;
use nix::time::{ClockId, clock_gettime};
use std::{path::PathBuf, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, interval_at},
};
use tracing::{info, warn};

/// At most so many changes wait: more than the tasks of one agent, all of which come at once after a restart.
pub const MAX_MESSAGES: usize = 16_384;
/// How often pressure is looked at.
pub const LOOK: Duration = Duration::from_millis(100);

/// What may be asked of the meter.
#[derive(Debug)]
pub enum Message {
    /// Measure a task.
    Add(Box<Metered>),
    /// Do not any more.
    Remove(u64),
    /// A task holds more or less than before: an executor with the tasks in it.
    Resize(u64, Amounts),
    /// The allocator's step.
    Step(Duration),
    /// The agent stops: write down what must survive. Answered when that is done.
    Save(oneshot::Sender<()>),
}

/// What leaves the meter.
pub struct Outputs {
    /// The newest report; one that was not sent is replaced.
    pub reports: watch::Sender<Option<wire::Report>>,
    /// Lending starts or stops between reports; the newest counts.
    pub lending: watch::Sender<Option<wire::LendingChange>>,
    /// Tasks that must give way.
    pub keeper: mpsc::Sender<tasks::Message>,
}

/// Owns what measures.
pub struct Meter {
    tree: Option<Tree>,
    probe: Probe,
    reader: Reader,
    node_files: NodeFiles,
    sampler: TaskSampler,
    /// Files and figures of the same task stand at the same place.
    files: Vec<TaskFiles>,
    meters: Vec<Meters>,
    slices: look::Slices,
    forecast: Forecast,
    system_cpus_milli: Option<u64>,
    node_before: Option<Sample>,
    capacity_cpus_milli: u64,
    reclaimer: Reclaimer,
    reclaim: Switch,
    state_dir: PathBuf,
    step_number: u64,
    quota_written: Option<u64>,
    reclaims: u64,
    reclaim_ms_max: Option<f64>,
    outputs: Outputs,
}

impl Meter {
    /// Opens what measures. It never fails: what can't be measured is absent with a reason.
    #[must_use]
    pub fn new(config: &Config, tree: Option<Tree>, probe: Probe, outputs: Outputs) -> Self {
        let choice = match config.file_reader {
            FileReader::Auto => Choice::Auto,
            FileReader::Uring => Choice::Uring,
            FileReader::Pread => Choice::Pread,
        };
        let mut reader = Reader::new(choice, &[]);
        info!("cgroup files are read by {}", reader.choice_report());
        let node_files = NodeFiles::open(&mut reader);
        let slices = look::Slices::open(&mut reader, tree.as_ref());
        let mut meter = Self {
            tree,
            probe,
            reader,
            node_files,
            sampler: TaskSampler::new(),
            files: Vec::new(),
            meters: Vec::new(),
            slices,
            forecast: Forecast::load(config),
            system_cpus_milli: None,
            node_before: None,
            capacity_cpus_milli: (crate::node::cpus() * 1_000.0) as u64,
            reclaimer: Reclaimer::new(Policy::default()),
            reclaim: config.reclaim,
            state_dir: config.state_dir.clone(),
            step_number: 0,
            quota_written: None,
            reclaims: 0,
            reclaim_ms_max: None,
            outputs,
        };
        meter.demote_lent();
        meter
    }

    /// What can't be measured here, and why.
    #[must_use]
    pub fn absences(&self) -> Vec<wire::Absence> {
        let of = |signal: &str, reason: &str| wire::Absence {
            signal: signal.to_owned(),
            reason: reason.to_owned(),
        };
        let probe = self.probe.absences().iter().map(|absence| of(absence.signal, &absence.reason));
        let node = self.node_files.absences().iter();
        let node = node.map(|absence| of(&absence.what, &absence.reason));
        let tree = self.tree.iter().flat_map(Tree::absences);
        let tree = tree.map(|absence| of(&absence.what, &absence.reason));
        probe.chain(node).chain(tree).collect()
    }

    /// Puts all that is lent behind all else for good; undoes what an earlier agent left.
    fn demote_lent(&mut self) {
        let Some(tree) = &self.tree else { return };
        let revocable = tree.revocable();
        let on = self.reclaim == Switch::On;
        match revocable.set_idle(on) {
            Ok(how) => info!("lent work runs behind all else by {how:?}"),
            Err(fault) => warn!("lent work can't be put behind other work: {fault}"),
        }
        // Nothing but these two shares this level, so the weight takes from lent work alone.
        if let Err(fault) = tree.guaranteed().set_cpu_weight(if on { f64::MAX } else { 1.0 }) {
            warn!("guaranteed work can't be given its weight over lent work: {fault}");
        }
        if let Err(fault) = revocable.set_cpu_quota(None) {
            warn!("a quota of an earlier agent can't be lifted: {fault}");
        }
    }

    /// Serves until all senders of the inbox are gone.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Message>, step: Duration) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut steps = new_steps(step);
        let mut alarms = alarm::Bell::new(self.probe.take_alarms());
        loop {
            let listens = self.lends_now() && self.reclaimer.hears_alarms(now());
            if !listens {
                alarms.clear();
            }
            tokio::select! {
                biased;
                message = inbox.recv() => match message {
                    Some(Message::Add(task)) => self.add(&task),
                    Some(Message::Remove(handle)) => self.remove(handle),
                    Some(Message::Resize(handle, request)) => self.resize(handle, request),
                    Some(Message::Step(step)) => steps = new_steps(step),
                    Some(Message::Save(answer)) => {
                        self.forecast.save().await;
                        let _ = answer.send(());
                    }
                    None => return,
                },
                () = alarms.rings(), if listens => {
                    self.brake();
                    looks.reset();
                }
                _ = looks.tick(), if self.lends_now() => self.look(),
                _ = steps.tick() => {
                    self.step();
                    self.forecast.save_late().await;
                }
            }
        }
    }

    fn lends_now(&self) -> bool {
        self.reclaim == Switch::On
            && (self.reclaimer.quota_cpus_milli().is_some()
                || !self.reclaimer.is_lending()
                || self.meters.iter().any(|task| task.class == Class::Revocable))
    }

    fn add(&mut self, task: &Metered) {
        let mut meters = Meters::new(task, now());
        let files = match task.cgroup.as_ref() {
            Some(cgroup) => {
                meters.find(cgroup);
                meters.nested = task.nests.then(|| Nested::new(cgroup.group().clone()));
                TaskFiles::open(&mut self.reader, cgroup.group())
            }
            None => return warn!(task = task.name, "has no cgroup and is not measured"),
        };
        for absence in files.absences() {
            tracing::debug!(task = task.name, "{absence}");
        }
        self.files.push(files);
        self.meters.push(meters);
    }

    fn resize(&mut self, handle: u64, request: Amounts) {
        if let Some(task) = self.meters.iter_mut().find(|task| task.handle == handle) {
            task.request = request;
        }
    }

    fn remove(&mut self, handle: u64) {
        if let Some(at) = self.meters.iter().position(|task| task.handle == handle) {
            let mut task = self.meters.swap_remove(at);
            self.files.swap_remove(at).close(&mut self.reader);
            self.tell_waits(&mut task);
        }
    }

    /// A task's scheduling over its whole life, for the log.
    fn tell_waits(&self, task: &mut Meters) {
        let Some(sched) = task.sched.as_mut().and_then(|key| self.probe.sched(key)) else { return };
        let millis = |ns: u64| ns as f64 / 1e6;
        let quantile = |p: f64| sched.wait_histogram.quantile_ns(p).map(millis);
        info!(
            target: "headroom::waits",
            task = task.name,
            run_ms = millis(sched.run_ns),
            wait_ms = millis(sched.wait_ns),
            wait_ms_p50 = quantile(0.5),
            wait_ms_p99 = quantile(0.99),
            wait_ms_p999 = quantile(0.999),
            switches = sched.switches,
            involuntary = sched.involuntary,
            displaced_by_own = sched.displaced_by[Displacer::Same as usize],
            displaced_by_guaranteed = sched.displaced_by[Displacer::Guaranteed as usize],
            displaced_by_lent = sched.displaced_by[Displacer::Revocable as usize],
            displaced_by_system = sched.displaced_by[Displacer::System as usize],
            "scheduling over its life"
        );
    }
}

fn new_steps(step: Duration) -> tokio::time::Interval {
    let mut steps = interval_at(Instant::now() + step, step);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    steps
}

/// Nanoseconds since boot, suspensions not counted: comparable over all processes of the node.
fn now() -> Time {
    let since = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    Time::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
