//! One test's own places: a directory and a cgroup parent. Leaving it clears both.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{cgroups::OwnCgroups, guard};

/// See the module.
#[derive(Debug)]
pub struct House {
    dir: TempDir,
    /// The cgroups below this house's parent.
    pub cgroups: OwnCgroups,
}

impl House {
    /// A new one.
    ///
    /// # Panics
    /// No directory can be made.
    #[must_use]
    pub fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{unique}", guard::prefix());
        let dir = tempfile::Builder::new().prefix(&name).tempdir().expect("a directory");
        // A task's user must be able to pass through to its sandbox.
        let passable = fs::Permissions::from_mode(0o711);
        fs::set_permissions(dir.path(), passable).expect("permissions");
        Self { dir, cgroups: OwnCgroups::new(name) }
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The daemons' state directory, unless a test chose another.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Writes a file and returns its path.
    ///
    /// # Panics
    /// It can't be written.
    #[must_use]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Default for House {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        end_all_of(self.path());
        self.cgroups.clear();
    }
}

/// Ends the processes that work in `dir` or name it: tasks and supervisors that have no cgroup.
fn end_all_of(dir: &Path) {
    let own = std::process::id();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.filter(|pid| *pid != own && belongs(*pid, dir)) {
        if let Ok(pid) = i32::try_from(pid) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn belongs(pid: u32, dir: &Path) -> bool {
    let works_there =
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    works_there || String::from_utf8_lossy(&line).contains(&*dir.to_string_lossy())
}
