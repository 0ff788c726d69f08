//! Containers in containers: an executor that the agent itself plays runs nothing, and the tasks of its groups are in
//! its container, with sandboxes and control groups below its own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, Layout};
use crate::cgroup::{CgroupError, Class, ContainerCgroup, Tree};

/// In an outer container's sandbox: the sandboxes of those in it, by container, as in Mesos.
const CONTAINERS: &str = "containers";
/// And beside it links to them, by task.
const TASKS: &str = "tasks";

/// How a container stands to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nesting {
    /// By itself.
    #[default]
    Alone,
    /// It runs nothing, and others are in it.
    Outer,
    /// It is in that one.
    Inner(Outer),
}

/// The container that one is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outer {
    /// Its executor's id.
    pub executor: String,
    /// Its own id.
    pub container: String,
    /// Whether its limits are the only ones.
    pub shares_limits: bool,
    /// Directories of its sandbox that are seen in this one too.
    #[serde(default)]
    pub shared: Vec<Shared>,
}

/// A directory in an outer container's sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// One step: nothing of a task's is on the way to it.
    pub name: String,
    /// Where an inner container sees it, from its sandbox.
    pub container_path: String,
}

impl ContainerSpec {
    /// Whether it runs nothing itself.
    #[must_use]
    pub fn is_outer(&self) -> bool {
        self.nesting == Nesting::Outer
    }

    /// The container that it is in.
    #[must_use]
    pub fn outer(&self) -> Option<&Outer> {
        match &self.nesting {
            Nesting::Inner(outer) => Some(outer),
            Nesting::Alone | Nesting::Outer => None,
        }
    }

    /// The id of its executor: a task without one of its own is called as its executor.
    #[must_use]
    pub fn executor(&self) -> &str {
        self.outer().map_or(&self.task, |outer| &outer.executor)
    }

    /// Its group in `class`, which need not be there.
    pub fn group(&self, tree: &Tree, class: Class) -> Result<ContainerCgroup, CgroupError> {
        match self.outer() {
            Some(outer) => tree.open_nested(class, &outer.container, &self.id),
            None => tree.open_existing(class, &self.id),
        }
    }

    /// Makes its group, without limits.
    pub(super) fn make_group(&self, tree: &Tree) -> Result<ContainerCgroup, CgroupError> {
        match &self.nesting {
            Nesting::Alone => tree.container(self.class, &self.id),
            Nesting::Outer => tree.outer(self.class, &self.id),
            Nesting::Inner(outer) => tree.nested(self.class, &outer.container, &self.id),
        }
    }
}

impl Layout {
    /// The sandbox of a container in another.
    pub(super) fn inner_sandbox(&self, spec: &ContainerSpec, outer: &Outer) -> PathBuf {
        let runs = self.runs(&spec.agent, &spec.framework, &outer.executor);
        runs.join(&outer.container).join(CONTAINERS).join(&spec.id)
    }
}

impl Layout {
    /// Where a directory is that containers in an outer one share; `None` for what is no name of one.
    pub(super) fn shared(&self, spec: &ContainerSpec, shared: &Shared) -> Option<PathBuf> {
        let mut steps = Path::new(&shared.name).components();
        let step = steps.next().filter(|step| matches!(step, Component::Normal(_)))?;
        let taken = [CONTAINERS, TASKS].map(OsStr::new).contains(&step.as_os_str());
        let sandbox = self.sandbox(spec);
        let outer = sandbox.ancestors().nth(2)?;
        (steps.next().is_none() && !taken).then(|| outer.join(step))
    }

    /// The newest sandbox of a task of a group, by its link in its executor's.
    pub(super) fn newest_inner(&self, framework: &str, task: &str) -> Option<PathBuf> {
        let runs = entries(&self.slaves()).into_iter().flat_map(|agent| {
            let executors = entries(&agent.join("frameworks").join(framework).join("executors"));
            executors.into_iter().flat_map(|executor| entries(&executor.join("runs")))
        });
        let inner = runs.filter_map(|run| {
            let target = fs::read_link(run.join(TASKS).join(task)).ok()?;
            let sandbox = run.join(CONTAINERS).join(target.file_name()?);
            let changed = fs::metadata(&sandbox).and_then(|data| data.modified()).ok()?;
            Some((changed, sandbox))
        });
        inner.max_by_key(|(changed, _)| *changed).map(|(_, sandbox)| sandbox)
    }

    /// The containers whose sandboxes are in a run's.
    #[must_use]
    pub fn inner_containers(run: &Path) -> Vec<PathBuf> {
        entries(&run.join(CONTAINERS))
    }
}

/// The directories in it, but no links to any.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let plain = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(plain).map(|entry| entry.path()).collect()
}

/// Has `tasks/<task>` in the outer sandbox lead to the one in it.
pub(super) fn link_task(sandbox: &Path, spec: &ContainerSpec) -> io::Result<()> {
    let outer = sandbox.ancestors().nth(2).ok_or(io::ErrorKind::InvalidInput)?;
    let (tasks, target) = (outer.join(TASKS), Path::new("..").join(CONTAINERS).join(&spec.id));
    let (link, new) = (tasks.join(&spec.task), tasks.join(format!(".{}", spec.id)));
    let _ = fs::remove_file(&new);
    symlink(target, &new)?;
    fs::rename(&new, link)
}

/// Where links to the sandboxes of tasks are, in an outer sandbox.
pub(super) fn tasks_dir(outer: &Path) -> PathBuf {
    outer.join(TASKS)
}

/// Where the sandboxes in an outer one are.
pub(super) fn containers_dir(outer: &Path) -> PathBuf {
    outer.join(CONTAINERS)
}
