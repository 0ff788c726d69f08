//! An array map of the kernel seen as memory: read-only, shared, no system call per read.

use std::{io, marker::PhantomData, num::NonZeroUsize, os::fd::AsFd, ptr::NonNull};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// A `BPF_F_MMAPABLE` array of `T`.
pub(crate) struct Mapped<T> {
    address: NonNull<T>,
    bytes: NonZeroUsize,
    entries: usize,
    _rows: PhantomData<T>,
}

// SAFETY: the mapping is plain memory that belongs to no thread, and is only read.
unsafe impl<T> Send for Mapped<T> {}
// SAFETY: as above; every read is volatile.
unsafe impl<T> Sync for Mapped<T> {}

impl<T: Copy> Mapped<T> {
    /// Maps the first `entries` rows. The kernel packs rows in multiples of 8 bytes.
    ///
    /// # Safety
    /// The map's value must be a `T`, of which any bit pattern is valid.
    pub(crate) unsafe fn new(map: impl AsFd, entries: usize) -> io::Result<Self> {
        const { assert!(size_of::<T>().is_multiple_of(8)) };
        let bytes = entries.checked_mul(size_of::<T>()).and_then(NonZeroUsize::new);
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: a new mapping where the kernel likes; the kernel checks the length against the map.
        let address =
            unsafe { mmap(None, bytes, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, map, 0)? };
        Ok(Self { address: address.cast(), bytes, entries, _rows: PhantomData })
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// A row, whose fields must be read volatile: the kernel writes them meanwhile.
    pub(crate) fn row(&self, index: usize) -> Option<*const T> {
        // SAFETY: inside the mapping.
        (index < self.entries).then(|| unsafe { self.address.as_ptr().add(index).cast_const() })
    }

    /// A copy of a row. Each word is whole; words may be of two moments.
    pub(crate) fn copy(&self, index: usize) -> Option<T> {
        // SAFETY: `row` gave a pointer into the mapping, and any bits are a `T`.
        self.row(index).map(|row| unsafe { row.read_volatile() })
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of which no reference outlives `self`.
        let _ = unsafe { munmap(self.address.cast(), self.bytes.get()) };
    }
}
