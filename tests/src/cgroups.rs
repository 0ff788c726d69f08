//! The control groups that one cluster under test makes: found, watched and removed by their name,
//! without the product's own code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::patience::wait_until;

/// All mount points of cgroups, of both versions.
pub(crate) fn mounts() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let ours = fields.filter(|fields| matches!(fields.get(2), Some(&("cgroup" | "cgroup2"))));
    ours.map(|fields| PathBuf::from(fields[1])).collect()
}

/// Whether all controllers are on cgroup v2 here.
#[must_use]
pub fn unified() -> bool {
    let mounts = mounts();
    let controllers =
        mounts.first().and_then(|m| fs::read_to_string(m.join("cgroup.controllers")).ok());
    mounts.len() == 1
        && controllers.is_some_and(|names| {
            ["cpu", "io", "memory", "pids"]
                .iter()
                .all(|c| names.split_whitespace().any(|n| n == *c))
        })
}

/// The groups below one parent, in all hierarchies.
#[derive(Debug)]
pub struct OwnCgroups {
    parent: String,
}

impl OwnCgroups {
    pub(crate) const fn new(parent: String) -> Self {
        Self { parent }
    }

    /// The parent's name.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The parent's directories.
    fn tops(&self) -> Vec<PathBuf> {
        let all = mounts().into_iter().map(|mount| mount.join(&self.parent));
        all.filter(|dir| dir.is_dir()).collect()
    }

    /// Every container's directory in every hierarchy.
    #[must_use]
    pub fn containers(&self) -> Vec<PathBuf> {
        let classes = self.tops().into_iter();
        let classes = classes.flat_map(|top| ["guaranteed", "revocable"].map(|c| top.join(c)));
        classes.flat_map(|class| children(&class)).collect()
    }

    /// A file of all of one class (`guaranteed`, `revocable`), of one controller on v1 or the v2 tree.
    #[must_use]
    pub fn class_file(&self, class: &str, names: &[&str]) -> Option<String> {
        let mut files = self.tops().into_iter().flat_map(|top| {
            let class = top.join(class);
            names.iter().map(move |name| class.join(name)).collect::<Vec<_>>()
        });
        files.find_map(|file| fs::read_to_string(file).ok())
    }

    /// The CPU quota on all that is lent, in CPUs; none: no quota.
    #[must_use]
    pub fn lent_quota_cpus(&self) -> Option<f64> {
        let number = |text: String| text.trim().parse::<f64>().ok();
        if let Some(quota) = self.class_file("revocable", &["cpu.cfs_quota_us"]) {
            let period = number(self.class_file("revocable", &["cpu.cfs_period_us"])?)?;
            return number(quota).filter(|quota| *quota >= 0.0).map(|quota| quota / period);
        }
        let max = self.class_file("revocable", &["cpu.max"])?;
        let (quota, period) = max.trim().split_once(' ')?;
        Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
    }

    /// All tasks' processes (not their supervisors).
    #[must_use]
    pub fn task_pids(&self) -> BTreeSet<i32> {
        self.containers().iter().flat_map(|dir| tree(dir)).flat_map(|dir| pids(&dir)).collect()
    }

    /// Each container's processes, by its id.
    #[must_use]
    pub fn pids_by_container(&self) -> BTreeMap<String, BTreeSet<i32>> {
        let mut found: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        for dir in self.containers() {
            let id = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.entry(id).or_default().extend(tree(&dir).iter().flat_map(|dir| pids(dir)));
        }
        found
    }

    /// The one container's file of the first of `names` that any hierarchy has.
    #[must_use]
    pub fn container_file(&self, names: &[&str]) -> Option<PathBuf> {
        let dirs = self.containers();
        let of = |name: &&str| dirs.iter().map(|dir| dir.join(name)).find(|file| file.exists());
        names.iter().find_map(of)
    }

    /// Kills whatever is left and removes the groups.
    pub(crate) fn clear(&self) {
        wait_until("the test's cgroups go", || {
            let groups: Vec<_> = self.tops().iter().flat_map(|top| tree(top)).collect();
            for pid in groups.iter().flat_map(|group| pids(group)) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            for group in groups.iter().rev() {
                let _ = fs::remove_dir(group);
            }
            self.tops().is_empty()
        });
    }
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// A group and all below it, topmost first.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let below = children(dir);
    std::iter::once(dir.to_owned()).chain(below.iter().flat_map(|child| tree(child))).collect()
}

fn pids(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect()
}
