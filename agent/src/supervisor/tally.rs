//! How a task's checks stand, and when the task must end for it.
//!
//! What changes is written to `checks.json` in the container's directory; the agent, this one or the
//! next, tells it on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::CHECKS_FILE;
use crate::checkpoint;
use crate::containers::{Duties, Found, HealthCheck};

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

/// What came of all looks at one task.
#[derive(Debug)]
pub(crate) struct Tally {
    path: PathBuf,
    since: Instant,
    health: Option<HealthCheck>,
    checked: Checked,
}

impl Tally {
    /// Of a task that starts now.
    pub(crate) fn new(dir: &Path, duties: &Duties) -> Tally {
        let check = duties.check.as_ref().map(|check| Found::nothing(&check.kind));
        Tally {
            path: dir.join(CHECKS_FILE),
            since: Instant::now(),
            health: duties.health.clone(),
            checked: Checked { check, ..Checked::default() },
        }
    }

    /// The check has found this.
    pub(crate) fn found(&mut self, found: Found) {
        if self.checked.check != Some(found) {
            self.checked.check = Some(found);
            self.changed(false);
        }
    }

    /// The health check has found this; true: the task must end. As Mesos' health checker: failures in
    /// the first grace are not counted, each other one is told, and so is the first success, also after
    /// failures.
    pub(crate) fn is_well(&mut self, well: bool) -> bool {
        let Some(health) = &self.health else { return false };
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
