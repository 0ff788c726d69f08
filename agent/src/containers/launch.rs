//! Starting containers of both kinds: makes a container's directories and group, and starts it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User};

use super::docker::{self, DockerLaunch, Sweeper};
use super::{
    Container, ContainerError, ContainerSpec, LATEST, Launch, LaunchCgroup, Layout, disk, nesting,
    volume,
};
use crate::cgroup::{CgroupError, ContainerCgroup, Tree};
use crate::checkpoint::{self, Recovery};
use crate::fetcher::{self, Fetch};
use crate::supervisor::{SPEC_FILE, STARTING_FILE, SupervisorHandle};

/// Only the agent looks into its own documents.
pub(super) const PRIVATE: u32 = 0o700;
/// A sandbox is its user's; the way to it can be passed by anyone, but not listed.
pub(super) const PASSABLE: u32 = 0o711;
const SANDBOX: u32 = 0o750;

/// Runs containers, each below a supervisor of its own.
#[derive(Clone, Debug)]
pub struct ProcessContainerizer {
    layout: Layout,
    exe: PathBuf,
    tree: Option<Tree>,
    docker: docker::Settings,
    fetch: Fetch,
}

impl ProcessContainerizer {
    /// `exe` is the program whose subcommand `supervise` runs a supervisor; without a `tree`
    /// containers have no limits and no figures of their own.
    pub fn new(
        layout: Layout,
        exe: PathBuf,
        tree: Option<Tree>,
    ) -> Result<ProcessContainerizer, ContainerError> {
        make_dirs(layout.state(), PASSABLE).map_err(io_error(
            "-",
            layout.state(),
            "make the directory",
        ))?;
        layout.migrate()?;
        for (dir, mode) in [(layout.containers(), PRIVATE), (layout.slaves(), PASSABLE)] {
            make_dirs(&dir, mode).map_err(io_error("-", &dir, "make the directory"))?;
        }
        let (docker, fetch) = Default::default();
        Ok(ProcessContainerizer { layout, exe, tree, docker, fetch })
    }

    /// The same with another Docker.
    #[must_use]
    pub fn with_docker(self, docker: docker::Settings) -> ProcessContainerizer {
        ProcessContainerizer { docker, ..self }
    }

    /// Removes what is left of Docker containers that nobody supervises.
    pub fn sweeper(&self) -> Sweeper {
        Sweeper::new(&self.docker.socket, &self.layout)
    }

    /// The same with other bounds for what tasks fetch; where copies are kept is the layout's.
    #[must_use]
    pub fn with_fetch(self, fetch: Fetch) -> ProcessContainerizer {
        ProcessContainerizer { fetch, ..self }
    }

