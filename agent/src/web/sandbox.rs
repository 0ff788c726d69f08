//! Opening what lies in a sandbox, and nothing else: the kernel itself refuses every path that would
//! leave it, by `..` or by a link (openat2(2), RESOLVE_BENEATH), however the task changes it meanwhile.

use crate::containers::{LATEST, Layout};
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    sys::stat::{FileStat, Mode, SFlag, fstat},
};
use std::{
    ffi::CStr,
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};
use thiserror::Error;

/// A directory's listing names at most so many entries; the others are left out.
pub const MAX_ENTRIES: usize = 10_000;

/// Why something of a sandbox can't be had.
#[derive(Debug, Error)]
pub(super) enum SandboxError {
    /// No sandbox, or nothing of that name in it.
    #[error("")]
    NotFound,
    /// It leads out of the sandbox, or can't be read as asked.
    #[error("{0}")]
    Invalid(String),
    /// The system refused.
    #[error("Failed to open file at '{path}': {source}.")]
    System {
        /// As it was asked for.
        path: String,
        /// What it said.
        source: Errno,
    },
}

/// One sandbox, and a path in it.
#[derive(Debug)]
pub(super) struct Inside {
    asked: String,
    root: OwnedFd,
    rest: PathBuf,
}

impl Inside {
    /// Finds the sandbox that `path` is in: by its place on the disk, or as
    /// `/frameworks/F/executors/E/runs/R`, whichever agent id it was made under; `R` may be `latest`.
    pub(super) fn find(layout: &Layout, path: &str) -> Result<Self, SandboxError> {
        let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        let slaves = layout.slaves();
        let own: Vec<_> = slaves.components().filter_map(normal).collect();
        let (agent, steps) = match steps.strip_prefix(own.as_slice()) {
            Some([agent, rest @ ..]) => (Some(*agent), rest),
            Some([]) => return Err(SandboxError::NotFound),
            None => (None, steps.as_slice()),
        };
        let ["frameworks", framework, "executors", executor, "runs", run, rest @ ..] = steps else {
            return Err(SandboxError::NotFound);
        };
        if [agent.unwrap_or("a"), framework, executor, run].iter().any(|name| is_dots(name)) {
            return Err(SandboxError::NotFound);
        }
        let sandbox = match agent {
            Some(agent) => layout.runs(agent, framework, executor).join(run),
            None => found(layout, framework, executor, run).ok_or(SandboxError::NotFound)?,
        };
        let root = open_root(&sandbox).map_err(|source| fault(path, source))?;
        Ok(Self { asked: path.to_owned(), root, rest: rest.iter().collect() })
    }

    /// The plain file there, open for reading, and how long it is.
    ///
    /// `verb`: what is done with it, for words about what is none.
    pub(super) fn file(&self, verb: &str) -> Result<(File, u64), SandboxError> {
        // Not to wait for the other end of a pipe that a task has put there.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let opened = self.open(&self.rest, flags)?;
        let found = fstat(&opened).map_err(|source| fault(&self.asked, source))?;
        match kind(&found) {
            SFlag::S_IFREG => Ok((opened.into(), found.st_size.unsigned_abs())),
            SFlag::S_IFDIR => Err(SandboxError::Invalid(format!("Cannot {verb} a directory."))),
            _ => Err(SandboxError::Invalid(format!("'{}' is no plain file.", self.asked))),
        }
    }

    /// What the directory there holds, by name; empty if it is no directory.
    pub(super) fn entries(&self) -> Result<Vec<(String, FileStat)>, SandboxError> {
        let opened = match self.open(&self.rest, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Err(SandboxError::System { source: Errno::ENOTDIR, .. }) => return Ok(Vec::new()),
            opened => opened?,
        };
        let listed = opened.try_clone().map_err(|_| fault(&self.asked, Errno::EMFILE))?;
        let mut dir = Dir::from_fd(listed).map_err(|source| fault(&self.asked, source))?;
        let mut entries: Vec<_> = dir
            .iter()
            .flatten()
            .filter(|entry| ![c".", c".."].contains(&entry.file_name()))
            .take(MAX_ENTRIES)
            .filter_map(|entry| {
                let found = self.stat(&opened, entry.file_name())?;
                Some((entry.file_name().to_string_lossy().into_owned(), found))
            })
            .collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(entries)
    }

    /// What a name leads to; the link itself if it leads out of the sandbox.
    fn stat(&self, dir: &OwnedFd, name: &CStr) -> Option<FileStat> {
        let path = self.rest.join(name.to_string_lossy().as_ref());
        match self.open(&path, OFlag::O_PATH) {
            Ok(opened) => fstat(&opened).ok(),
            Err(_) => {
                nix::sys::stat::fstatat(dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW).ok()
            }
        }
    }

    fn open(&self, path: &Path, flags: OFlag) -> Result<OwnedFd, SandboxError> {
        let here = Path::new(".");
        let path = if path.as_os_str().is_empty() { here } else { path };
        beneath(&self.root, path, flags).map_err(|source| fault(&self.asked, source))
    }
}

fn found(layout: &Layout, framework: &str, executor: &str, run: &str) -> Option<PathBuf> {
    let newest = layout.newest_sandbox(framework, executor)?;
    if run == LATEST {
        return Some(newest);
    }
    let agents = std::fs::read_dir(layout.slaves()).ok()?.flatten();
    let at = |agent: std::fs::DirEntry| {
        layout.runs(&agent.file_name().to_string_lossy(), framework, executor).join(run)
    };
    agents.map(at).find(|sandbox| sandbox.is_dir())
}

/// The way to a sandbox is the agent's own; its last step may be the link to the newest run.
fn open_root(sandbox: &Path) -> Result<OwnedFd, Errno> {
    let parent = sandbox.parent().ok_or(Errno::ENOENT)?;
    let name = sandbox.file_name().ok_or(Errno::ENOENT)?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let runs = nix::fcntl::open(parent, flags, Mode::empty())?;
    beneath(&runs, Path::new(name), OFlag::O_PATH | OFlag::O_DIRECTORY)
}

fn beneath(root: impl AsFd, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    loop {
        match openat2(root.as_fd(), path, how) {
            // Something was renamed meanwhile.
            Err(Errno::EAGAIN) => {}
            opened => return opened,
        }
    }
}

fn fault(path: &str, source: Errno) -> SandboxError {
    match source {
        Errno::ENOENT => SandboxError::NotFound,
        Errno::EXDEV | Errno::ELOOP => SandboxError::Invalid(format!("'{path}' is inaccessible.")),
        Errno::ENOSYS => SandboxError::Invalid("Files are served on Linux 5.6 or newer.".into()),
        source => SandboxError::System { path: path.to_owned(), source },
    }
}

pub(super) fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

fn normal(step: Component<'_>) -> Option<&str> {
    match step {
        Component::Normal(name) => name.to_str(),
        _ => None,
    }
}

fn is_dots(name: &str) -> bool {
    name == "." || name == ".."
}
