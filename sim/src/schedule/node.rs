//! A simulated node: who gets which CPU, and the agent's own code on top of it.
//!
//! Guaranteed tasks get what they would use: their requests fit the node. Lent tasks share what is
//! left below the quota of `core/reclaim`, by weight (their requests), as the kernel shares CPU among
//! cgroups. A task that gets a part of what it would use makes progress by that part. Of memory all
//! get what they use: where that is more than there is, `core/reclaim` ends lent tasks, and until it
//! has, the node is short of it.

use super::workload::{NS_PER_MS, Profile};
use headroom_core::{
    command::{AgentReport, TaskUsage, Usage},
    forecast::{Forecaster as _, WindowPeak, WindowPeakSettings},
    ids::{AgentId, TaskHandle},
    reclaim::{Action, LentTask, Policy, Reclaimer, Signals},
    resources::Amounts,
    time::Time,
    usage::{Sample, rates},
};
use std::{sync::Arc, time::Duration};

/// Full speed, in millionths.
const FULL_PPM: u64 = 1_000_000;

/// How often an agent looks at pressure (as `agent/meter` does).
pub(crate) const LOOK_MS: u64 = 100;

/// What a task would use of one resource, followed along its own time.
#[derive(Debug)]
struct Course {
    profile: Arc<Profile>,
    stretch: usize,
}

impl Course {
    fn new(profile: Arc<Profile>) -> Self {
        Self { profile, stretch: 0 }
    }

    /// Brings it up to a task's own time; says what is used then.
    fn follow(&mut self, done_ns: u64) -> u64 {
        let stretches = self.profile.stretches();
        while stretches.get(self.stretch).is_some_and(|(end, _)| end * NS_PER_MS <= done_ns) {
            self.stretch += 1;
        }
        stretches.get(self.stretch).map_or(0, |(_, used)| *used)
    }

    /// When its use changes, in the task's own time.
    fn next_ns(&self) -> Option<u64> {
        self.profile.stretches().get(self.stretch).map(|(end, _)| end * NS_PER_MS)
    }
}

/// A task that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) handle: TaskHandle,
    pub(crate) job: usize,
    pub(crate) revocable: bool,
    request_milli: u64,
    since: Time,
    cpu: Course,
    /// Nothing where the trace does not tell of memory.
    memory: Option<Course>,
    /// Its own time, in nanoseconds.
    done_ns: u64,
    speed_ppm: u64,
    would_use_milli: u64,
    gets_milli: u64,
    cpu_ns: u64,
    memory_milli_mib: u64,
    before: Option<Sample>,
    forecast: WindowPeak,
}

impl Running {
    pub(crate) fn new(
        now: Time,
        handle: TaskHandle,
        job: usize,
        revocable: bool,
        request_milli: u64,
        (cpu, memory): (Arc<Profile>, Option<Arc<Profile>>),
    ) -> Self {
        Self {
            handle,
            job,
            revocable,
            request_milli,
            since: now,
            cpu: Course::new(cpu),
            memory: memory.map(Course::new),
            done_ns: 0,
            speed_ppm: 0,
            would_use_milli: 0,
            gets_milli: 0,
            cpu_ns: 0,
            memory_milli_mib: 0,
            before: None,
            forecast: WindowPeak::new(WindowPeakSettings::default()),
        }
    }

    /// CPU time it has used.
    pub(crate) const fn cpu_ns(&self) -> u64 {
        self.cpu_ns
    }

    /// Its own time so far.
    pub(crate) const fn done_ns(&self) -> u64 {
        self.done_ns
    }

    /// How fast it goes, in millionths of how fast it would go alone.
    pub(crate) const fn speed_ppm(&self) -> u64 {
        self.speed_ppm
    }

    fn advance(&mut self, elapsed_ms: u64) {
        // A millisecond at a millionth of full speed is a nanosecond.
        self.done_ns += elapsed_ms * self.speed_ppm;
        self.cpu_ns += elapsed_ms * self.gets_milli * (NS_PER_MS / 1_000);
        self.would_use_milli = self.cpu.follow(self.done_ns);
        self.memory_milli_mib =
            self.memory.as_mut().map_or(0, |memory| memory.follow(self.done_ns));
    }

    fn is_over(&self) -> bool {
        self.cpu.next_ns().is_none()
    }

    /// When its use changes or it ends, at its present speed.
    fn next_change_ms(&self, now_ms: u64) -> Option<u64> {
        let memory_ns = self.memory.as_ref().and_then(Course::next_ns);
        let next_ns = self.cpu.next_ns()?.min(memory_ns.unwrap_or(u64::MAX));
        let left_ns = next_ns.saturating_sub(self.done_ns);
        (self.speed_ppm > 0).then(|| now_ms + left_ns.div_ceil(self.speed_ppm).max(1))
    }

