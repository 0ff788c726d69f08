//! Reading the kernel's structs: a typed load at an offset that was found in BTF, and what a
//! `cgroup_subsys_state` tells.

use aya_ebpf::Global;
use headroom_agent_ebpf::Identity;

use crate::offsets::{CGROUP_KN, CSS_CGROUP, CSS_ID, CSS_SERIAL, KN_ID};

/// Loads the field at `offset`. A null or dead `base` reads as zero: the kernel handles the fault.
///
/// # Safety
/// `base` must be a pointer the verifier knows the type of, and `T` the field's type.
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(base: *const u8, offset: &Global<u32>) -> T {
    // SAFETY: the verifier checks offset and size against the struct, or refuses the program.
    unsafe { core::ptr::read_volatile(base.add(offset.load() as usize).cast::<T>()) }
}

/// A cgroup's state in one controller.
#[derive(Clone, Copy)]
pub(crate) struct Css(*const u8);

impl Css {
    /// # Safety
    /// `pointer` must point at a `struct cgroup_subsys_state`.
    #[inline(always)]
    pub(crate) unsafe fn new(pointer: *const u8) -> Self {
        Self(pointer)
    }

    /// Small and dense in its controller, re-used after the cgroup is gone. 1 is the root.
    #[inline(always)]
    pub(crate) fn id(self) -> u32 {
        // SAFETY: `new` was given a css.
        unsafe { load::<u32>(self.0, &CSS_ID) }
    }

    /// Never re-used.
    #[inline(always)]
    pub(crate) fn serial(self) -> u64 {
        // SAFETY: `new` was given a css.
        unsafe { load::<u64>(self.0, &CSS_SERIAL) }
    }

    #[inline(always)]
    pub(crate) fn cgroup_id(self) -> u64 {
        // SAFETY: `new` was given a css; its cgroup and kernfs node live as long as it does.
        unsafe {
            let cgroup = load::<*const u8>(self.0, &CSS_CGROUP);
            let node = load::<*const u8>(cgroup, &CGROUP_KN);
            load::<u64>(node, &KN_ID)
        }
    }

    #[inline(always)]
    pub(crate) fn parent(self) -> Self {
        // SAFETY: as above; the root's parent is null, of which everything reads as zero.
        unsafe { Self(load::<*const u8>(self.0, &crate::offsets::CSS_PARENT)) }
    }

    #[inline(always)]
    pub(crate) fn identity(self) -> Identity {
        Identity { serial: self.serial(), cgroup_id: self.cgroup_id() }
    }
}
