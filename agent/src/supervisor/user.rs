//! The user a task runs as.

use std::ffi::CString;

use crate::containers::ContainerSpec;
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, setgroups, setresgid, setresuid};

/// A resolved user: all that the child needs, looked up before the fork.
#[derive(Clone, Debug)]
pub(crate) struct TaskUser {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    groups: Vec<Gid>,
}

impl TaskUser {
    /// Looks `name` up, by name or number. Without root only our own user is possible.
    pub(crate) fn resolve(name: &str) -> Result<Option<TaskUser>, String> {
        let found = match name.parse::<u32>() {
            Ok(uid) => User::from_uid(Uid::from_raw(uid)),
            Err(_) => User::from_name(name),
        };
        let user = found
            .map_err(|e| format!("the user {name:?} cannot be looked up: {e}"))?
            .ok_or_else(|| format!("there is no user {name:?} on this agent"))?;
        if user.uid == geteuid() {
            return Ok(None);
        }
        if !geteuid().is_root() {
            return Err(format!("an agent that is not root cannot run tasks as {name:?}"));
        }
        let c_name = CString::new(user.name.as_str())
            .map_err(|_| format!("the user {name:?} has a NUL in its name"))?;
        let groups = getgrouplist(&c_name, user.gid)
            .map_err(|e| format!("the groups of user {name:?} cannot be looked up: {e}"))?;
        Ok(Some(TaskUser { uid: user.uid, gid: user.gid, groups }))
    }

    /// The user of a container, on this node.
    pub(crate) fn of(spec: &ContainerSpec) -> Result<Option<TaskUser>, String> {
        match spec.user.as_deref().map(TaskUser::resolve).transpose() {
            // A user that only the image knows owns nothing on the node.
            Err(_) if spec.docker.is_some() => Ok(None),
            found => found.map(Option::flatten),
        }
    }

    /// Becomes the user, for good: groups first, as a plain user may not change them.
    pub(super) fn become_it(&self) -> Result<(), nix::Error> {
        setgroups(&self.groups)?;
        setresgid(self.gid, self.gid, self.gid)?;
        setresuid(self.uid, self.uid, self.uid)
    }
}
