//! A state directory of the older layout, brought to this one at the agent's start.
//!
//! It had `agent.json`, `containers/<id>` and `sandboxes/<framework>/<task>/<container>`. Each is
//! moved, and where something that runs may still use its old path, a link is left in its place: an
//! older supervisor writes `containers/<id>/exit.json`, and a task knows its sandbox by name.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::launch::{PASSABLE, PRIVATE, make_dirs, point_latest};
use super::{ContainerError, Layout};
use crate::identity;

const OLD_CONTAINERS: &str = "containers";
const OLD_SANDBOXES: &str = "sandboxes";

impl Layout {
    /// Moves documents that are still where older agents kept them; does nothing otherwise.
    ///
    /// # Errors
    /// The state directory refuses.
    pub fn migrate(&self) -> Result<(), ContainerError> {
        make(&self.meta(), PRIVATE)?;
        let (old, new) = (self.state().join(identity::FILE), self.meta().join(identity::FILE));
        if old.exists() && !new.exists() {
            rename(&old, &new)?;
        }
        let old = self.state().join(OLD_CONTAINERS);
        if is_real_dir(&old) && !self.containers().exists() {
            rename(&old, &self.containers())?;
        }
        if has_entries(&self.state().join(OLD_SANDBOXES)) && !old.exists() {
            let target = Path::new("meta").join(OLD_CONTAINERS);
            symlink(target, &old).map_err(fault(&old, "leave a link at"))?;
        }
        Ok(())
    }

    /// The same for sandboxes. `agent`: this agent's id, under which they are found from now on; they
    /// stay where they are if it has none.
    ///
    /// # Errors
    /// The state directory refuses.
    pub fn migrate_sandboxes(&self, agent: &str) -> Result<(), ContainerError> {
        let old = self.state().join(OLD_SANDBOXES);
        if agent.is_empty() {
            return Ok(());
        }
        for framework in dirs(&old) {
            for task in dirs(&framework) {
                let runs = self.runs(agent, &name(&framework), &name(&task));
                for sandbox in dirs(&task) {
                    make(&runs, PASSABLE)?;
                    let place = runs.join(name(&sandbox));
                    rename(&sandbox, &place)?;
                    symlink(&place, &sandbox).map_err(fault(&sandbox, "leave a link at"))?;
                    point_latest(&runs, &name(&sandbox)).map_err(fault(&runs, "link latest in"))?;
                }
            }
        }
        Ok(())
    }

    /// Removes the links of the move once nothing is behind them any more.
    pub fn drop_old_links(&self) {
        let old = self.state().join(OLD_SANDBOXES);
        for framework in dirs(&old) {
            for task in dirs(&framework) {
                for link in entries(&task).filter(|link| !link.exists()) {
                    let _ = fs::remove_file(link);
                }
                let _ = fs::remove_dir(task);
            }
            let _ = fs::remove_dir(framework);
        }
        if fs::remove_dir(&old).is_ok() {
            let _ = fs::remove_file(self.state().join(OLD_CONTAINERS));
        }
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Directories themselves, not links to them.
fn dirs(dir: &Path) -> impl Iterator<Item = PathBuf> {
    entries(dir).filter(|path| is_real_dir(path))
}

fn is_real_dir(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.is_dir())
}

fn has_entries(dir: &Path) -> bool {
    entries(dir).next().is_some()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn make(dir: &Path, mode: u32) -> Result<(), ContainerError> {
    make_dirs(dir, mode).map_err(fault(dir, "make the directory"))
}

fn rename(from: &Path, to: &Path) -> Result<(), ContainerError> {
    fs::rename(from, to).map_err(fault(from, "move to its new place"))
}

fn fault<'a>(path: &'a Path, operation: &'static str) -> impl Fn(io::Error) -> ContainerError + 'a {
    super::launch::io_error("-", path, operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_directory_is_moved_and_its_paths_still_lead_there() {
        let state = tempfile::tempdir().unwrap();
        let at = |path: &str| state.path().join(path);
        fs::create_dir_all(at("containers/c1")).unwrap();
        fs::create_dir_all(at("sandboxes/f1/t1/c1")).unwrap();
        fs::write(at("agent.json"), "{}").unwrap();
        fs::write(at("sandboxes/f1/t1/c1/stdout"), "one\n").unwrap();
        let layout = Layout::new(state.path());
        for _ in 0..2 {
            layout.migrate().unwrap();
            layout.migrate_sandboxes("A1").unwrap();
        }
        let sandbox = at("slaves/A1/frameworks/f1/executors/t1/runs/c1");
        assert_eq!(layout.newest_sandbox("f1", "t1"), Some(sandbox.clone()));
        assert!(at("meta/agent.json").exists() && at("meta/containers/c1").is_dir());
        // What runs goes on by the paths it knows.
        fs::write(at("containers/c1/exit.json"), "{}").unwrap();
        fs::write(at("sandboxes/f1/t1/c1/stdout"), "two\n").unwrap();
        assert!(at("meta/containers/c1/exit.json").exists());
        assert_eq!(fs::read_to_string(sandbox.join("stdout")).unwrap(), "two\n");

        layout.drop_old_links();
        assert!(at("containers").exists(), "the sandbox is still there");
        fs::remove_dir_all(&sandbox).unwrap();
        layout.drop_old_links();
        assert!(!at("sandboxes").exists() && !at("containers").exists());
        assert!(at("meta/containers/c1").is_dir());
    }
}
