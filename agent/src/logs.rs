//! Pieces of tasks' output, found by name in the sandboxes: works for ended tasks and over restarts.
//!
//! Offsets count all that was ever written; what was moved on to older files is read there, and what is
//! gone is skipped.

use crate::{containers::Layout, sandboxes::Cuts};
use headroom_proto::v1 as wire;
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// At most so much is sent at a time.
pub const MAX_CHUNK_BYTES: u32 = 256 * 1_024;
/// Read again so often if the output was cut meanwhile.
const ATTEMPTS: u32 = 4;

#[derive(Debug, Error)]
enum LogError {
    #[error("{0:?} is no file of a task; ask for stdout or stderr")]
    NoSuchFile(String),
    #[error("no task {task:?} of framework {framework} has run here")]
    NoSuchTask { framework: String, task: String },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// Answers a request; what goes wrong is told in the answer.
#[must_use]
pub fn read(layout: &Layout, request: &wire::ReadFile) -> wire::FileChunk {
    let answer = wire::FileChunk {
        request_id: request.request_id,
        next_offset: request.offset,
        ..Default::default()
    };
    match chunk(layout, request) {
        Ok((start, data, ended)) => {
            let next_offset = start + data.len() as u64;
            wire::FileChunk { data, next_offset, ended, ..answer }
        }
        Err(error) => wire::FileChunk { error: error.to_string(), ..answer },
    }
}

/// Where the piece begins, the piece, and whether the task has ended and this was all.
fn chunk(layout: &Layout, request: &wire::ReadFile) -> Result<(u64, Vec<u8>, bool), LogError> {
    if !["stdout", "stderr"].contains(&request.file.as_str()) {
        return Err(LogError::NoSuchFile(request.file.clone()));
    }
    let sandbox = layout.newest_sandbox(&request.framework_id, &request.task_id);
    let sandbox = sandbox.ok_or_else(|| LogError::NoSuchTask {
        framework: request.framework_id.clone(),
        task: request.task_id.clone(),
    })?;
    let id = sandbox.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Looked at before the file is read: what is written after the end of the task does not exist.
    let ended = has_ended(layout, &id);
    let path = sandbox.join(&request.file);
    let max_bytes = request.max_bytes.clamp(1, MAX_CHUNK_BYTES);
    let mut cut = Cuts::load(layout, &id).of(&request.file);
    for _ in 0..ATTEMPTS {
        let (start, data) = read_at(&path, cut, request.offset, max_bytes)
            .map_err(|source| LogError::Read { path: path.clone(), source })?;
        let now = Cuts::load(layout, &id).of(&request.file);
        if now == cut {
            let all_sent = ended && data.is_empty();
            return Ok((start, data, all_sent));
        }
        cut = now;
    }
    // It is cut all the time: the next question may be luckier.
    Ok((request.offset, Vec::new(), false))
}

fn has_ended(layout: &Layout, id: &str) -> bool {
    let container = layout.container(id);
    !container.exists() || container.join(crate::supervisor::EXIT_FILE).exists()
}

/// Reads at `offset` of all that was written, of which the first `cut` bytes are in older files; or at
/// the first byte after it that is still there.
fn read_at(path: &Path, cut: u64, offset: u64, max_bytes: u32) -> io::Result<(u64, Vec<u8>)> {
    let mut start = cut;
    for at in 1_u32.. {
        if offset >= start {
            break;
        }
        let mut older = path.as_os_str().to_owned();
        older.push(format!(".{at}"));
        let Some(mut file) = open_plain(Path::new(&older))? else { break };
        let length = file.metadata()?.len();
        let begin = start.saturating_sub(length);
        if offset >= begin {
            return Ok((offset, piece(&mut file, offset - begin, max_bytes)?));
        }
        start = begin;
    }
    if start < cut {
        // Older than all that is left: the oldest that is.
        return read_at(path, cut, start, max_bytes);
    }
    let offset = offset.max(cut);
    match open_plain(path)? {
        Some(mut file) => Ok((offset, piece(&mut file, offset - cut, max_bytes)?)),
        // The supervisor has not made it yet, or the task never ran.
        None => Ok((offset, Vec::new())),
    }
}

/// A link in its place is not followed, and a pipe is not waited for: the task can put anything there.
fn open_plain(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    match open(path, flags, Mode::empty()).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => Ok(Some(opened?.into())),
    }
}

fn piece(file: &mut File, offset: u64, max_bytes: u32) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut data = Vec::new();
    file.take(u64::from(max_bytes)).read_to_end(&mut data)?;
    Ok(data)
}
