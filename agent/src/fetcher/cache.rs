//! Copies that are kept: one directory a URI, below one a user, so that nobody runs what another
//! user's task has put there.
//!
//! `<cache>/<uid>/<hash of the URI>/{lock,about.json,content}`. Whoever fetches holds the lock; the
//! oldest use is the first to go. The agent bounds all users' copies together now and then.

use super::{
    FetchError, Uri,
    budget::Budget,
    download::{self, Answer, Client, Version},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

const LOCK: &str = "lock";
const ABOUT: &str = "about.json";
const CONTENT: &str = "content";
const NEW: &str = "content.new";
/// How often it is looked whether another task is done with the same file.
const PAUSE: Duration = Duration::from_millis(50);

/// The directory of one user's copies.
#[must_use]
pub fn user_dir(cache: &Path, uid: u32) -> PathBuf {
    cache.join(uid.to_string())
}

#[derive(Serialize, Deserialize)]
struct About {
    uri: String,
    version: Version,
}

pub(super) struct Cache<'a> {
    pub(super) dir: &'a Path,
    pub(super) bytes: u64,
    pub(super) stall: Duration,
}

impl Cache<'_> {
    /// The newest version of a file: the copy that is there, or a new one. It is open, so that it stays
    /// what it is though another takes its place, or it has to go.
    pub(super) fn get(
        &self,
        client: &Client,
        uri: &Uri,
        budget: &mut Budget,
    ) -> Result<(PathBuf, File), FetchError> {
        let dir = self.dir.join(key(uri));
        let lock = self.lock(uri, &dir)?;
        let (about, content) = (dir.join(ABOUT), dir.join(CONTENT));
        let known = known(&about, uri).filter(|_| content.exists());
        let open = || File::open(&content).map_err(|fault| uri.read(&content, fault));
        match client.ask(uri, known.as_ref())? {
            Answer::Unchanged => {
                touch(&about);
                Ok((content.clone(), open()?))
            }
            Answer::New(version, response) => {
                if let Some(length) = version.length.filter(|length| *length <= self.bytes) {
                    self.room_for(uri, length);
                }
                let new = dir.join(NEW);
                download::receive(uri, &version, *response, &new, budget)
                    .inspect_err(|_| drop(fs::remove_file(&new)))?;
                let write = |fault| uri.write(&content, fault);
                let _ = fs::remove_file(&about);
                fs::rename(&new, &content).map_err(write)?;
                let text = serde_json::to_vec(&About { uri: uri.value.clone(), version });
                fs::write(&about, text.unwrap_or_default()).map_err(write)?;
                let kept = open()?;
                if kept.metadata().is_ok_and(|data| data.len() > self.bytes) {
                    // All others would have to go for it.
                    let _ = fs::remove_dir_all(&dir);
                }
                drop(lock);
                self.room_for(uri, 0);
                Ok((content.clone(), kept))
            }
        }
    }

    /// Waits while another task has it: as long as that gets on.
    fn lock(&self, uri: &Uri, dir: &Path) -> Result<File, FetchError> {
        fs::create_dir_all(dir).map_err(|fault| uri.write(dir, fault))?;
        let path = dir.join(LOCK);
        let mut since = (Instant::now(), 0);
        loop {
            // Again each time: it may have been removed with the directory.
            fs::create_dir_all(dir).map_err(|fault| uri.write(dir, fault))?;
            let lock = File::create(&path).map_err(|fault| uri.write(&path, fault))?;
            match lock.try_lock() {
                Ok(()) if is_at(&lock, &path) => return Ok(lock),
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(fault)) => return Err(uri.write(&path, fault)),
            }
            let size = fs::metadata(dir.join(NEW)).map_or(0, |data| data.len());
            if size != since.1 {
                since = (Instant::now(), size);
            } else if since.0.elapsed() > self.stall * 2 {
                return Err(FetchError::Waiting { uri: uri.value.clone() });
            }
            sleep(PAUSE);
        }
    }

    /// The bound is kept as well as it can be: what is in use stays.
    fn room_for(&self, uri: &Uri, bytes: u64) {
        if let Err(fault) = make_room(&[self.dir.to_owned()], self.bytes.saturating_sub(bytes)) {
            eprintln!("the copies of fetched files can't be cleared up for {uri}: {fault}");
        }
    }
}

/// Removes the copies that were not used for longest until those in `dirs` take no more than `bytes`;
/// returns how much they take then. What is being used stays.
///
/// # Errors
/// A directory can't be read.
pub fn make_room(dirs: &[PathBuf], bytes: u64) -> io::Result<u64> {
    let mut copies = Vec::new();
    for dir in dirs {
        for entry in fs::read_dir(dir)?.flatten() {
            let copy = entry.path();
            let size = |name: &str| fs::metadata(copy.join(name)).map_or(0, |data| data.len());
            let used = fs::metadata(copy.join(ABOUT)).and_then(|data| data.modified());
            let used = used.unwrap_or(SystemTime::UNIX_EPOCH);
            copies.push((used, size(CONTENT) + size(NEW), copy));
        }
    }
    copies.sort();
    let mut sum: u64 = copies.iter().map(|(_, size, _)| size).sum();
    for (_, size, copy) in copies {
        if sum <= bytes {
            break;
        }
        let lock = File::open(copy.join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok() && fs::remove_dir_all(&copy).is_ok()) {
            sum -= size;
        }
    }
    Ok(sum)
}

fn is_at(file: &File, path: &Path) -> bool {
    let inode = |data: io::Result<fs::Metadata>| data.map(|data| (data.dev(), data.ino())).ok();
    inode(file.metadata()).is_some_and(|own| inode(fs::metadata(path)) == Some(own))
}

fn key(uri: &Uri) -> String {
    // The same in every process: its keys are fixed. What the copy is of is told in its own document.
    let mut hasher = DefaultHasher::new();
    uri.value.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn known(about: &Path, uri: &Uri) -> Option<Version> {
    let about: About = serde_json::from_slice(&fs::read(about).ok()?).ok()?;
    (about.uri == uri.value).then_some(about.version)
}

fn touch(about: &Path) {
    let _ = File::options()
        .write(true)
        .open(about)
        .and_then(|file| file.set_modified(SystemTime::now()));
}
