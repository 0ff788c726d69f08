//! Output that has grown too long: its older part is moved on to `stdout.1`, that to `stdout.2` ...,
//! and the last of them goes.
//!
//! Tasks write to the files directly, so nothing of ours stands between a task and its output, and
//! output goes on while the agent is away. The older part is copied and then cut from the file's front
//! (fallocate(2), FALLOC_FL_COLLAPSE_RANGE), while the task goes on writing at its end: nothing is lost.
//! Where the file system can't do that the whole is copied and the file made empty; what is written
//! between the two is lost.

use crate::{checkpoint, containers::Layout};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, FallocateFlags, OFlag, fallocate, open, openat, renameat},
    sys::{
        stat::{FileStat, Mode, SFlag, fstat, fstatat},
        statvfs::fstatvfs,
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// The outputs.
const STREAMS: [&str; 2] = ["stdout", "stderr"];
/// Readable by all who can reach it, as the output itself.
const MODE: Mode = Mode::from_bits_truncate(0o644);

/// How much output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A file that is longer is cut; 0: never.
    pub bytes: u64,
    /// Files of one output, with the one that is written to.
    pub files: u32,
}

/// How many bytes were cut from the front of a container's outputs, by their names: where their files
/// begin in all that was ever written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cuts {
    /// Of `stdout`.
    pub stdout: u64,
    /// Of `stderr`.
    pub stderr: u64,
}

impl Cuts {
    /// Those of a container; an unreadable document is none.
    #[must_use]
    pub fn load(layout: &Layout, id: &str) -> Self {
        checkpoint::load(&layout.cuts(id)).ok().flatten().unwrap_or_default()
    }

    /// Of one output.
    #[must_use]
    pub fn of(&self, stream: &str) -> u64 {
        if stream == "stderr" { self.stderr } else { self.stdout }
    }

    fn of_mut(&mut self, stream: &str) -> &mut u64 {
        if stream == "stderr" { &mut self.stderr } else { &mut self.stdout }
    }
}

impl Layout {
    /// `<state>/meta/cuts/<container>.json`.
    #[must_use]
    pub fn cuts(&self, id: &str) -> PathBuf {
        self.meta().join("cuts").join(format!("{id}.json"))
    }
}

/// A sandbox, held open: its owner can put anything into it meanwhile, but not move it.
struct Dir {
    dir: OwnedFd,
    owner: FileStat,
}

impl Rotation {
    /// Cuts both outputs of a container, if they are too long; returns how many bytes were moved on.
    ///
    /// # Errors
    /// The sandbox refuses. What the task has put in its output's place (a link, another's file) is
    /// left alone.
    pub fn apply(&self, layout: &Layout, id: &str, sandbox: &Path) -> io::Result<u64> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = match open(sandbox, flags, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(0),
            opened => opened?,
        };
        let owner = fstat(&opened)?;
        let dir = Dir { dir: opened, owner };
        let mut moved = 0;
        for stream in STREAMS {
            if dir.length(stream) <= self.bytes {
                continue;
            }
            let Some(file) = dir.own_file(stream)? else { continue };
            let cut = self.cut(&dir, stream, file)?;
            let mut cuts = Cuts::load(layout, id);
            *cuts.of_mut(stream) += cut;
            let path = layout.cuts(id);
            std::fs::create_dir_all(path.parent().unwrap_or(layout.state()))?;
            checkpoint::save(&path, &cuts).map_err(io::Error::other)?;
            moved += cut;
        }
        Ok(moved)
    }

    /// Moves all but the end of a file on; returns how much.
    fn cut(&self, dir: &Dir, stream: &str, mut file: File) -> io::Result<u64> {
        let length = file.metadata()?.len();
        let block = fstatvfs(&file)?.block_size().max(1);
        // Whole blocks, and less than all: what the kernel can cut.
        let front = (length.saturating_sub(1) / block) * block;
        let mut older = self.next_file(dir, stream)?;
        let mut copied = match &mut older {
            Some(older) => io::copy(&mut file.by_ref().take(front), older)?,
            None => front,
        };
        let whole = i64::try_from(front).unwrap_or(0);
        if whole == 0
            || fallocate(&file, FallocateFlags::FALLOC_FL_COLLAPSE_RANGE, 0, whole).is_err()
        {
            file.seek(SeekFrom::Start(copied))?;
            copied += match &mut older {
                Some(older) => io::copy(&mut file, older)?,
                None => file.metadata()?.len().saturating_sub(copied),
            };
            file.set_len(0)?;
        }
        Ok(copied)
    }

    /// Makes room for a new `stdout.1` and opens it; `None` if no older output is kept.
    fn next_file(&self, dir: &Dir, stream: &str) -> io::Result<Option<File>> {
        let name = |at: u32| format!("{stream}.{at}");
        let Some(last) = self.files.checked_sub(1).filter(|last| *last > 0) else {
            return Ok(None);
        };
        for at in (1..last).rev() {
            match renameat(&dir.dir, name(at).as_str(), &dir.dir, name(at + 1).as_str()) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        match unlinkat(&dir.dir, name(1).as_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(fault) => return Err(fault.into()),
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let made = openat(&dir.dir, name(1).as_str(), flags, MODE)?;
        if Uid::effective().is_root() {
            let (uid, gid) = (Uid::from_raw(dir.owner.st_uid), Gid::from_raw(dir.owner.st_gid));
            fchown(&made, Some(uid), Some(gid))?;
        }
        Ok(Some(made.into()))
    }
}

impl Dir {
    fn length(&self, stream: &str) -> u64 {
        let found = fstatat(&self.dir, stream, AtFlags::AT_SYMLINK_NOFOLLOW);
        found.map_or(0, |found| found.st_size.unsigned_abs())
    }

    /// An output that is a plain file of the sandbox's owner, and of no other name: no link to what
    /// is another's.
    fn own_file(&self, stream: &str) -> io::Result<Option<File>> {
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let opened = match openat(&self.dir, stream, flags, Mode::empty()) {
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENXIO) => return Ok(None),
            opened => opened?,
        };
        let found = fstat(&opened)?;
        let is_file = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
        let is_own = found.st_uid == self.owner.st_uid && found.st_nlink == 1;
        Ok((is_file && is_own).then(|| opened.into()))
    }
}
