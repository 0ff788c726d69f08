//! One file to fetch: where it comes from, what it is called here, and what is done with it.

use super::{FetchError, budget::Budget};
use serde::{Deserialize, Serialize};
use std::{
    fmt::{self, Display},
    fs::File,
    io,
    path::{Component, Path, PathBuf},
};

/// As `mesos.v1.CommandInfo.URI` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uri {
    /// `http://`, `https://`, `file://`, or an absolute path.
    pub value: String,
    /// Whether an archive is unpacked into the sandbox.
    pub extract: bool,
    /// Whether it is made executable; it is not unpacked then.
    pub executable: bool,
    /// Whether a copy is kept for the next task. Only of what comes over the network.
    pub cache: bool,
    /// What it is called in the sandbox; by the URI's last part if absent.
    pub output_file: Option<String>,
}

impl Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)
    }
}

impl Uri {
    /// Whether it comes over the network.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        ["http://", "https://"].iter().any(|scheme| self.value.starts_with(scheme))
    }

    /// The file of this node that it names, if it names one.
    pub(super) fn local(&self) -> Result<Option<&Path>, FetchError> {
        if self.is_remote() {
            return Ok(None);
        }
        let value = self.value.trim_start();
        // RFC 8089: with no host, or with this one.
        let path = value.strip_prefix("file://").unwrap_or(value);
        let path = path.strip_prefix("localhost").filter(|_| path != value).unwrap_or(path);
        if path.starts_with('/') { Ok(Some(Path::new(path))) } else { Err(self.unknown()) }
    }

    /// The name it has, by which it is known whether it is an archive.
    pub(super) fn file_name(&self) -> Result<String, FetchError> {
        if let Some(name) = &self.output_file {
            return Ok(name.clone());
        }
        let path = match self.is_remote() {
            true => self.value.split(['?', '#']).next().unwrap_or_default(),
            false => &self.value,
        };
        let path = path.split_once("://").map_or(path, |(_, rest)| rest);
        match path.rsplit_once('/').map(|(_, name)| name) {
            Some(name) if !name.is_empty() && name != "." && name != ".." => Ok(name.to_owned()),
            _ => Err(FetchError::NoName { uri: self.value.clone() }),
        }
    }

    /// Where in the sandbox it goes: never out of it.
    pub(super) fn place(&self, sandbox: &Path) -> Result<PathBuf, FetchError> {
        let name = self.file_name()?;
        let inside = Path::new(&name);
        let is_plain = inside.components().all(|step| matches!(step, Component::Normal(_)));
        if name.is_empty() || !is_plain {
            return Err(FetchError::Place { uri: self.value.clone(), name });
        }
        Ok(sandbox.join(inside))
    }

    /// Opens a file of this node.
    pub(super) fn open(&self, path: &Path) -> Result<File, FetchError> {
        let file = File::open(path).map_err(|fault| self.read(path, fault))?;
        if file.metadata().is_ok_and(|data| data.is_file()) {
            return Ok(file);
        }
        let fault = io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file");
        Err(self.read(path, fault))
    }

    /// Copies an open file, which was found at `path`, to `to`.
    pub(super) fn copy(
        &self,
        path: &Path,
        from: &File,
        to: &Path,
        budget: &mut Budget,
    ) -> Result<(), FetchError> {
        let target = File::create(to).map_err(|fault| self.write(to, fault))?;
        let (read, write) = (|fault| self.read(path, fault), |fault| self.write(to, fault));
        budget.copy(self, from, target, read, write).map(|_| ())
    }

    pub(super) fn unknown(&self) -> FetchError {
        FetchError::Unknown { uri: self.value.clone() }
    }

    pub(super) fn read(&self, path: &Path, source: io::Error) -> FetchError {
        FetchError::Read { uri: self.value.clone(), path: path.to_owned(), source }
    }

    pub(super) fn write(&self, path: &Path, source: io::Error) -> FetchError {
        FetchError::Write { uri: self.value.clone(), path: path.to_owned(), source }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::fetcher) fn uri(value: &str) -> Uri {
        let value = value.to_owned();
        Uri { value, extract: true, executable: false, cache: false, output_file: None }
    }

    #[test]
    fn names_come_from_the_last_part_and_stay_inside() {
        let name = |value| uri(value).file_name().unwrap();
        assert_eq!(name("http://h:1/a/b.tar.gz?token=x/y#z"), "b.tar.gz");
        assert_eq!((name("file:///a/b"), name("/a/b?c")), ("b".into(), "b?c".into()));
        for bad in ["http://host", "http://h/", "/", "http://h/a/.."] {
            assert!(uri(bad).file_name().is_err(), "{bad}");
        }
        let sandbox = Path::new("/s");
        for bad in ["../x", "/etc/x", "a/../../x", ""] {
            let uri = Uri { output_file: Some(bad.into()), ..uri("/a/b") };
            assert!(matches!(uri.place(sandbox), Err(FetchError::Place { .. })), "{bad}");
        }
        let deep = Uri { output_file: Some("in/x".into()), ..uri("/a/b") };
        assert_eq!(deep.place(sandbox).unwrap(), Path::new("/s/in/x"));
    }

    #[test]
    fn only_absolute_files_and_known_schemes() {
        assert_eq!(uri("file:///a/b").local().unwrap(), Some(Path::new("/a/b")));
        assert_eq!(uri("file://localhost/a").local().unwrap(), Some(Path::new("/a")));
        assert_eq!(uri("/a/b").local().unwrap(), Some(Path::new("/a/b")));
        assert_eq!(uri("https://h/a").local().unwrap(), None);
        for bad in ["a/b", "hdfs://h/a", "ftp://h/a", "file://host/a", ""] {
            assert!(matches!(uri(bad).local(), Err(FetchError::Unknown { .. })), "{bad}");
        }
    }
}
