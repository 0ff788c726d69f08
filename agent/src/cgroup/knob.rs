//! Plain reads and writes of single cgroup files, with the path in every error.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::CgroupError;

/// Writes `value` to an existing file; never creates one.
pub(super) fn write(path: &Path, value: &str) -> Result<(), CgroupError> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|source| CgroupError::file(path, format!("write {value:?} to"), source))
}

pub(super) fn read(path: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(path).map_err(|source| CgroupError::file(path, "read", source))
}

/// Reads a file that holds one number.
pub(super) fn read_u64(path: &Path) -> Result<u64, CgroupError> {
    let text = read(path)?;
    text.trim().parse().map_err(|_| content(path, &text, "a number"))
}

/// Reads the value of `key` in a file of `key value` lines.
pub(super) fn read_keyed(path: &Path, key: &str) -> Result<u64, CgroupError> {
    let text = read(path)?;
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(|| content(path, &text, "a list with the key looked for"))
}

fn content(path: &Path, text: &str, expected: &'static str) -> CgroupError {
    const SHOWN: usize = 80;
    let content = text.chars().take(SHOWN).collect();
    CgroupError::Content { path: path.to_owned(), content, expected }
}