    /// Where the containers' files are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The agent's cgroups, if it may make any.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    /// Starts a container. What was made for one that cannot be started is removed again.
    pub fn launch(&self, spec: &ContainerSpec) -> Result<Container, ContainerError> {
        spec.validate().map_err(|source| ContainerError::Spec { id: spec.id.clone(), source })?;
        disk::check(&spec.id, self.layout.state())?;
        let dir = self.layout.container(&spec.id);
        match DirBuilder::new().mode(PRIVATE).create(&dir) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ContainerError::Exists { id: spec.id.clone(), dir });
            }
            Err(e) => return Err(io_error(&spec.id, &dir, "make the directory")(e)),
        }
        self.start(spec, &dir).inspect_err(|_| {
            if let Ok([Some(cgroup), _]) = self.groups_of(spec) {
                let _ = cgroup.remove();
            }
            let _ = fs::remove_dir_all(&dir);
        })
    }

    fn start(&self, spec: &ContainerSpec, dir: &Path) -> Result<Container, ContainerError> {
        let id = &spec.id;
        let sandbox = self.make_sandbox(spec)?;
        let cgroup_error = |source| ContainerError::Cgroup { id: id.clone(), source };
        let [mut cgroup, other] = self.groups_of(spec).map_err(cgroup_error)?;
        if let Some(tree) = &self.tree {
            cgroup = Some(limited_group(tree, spec).map_err(cgroup_error)?);
        }
        let place = self.tree.as_ref().map(|tree| LaunchCgroup {
            parent: tree.parent().to_owned(),
            controllers: tree.controllers(),
        });
        let docker = match &spec.docker {
            Some(_) => Some(self.docker_launch(spec)?),
            None => None,
        };
        let fetch = self.fetch(spec)?;
        let launch = Launch { spec: spec.clone(), sandbox, cgroup: place, docker, fetch };
        checkpoint::save(&dir.join(SPEC_FILE), &launch)
            .map_err(|source| ContainerError::Checkpoint { id: id.clone(), source })?;
        if spec.is_outer() {
            return Ok(Container::new(dir, launch, [cgroup, other], None));
        }
        let starting = dir.join(STARTING_FILE);
        fs::write(&starting, "").map_err(io_error(id, &starting, "write"))?;
        let supervisor = SupervisorHandle::spawn(dir, &self.exe)
            .map_err(|source| ContainerError::Supervisor { id: id.clone(), source })?;
        Ok(Container::new(dir, launch, [cgroup, other], supervisor))
    }

    /// Takes over a container that runs, or has run, from its directory.
    pub fn adopt(&self, dir: &Path) -> Result<Container, ContainerError> {
        let id = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut launch: Launch = checkpoint::load(&dir.join(SPEC_FILE))
            .map_err(|source| ContainerError::Checkpoint { id, source })?
            .ok_or_else(|| ContainerError::NoContainer { dir: dir.to_owned() })?;
        // An older agent's sandbox has been moved, and a link is in its place.
        if let Ok(moved) = fs::read_link(&launch.sandbox) {
            launch.sandbox = moved;
        }
        let [cgroup, other] = self
            .groups_of(&launch.spec)
            .map_err(|source| ContainerError::Cgroup { id: launch.spec.id.clone(), source })?;
        if let Some(cgroup) = &cgroup
            && cgroup.exists()
            && let Some(limit) = launch.spec.limit_cpus
        {
            // The table of lent ceilings lives in memory (see cgroup::quota): fill it again.
            cgroup
                .set_cpu_limit(Some(limit))
                .map_err(|source| ContainerError::Cgroup { id: launch.spec.id.clone(), source })?;
        }
        let supervisor = SupervisorHandle::open(dir).ok();
        Ok(Container::new(dir, launch, [cgroup, other], supervisor))
    }

    /// Everything an earlier agent left in the state directory.
    pub fn recover(&self) -> Result<Recovery, ContainerError> {
        checkpoint::recover(self.layout.state())
            .map_err(|source| ContainerError::Checkpoint { id: "-".into(), source })
    }

    /// Its group, and that of the other class.
    fn groups_of(&self, spec: &ContainerSpec) -> Result<[Option<ContainerCgroup>; 2], CgroupError> {
        let Some(tree) = &self.tree else { return Ok([None, None]) };
        let own = spec.group(tree, spec.class)?;
        let other = spec.group(tree, spec.class.other())?;
        Ok([Some(own), Some(other)])
    }

    fn docker_launch(&self, spec: &ContainerSpec) -> Result<DockerLaunch, ContainerError> {
        let user = spec.user.as_deref().and_then(look_up).map(|user| (user.uid, user.gid));
        let volumes = volume::make_all(&self.layout, spec, user)?;
        volume::make_own(spec, &self.layout.sandbox(spec), user)?;
        Ok(DockerLaunch::new(&self.docker, self.layout.state(), volumes))
    }

    /// How this task's files are fetched: its user's copies are that user's own.
    fn fetch(&self, spec: &ContainerSpec) -> Result<Option<Fetch>, ContainerError> {
        if spec.uris.is_empty() {
            return Ok(None);
        }
        let mut fetch = Fetch { cache: None, ..self.fetch.clone() };
        let user = spec.user.as_deref().and_then(look_up);
        let (uid, gid) =
            user.map_or((Uid::effective(), Gid::effective()), |user| (user.uid, user.gid));
        if fetch.cache_bytes > 0 && spec.uris.iter().any(|uri| uri.cache) {
            let dir = fetcher::user_dir(&self.layout.cache(), uid.as_raw());
            self.make_cache(&dir, uid, gid).map_err(io_error(
                &spec.id,
                &dir,
                "make the directory",
            ))?;
            fetch.cache = Some(dir);
        }
        Ok(Some(fetch))
    }

    fn make_cache(&self, dir: &Path, uid: Uid, gid: Gid) -> io::Result<()> {
        make_dirs(&self.layout.cache(), PASSABLE)?;
        make_dirs(dir, PRIVATE)?;
        match Uid::effective().is_root() {
            true => chown(dir, Some(uid.as_raw()), Some(gid.as_raw())),
            false => Ok(()),
        }
    }

    fn make_sandbox(&self, spec: &ContainerSpec) -> Result<PathBuf, ContainerError> {
        let sandbox = self.layout.sandbox(spec);
        let parent = sandbox.parent().unwrap_or(self.layout.state());
        make_dirs(parent, PASSABLE).map_err(io_error(&spec.id, parent, "make the directory"))?;
        // Those in it need not be of the same user.
        let mode = if spec.is_outer() { PASSABLE } else { SANDBOX };
        make_dirs(&sandbox, mode).map_err(io_error(&spec.id, &sandbox, "make the sandbox"))?;
        self.make_findable(spec, &sandbox).map_err(io_error(
            &spec.id,
            parent,
            "link the sandbox in",
        ))?;
        // An unknown user is the supervisor's to report, as the task's failure.
        let user = spec.user.as_deref().and_then(look_up);
        // Docker mounts them instead.
        if spec.docker.is_none() {
            let user = user.as_ref().map(|user| (user.uid, user.gid));
            volume::link(&self.layout, spec, &sandbox, user)?;
        }
        // Nothing runs in an outer container itself: its sandbox stays the agent's.
        if Uid::effective().is_root()
            && let Some(user) = user
            && !spec.is_outer()
        {
            chown(&sandbox, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(io_error(
                &spec.id,
                &sandbox,
                "give away the sandbox",
            ))?;
        }
        Ok(sandbox)
    }

    /// Links that lead to a sandbox: the newest run's, or the task's in its outer container.
    fn make_findable(&self, spec: &ContainerSpec, sandbox: &Path) -> io::Result<()> {
        if spec.outer().is_some() {
            return nesting::link_task(sandbox, spec);
        }
        if spec.is_outer() {
            for dir in [nesting::tasks_dir(sandbox), nesting::containers_dir(sandbox)] {
                make_dirs(&dir, PASSABLE)?;
            }
        }
        point_latest(sandbox.parent().unwrap_or(self.layout.state()), &spec.id)
    }
}