    fn meter(&mut self, now: Time) -> TaskUsage {
        let sample = Sample { at: now, cpu_ns: Some(self.cpu_ns), ..Sample::default() };
        let before = self.before.replace(sample);
        let moved = before.and_then(|before| rates(&before, &sample));
        let mut usage = moved.map(|moved| moved.usage).unwrap_or_default();
        usage.memory_milli_mib = Some(self.memory_milli_mib);
        if usage.cpus_milli.is_some() {
            self.forecast.observe(now, usage);
        }
        TaskUsage { usage, forecast: self.forecast.forecast(now), ..TaskUsage::default() }
    }
}

/// What the ladder wants done outside of the node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcry {
    Lending(bool, &'static str),
    /// A task is to end, for want of memory or not.
    Kill(TaskHandle, bool),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) agent: AgentId,
    capacity_milli: u64,
    memory_milli_mib: u64,
    tasks: Vec<Running>,
    last_ms: u64,
    policy: Policy,
    reclaimer: Reclaimer,
    system: WindowPeak,
    /// When the ladder last did something, or saw something new.
    stirred_ms: u64,
    calm_ms: u64,
    reclaims: u64,
    /// For how long its tasks used more memory than it has.
    short_ms: u64,
}

impl Node {
    /// A node of so many CPUs and so much memory, in thousandths.
    pub(crate) fn new(agent: AgentId, capacity: Amounts, policy: Policy) -> Self {
        let idle = Usage { cpus_milli: Some(0), memory_milli_mib: Some(0) };
        let mut system =
            WindowPeak::new(WindowPeakSettings { young: Duration::ZERO, ..Default::default() });
        system.observe(Time::ZERO, idle);
        Self {
            agent,
            capacity_milli: capacity.cpus_milli(),
            memory_milli_mib: capacity.memory_milli_mib(),
            tasks: Vec::new(),
            last_ms: 0,
            policy,
            reclaimer: Reclaimer::new(policy),
            system,
            stirred_ms: 0,
            calm_ms: u64::try_from(policy.calm.as_millis()).unwrap_or(u64::MAX),
            reclaims: 0,
            short_ms: 0,
        }
    }

    /// For how long its tasks used more memory than it has.
    pub(crate) const fn short_ms(&self) -> u64 {
        self.short_ms
    }

    /// Memory that nobody uses, in thousandths of what there is.
    fn memory_available_milli(&self) -> u64 {
        let free = self.memory_milli_mib.saturating_sub(self.uses_memory_milli_mib());
        let milli = u128::from(free) * 1_000 / u128::from(self.memory_milli_mib.max(1));
        u64::try_from(milli).unwrap_or(u64::MAX)
    }

    pub(crate) fn tasks(&self) -> &[Running] {
        &self.tasks
    }

    /// CPU used now by all tasks.
    pub(crate) fn uses_milli(&self) -> u64 {
        self.tasks.iter().map(|task| task.gets_milli).sum()
    }

    /// Memory used now by all tasks.
    fn uses_memory_milli_mib(&self) -> u64 {
        self.tasks.iter().map(|task| task.memory_milli_mib).sum()
    }

    /// Brings progress and use up to `now_ms`; ended tasks are taken out and given back.
    pub(crate) fn advance(&mut self, now_ms: u64) -> Vec<Running> {
        let elapsed = now_ms - self.last_ms;
        self.last_ms = now_ms;
        if self.uses_memory_milli_mib() > self.memory_milli_mib {
            self.short_ms += elapsed;
        }
        for task in &mut self.tasks {
            task.advance(elapsed);
        }
        let ended = self.tasks.extract_if(.., |task| task.is_over()).collect();
        self.share();
        ended
    }

    pub(crate) fn start(&mut self, task: Running) {
        self.tasks.push(task);
        self.advance(self.last_ms);
    }

    pub(crate) fn stop(&mut self, handle: TaskHandle) -> Option<Running> {
        let at = self.tasks.iter().position(|task| task.handle == handle)?;
        let stopped = self.tasks.remove(at);
        self.share();
        Some(stopped)
    }

