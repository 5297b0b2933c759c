//! Memory straight from the kernel: page-aligned, zeroed, given back when dropped.

use std::io;
use std::ptr::NonNull;

/// An anonymous private mapping. It does not move and is not given back while this lives.
#[derive(Debug)]
pub(super) struct Mapping {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory of this process, owned by this value alone, and may be used and
// unmapped by any thread.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference gives away the address only, and no bytes.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes, at least one, rounded up to whole pages by the kernel.
    pub(super) fn new(len: usize) -> io::Result<Self> {
        assert!(len > 0, "the kernel maps no empty region");
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory that exists.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast()).expect("the kernel does not map address zero unasked");
        Ok(Self { address, len })
    }

    /// Its first byte. Valid for reads and writes of `len` bytes while the mapping lives.
    pub(super) fn address(&self) -> NonNull<u8> {
        self.address
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the region was mapped by `new` with this length and is unmapped once. Every user of its
        // bytes is gone: a buffer keeps what it points into alive.
        let result = unsafe { libc::munmap(self.address.as_ptr().cast(), self.len) };
        assert_eq!(result, 0, "a mapping of our own can be given back");
    }
}
