//! The cgroups whose figures make one task's, and what was last read of each.

use headroom_agent_ebpf::Identity;

use super::mapped::Mapped;

/// Cgroups in one task: its own and those it makes inside.
pub const MAX_CGROUPS_PER_TASK: usize = 64;

/// Counters that add up.
pub trait Counters: Default + Clone {
    /// Adds another's.
    fn merge(&mut self, other: &Self);
}

/// Names a task to the probe: the inode numbers of its cgroup directories in one controller's hierarchy.
/// Keep it as long as the task: it remembers the ids found, and the figures of cgroups that are gone.
#[derive(Debug, Default)]
pub struct CgroupKey<C> {
    members: Vec<Member<C>>,
    retired: C,
}

#[derive(Debug)]
struct Member<C> {
    inode: u64,
    /// css id, 0 until the cgroup was seen.
    slot: u32,
    serial: u64,
    last: C,
}

impl<C: Counters> CgroupKey<C> {
    /// A task of one cgroup.
    pub fn new(inode: u64) -> Self {
        let mut key = Self { members: Vec::with_capacity(1), retired: C::default() };
        key.add(inode);
        key
    }

    /// Adds a cgroup that the task made. False when it has too many: that one is not counted.
    pub fn add(&mut self, inode: u64) -> bool {
        if self.members.iter().any(|member| member.inode == inode) {
            return true;
        }
        if self.members.len() == MAX_CGROUPS_PER_TASK {
            return false;
        }
        self.members.push(Member { inode, slot: 0, serial: 0, last: C::default() });
        true
    }

    /// Takes out a cgroup that is gone; what was read of it stays counted.
    pub fn remove(&mut self, inode: u64) {
        if let Some(index) = self.members.iter().position(|member| member.inode == inode) {
            let member = self.members.swap_remove(index);
            self.retired.merge(&member.last);
        }
    }

    /// Reads all cgroups and adds them up. `read` sums the rows of a slot that bear a serial; it gives
    /// `None` when a younger cgroup has begun to write there.
    pub(crate) fn read(
        &mut self,
        ids: &Mapped<Identity>,
        read: impl Fn(u32, u64) -> Option<C>,
    ) -> C {
        let mut total = self.retired.clone();
        for member in &mut self.members {
            if member.slot == 0
                && let Some((slot, identity)) = find(ids, member.inode)
            {
                member.slot = slot;
                member.serial = identity.serial;
            }
            if member.slot != 0 {
                let owner = ids.copy(member.slot as usize);
                if owner.is_some_and(|owner| owner.serial == member.serial) {
                    if let Some(counters) = read(member.slot, member.serial) {
                        member.last = counters;
                    }
                } else {
                    // The id went to another cgroup; should this one get a new id, it starts at zero.
                    self.retired.merge(&std::mem::take(&mut member.last));
                    total = self.retired.clone();
                    member.slot = 0;
                }
            }
            total.merge(&member.last);
        }
        total
    }
}

/// The css id of a cgroup. A scan of 16 bytes an id, once per cgroup: the kernel offers no way back.
fn find(ids: &Mapped<Identity>, inode: u64) -> Option<(u32, Identity)> {
    (0..ids.len())
        .filter_map(|slot| Some((slot as u32, ids.copy(slot)?)))
        .filter(|(_, identity)| identity.cgroup_id == inode && identity.serial != 0)
        .max_by_key(|(_, identity)| identity.serial)
}
