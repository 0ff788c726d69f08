//! What survives a restart, in `<state_dir>/registry.redb`. Knows records, not what they mean.
//!
//! One allocator a directory: a lock on `<state_dir>/lock` is held for as long as this lives. Every
//! opening adds one to the epoch before anything else is done.

mod stored;

pub(crate) use stored::key as record_key;

use headroom_core::{effect::Record, ids::MAX_EPOCH};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// This file's layout; a newer one is refused.
const FORMAT: u64 = 1;
/// Memory for redb's pages; the whole registry of 10,000 agents fits.
const CACHE_BYTES: usize = 16 << 20;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");

/// Why the registry does not do it.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The directory cannot be made or looked into.
    #[error("state directory {path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another allocator works there.
    #[error(
        "state directory {path} is in use by another allocator{holder}; stop that one, or give this one another state_dir"
    )]
    InUse {
        /// Which.
        path: PathBuf,
        /// " (process 12)", if it can be told.
        holder: String,
    },
    /// No room.
    #[error("the state directory {path} is full; free space, it goes on by itself")]
    Full {
        /// Which.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("registry {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what an allocator wrote.
    #[error(
        "registry {path} is damaged ({what}); it was left as it is: restore a copy, or move it away to start without roles and frameworks"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A newer allocator wrote it.
    #[error(
        "registry {path} has format {found}, this allocator knows up to {FORMAT}; use the newer allocator"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
}

/// The registry of one state directory.
#[derive(Debug)]
pub struct Registry {
    directory: PathBuf,
    file: PathBuf,
    /// None after a failure: redb wants to be opened anew then.
    database: Option<Database>,
    epoch: u32,
    _lock: File,
}

impl Registry {
    /// Opens or makes the registry in `directory`, alone, in a new epoch.
    ///
    /// # Errors
    /// It is in use, damaged, newer, or cannot be written.
    pub fn open(directory: &Path) -> Result<Self, RegistryError> {
        fs::create_dir_all(directory).map_err(|source| directory_error(directory, source))?;
        let lock = lock(directory)?;
        let file = directory.join("registry.redb");
        let mut registry =
            Self { directory: directory.to_owned(), file, database: None, epoch: 0, _lock: lock };
        registry.epoch = registry.begin_epoch()?;
        Ok(registry)
    }

    /// Larger than at any opening before.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// All records.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn load(&mut self) -> Result<Vec<Record>, RegistryError> {
        let read = self.database()?.begin_read().map_err(redb::Error::from);
        let pairs = read.and_then(|read| {
            let table = read.open_table(RECORDS)?;
            let mut pairs = Vec::new();
            for entry in table.iter()? {
                let (key, value) = entry?;
                pairs.push((key.value().to_owned(), value.value().to_vec()));
            }
            Ok(pairs)
        });
        let pairs = pairs.map_err(|error| self.failed(error))?;
        pairs
            .into_iter()
            .map(|(key, value)| {
                stored::decode(&key, &value).map_err(|what| RegistryError::Damaged {
                    path: self.file.clone(),
                    what: format!("record {key:?}: {what}"),
                })
            })
            .collect()
    }

    /// Makes all of `records` durable, or none.
    ///
    /// # Errors
    /// They are not durable; the next call opens the file anew.
    pub fn commit<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<(), RegistryError> {
        let written = write(self.database()?, records);
        written.map_err(|error| self.failed(error))
    }

    fn database(&mut self) -> Result<&Database, RegistryError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => Builder::new()
                .set_cache_size(CACHE_BYTES)
                .set_check_integrity_on_open(true)
                .create(&self.file)
                .map_err(|error| self.failed(error.into()))?,
        };
        Ok(self.database.insert(database))
    }

    fn begin_epoch(&mut self) -> Result<u32, RegistryError> {
        let turned = turn_epoch(self.database()?).map_err(|error| self.failed(error))?;
        match turned {
            Epoch::Begun(epoch) => Ok(epoch),
            Epoch::Newer(found) => Err(RegistryError::Newer { path: self.file.clone(), found }),
            Epoch::Over => Err(RegistryError::Damaged {
                path: self.file.clone(),
                what: format!("its epoch is past {MAX_EPOCH}"),
            }),
        }
    }

    fn failed(&mut self, error: redb::Error) -> RegistryError {
        self.database = None;
        let path = self.file.clone();
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
                RegistryError::InUse { path: self.directory.clone(), holder: String::new() }
            }
            redb::Error::Io(source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    RegistryError::Full { path: self.directory.clone() }
                }
                // redb: a file without its magic number.
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    RegistryError::Damaged { path, what: source.to_string() }
                }
                _ => RegistryError::Io { path, source },
            },
            redb::Error::PreviousIo => {
                RegistryError::Io { path, source: io::Error::other(error.to_string()) }
            }
            other => RegistryError::Damaged { path, what: other.to_string() },
        }
    }
}

enum Epoch {
    Begun(u32),
    Newer(u64),
    Over,
}

fn turn_epoch(database: &Database) -> Result<Epoch, redb::Error> {
    let transaction = database.begin_write()?;
    let epoch = {
        let mut meta = transaction.open_table(META)?;
        let format = meta.get("format")?.map_or(FORMAT, |format| format.value());
        if format > FORMAT {
            return Ok(Epoch::Newer(format));
        }
        let last = meta.get("epoch")?.map_or(0, |epoch| epoch.value());
        let next = u32::try_from(last).ok().and_then(|last| last.checked_add(1));
        let Some(epoch) = next.filter(|epoch| *epoch <= MAX_EPOCH) else {
            return Ok(Epoch::Over);
        };
        meta.insert("format", FORMAT)?;
        meta.insert("epoch", u64::from(epoch))?;
        transaction.open_table(RECORDS)?;
        epoch
    };
    transaction.commit()?;
    Ok(Epoch::Begun(epoch))
}

fn write<'a>(
    database: &Database,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(RECORDS)?;
        for record in records {
            let key = stored::key(record);
            match stored::encode(record) {
                Some(value) => table.insert(key.as_str(), value.as_slice())?,
                None => table.remove(key.as_str())?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

fn directory_error(path: &Path, source: io::Error) -> RegistryError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            RegistryError::Full { path: path.to_owned() }
        }
        _ => RegistryError::Directory { path: path.to_owned(), source },
    }
}

fn lock(directory: &Path) -> Result<File, RegistryError> {
    let fail = |source| directory_error(directory, source);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let named = file.take(32).read_to_string(&mut holder).is_ok() && !holder.is_empty();
            let holder = if named { format!(" (process {})", holder.trim()) } else { holder };
            return Err(RegistryError::InUse { path: directory.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    // For the message above only: on a full disk the lock holds all the same.
    let _ = file.set_len(0).and_then(|()| file.rewind());
    let _ = writeln!(file, "{}", std::process::id());
    Ok(file)
}