fn look_up(user: &str) -> Option<User> {
    match user.parse() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)).ok().flatten(),
        Err(_) => User::from_name(user).ok().flatten(),
    }
}

/// The container's group with its limits. A controller this host lacks is in the tree's absences
/// and its limit is not set; any other refusal is an error.
pub(super) fn limited_group(
    tree: &Tree,
    spec: &ContainerSpec,
) -> Result<ContainerCgroup, CgroupError> {
    let cgroup = spec.make_group(tree)?;
    tolerate_absent(cgroup.set_cpu_weight(spec.request_cpus))?;
    if !spec.outer().is_some_and(|outer| outer.shares_limits) {
        tolerate_absent(cgroup.set_cpu_limit(spec.limit_cpus))?;
        tolerate_absent(cgroup.set_memory_limit(spec.memory_bytes))?;
    }
    tolerate_absent(cgroup.set_pids_limit(spec.pids_limit))?;
    Ok(cgroup)
}

fn tolerate_absent(set: Result<(), CgroupError>) -> Result<(), CgroupError> {
    match set {
        Err(CgroupError::NoController { .. }) => Ok(()),
        other => other,
    }
}

/// Has `runs/latest` lead to this run; at no moment is there none.
pub(super) fn point_latest(runs: &Path, run: &str) -> io::Result<()> {
    let new = runs.join(".latest");
    let _ = fs::remove_file(&new);
    symlink(run, &new)?;
    fs::rename(&new, runs.join(LATEST))
}

pub(super) fn make_dirs(dir: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(dir)
}

pub(super) fn io_error<'a>(
    id: &'a str,
    path: &'a Path,
    operation: &'static str,
) -> impl Fn(io::Error) -> ContainerError + 'a {
    move |source| ContainerError::Io { id: id.to_owned(), path: path.to_owned(), operation, source }
}
