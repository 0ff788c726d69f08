//! The bound on processes and threads.

use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::pid::PidController;

use super::{CgroupError, Controller, Group};

impl Group {
    /// At most so many processes and threads; `None` lifts the bound.
    pub(super) fn set_pids_limit(&self, limit: Option<u32>) -> Result<(), CgroupError> {
        let dir = self.need(Controller::Pids)?;
        let value = limit.map_or(MaxValue::Max, |limit| MaxValue::Value(i64::from(limit)));
        PidController::new(dir.path.clone(), dir.path.clone(), dir.v2)
            .set_pid_max(value)
            .map_err(|e| CgroupError::from_crate(&dir.path, "set pids.max in", &e))
    }
}