    /// A lent task holds a promise now. It is measured anew: what it used so far was what was left.
    pub(crate) fn promote(&mut self, handle: TaskHandle, request_milli: u64) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.handle == handle) {
            task.revocable = false;
            task.request_milli = request_milli;
            task.forecast = WindowPeak::new(WindowPeakSettings::default());
            task.before = None;
        }
        self.share();
    }

    /// The next moment at which something changes by itself.
    pub(crate) fn next_change_ms(&self) -> Option<u64> {
        self.tasks.iter().filter_map(|task| task.next_change_ms(self.last_ms)).min()
    }

    fn share(&mut self) {
        let mut left = self.capacity_milli;
        for task in self.tasks.iter_mut().filter(|task| !task.revocable) {
            task.gets_milli = task.would_use_milli.min(left);
            left -= task.gets_milli;
        }
        let room = self.reclaimer.quota_cpus_milli().map_or(left, |quota| left.min(quota));
        share_by_weight(&mut self.tasks, room);
        for task in &mut self.tasks {
            let (gets, would) = (task.gets_milli, task.would_use_milli);
            task.speed_ppm = (gets * FULL_PPM).checked_div(would).unwrap_or(FULL_PPM);
        }
    }

    fn lends(&self) -> bool {
        self.tasks.iter().any(|task| task.revocable)
    }

    /// Something has changed: the ladder looks again soon.
    pub(crate) const fn stir(&mut self, now_ms: u64) {
        self.stirred_ms = now_ms;
    }

    /// Nothing is lent, or nothing has changed for longer than the ladder waits for: further looks
    /// would see and do the same.
    pub(crate) fn is_at_rest(&self, now_ms: u64) -> bool {
        let short = self.memory_available_milli() < self.policy.memory_kill_milli;
        let stirred = now_ms.saturating_sub(self.stirred_ms) <= self.calm_ms + LOOK_MS;
        !(stirred || short && self.lends())
            || (!self.lends() && self.reclaimer.quota_cpus_milli().is_none())
    }

    /// The agent's look at pressure, by `core/reclaim`.
    pub(crate) fn look(&mut self, now_ms: u64) -> Vec<Outcry> {
        let lent: Vec<_> = self
            .tasks
            .iter()
            .filter(|task| task.revocable)
            .map(|task| LentTask { handle: task.handle, since: task.since })
            .collect();
        let used = |revocable: bool| {
            let of_kind = self.tasks.iter().filter(|task| task.revocable == revocable);
            Some(of_kind.map(|task| task.gets_milli).sum())
        };
        let signals = Signals {
            capacity_cpus_milli: self.capacity_milli,
            protected_cpus_milli: used(false),
            lent_cpus_milli: used(true),
            // The trace says nothing of waiting.
            wait_milli: None,
            memory_available_milli: Some(self.memory_available_milli()),
            lent: &lent,
        };
        let quota_before = self.reclaimer.quota_cpus_milli().unwrap_or(u64::MAX);
        let mut outcries = Vec::new();
        for action in self.reclaimer.look(Time::from_millis(now_ms), &signals) {
            self.stirred_ms = now_ms;
            match action {
                Action::Quota(quota) => {
                    self.reclaims += u64::from(quota.unwrap_or(u64::MAX) < quota_before);
                }
                Action::Lending(on, why) => outcries.push(Outcry::Lending(on, why)),
                Action::Kill(task, _) => {
                    let short = self.memory_available_milli() < self.policy.memory_kill_milli;
                    outcries.push(Outcry::Kill(task, short));
                }
            }
        }
        self.share();
        outcries
    }

    /// What the agent reports at the end of a step.
    pub(crate) fn report(&mut self, now_ms: u64) -> AgentReport {
        let now = Time::from_millis(now_ms);
        let tasks = self.tasks.iter_mut().map(|task| (task.handle, task.meter(now))).collect();
        let idle = Usage { cpus_milli: Some(0), memory_milli_mib: Some(0) };
        self.system.observe(now, idle);
        AgentReport {
            tasks,
            usage: Usage {
                cpus_milli: Some(self.uses_milli()),
                memory_milli_mib: Some(self.uses_memory_milli_mib()),
            },
            system_forecast: self.system.forecast(now),
            lending: self.reclaimer.is_lending(),
            revocable_quota_cpus_milli: self.reclaimer.quota_cpus_milli(),
            reclaims: self.reclaims,
            ..AgentReport::default()
        }
    }
}

