//! Taking back what was lent: the ladder, decided on the node alone, every 100 ms.
//!
//! Lent work always runs in the idle class of the scheduler (`cpu.idle`), so its owner gets a CPU at
//! the next wake-up. On top of that, rung by rung:
//! 1. stop lending: nothing new is offered;
//! 2. CPU quota on all lent work together: down at once to what the owners leave over, or to seven
//!    tenths if that is less while they wait; up by at most half of the node a second, once calm;
//! 3. kill, last: when memory runs out, or when the quota has stood at its floor for long.
//!
//! Between two looks an [alarm](Reclaimer::alarm) brakes at once; the next look says whether that was right.

mod brake;

use brake::{Brake, Braked};

use crate::{ids::TaskHandle, time::Time};
use std::time::Duration;

/// How to reclaim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Part of the CPUs that lent work leaves free, in thousandths.
    pub cpu_margin_milli: u64,
    /// Run-queue wait of protected tasks that counts as pressure, in thousandths of one CPU.
    pub wait_milli: u64,
    /// Lent work that passes what its owners leave over by no more than this part of the CPUs is
    /// trimmed, and no more: usage is never quite even.
    pub slack_milli: u64,
    /// The quota never falls below this, in thousandths of a CPU: what is lent keeps breathing.
    pub floor_cpus_milli: u64,
    /// No pressure for so long before the quota rises and lending starts again.
    pub calm: Duration,
    /// How fast the quota rises, in thousandths of the node a second.
    pub rise_milli_per_s: u64,
    /// Lending stops below so much available memory, in thousandths of the node's.
    pub memory_low_milli: u64,
    /// Lent tasks are killed below so much available memory, in thousandths of the node's.
    pub memory_kill_milli: u64,
    /// At most one kill in this time.
    pub kill_interval: Duration,
    /// After a brake for nothing the next alarms are not heard for so long at first; it doubles.
    pub brake_rest: Duration,
    /// But never longer than this.
    pub brake_rest_max: Duration,
    /// A quota at its floor for so long means that lent work here does no good.
    pub starved: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            cpu_margin_milli: 50,
            wait_milli: 100,
            slack_milli: 50,
            floor_cpus_milli: 50,
            calm: Duration::from_millis(500),
            rise_milli_per_s: 500,
            memory_low_milli: 100,
            memory_kill_milli: 50,
            kill_interval: Duration::from_secs(1),
            brake_rest: Duration::from_millis(100),
            brake_rest_max: Duration::from_secs(10),
            starved: Duration::from_secs(300),
        }
    }
}

/// A task on lent resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LentTask {
    /// Which.
    pub handle: TaskHandle,
    /// When it began: the youngest has least work to lose.
    pub since: Time,
}

