//! Unpacking, into the sandbox and never out of it.

use super::{FetchError, Uri, budget::Budget};
use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
};
use tar::EntryType;
use zip::ZipArchive;

const OUTSIDE: &str = "which is outside of the sandbox; pack it with plain paths";
const SPECIAL: &str = "which is neither file, directory nor link";

/// What is packed how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tar,
    TarGzip,
    TarBzip2,
    TarXz,
    Zip,
    /// One file.
    Gzip,
}

impl Kind {
    /// By the name's end, as Mesos has it.
    pub(super) fn of(name: &str) -> Option<Self> {
        const ENDS: [(&str, Kind); 9] = [
            (".tar", Kind::Tar),
            (".tar.gz", Kind::TarGzip),
            (".tgz", Kind::TarGzip),
            (".tar.bz2", Kind::TarBzip2),
            (".tbz2", Kind::TarBzip2),
            (".tar.xz", Kind::TarXz),
            (".txz", Kind::TarXz),
            (".zip", Kind::Zip),
            (".gz", Kind::Gzip),
        ];
        ENDS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| *kind)
    }
}

/// Unpacks `file`, which is called `name`, into `sandbox`.
pub(super) fn unpack(
    kind: Kind,
    uri: &Uri,
    file: File,
    name: &str,
    sandbox: &Path,
    budget: &mut Budget,
) -> Result<(), FetchError> {
    let unpacking = Unpacking { uri, sandbox };
    match kind {
        Kind::Tar => unpacking.tar(BufReader::new(file), budget),
        Kind::TarGzip => unpacking.tar(MultiGzDecoder::new(BufReader::new(file)), budget),
        Kind::TarBzip2 => unpacking.tar(MultiBzDecoder::new(BufReader::new(file)), budget),
        Kind::TarXz => unpacking.tar(XzReader::new(BufReader::new(file), true), budget),
        Kind::Zip => unpacking.zip(file, budget),
        Kind::Gzip => {
            let to = sandbox.join(name.strip_suffix(".gz").unwrap_or(name));
            let target = File::create(&to).map_err(|fault| uri.write(&to, fault))?;
            let from = MultiGzDecoder::new(BufReader::new(file));
            let read = |fault| unpacking.damaged(fault);
            budget.copy(uri, from, target, read, |fault| uri.write(&to, fault)).map(|_| ())
        }
    }
}

struct Unpacking<'a> {
    uri: &'a Uri,
    sandbox: &'a Path,
}

impl Unpacking<'_> {
    fn tar(&self, reader: impl Read, budget: &mut Budget) -> Result<(), FetchError> {
        let mut archive = tar::Archive::new(reader);
        let entries = archive.entries().map_err(|fault| self.damaged(fault))?;
        for entry in entries {
            let mut entry = entry.map_err(|fault| self.damaged(fault))?;
            let path = entry.path().map_err(|fault| self.damaged(fault))?.into_owned();
            let kind = entry.header().entry_type();
            if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
                continue;
            }
            self.check(&path)?;
            if matches!(kind, EntryType::Block | EntryType::Char | EntryType::Fifo) {
                return Err(self.refused(&path, SPECIAL));
            }
            budget.take(self.uri, entry.size())?;
            // Refuses by itself what would go through a link that leads out.
            let inside = entry.unpack_in(self.sandbox).map_err(|fault| self.damaged(fault))?;
            if !inside {
                return Err(self.refused(&path, OUTSIDE));
            }
        }
        Ok(())
    }

    fn zip(&self, file: File, budget: &mut Budget) -> Result<(), FetchError> {
        let damaged = |fault: zip::result::ZipError| self.damaged(fault.into());
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at).map_err(damaged)?;
            let path = PathBuf::from(entry.name().map_err(damaged)?.into_owned());
            self.check(&path)?;
            let to = self.sandbox.join(&path);
            if entry.is_dir() {
                fs::create_dir_all(&to).map_err(|fault| self.uri.write(&to, fault))?;
                continue;
            }
            if !entry.is_file() {
                return Err(self.refused(&path, "which is a link; pack it as a tar archive"));
            }
            let above = to.parent().unwrap_or(self.sandbox);
            fs::create_dir_all(above).map_err(|fault| self.uri.write(above, fault))?;
            self.check_way(above, &path)?;
            let target = File::create(&to).map_err(|fault| self.uri.write(&to, fault))?;
            let mode = entry.unix_mode();
            let write = |fault| self.uri.write(&to, fault);
            budget.copy(self.uri, &mut entry, target, |fault| self.damaged(fault), write)?;
            if let Some(mode) = mode.filter(|mode| mode & 0o777 != 0) {
                let mode = fs::Permissions::from_mode(mode & 0o777);
                fs::set_permissions(&to, mode).map_err(write)?;
            }
        }
        Ok(())
    }

    /// Plain steps only.
    fn check(&self, path: &Path) -> Result<(), FetchError> {
        let is_plain = |step| matches!(step, Component::Normal(_) | Component::CurDir);
        match path.components().all(is_plain) {
            true => Ok(()),
            false => Err(self.refused(path, OUTSIDE)),
        }
    }

    /// Links that an earlier archive brought may lead out.
    fn check_way(&self, above: &Path, path: &Path) -> Result<(), FetchError> {
        let real =
            |path: &Path| fs::canonicalize(path).map_err(|fault| self.uri.write(path, fault));
        if real(above)?.starts_with(real(self.sandbox)?) {
            Ok(())
        } else {
            Err(self.refused(path, OUTSIDE))
        }
    }

    fn damaged(&self, source: io::Error) -> FetchError {
        FetchError::Archive { uri: self.uri.value.clone(), source }
    }

    fn refused(&self, path: &Path, reason: &'static str) -> FetchError {
        let entry = path.display().to_string();
        FetchError::Entry { uri: self.uri.value.clone(), entry, reason }
    }
}
