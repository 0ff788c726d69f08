//! The checks of a task that is a process of the node: when to look next, and at what.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::look::Look;
use super::members::Members;
use super::tally::Tally;
use crate::containers::{Check, Found, HealthCheck, Launch};

/// All looking at one task.
#[derive(Debug)]
pub(super) struct Checks {
    health: Option<(HealthCheck, Turn)>,
    check: Option<(Check, Turn)>,
    tally: Tally,
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
        Some(Checks { health, check, tally: Tally::new(dir, duties) })
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
            self.tally.found(found);
        }
        if let Some((health, turn)) = &mut self.health
            && step(&health.check, turn, now, launch, members).is_some()
        {
            return self.tally.is_well(false);
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
            self.tally.found(found);
        }
        if let Some((health, turn)) = &mut self.health
            && let Turn::Now(look) = turn
            && let Some(found) = look.note(pid, status)
        {
            *turn = Turn::At(after(Instant::now(), health.check.interval_ms));
            return self.tally.is_well(found.is_well());
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
