//! A container leaves the class of what is lent for that of what is promised, while it runs.
//!
//! Its description changes first, so that whoever comes after a crash knows where it belongs and finishes the move.
//! The group it leaves stays, empty, until the container ends: pages that were charged there stay charged there, and
//! its counters are part of the container's last figures.

use super::launch::limited_group;
use super::{Container, ContainerError, ContainerSpec, Launch, ProcessContainerizer};
use crate::checkpoint;
use crate::supervisor::SPEC_FILE;

impl ProcessContainerizer {
    /// Moves a container into the class of `spec`, which otherwise differs in amounts only. After an error the
    /// container is where it was, or [`Container::finish_promotion`] goes on with it.
    pub fn promote(
        &self,
        container: &mut Container,
        spec: ContainerSpec,
    ) -> Result<(), ContainerError> {
        let id = spec.id.clone();
        spec.validate().map_err(|source| ContainerError::Spec { id: id.clone(), source })?;
        let to = self.tree().map(|tree| limited_group(tree, &spec)).transpose();
        let to = to.map_err(|source| ContainerError::Cgroup { id: id.clone(), source })?;
        let launch = Launch { spec, ..container.launch.clone() };
        if let Err(source) = checkpoint::save(&container.dir.join(SPEC_FILE), &launch) {
            // Nobody is in it yet.
            let _ = to.map(|to| to.remove());
            return Err(ContainerError::Checkpoint { id, source });
        }
        container.launch = launch;
        container.other = std::mem::replace(&mut container.cgroup, to);
        container.finish_promotion()
    }
}

impl Container {
    /// Moves what is not yet in the group it belongs to; harmless when all is.
    pub fn finish_promotion(&self) -> Result<(), ContainerError> {
        let (Some(from), Some(to)) = (&self.other, &self.cgroup) else { return Ok(()) };
        from.move_all(to).map_err(|source| ContainerError::Cgroup { id: self.id(), source })
    }
}
