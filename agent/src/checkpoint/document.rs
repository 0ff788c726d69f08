//! Small JSON documents, replaced as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CheckpointError;

/// No document is bigger unless its owner says so; what is, is damaged.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;
/// Documents may hold a task's environment, so only the agent's user reads them.
const MODE: u32 = 0o600;

/// Writes `value` to `path` so that a crash leaves the old or the new document, never half of one.
pub fn save<T: Serialize>(path: &Path, value: &T) -> Result<(), CheckpointError> {
    let json = serde_json::to_vec_pretty(value).map_err(|e| no_json(path, &e))?;
    save_bytes(path, &json)
}

/// The same for many figures that nobody reads: without white space, and refused where it would be bigger
/// than `max_bytes`, so that it can be read again.
pub fn save_compact<T: Serialize>(
    path: &Path,
    value: &T,
    max_bytes: u64,
) -> Result<(), CheckpointError> {
    let json = serde_json::to_vec(value).map_err(|e| no_json(path, &e))?;
    if json.len() as u64 > max_bytes {
        let (path, bytes) = (path.to_owned(), json.len() as u64);
        return Err(CheckpointError::TooBig { path, bytes, max_bytes });
    }
    save_bytes(path, &json)
}

fn no_json(path: &Path, fault: &serde_json::Error) -> CheckpointError {
    let reason = format!("it cannot be written as JSON: {fault}");
    CheckpointError::Damaged { path: path.to_owned(), reason }
}

fn save_bytes(path: &Path, json: &[u8]) -> Result<(), CheckpointError> {
    let new = beside(path, "new");
    let written = write_synced(&new, json)
        .map_err(|e| CheckpointError::io(&new, "write", e))
        .and_then(|()| fs::rename(&new, path).map_err(|e| CheckpointError::io(path, "replace", e)));
    if written.is_err() {
        // Half a file must not hold the space that is missing.
        let _ = fs::remove_file(&new);
    }
    written?;
    let dir = path.parent().unwrap_or(Path::new("."));
    // Until the directory is synced a power cut can undo the rename.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| CheckpointError::io(dir, "sync", e))
}

/// Reads a document; `None` if there is none.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CheckpointError> {
    load_up_to(path, MAX_DOCUMENT_BYTES)
}

fn load_up_to<T: DeserializeOwned>(
    path: &Path,
    max_bytes: u64,
) -> Result<Option<T>, CheckpointError> {
    let mut json = Vec::new();
    let read = File::open(path).and_then(|file| {
        // One byte more than allowed tells a document that is too big.
        file.take(max_bytes + 1).read_to_end(&mut json)
    });
    match read {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(CheckpointError::io(path, "read", e)),
        Ok(_) => {}
    }
    let damaged = |reason| CheckpointError::Damaged { path: path.to_owned(), reason };
    if json.len() as u64 > max_bytes {
        return Err(damaged(format!("it is bigger than {max_bytes} bytes")));
    }
    serde_json::from_slice(&json).map(Some).map_err(|e| damaged(e.to_string()))
}

/// As [`load`], but a damaged document is renamed to `<name>.bad` and its reason returned.
pub fn load_or_quarantine<T: DeserializeOwned>(
    path: &Path,
) -> Result<Result<Option<T>, String>, CheckpointError> {
    load_or_quarantine_up_to(path, MAX_DOCUMENT_BYTES)
}

/// The same of one that may be bigger.
pub fn load_or_quarantine_up_to<T: DeserializeOwned>(
    path: &Path,
    max_bytes: u64,
) -> Result<Result<Option<T>, String>, CheckpointError> {
    match load_up_to(path, max_bytes) {
        Ok(value) => Ok(Ok(value)),
        Err(CheckpointError::Damaged { reason, .. }) => {
            let bad = beside(path, "bad");
            fs::rename(path, &bad).map_err(|e| CheckpointError::io(path, "quarantine", e))?;
            Ok(Err(reason))
        }
        Err(e) => Err(e),
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_and_a_damaged_one_is_set_aside() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("a.json");
        assert_eq!(load::<Vec<u32>>(&path).expect("none"), None);
        save(&path, &vec![1, 2]).expect("save");
        save(&path, &vec![3]).expect("replace");
        assert_eq!(load::<Vec<u32>>(&path).expect("load"), Some(vec![3]));
        assert!(!dir.path().join("a.json.new").exists());

        fs::write(&path, "[1, 2").expect("damage");
        let error = load::<Vec<u32>>(&path).expect_err("damaged");
        assert!(error.to_string().contains("a.json is damaged"), "{error}");
        let reason = load_or_quarantine::<Vec<u32>>(&path).expect("quarantine").expect_err("bad");
        assert!(reason.contains("EOF"), "{reason}");
        assert!(dir.path().join("a.json.bad").exists() && !path.exists());
    }

    #[test]
    fn a_full_file_system_is_recognised() {
        // /dev/full answers every write with ENOSPC.
        let error = File::create("/dev/full").and_then(|mut f| f.write_all(b"x"));
        let error = CheckpointError::io(Path::new("/s/x"), "write", error.expect_err("full"));
        assert!(error.is_full(), "{error}");
    }
}
