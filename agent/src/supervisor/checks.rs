//! A task's checks: when to look next, what came of it, and when the task must end for it.
//!
//! What changes is written to `checks.json` in the container's directory; the agent, this one or the
//! next, tells it on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::CHECKS_FILE;
use super::look::Look;
use super::members::Members;
use crate::checkpoint;
use crate::containers::{Check, Found, HealthCheck, Launch};

/// `checks.json`: how a task's checks stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Grows with every change.
    pub sequence: u64,
    /// What the health check found last, once it has found anything.
    pub healthy: Option<bool>,
    /// Its failures in a row.
    pub failures: u32,
    /// What the check found last.
    pub check: Option<Found>,
    /// Whether the last change was one of health.
    pub is_health: bool,
}

/// All looking at one task.
#[derive(Debug)]
pub(super) struct Checks {
    path: PathBuf,
    since: Instant,
    health: Option<(HealthCheck, Turn)>,
    check: Option<(Check, Turn)>,
    checked: Checked,
}

/// Whether one check is looking, or when it will.
#[derive(Debug)]
enum Turn {
    At(Instant),
    Now(Look),
}

impl Checks {
    /// The checks of a task that starts now; `None` if it has none.
    pub(super) fn new(dir: &Path, launch: &Launch) -> Option<Checks> {
        let duties = &launch.spec.duties;
        if !duties.checks() {
            return None;
        }
        let since = Instant::now();
        let first = |check: &Check| Turn::At(after(since, check.delay_ms));
        let health = duties.health.clone().map(|health| {
            let turn = first(&health.check);
            (health, turn)
        });
        let check = duties.check.clone().map(|check| {
            let turn = first(&check);
            (check, turn)
        });
        let found = check.as_ref().map(|(check, _)| Found::nothing(&check.kind));
        let checked = Checked { check: found, ..Checked::default() };
        Some(Checks { path: dir.join(CHECKS_FILE), since, health, check, checked })
    }

    /// When something is to be done next.
    pub(super) fn next(&self) -> Option<Instant> {
        let turns = self.health.iter().map(|(_, turn)| turn);
        let turns = turns.chain(self.check.iter().map(|(_, turn)| turn));
        turns
            .map(|turn| match turn {
                Turn::At(at) => *at,
                Turn::Now(look) => look.deadline,
            })
            .min()
    }

    /// Begins looks whose time has come, and ends those that take too long. True: the task must end.
    pub(super) fn advance(&mut self, launch: &Launch, members: &Members) -> bool {
        let now = Instant::now();
        if let Some((check, turn)) = &mut self.check
            && let Some(found) = step(check, turn, now, launch, members)
        {
            self.found(found);
        }
        if let Some((health, turn)) = &mut self.health
            && step(&health.check, turn, now, launch, members).is_some()
        {
            return self.is_well(false);
        }
        false
    }

    /// A child has ended: perhaps a look. True: the task must end.
    pub(super) fn note(&mut self, pid: Pid, status: WaitStatus) -> bool {
        if let Some((check, turn)) = &mut self.check
            && let Turn::Now(look) = turn
            && let Some(found) = look.note(pid, status)
        {
            *turn = Turn::At(after(Instant::now(), check.interval_ms));
            self.found(found);
        }
        if let Some((health, turn)) = &mut self.health
            && let Turn::Now(look) = turn
            && let Some(found) = look.note(pid, status)
        {
            *turn = Turn::At(after(Instant::now(), health.check.interval_ms));
            return self.is_well(found.is_well());
        }
        false
    }

    /// The task ends: nothing more is looked at.
    pub(super) fn end(&self) {
        for turn in
            self.health.iter().map(|(_, turn)| turn).chain(self.check.iter().map(|(_, turn)| turn))
        {
            if let Turn::Now(look) = turn {
                look.end();
            }
        }
    }

    fn found(&mut self, found: Found) {
        if self.checked.check != Some(found) {
            self.checked.check = Some(found);
            self.changed(false);
        }
    }

    /// As Mesos' health checker: failures in the first grace are not counted, each other one is told,
    /// and so is the first success, also after failures.
    fn is_well(&mut self, well: bool) -> bool {
        let Some((health, _)) = &self.health else { return false };
        let is_first = self.checked.healthy.is_none();
        if well {
            if is_first || self.checked.failures > 0 {
                (self.checked.healthy, self.checked.failures) = (Some(true), 0);
                self.changed(true);
            }
            return false;
        }
        if is_first && self.since.elapsed() <= Duration::from_millis(health.grace_ms) {
            return false;
        }
        let must_end = self.checked.failures + 1 >= health.consecutive_failures;
        (self.checked.healthy, self.checked.failures) = (Some(false), self.checked.failures + 1);
        self.changed(true);
        must_end
    }

    fn changed(&mut self, is_health: bool) {
        self.checked.sequence += 1;
        self.checked.is_health = is_health;
        if let Err(fault) = checkpoint::save(&self.path, &self.checked) {
            // Told with the next change.
            eprintln!("how the checks stand can't be told: {fault}");
        }
    }
}

/// Moves one check on; something comes back if a look could not even be begun.
fn step(
    check: &Check,
    turn: &mut Turn,
    now: Instant,
    launch: &Launch,
    members: &Members,
) -> Option<Found> {
    match turn {
        Turn::Now(look) => look.enforce(now),
        Turn::At(at) if *at <= now => match Look::start(check, launch, members) {
            Ok(look) => *turn = Turn::Now(look),
            Err(reason) => {
                eprintln!("a check can't be made: {reason}");
                *turn = Turn::At(after(now, check.interval_ms));
                return Some(Found::nothing(&check.kind));
            }
        },
        Turn::At(_) => {}
    }
    None
}

/// A wait beyond the clock's range is for ever: years.
fn after(from: Instant, ms: u64) -> Instant {
    const YEARS: Duration = Duration::from_secs(u32::MAX as u64);
    from + Duration::from_millis(ms).min(YEARS)
}
