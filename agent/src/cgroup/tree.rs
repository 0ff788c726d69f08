//! The agent's subtree in every hierarchy: `<parent>/{guaranteed,revocable,supervisors}`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::group::{children, make_dir};
use super::quota::RevocableLimits;
use super::{CgroupError, Class, ContainerCgroup, Controller, Group, Hierarchy, Slice, knob};
use crate::absence::Absence;

/// The parent group when the operator names none.
pub const DEFAULT_PARENT: &str = "headroom";
pub(super) const SUPERVISORS: &str = "supervisors";
/// A directory name's longest length (NAME_MAX).
const MAX_NAME_BYTES: usize = 255;

/// The agent's own tree.
#[derive(Clone, Debug)]
pub struct Tree {
    hierarchy: Hierarchy,
    parent: String,
    absences: Vec<Absence>,
    limits: Arc<RevocableLimits>,
}

impl Tree {
    /// Makes the tree, or adopts the one an earlier agent left. A controller that cannot be used
    /// is left out and listed in `absences`; an error means that none can.
    pub fn create(hierarchy: &Hierarchy, parent: &str) -> Result<Tree, CgroupError> {
        let mut tree = Tree::open(hierarchy, parent)?;
        for controller in Controller::ALL {
            let made = match tree.hierarchy.places().get(&controller).cloned() {
                Some(place) if place.v2 => tree.create_v2(&place.mount, controller.v2_name()),
                Some(place) => tree.create_dirs(&place.mount),
                None => {
                    // Freezing is the v2 tree's where there is one; only a true lack is told.
                    tree.note(controller, "no cgroup mount carries it");
                    continue;
                }
            };
            if let Err(error) = made {
                tree.note(controller, &error.to_string());
                tree.hierarchy.drop_controller(controller);
            }
        }
        if tree.hierarchy.places().is_empty() {
            let reasons: Vec<String> = tree.absences.iter().map(Absence::to_string).collect();
            return Err(CgroupError::NothingUsable {
                parent: parent.to_owned(),
                reasons: reasons.join("; "),
            });
        }
        Ok(tree)
    }

    /// The tree as it stands, without making anything: what a supervisor needs.
    pub fn open(hierarchy: &Hierarchy, parent: &str) -> Result<Tree, CgroupError> {
        parent.split('/').try_for_each(check_name)?;
        Ok(Tree {
            hierarchy: hierarchy.clone(),
            parent: parent.to_owned(),
            absences: Vec::new(),
            limits: Arc::default(),
        })
    }

    /// The tree as another process of ours made it: exactly these controllers, or an error. One
    /// left out silently would be a limit that is not enforced.
    pub fn reopen(
        hierarchy: &Hierarchy,
        parent: &str,
        controllers: &[Controller],
    ) -> Result<Tree, CgroupError> {
        let mut tree = Tree::open(hierarchy, parent)?;
        for controller in Controller::ALL {
            if !controllers.contains(&controller) {
                tree.hierarchy.drop_controller(controller);
            } else if hierarchy.mount_point(controller).is_none() {
                return Err(CgroupError::NoController {
                    controller: controller.name(),
                    group: parent.to_owned(),
                    reason: "it is no longer mounted".into(),
                });
            }
        }
        Ok(tree)
    }

    /// The controllers in use.
    pub fn controllers(&self) -> Vec<Controller> {
        self.hierarchy.places().keys().copied().collect()
    }

    /// The controllers that cannot be used here, with the reason.
    pub fn absences(&self) -> &[Absence] {
        &self.absences
    }

    /// The mounts this tree uses.
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// The parent group's name.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// Makes the group of a container (or adopts it).
    pub fn container(&self, class: Class, id: &str) -> Result<ContainerCgroup, CgroupError> {
        let container = self.open_existing(class, id)?;
        container.group().create()?;
        Ok(container)
    }

    /// Makes the group of a container that only other containers are in (or adopts it): it has no
    /// processes of its own, so v2 lets it have controllers for them.
    pub fn outer(&self, class: Class, id: &str) -> Result<ContainerCgroup, CgroupError> {
        let container = self.container(class, id)?;
        for (controller, dir) in container.group().dirs() {
            if let Some(name) = controller.v2_name().filter(|_| dir.v2) {
                enable(&dir.path, name)?;
            }
        }
        Ok(container)
    }

    /// Makes the group of a container in that of another one (or adopts it).
    pub fn nested(
        &self,
        class: Class,
        outer: &str,
        id: &str,
    ) -> Result<ContainerCgroup, CgroupError> {
        let container = self.open_nested(class, outer, id)?;
        container.group().create()?;
        Ok(container)
    }

    /// The group of a container without making it; see [`ContainerCgroup::exists`].
    pub fn open_existing(&self, class: Class, id: &str) -> Result<ContainerCgroup, CgroupError> {
        self.at(class, &[id])
    }

    /// The same of one that is in another container's group.
    pub fn open_nested(
        &self,
        class: Class,
        outer: &str,
        id: &str,
    ) -> Result<ContainerCgroup, CgroupError> {
        self.at(class, &[outer, id])
    }