/// What was seen since the last look; absent where not measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals<'a> {
    /// The node's CPUs, in thousandths.
    pub capacity_cpus_milli: u64,
    /// CPU used by all but lent tasks, in thousandths of a CPU.
    pub protected_cpus_milli: Option<u64>,
    /// CPU used by lent tasks.
    pub lent_cpus_milli: Option<u64>,
    /// Run-queue wait of guaranteed tasks, in thousandths of a CPU (nanoseconds waited a microsecond).
    pub wait_milli: Option<u64>,
    /// Memory that could be had without swapping, in thousandths of the node's.
    pub memory_available_milli: Option<u64>,
    /// The lent tasks.
    pub lent: &'a [LentTask],
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Set the quota of all lent work together, in thousandths of a CPU; none: lift it.
    Quota(Option<u64>),
    /// Start or stop lending, and why.
    Lending(bool, &'static str),
    /// End a lent task, and why.
    Kill(TaskHandle, &'static str),
}

/// The state of the ladder.
#[derive(Clone, Debug)]
pub struct Reclaimer {
    policy: Policy,
    quota: Option<u64>,
    lending: bool,
    last: Option<Time>,
    last_pressure: Option<Time>,
    floor_since: Option<Time>,
    last_kill: Option<Time>,
    lent_cpus_milli: u64,
    brake: Brake,
}

const STARVED: &str = "lent work has stood at its floor for long: it is better placed elsewhere";
const MEMORY: &str = "the node's memory runs out";
const WAITING: &str = "guaranteed tasks wait for a CPU";
const BUSY: &str = "guaranteed tasks use the CPUs";
const CALM: &str = "";

impl Reclaimer {
    /// Nothing reclaimed yet; lending.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        let (quota, last, last_pressure, floor_since, last_kill) = (None, None, None, None, None);
        let brake = Brake::new();
        Self {
            policy,
            quota,
            lending: true,
            last,
            last_pressure,
            floor_since,
            last_kill,
            lent_cpus_milli: 0,
            brake,
        }
    }

    /// The quota that stands.
    #[must_use]
    pub const fn quota_cpus_milli(&self) -> Option<u64> {
        self.quota
    }

    /// Whether it lends.
    #[must_use]
    pub const fn is_lending(&self) -> bool {
        self.lending
    }

    /// One look: what to do now, in order.
    pub fn look(&mut self, now: Time, signals: &Signals<'_>) -> Vec<Action> {
        let elapsed = self.last.map_or(Duration::ZERO, |last| now.since(last));
        self.last = Some(now);
        let mut actions = Vec::new();
        let low =
            signals.memory_available_milli.is_some_and(|at| at < self.policy.memory_low_milli);
        let braked = self.brake.release();
        let pressure = match braked {
            Some(before) => self.judge(now, before, signals, &mut actions),
            None => self.cpu_pressure(signals),
        };
        if pressure.is_some() || low {
            self.last_pressure = Some(now);
            self.lend(false, pressure.unwrap_or(MEMORY), &mut actions);
        }
        let calm = self.last_pressure.is_none_or(|at| now.since(at) >= self.policy.calm);
        if braked.is_some() {
            // What lent work used since says nothing about what it would use.
        } else if pressure.is_some() || self.is_out_of_line(signals) {
            self.lower(signals, &mut actions);
        } else if calm {
            self.raise(signals, elapsed, &mut actions);
        }
        if calm && pressure.is_none() && !low {
            self.lend(true, CALM, &mut actions);
        }
        self.kill(now, signals, &mut actions);
        if braked.is_none() {
            self.lent_cpus_milli = signals.lent_cpus_milli.unwrap_or(0);
        }
        actions
    }

    /// Whether an alarm would be answered now.
    #[must_use]
    pub fn hears_alarms(&self, now: Time) -> bool {
        !self.is_at_floor() && self.brake.is_rested(now)
    }

    /// A guaranteed task has waited long while lent work runs: down to the floor until the next look, which should
    /// come one whole interval later.
    ///
    /// The kernel may leave two threads of an owner on one CPU while lent work has another for itself: it
    /// balances CPUs late when none is idle. Braking makes one idle.
    pub fn alarm(&mut self, now: Time) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.hears_alarms(now) {
            let (quota, lent_cpus_milli) = (self.quota, self.lent_cpus_milli);
            self.brake.pull(Braked { quota, lent_cpus_milli });
            self.last = Some(now);
            self.set(Some(self.policy.floor_cpus_milli), &mut actions);
        }
        actions
    }

    /// Whether the brake was right: owners now leave over less than lent work had. If not it is undone.
    fn judge(
        &mut self,
        now: Time,
        before: Braked,
        signals: &Signals<'_>,
        actions: &mut Vec<Action>,
    ) -> Option<&'static str> {
        let slack = signals.capacity_cpus_milli * self.policy.slack_milli / 1_000;
        let room = self.room(signals).unwrap_or(0);
        if room + slack < before.lent_cpus_milli {
            self.brake.was_right();
            return Some(WAITING);
        }
        self.brake.was_wrong(now, &self.policy);
        self.set(before.quota, actions);
        None
    }

    fn is_at_floor(&self) -> bool {
        self.quota.is_some_and(|quota| quota <= self.policy.floor_cpus_milli)
    }

    /// What lent work may use without being in anybody's way.
    fn room(&self, signals: &Signals<'_>) -> Option<u64> {
        let kept = 1_000 - self.policy.cpu_margin_milli.min(1_000);
        let usable = signals.capacity_cpus_milli * kept / 1_000;
        signals.protected_cpus_milli.map(|used| usable.saturating_sub(used))
    }

    /// Pressure is on while lent work runs and either its owners wait, or both together pass the node.
    fn cpu_pressure(&self, signals: &Signals<'_>) -> Option<&'static str> {
        let lent = signals.lent_cpus_milli.unwrap_or(u64::MAX);
        if signals.lent.is_empty() || lent == 0 {
            return None;
        }
        if self.is_waiting(signals) {
            return Some(WAITING);
        }
        let slack = signals.capacity_cpus_milli * self.policy.slack_milli / 1_000;
        (self.excess(signals) > slack).then_some(BUSY)
    }

    /// Owners wait for a CPU, and not only because others than lent work are in their way: lent
    /// work at its floor is in nobody's.
    fn is_waiting(&self, signals: &Signals<'_>) -> bool {
        !self.is_at_floor() && signals.wait_milli.is_some_and(|wait| wait >= self.policy.wait_milli)
    }

    /// The ceiling does not fit what owners leave over: lent work passes it already, or could.
    fn is_out_of_line(&self, signals: &Signals<'_>) -> bool {
        let slack = signals.capacity_cpus_milli * self.policy.slack_milli / 1_000;
        let ceiling = self.quota.unwrap_or(signals.capacity_cpus_milli);
        let room = self.room(signals).map(|room| room.max(self.policy.floor_cpus_milli));
        let could = room.is_some_and(|room| room + slack < ceiling);
        !signals.lent.is_empty() && (could || self.excess(signals) > 0)
    }

    /// By how much lent work passes what its owners leave over; its floor is granted to it.
    fn excess(&self, signals: &Signals<'_>) -> u64 {
        let room = self.room(signals).map(|room| room.max(self.policy.floor_cpus_milli));
        signals.lent_cpus_milli.zip(room).map_or(0, |(lent, room)| lent.saturating_sub(room))
    }

    fn lower(&mut self, signals: &Signals<'_>, actions: &mut Vec<Action>) {
        let ceiling = self.quota.unwrap_or(signals.capacity_cpus_milli);
        let used = signals.lent_cpus_milli.unwrap_or(ceiling).min(ceiling);
        let target = self.room(signals).unwrap_or(used * 7 / 10).min(ceiling);
        let lowered = if self.is_waiting(signals) { target.min(used * 7 / 10) } else { target };
        self.set(Some(lowered.max(self.policy.floor_cpus_milli)), actions);
    }

    fn raise(&mut self, signals: &Signals<'_>, elapsed: Duration, actions: &mut Vec<Action>) {
        let Some(quota) = self.quota else { return };
        let second = signals.capacity_cpus_milli * self.policy.rise_milli_per_s / 1_000;
        let step = u128::from(second) * elapsed.as_millis() / 1_000;
        let raised = quota + u64::try_from(step).unwrap_or(u64::MAX).max(1);
        let bounded = self.room(signals).map_or(raised, |room| raised.min(room.max(quota)));
        let lifted = signals.lent.is_empty() || bounded >= signals.capacity_cpus_milli;
        self.set((!lifted).then_some(bounded), actions);
    }

    fn set(&mut self, quota: Option<u64>, actions: &mut Vec<Action>) {
        if quota != self.quota {
            self.quota = quota;
            actions.push(Action::Quota(quota));
        }
    }

    fn lend(&mut self, on: bool, why: &'static str, actions: &mut Vec<Action>) {
        if on != self.lending {
            self.lending = on;
            actions.push(Action::Lending(on, why));
        }
    }

    fn kill(&mut self, now: Time, signals: &Signals<'_>, actions: &mut Vec<Action>) {
        let since = self.is_at_floor().then(|| self.floor_since.unwrap_or(now));
        self.floor_since = since;
        let starved = since.is_some_and(|since| now.since(since) >= self.policy.starved);
        let short =
            signals.memory_available_milli.is_some_and(|at| at < self.policy.memory_kill_milli);
        let why = if short { MEMORY } else { STARVED };
        let rested = self.last_kill.is_none_or(|last| now.since(last) >= self.policy.kill_interval);
        if !(short || starved) || !rested {
            return;
        }
        if let Some(youngest) = signals.lent.iter().max_by_key(|task| (task.since, task.handle)) {
            self.last_kill = Some(now);
            actions.push(Action::Kill(youngest.handle, why));
        }
    }
}

#[cfg(test)]
mod tests;
