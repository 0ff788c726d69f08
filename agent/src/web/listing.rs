//! What a directory holds, as `ls -l` writes it and Mesos' clients read it.

use super::sandbox::kind;
use nix::{
    sys::stat::{FileStat, SFlag},
    unistd::{Gid, Group, Uid, User},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// One entry, with Mesos' keys.
#[derive(Serialize)]
pub(super) struct FileInfo {
    gid: String,
    mode: String,
    mtime: f64,
    nlink: libc::nlink_t,
    path: String,
    size: u64,
    uid: String,
}

/// Users' and groups' names, each looked up once.
#[derive(Default)]
pub(super) struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    /// An entry that is called `path`.
    pub(super) fn info(&mut self, path: String, found: &FileStat) -> FileInfo {
        let (uid, gid) = (found.st_uid, found.st_gid);
        let user = self.users.entry(uid).or_insert_with(|| {
            let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            user.map_or_else(|| uid.to_string(), |user| user.name)
        });
        let group = self.groups.entry(gid).or_insert_with(|| {
            let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
            group.map_or_else(|| gid.to_string(), |group| group.name)
        });
        FileInfo {
            gid: group.clone(),
            mode: mode(found),
            mtime: found.st_mtime as f64,
            nlink: found.st_nlink,
            path,
            size: found.st_size.unsigned_abs(),
            uid: user.clone(),
        }
    }
}

/// As `ls -l` writes it.
fn mode(found: &FileStat) -> String {
    let kind = match kind(found) {
        SFlag::S_IFDIR => 'd',
        SFlag::S_IFCHR => 'c',
        SFlag::S_IFBLK => 'b',
        SFlag::S_IFIFO => 'p',
        SFlag::S_IFLNK => 'l',
        SFlag::S_IFSOCK => 's',
        _ => '-',
    };
    let bits = (0..9).map(|bit| {
        let is_set = found.st_mode & (0o400 >> bit) != 0;
        if is_set { ['r', 'w', 'x'][bit % 3] } else { '-' }
    });
    std::iter::once(kind).chain(bits).collect()
}
