//! One look at pressure, and what the ladder of `core/reclaim` says to do about it.

use super::{Meter, now};
use crate::{
    cgroup::{Class, Controller, Tree},
    files::{FileId, Reader, parse::cpu_usage_ns},
    tasks,
};
use headroom_core::{
    reclaim::{Action, LentTask, Signals},
    time::Time,
};
use headroom_proto::v1 as wire;
use std::time::Duration;
use tracing::{info, warn};

/// The CPU time of each class as a whole: two files, read ten times a second.
#[derive(Debug, Default)]
pub(super) struct Slices {
    guaranteed: Option<FileId>,
    revocable: Option<FileId>,
    before: Option<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Time,
    guaranteed_ns: Option<u64>,
    revocable_ns: Option<u64>,
}

/// What two looks make: thousandths of a CPU.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    elapsed: Duration,
    guaranteed_milli: Option<u64>,
    revocable_milli: Option<u64>,
}

impl Slices {
    pub(super) fn open(reader: &mut Reader, tree: Option<&Tree>) -> Self {
        let mut open = |class: Class| {
            let tree = tree?;
            let slice = match class {
                Class::Guaranteed => tree.guaranteed(),
                Class::Revocable => tree.revocable(),
            };
            let dir = slice.group().dir(Controller::Cpuacct)?;
            let name = if dir.v2 { "cpu.stat" } else { "cpuacct.usage" };
            reader.open(&dir.path.join(name)).ok()
        };
        let (guaranteed, revocable) = (open(Class::Guaranteed), open(Class::Revocable));
        Self { guaranteed, revocable, before: None }
    }

    fn used(&mut self, reader: &mut Reader, now: Time) -> Used {
        let mut total = |id: Option<FileId>| {
            let mut found = None;
            reader.read(id.as_slice(), |_, text| found = text.ok().and_then(cpu_usage_ns));
            found
        };
        let seen = Seen {
            at: now,
            guaranteed_ns: total(self.guaranteed),
            revocable_ns: total(self.revocable),
        };
        let Some(before) = self.before.replace(seen) else { return Used::default() };
        let elapsed = now.since(before.at);
        let milli = |new: Option<u64>, old: Option<u64>| {
            let moved = new?.checked_sub(old?)?;
            u64::try_from(u128::from(moved) * 1_000 / elapsed.as_nanos().max(1)).ok()
        };
        Used {
            elapsed,
            guaranteed_milli: milli(seen.guaranteed_ns, before.guaranteed_ns),
            revocable_milli: milli(seen.revocable_ns, before.revocable_ns),
        }
    }
}

impl Meter {
    pub(super) fn look(&mut self) {
        let looked_at = now();
        let used = self.slices.used(&mut self.reader, looked_at);
        let waited_ns = self.waited_ns();
        if used.elapsed.is_zero() || used.elapsed > super::LOOK * 5 {
            // The first look after a pause: its totals are of another time.
            return;
        }
        let elapsed_ns = u64::try_from(used.elapsed.as_nanos()).unwrap_or(u64::MAX);
        let since = Time::from_nanos(looked_at.as_nanos().saturating_sub(elapsed_ns));
        let memory_available_milli = self.memory_available_milli();
        let lent: Vec<_> = self
            .meters
            .iter()
            .filter(|task| task.class == Class::Revocable)
            .map(|task| LentTask { handle: task.handle(), since: task.since })
            .collect();
        let protected = used.guaranteed_milli.zip(self.system_cpus_milli);
        let signals = Signals {
            capacity_cpus_milli: self.capacity_cpus_milli,
            protected_cpus_milli: protected.map(|(guaranteed, system)| guaranteed + system),
            lent_cpus_milli: used.revocable_milli,
            wait_milli: waited_ns
                .map(|ns| (u128::from(ns) * 1_000 / used.elapsed.as_nanos()) as u64),
            memory_available_milli,
            lent: &lent,
        };
        for action in self.reclaimer.look(looked_at, &signals) {
            self.act(since, &signals, &action);
        }
    }

    /// A guaranteed task has just waited long: what is lent stands back until the next look, which then sees only
    /// what came after.
    pub(super) fn brake(&mut self) {
        let rang_at = now();
        for action in self.reclaimer.alarm(rang_at) {
            self.act(rang_at, &Signals::default(), &action);
        }
        self.slices.used(&mut self.reader, rang_at);
        self.waited_ns();
    }

    /// Run-queue wait of all guaranteed tasks since the last look; absent when nobody measures it.
    fn waited_ns(&mut self) -> Option<u64> {
        let mut sum = None;
        for task in self.meters.iter_mut().filter(|task| task.class == Class::Guaranteed) {
            let total = task.sched.as_mut().and_then(|key| self.probe.wait_ns(key));
            if let Some((new, old)) = total.zip(task.looked_wait_ns) {
                sum = Some(sum.unwrap_or(0) + new.saturating_sub(old));
            }
            task.looked_wait_ns = total;
        }
        sum
    }

    /// `since`: when what is acted upon may have begun.
    fn act(&mut self, since: Time, signals: &Signals<'_>, action: &Action) {
        match *action {
            Action::Quota(milli) => self.set_quota(since, signals, milli),
            Action::Lending(lending, reason) => {
                info!(lending, reason, "lending changes");
                let change = wire::LendingChange { lending, reason: reason.to_owned() };
                self.outputs.lending.send_replace(Some(change));
            }
            Action::Kill(task, why) => {
                let preempt = tasks::Message::Preempt(task.number(), why);
                if self.outputs.keeper.try_send(preempt).is_err() {
                    warn!("task {task} must give way and can't be told yet");
                }
            }
        }
    }

    fn set_quota(&mut self, since: Time, signals: &Signals<'_>, milli: Option<u64>) {
        let Some(tree) = &self.tree else { return };
        if let Err(fault) = tree.revocable().set_cpu_quota(milli.map(|milli| milli as f64 / 1e3)) {
            return warn!("the quota of lent work can't be set: {fault}");
        }
        let written_at = now();
        let lowered = milli.is_some_and(|new| Some(new) < self.quota_written.or(Some(u64::MAX)));
        self.quota_written = milli;
        if lowered {
            let took = written_at.since(since);
            let took_ms = took.as_secs_f64() * 1e3;
            self.reclaims += 1;
            self.reclaim_ms_max = Some(self.reclaim_ms_max.map_or(took_ms, |max| max.max(took_ms)));
        }
        info!(
            target: "headroom::reclaim",
            written_at_ns = written_at.as_nanos(),
            lowered,
            quota_cpus_milli = milli,
            protected_cpus_milli = signals.protected_cpus_milli,
            lent_cpus_milli = signals.lent_cpus_milli,
            wait_milli = signals.wait_milli,
            "quota of lent work"
        );
    }
}
