//! What Mesos' clients read as the master's files: its log, if that goes to a file.

use headroom_proto::mesos::files::MAX_READ_BYTES;
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error;
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;

/// Under which name the log is found.
const LOG: &str = "/master/log";
/// A download goes out in pieces of this size, two of them in memory.
const PIECE_BYTES: usize = 64 << 10;

/// Why something can't be had.
#[derive(Debug, Error)]
pub(super) enum FileError {
    /// Nothing has that name.
    #[error("there is nothing but {LOG}, and that only if the log goes to a file (log.file)")]
    NotFound,
    /// What has it is a device or a pipe.
    #[error("'{0}' is no plain file.")]
    NoFile(PathBuf),
    /// The system refused.
    #[error("Failed to open file at '{path}': {source}.")]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// What may be read.
#[derive(Clone, Debug)]
pub(super) struct Files {
    log: Option<PathBuf>,
}

/// A file as it was when it was opened; its end is there, also if it has grown.
#[derive(Debug)]
pub(super) struct Opened {
    file: Arc<File>,
    pub(super) size: u64,
}

impl Files {
    pub(super) const fn of(log: Option<PathBuf>) -> Self {
        Self { log }
    }

    /// Names, and where that is on this machine.
    pub(super) fn attached(&self) -> BTreeMap<&'static str, String> {
        self.log.iter().map(|path| (LOG, path.display().to_string())).collect()
    }

    /// Where the file of that name is. There are no directories: as in Mesos, what is not attached
    /// itself is not there.
    pub(super) fn find(&self, name: &str) -> Result<&Path, FileError> {
        let log = self.log.as_deref().filter(|_| name.trim_end_matches('/') == LOG);
        log.ok_or(FileError::NotFound)
    }

    pub(super) async fn open(&self, name: &str) -> Result<Opened, FileError> {
        let path = self.find(name)?.to_owned();
        let opened = {
            let path = path.clone();
            spawn_blocking(move || {
                // Not to wait for the other end of a pipe.
                let mut options = OpenOptions::new();
                let file = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
                file.metadata().map(|found| (file, found))
            })
        };
        match opened.await.unwrap_or_else(|_| Err(stopping())) {
            Ok((file, found)) if found.is_file() => {
                Ok(Opened { file: Arc::new(file), size: found.len() })
            }
            Ok(_) => Err(FileError::NoFile(path)),
            Err(source) => Err(FileError::Unreadable { path, source }),
        }
    }

    /// How long the file is, and what stands from `offset` on.
    pub(super) async fn read(
        &self,
        name: &str,
        offset: u64,
        length: Option<u64>,
    ) -> Result<(u64, Vec<u8>), FileError> {
        let opened = self.open(name).await?;
        let rest = opened.size.saturating_sub(offset);
        let length = length.unwrap_or(rest).min(rest).min(MAX_READ_BYTES);
        let data = opened.read(offset, length as usize).await;
        match data {
            Ok(data) => Ok((opened.size, data)),
            Err(source) => Err(FileError::Unreadable { path: self.find(name)?.to_owned(), source }),
        }
    }
}

impl Opened {
    async fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = Arc::clone(&self.file);
        let read = spawn_blocking(move || read_at(&file, offset, length));
        read.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// All of it in pieces, read as the other side takes them. No thread waits for that.
    pub(super) fn pieces(self) -> ReceiverStream<io::Result<Vec<u8>>> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut at = 0;
            while at < self.size {
                let length =
                    PIECE_BYTES.min(usize::try_from(self.size - at).unwrap_or(PIECE_BYTES));
                let piece = match self.read(at, length).await {
                    // Somebody has made it shorter: the length that was promised can't be kept.
                    Ok(piece) if piece.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
                    piece => piece,
                };
                let read = piece.as_ref().map_or(self.size, |piece| piece.len() as u64);
                at = at.saturating_add(read);
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        ReceiverStream::new(receiver)
    }
}

fn stopping() -> io::Error {
    io::Error::other("the allocator stops")
}

fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut data = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut data[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
    data.truncate(filled);
    Ok(data)
}
