//! Pieces of tasks' output, found by name in the sandboxes: works for ended tasks and over restarts.

use crate::containers::Layout;
use headroom_proto::v1 as wire;
use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// At most so much is sent at a time.
pub const MAX_CHUNK_BYTES: u32 = 256 * 1_024;

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
        Ok((data, ended)) => {
            let next_offset = request.offset + data.len() as u64;
            wire::FileChunk { data, next_offset, ended, ..answer }
        }
        Err(error) => wire::FileChunk { error: error.to_string(), ..answer },
    }
}

fn chunk(layout: &Layout, request: &wire::ReadFile) -> Result<(Vec<u8>, bool), LogError> {
    if !["stdout", "stderr"].contains(&request.file.as_str()) {
        return Err(LogError::NoSuchFile(request.file.clone()));
    }
    let no_task = || LogError::NoSuchTask {
        framework: request.framework_id.clone(),
        task: request.task_id.clone(),
    };
    let sandbox = layout.newest_sandbox(&request.framework_id, &request.task_id);
    let sandbox = sandbox.ok_or_else(no_task)?;
    // Looked at before the file is read: what is written after the end of the task does not exist.
    let ended = has_ended(layout, &sandbox);
    let path = sandbox.join(&request.file);
    let data = read_at(&path, request.offset, request.max_bytes.clamp(1, MAX_CHUNK_BYTES))
        .map_err(|source| LogError::Read { path, source })?;
    let all_sent = ended && data.is_empty();
    Ok((data, all_sent))
}

fn has_ended(layout: &Layout, sandbox: &Path) -> bool {
    let id = sandbox.file_name().unwrap_or_default().to_string_lossy();
    let container = layout.container(&id);
    !container.exists() || container.join(crate::supervisor::EXIT_FILE).exists()
}

fn read_at(path: &Path, offset: u64, max_bytes: u32) -> io::Result<Vec<u8>> {
    let mut file = match fs::File::open(path) {
        // The supervisor has not made it yet, or the task never ran.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut data = Vec::new();
    file.take(u64::from(max_bytes)).read_to_end(&mut data)?;
    Ok(data)
}
