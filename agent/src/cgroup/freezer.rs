//! Stopping and resuming all processes of a group.

use cgroups_rs::fs::freezer::FreezerController;

use super::{CgroupError, Controller, Group};

impl Group {
    /// Stops every process of the group. Returns when asked, not when all have stopped.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.freezer(|freezer| freezer.freeze(), "freeze")
    }

    /// Lets them run again.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.freezer(|freezer| freezer.thaw(), "thaw")
    }

    fn freezer(
        &self,
        act: impl Fn(&FreezerController) -> cgroups_rs::fs::error::Result<()>,
        what: &str,
    ) -> Result<(), CgroupError> {
        let dir = self.need(Controller::Freezer)?;
        let freezer = FreezerController::new(dir.path.clone(), dir.path.clone(), dir.v2);
        act(&freezer).map_err(|e| CgroupError::from_crate(&dir.path, what, &e))
    }
}