/// Gives `room` to the lent tasks in proportion to their weights, nobody more than it would use.
fn share_by_weight(tasks: &mut [Running], mut room: u64) {
    let mut hungry: Vec<_> = tasks.iter_mut().filter(|task| task.revocable).collect();
    // By use over weight: who is satisfied first leaves its rest to the others.
    hungry.sort_by(|a, b| {
        let of = |task: &Running, other: &Running| {
            u128::from(task.would_use_milli) * u128::from(other.request_milli.max(1))
        };
        of(a, b).cmp(&of(b, a)).then(a.handle.cmp(&b.handle))
    });
    let mut weights: u64 = hungry.iter().map(|task| task.request_milli.max(1)).sum();
    for task in hungry {
        let weight = task.request_milli.max(1);
        let part = u128::from(room) * u128::from(weight) / u128::from(weights);
        task.gets_milli = task.would_use_milli.min(u64::try_from(part).unwrap_or(u64::MAX));
        room -= task.gets_milli;
        weights -= weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: u64, revocable: bool, request: u64, used: &[(u64, u64)]) -> Running {
        let mut profile = Profile::default();
        used.iter().for_each(|(length, cpus)| profile.push(*length, *cpus));
        let handle = TaskHandle::from_number(number);
        let profile = Arc::new(profile);
        Running::new(Time::ZERO, handle, number as usize, revocable, request, (profile, None))
    }

    fn node() -> Node {
        Node::new(AgentId::from_number(1), Amounts::of(4_000, 1_000), Policy::default())
    }

    #[test]
    fn an_owner_gets_all_it_would_use_and_lent_work_the_rest_by_weight() {
        let mut node = node();
        node.start(task(1, false, 4_000, &[(1_000, 1_000), (1_000, 4_000)]));
        node.start(task(2, true, 2_000, &[(10_000, 3_000)]));
        node.start(task(3, true, 1_000, &[(10_000, 3_000)]));
        let gets = |node: &Node| node.tasks.iter().map(|t| t.gets_milli).collect::<Vec<_>>();
        assert_eq!(gets(&node), [1_000, 2_000, 1_000]);
        assert_eq!(node.next_change_ms(), Some(1_000));
        assert!(node.advance(1_000).is_empty());
        assert_eq!(gets(&node), [4_000, 0, 0]);
        assert_eq!(node.next_change_ms(), Some(2_000), "starved work has no end of its own");
        let ended = node.advance(2_000);
        assert_eq!((ended[0].job, ended[0].cpu_ns()), (1, 5_000_000_000));
        assert_eq!(gets(&node), [2_666, 1_334], "thousandths are not lost");
        node.promote(TaskHandle::from_number(3), 4_000);
        assert_eq!(gets(&node), [1_000, 3_000]);
        assert_eq!(node.tasks[1].speed_ppm(), 1_000_000);
    }

    #[test]
    fn work_that_would_use_nothing_goes_on_at_full_speed() {
        let mut node = node();
        node.start(task(1, false, 4_000, &[(5_000, 4_000)]));
        node.start(task(2, true, 1_000, &[(1_000, 0)]));
        assert_eq!(node.advance(1_000).len(), 1);
    }

    #[test]
    fn the_ladder_throttles_and_comes_to_rest() {
        let mut node = node();
        node.start(task(1, false, 4_000, &[(60_000, 3_000)]));
        node.start(task(2, true, 1_000, &[(60_000, 4_000)]));
        let mut looks = 0;
        let mut now = 0;
        node.stir(now);
        while !node.is_at_rest(now) {
            now += LOOK_MS;
            node.advance(now);
            node.look(now);
            looks += 1;
        }
        assert!(looks < 100, "{looks} looks");
        let lent = node.tasks[1].gets_milli;
        assert!((700..=800).contains(&lent), "4 less 5 %, less 3: {lent}");
    }

    #[test]
    fn memory_that_runs_out_stops_lending_and_then_ends_lent_work() {
        let mut node = node();
        let with = |number, revocable, memory: &[(u64, u64)]| {
            let mut profile = Profile::default();
            memory.iter().for_each(|(length, used)| profile.push(*length, *used));
            let mut running = task(number, revocable, 1_000, &[(60_000, 100)]);
            running.memory = Some(Course::new(Arc::new(profile)));
            running
        };
        node.start(with(1, false, &[(5_000, 400), (55_000, 700)]));
        for number in [2, 3] {
            node.start(with(number, true, &[(60_000, 150)]));
        }
        assert_eq!(node.memory_available_milli(), 300);
        assert_eq!(node.look(100), []);
        assert_eq!(node.next_change_ms(), Some(5_000), "the owner wants more memory then");
        node.advance(5_000);
        node.stir(5_000);
        assert_eq!(node.memory_available_milli(), 0);
        let outcries = node.look(5_000);
        let youngest = TaskHandle::from_number(3);
        assert!(
            matches!(outcries[..], [Outcry::Lending(false, _), Outcry::Kill(killed, true)] if killed == youngest)
        );
        assert!(!node.is_at_rest(60_000), "short of memory, it goes on looking");
        node.stop(youngest);
        assert_eq!(node.memory_available_milli(), 150);
        assert!(node.is_at_rest(60_000));
        node.advance(6_000);
        assert_eq!(node.short_ms(), 0, "all there is was used, and no more");
        let usage = node.report(6_000).usage;
        assert_eq!(usage.memory_milli_mib, Some(850));
    }
}