    fn at(&self, class: Class, ids: &[&str]) -> Result<ContainerCgroup, CgroupError> {
        ids.iter().try_for_each(|id| check_name(id))?;
        let name = format!("{}/{}/{}", self.parent, class.dir_name(), ids.join("/"));
        let group = Group::new(&self.hierarchy, &name);
        let own = ids.last().copied().unwrap_or_default();
        Ok(ContainerCgroup::new(group, class, own, Arc::clone(&self.limits)))
    }

    /// The ids of all containers that have a group in `class`, whoever made it: after a restart
    /// those without a document are nobody's and can be killed and removed.
    pub fn ids(&self, class: Class) -> Result<Vec<String>, CgroupError> {
        let slice = self.slice(class);
        let mut ids = BTreeSet::new();
        for dir in slice.group().distinct_dirs() {
            let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
            ids.extend(children(dir)?.into_iter().filter_map(name));
        }
        Ok(ids.into_iter().collect())
    }

    /// All that is lent.
    pub fn revocable(&self) -> Slice {
        self.slice(Class::Revocable)
    }

    /// All that is promised.
    pub fn guaranteed(&self) -> Slice {
        self.slice(Class::Guaranteed)
    }

    fn slice(&self, class: Class) -> Slice {
        let name = format!("{}/{}", self.parent, class.dir_name());
        Slice::new(Group::new(&self.hierarchy, &name), Arc::clone(&self.limits))
    }

    /// Where supervisors live: outside both classes, so that no throttle or freeze stops them.
    pub fn supervisors(&self) -> Group {
        Group::new(&self.hierarchy, &format!("{}/{SUPERVISORS}", self.parent))
    }

    /// Removes everything of ours, bottom up; an error names what still holds processes.
    pub fn remove(&self) -> Result<(), CgroupError> {
        Group::new(&self.hierarchy, &self.parent).remove()
    }

    fn note(&mut self, controller: Controller, reason: &str) {
        self.absences.push(Absence::new(format!("controller {}", controller.name()), reason));
    }

    fn create_dirs(&self, mount: &Path) -> Result<(), CgroupError> {
        self.ancestors(mount).iter().try_for_each(|dir| make_dir(dir))?;
        self.members(mount).values().try_for_each(|dir| make_dir(dir))
    }

    /// On v2 a controller must be switched on in every group above the ones that use it, and a
    /// group with processes of its own cannot do that (no-internal-process rule, cgroup-v2.rst).
    fn create_v2(&self, mount: &Path, controller: Option<&str>) -> Result<(), CgroupError> {
        let Some(controller) = controller else { return self.create_dirs(mount) };
        enable(mount, controller)?;
        for dir in self.ancestors(mount) {
            make_dir(&dir)?;
            enable(&dir, controller)?;
        }
        for (name, dir) in self.members(mount) {
            make_dir(&dir)?;
            // Supervisors are processes in the group itself, so nothing is enabled below it.
            if name != SUPERVISORS {
                enable(&dir, controller)?;
            }
        }
        Ok(())
    }

    /// The parent group and those above it, topmost first.
    fn ancestors(&self, mount: &Path) -> Vec<PathBuf> {
        let mut dir = mount.to_owned();
        let step = |name| {
            dir.push(name);
            dir.clone()
        };
        self.parent.split('/').map(step).collect()
    }

    fn members(&self, mount: &Path) -> BTreeMap<&'static str, PathBuf> {
        let parent = mount.join(&self.parent);
        [Class::Guaranteed.dir_name(), Class::Revocable.dir_name(), SUPERVISORS]
            .into_iter()
            .map(|name| (name, parent.join(name)))
            .collect()
    }
}

/// Switches `controller` on for the children of `dir`, unless it is on.
fn enable(dir: &Path, controller: &str) -> Result<(), CgroupError> {
    let file = dir.join("cgroup.subtree_control");
    if knob::read(&file)?.split_whitespace().any(|word| word == controller) {
        return Ok(());
    }
    if has_own_processes(dir)? {
        return Err(CgroupError::InternalProcesses { path: dir.to_owned() });
    }
    knob::write(&file, &format!("+{controller}"))
}

/// Whether a group other than the root has processes itself. The kernel then refuses memory and io,
/// but takes cpu and pids and makes it a thread root, whose children no process can join
/// (cgroup_vet_subtree_control_enable, kernel/cgroup/cgroup.c): all or none is what we want.
fn has_own_processes(dir: &Path) -> Result<bool, CgroupError> {
    // The root is the one group without a type.
    if !dir.join("cgroup.type").exists() {
        return Ok(false);
    }
    Ok(!knob::read(&dir.join("cgroup.procs"))?.trim().is_empty())
}

/// A name that is exactly one directory and cannot be mistaken for a cgroup file.
fn check_name(name: &str) -> Result<(), CgroupError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "it is longer than 255 bytes"
    } else if name == "." || name == ".." {
        "it is a path step"
    } else if name.chars().any(|c| c.is_control() || c == '/' || c == '\\') {
        "it holds a slash or a control character"
    } else if name.starts_with("cgroup.") {
        "it looks like a file of the kernel's"
    } else {
        return Ok(());
    };
    Err(CgroupError::Name { name: name.to_owned(), reason })
}
