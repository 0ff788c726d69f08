//! Opens what holds a trace: a plain file, a compressed one (.xz, .gz), an archive (.tar, .tar.xz, .tar.gz) or a folder.

use super::TraceError;
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

const BUFFER_BYTES: usize = 1 << 18;

/// The content of `path`, decompressed as its name says.
pub(crate) fn open(path: &Path) -> Result<BufReader<Box<dyn Read>>, TraceError> {
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    let file = BufReader::with_capacity(BUFFER_BYTES, file);
    let content: Box<dyn Read> = match path.extension().and_then(|ending| ending.to_str()) {
        Some("xz") => Box::new(lzma_rust2::XzReader::new(file, true)),
        Some("gz" | "tgz") => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    Ok(BufReader::with_capacity(BUFFER_BYTES, content))
}

/// Shows each file of the archive or folder at `path` to `visit`, with its name: archives in their own order, folders by name.
pub(crate) fn each_member(
    path: &Path,
    mut visit: impl FnMut(&str, &mut dyn Read) -> Result<(), TraceError>,
) -> Result<(), TraceError> {
    if path.is_dir() {
        for file in files_below(path)? {
            let name = file.strip_prefix(path).unwrap_or(&file).display().to_string();
            visit(&name, &mut open(&file)?)?;
        }
        return Ok(());
    }
    let mut archive = tar::Archive::new(open(path)?);
    for entry in archive.entries().map_err(|source| unreadable(path, source))? {
        let mut entry = entry.map_err(|source| unreadable(path, source))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        visit(&name, &mut entry)?;
    }
    Ok(())
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, TraceError> {
    let (mut folders, mut files) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().map_err(|source| unreadable(&folder, source))? {
            let entry = entry.map_err(|source| unreadable(&folder, source))?;
            let kind = entry.file_type().map_err(|source| unreadable(&entry.path(), source))?;
            // A link is left alone: a ring of links has no end.
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, source: io::Error) -> TraceError {
    TraceError::Read { file: path.display().to_string(), lines: 0, source }
}
