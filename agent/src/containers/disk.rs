//! Whether the state directory has room for one more container.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::ContainerError;

/// Below this the agent launches nothing: checkpoints of what runs need the rest.
pub const MIN_FREE_BYTES: u64 = 64 << 20;
/// A container takes about ten files and directories.
pub const MIN_FREE_INODES: u64 = 128;

/// Fails if launching would risk the checkpoints of what runs already.
pub(super) fn check(id: &str, state: &Path) -> Result<(), ContainerError> {
    let found = statvfs(state).map_err(|errno| ContainerError::Io {
        id: id.to_owned(),
        path: state.to_owned(),
        operation: "look at the free space of",
        source: errno.into(),
    })?;
    let free_bytes = found.blocks_available().saturating_mul(found.fragment_size());
    // File systems without a fixed inode table (btrfs) report none at all.
    let counted = found.files() > 0;
    let free_inodes = if counted { found.files_available() } else { u64::MAX };
    if free_bytes < MIN_FREE_BYTES || free_inodes < MIN_FREE_INODES {
        return Err(ContainerError::StateDirFull {
            path: state.to_owned(),
            free_bytes,
            free_inodes,
        });
    }
    Ok(())
}

/// Says what to do when there is no room to launch anything.
pub fn free_for_launch(state: &Path) -> Result<(), String> {
    check("-", state).map_err(|full| full.to_string())
}
