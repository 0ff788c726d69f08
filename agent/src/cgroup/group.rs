//! One control group: its directory in each hierarchy, its members and its inodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::hierarchy::Place;
use super::{CgroupError, Controller, Hierarchy, knob};

/// How deep a task may nest groups of its own before they are no longer looked at.
const MAX_DEPTH: usize = 16;

/// The directory of a group in the hierarchy of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDir {
    /// The directory.
    pub path: PathBuf,
    /// Whether the controller speaks version 2 there.
    pub v2: bool,
}

/// A control group of ours across all hierarchies.
#[derive(Clone, Debug)]
pub struct Group {
    name: String,
    dirs: BTreeMap<Controller, GroupDir>,
    /// Where Docker makes a group of this name in hierarchies that we do not use.
    others: Vec<PathBuf>,
}

impl Group {
    /// The group called `name` (relative to the mounts) in every place of `hierarchy`.
    pub(super) fn new(hierarchy: &Hierarchy, name: &str) -> Group {
        let dir = |place: &Place| GroupDir { path: place.mount.join(name), v2: place.v2 };
        let dirs = hierarchy.places().iter().map(|(c, place)| (*c, dir(place))).collect();
        let others = hierarchy.others().iter().map(|mount| mount.join(name)).collect();
        Group { name: name.to_owned(), dirs, others }
    }

    /// The name, relative to the mounts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where `controller` keeps this group, if it is usable.
    pub fn dir(&self, controller: Controller) -> Option<&GroupDir> {
        self.dirs.get(&controller)
    }

    /// All of them.
    pub(super) fn dirs(&self) -> impl Iterator<Item = (Controller, &GroupDir)> {
        self.dirs.iter().map(|(controller, dir)| (*controller, dir))
    }

    /// The same, or the error that says it is missing.
    pub(super) fn need(&self, controller: Controller) -> Result<&GroupDir, CgroupError> {
        self.dir(controller).ok_or_else(|| CgroupError::NoController {
            controller: controller.name(),
            group: self.name.clone(),
            reason: "it is not mounted or could not be enabled (see the tree's absences)".into(),
        })
    }

    /// Each directory once, in joining order.
    pub fn distinct_dirs(&self) -> Vec<&Path> {
        let mut dirs: Vec<&Path> = Vec::with_capacity(self.dirs.len());
        for dir in self.dirs.values() {
            if !dirs.contains(&dir.path.as_path()) {
                dirs.push(&dir.path);
            }
        }
        dirs
    }

    /// The same name in the hierarchies that we do not use, whether it is there or not.
    pub(super) fn other_dirs(&self) -> &[PathBuf] {
        &self.others
    }

    /// The inodes of the groups below this one in the hierarchy of `controller`.
    pub fn inodes_below(&self, controller: Controller) -> Vec<u64> {
        let Some(dir) = self.dir(controller) else { return Vec::new() };
        let below = subtree(&dir.path).unwrap_or_default();
        let inode = |path: &PathBuf| fs::metadata(path).ok().map(|meta| meta.ino());
        below.iter().skip(1).filter_map(inode).collect()
    }

    /// The files a process writes `0` to in order to join.
    pub fn procs_files(&self) -> Vec<PathBuf> {
        self.distinct_dirs().iter().map(|dir| dir.join("cgroup.procs")).collect()
    }

    /// Moves the calling process into the group.
    pub fn join(&self) -> Result<(), CgroupError> {
        self.procs_files().iter().try_for_each(|file| knob::write(file, "0"))
    }

    /// Whether the group is there in every hierarchy, and in one at least.
    pub fn exists(&self) -> bool {
        !self.dirs.is_empty() && self.distinct_dirs().iter().all(|dir| dir.is_dir())
    }

    /// Makes the directories that are missing; what exists is adopted.
    pub(super) fn create(&self) -> Result<(), CgroupError> {
        self.distinct_dirs().iter().try_for_each(|dir| make_dir(dir))
    }

    /// All processes of the group and its descendants, in any hierarchy.
    pub fn procs(&self) -> Result<Vec<i32>, CgroupError> {
        let mut pids = BTreeSet::new();
        for dir in self.distinct_dirs() {
            for group in subtree(dir)? {
                read_procs(&group, &mut pids)?;
            }
        }
        Ok(pids.into_iter().collect())
    }

    /// The inode of the directory in the hierarchy of `controller`: what eBPF sees as its id.
    pub fn inode(&self, controller: Controller) -> Result<u64, CgroupError> {
        let path = &self.need(controller)?.path;
        let meta = fs::metadata(path).map_err(|e| CgroupError::file(path, "stat", e))?;
        Ok(meta.ino())
    }
}

/// Makes one directory, or finds that it is there.
pub(super) fn make_dir(dir: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(CgroupError::file(dir, "make the directory", e)),
        Ok(()) => Ok(()),
    }
}

/// `dir` and its descendants, parents first; a group that vanishes meanwhile is left out.
pub(super) fn subtree(dir: &Path) -> Result<Vec<PathBuf>, CgroupError> {
    let mut found = vec![dir.to_owned()];
    let mut level = vec![dir.to_owned()];
    for _ in 0..MAX_DEPTH {
        let mut below = Vec::new();
        for group in &level {
            below.extend(children(group)?);
        }
        if below.is_empty() {
            break;
        }
        found.extend(below.iter().cloned());
        level = below;
    }
    Ok(found)
}

pub(super) fn children(dir: &Path) -> Result<Vec<PathBuf>, CgroupError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if is_gone(&e) => return Ok(Vec::new()),
        Err(e) => return Err(CgroupError::file(dir, "list", e)),
    };
    let is_group = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    Ok(entries.flatten().filter(is_group).map(|entry| entry.path()).collect())
}

pub(super) fn read_procs(dir: &Path, pids: &mut BTreeSet<i32>) -> Result<(), CgroupError> {
    let file = dir.join("cgroup.procs");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if is_gone(&e) => return Ok(()),
        // A threaded v2 group refuses the list; its domain, an ancestor, lists the process.
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(()),
        Err(e) => return Err(CgroupError::file(&file, "read", e)),
    };
    // 0 is a process of another pid namespace: not ours to name.
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    Ok(())
}

/// ENOENT before the open, ENODEV after it: the group was removed.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}
