//! The address space of all slabs of a pool, in one piece, so that slabs in a row make one long buffer.

use std::io;
use std::ptr::{self, NonNull};

/// Reserved addresses; memory is taken for them and given back slab by slab. It never moves.
#[derive(Debug)]
pub(super) struct Arena {
    address: NonNull<u8>,
    slabs: usize,
    slab_bytes: usize,
}

// SAFETY: the region is plain memory of this process that this value alone gives back, and may be used by any thread.
unsafe impl Send for Arena {}
// SAFETY: a shared reference gives away addresses only, and no bytes.
unsafe impl Sync for Arena {}

impl Arena {
    /// Reserves addresses for `slabs` slabs of `slab_bytes` bytes, whole pages. It takes no memory.
    pub(super) fn reserve(slabs: usize, slab_bytes: usize) -> io::Result<Self> {
        assert!(slabs > 0 && slab_bytes > 0, "the kernel maps no empty region");
        let len = slabs * slab_bytes;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory that exists.
        let address = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, UNUSED, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast()).expect("the kernel does not map address zero unasked");
        Ok(Self { address, slabs, slab_bytes })
    }

    /// The first byte of a slab.
    pub(super) fn slab(&self, index: usize) -> NonNull<u8> {
        assert!(index < self.slabs, "slab {index} of {}", self.slabs);
        // SAFETY: the slab begins within the region.
        unsafe { self.address.add(index * self.slab_bytes) }
    }

    /// Makes the bytes of a slab readable and writable: zeroes, taken from the system as they are touched.
    pub(super) fn commit(&self, index: usize) -> io::Result<()> {
        let address = self.slab(index).as_ptr().cast();
        // SAFETY: the slab lies within the region, which is ours; more access harms nobody.
        match unsafe { libc::mprotect(address, self.slab_bytes, libc::PROT_READ | libc::PROT_WRITE) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Gives the memory of a slab back; the addresses stay reserved.
    ///
    /// # Safety
    /// Nobody uses the bytes of this slab any more.
    pub(super) unsafe fn release(&self, index: usize) -> io::Result<()> {
        let address = self.slab(index).as_ptr().cast();
        // SAFETY: a mapping in place of one of our own, whose bytes nobody uses any more.
        let result = unsafe { libc::mmap(address, self.slab_bytes, libc::PROT_NONE, UNUSED | libc::MAP_FIXED, -1, 0) };
        if result == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the region was mapped by `reserve` with this length and is unmapped once. Every user of its bytes is
        // gone: a buffer keeps its pool alive, and the pool this.
        let result = unsafe { libc::munmap(self.address.as_ptr().cast(), self.slabs * self.slab_bytes) };
        assert_eq!(result, 0, "a region of our own can be given back");
    }
}

/// Addresses without memory. With `MAP_NORESERVE` none is accounted for either, however large the budget is.
const UNUSED: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
