//! Persistent volumes: directories that outlive tasks, seen from their sandboxes.
//!
//! `<state>/volumes/<role>/<id>`, made when a task first uses it. A slash in the role is written as
//! a backslash, which no role has.

use super::{ContainerError, ContainerSpec, Layout};
use nix::unistd::{Gid, Uid};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::{Component, Path, PathBuf},
};

/// The way to a volume can be passed by anyone, but not listed.
const PASSABLE: u32 = 0o711;
const VOLUME: u32 = 0o750;

/// A volume of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Whose.
    pub role: String,
    /// Unique among that role's.
    pub id: String,
    /// Where the task sees it, from its sandbox.
    pub container_path: String,
}

impl Layout {
    /// `<state>/volumes`.
    pub fn volumes(&self) -> PathBuf {
        self.state().join("volumes")
    }

    /// Where a role's volume is; `None` for names that can't be directories.
    pub fn volume(&self, role: &str, id: &str) -> Option<PathBuf> {
        let role = role.replace('/', "\\");
        let plain = |name: &str| {
            let mut steps = Path::new(name).components();
            matches!(steps.next(), Some(Component::Normal(_))) && steps.next().is_none()
        };
        (plain(&role) && plain(id)).then(|| self.volumes().join(role).join(id))
    }
}

/// Makes a container's volumes where they are not there yet; returns where they are, and where the
/// container sees them from its sandbox.
pub(super) fn make_all(
    layout: &Layout,
    spec: &ContainerSpec,
    user: Option<(Uid, Gid)>,
) -> Result<Vec<(PathBuf, String)>, ContainerError> {
    let fault = |path: &Path, operation, source| fault(spec, path, operation, source);
    let one = |dir: Option<PathBuf>, container_path: &str| {
        let inside = Path::new(container_path);
        let odd = || fault(inside, "use the volume", io::ErrorKind::InvalidInput.into());
        let in_docker = spec.docker.is_some();
        let plain = |step| match step {
            Component::Normal(_) => true,
            Component::RootDir => in_docker,
            _ => false,
        };
        let dir = dir.filter(|_| inside.components().all(plain)).ok_or_else(odd)?;
        make(&dir, user).map_err(|source| fault(&dir, "make the volume", source))?;
        Ok((dir, container_path.to_owned()))
    };
    let kept = spec
        .volumes
        .iter()
        .map(|volume| one(layout.volume(&volume.role, &volume.id), &volume.container_path));
    let shared = spec.outer().map(|outer| &outer.shared[..]).unwrap_or_default().iter();
    let shared = shared.map(|shared| one(layout.shared(spec, shared), &shared.container_path));
    kept.chain(shared).collect()
}

/// Makes the directories of the sandbox that a Docker container sees elsewhere too.
pub(super) fn make_own(
    spec: &ContainerSpec,
    sandbox: &Path,
    user: Option<(Uid, Gid)>,
) -> Result<(), ContainerError> {
    let own = spec.docker.iter().flat_map(|docker| &docker.volumes);
    for volume in own.filter(|volume| volume.is_own()) {
        let dir = sandbox.join(&volume.host_path);
        make(&dir, user).map_err(|source| fault(spec, &dir, "make the volume", source))?;
    }
    Ok(())
}

/// Makes a container's volumes where they are not there yet, and links them into its sandbox.
pub(super) fn link(
    layout: &Layout,
    spec: &ContainerSpec,
    sandbox: &Path,
    user: Option<(Uid, Gid)>,
) -> Result<(), ContainerError> {
    for (dir, inside) in make_all(layout, spec, user)? {
        let place = sandbox.join(inside);
        let parent = place.parent().unwrap_or(sandbox);
        let linked = fs::create_dir_all(parent).and_then(|()| symlink(&dir, &place));
        linked.map_err(|source| fault(spec, &place, "link the volume", source))?;
    }
    Ok(())
}

fn fault(
    spec: &ContainerSpec,
    path: &Path,
    operation: &'static str,
    source: io::Error,
) -> ContainerError {
    ContainerError::Io { id: spec.id.clone(), path: path.to_owned(), operation, source }
}

fn make(dir: &Path, user: Option<(Uid, Gid)>) -> io::Result<()> {
    for above in [dir.parent().and_then(Path::parent), dir.parent()].into_iter().flatten() {
        if !above.exists() {
            fs::create_dir_all(above)?;
            fs::set_permissions(above, fs::Permissions::from_mode(PASSABLE))?;
        }
    }
    match fs::create_dir(dir) {
        Ok(()) => {
            fs::set_permissions(dir, fs::Permissions::from_mode(VOLUME))?;
            match user.filter(|_| Uid::effective().is_root()) {
                Some((uid, gid)) => chown(dir, Some(uid.as_raw()), Some(gid.as_raw())),
                None => Ok(()),
            }
        }
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Ends a volume and all that is in it; one that was never used is not there.
///
/// # Errors
/// Something of it could not be removed.
pub fn destroy(layout: &Layout, role: &str, id: &str) -> io::Result<()> {
    let dir = layout.volume(role, id).ok_or(io::ErrorKind::InvalidInput)?;
    match fs::remove_dir_all(&dir) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_outlives_sandboxes_until_it_is_destroyed() {
        let state = tempfile::tempdir().unwrap();
        let layout = Layout::new(state.path());
        let spec = |path: &str| {
            let mut spec = super::super::spec::tests::spec();
            let (role, id) = ("eng/web".into(), "v1".into());
            spec.volumes = vec![VolumeSpec { role, id, container_path: path.into() }];
            spec
        };
        let sandbox = |name: &str| {
            let sandbox = state.path().join(name);
            fs::create_dir(&sandbox).unwrap();
            sandbox
        };
        let (one, two) = (sandbox("one"), sandbox("two"));
        link(&layout, &spec("data/db"), &one, None).unwrap();
        fs::write(one.join("data/db/file"), "kept").unwrap();
        fs::remove_dir_all(&one).unwrap();
        link(&layout, &spec("db"), &two, None).unwrap();
        assert_eq!(fs::read_to_string(two.join("db/file")).unwrap(), "kept");
        for bad in ["../out", "/etc", ""] {
            assert!(link(&layout, &spec(bad), &two, None).is_err(), "{bad} was taken");
        }
        destroy(&layout, "eng/web", "v1").unwrap();
        destroy(&layout, "eng/web", "v1").unwrap();
        assert!(fs::read_to_string(two.join("db/file")).is_err());
        assert!(destroy(&layout, "..", "v1").is_err() && destroy(&layout, "a", "../b").is_err());
    }
}
