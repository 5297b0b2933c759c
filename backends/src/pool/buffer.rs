//! A buffer lent by a pool: aligned bytes that go home when dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

use super::mapping::Mapping;
use super::{Place, Pool};

/// Bytes for a disk to fill or to store, aligned to [`Buffer::ALIGNMENT`], of exactly the length asked for.
///
/// It goes back to its pool when dropped, on whichever thread. **It holds old content when it is handed
/// out**: whoever sends it must have filled it whole. A read job does: it fills its buffer whole or fails,
/// and a failed read brings no buffer.
pub struct Buffer {
    /// The first of `len` bytes that are this buffer's alone, valid until `home` is dropped.
    address: NonNull<u8>,
    len: usize,
    home: Home,
}

/// What keeps the bytes of a buffer alive.
enum Home {
    Pool(Pool, Place),
    Alone(#[allow(dead_code, reason = "held for its drop")] Mapping),
}

// SAFETY: a buffer owns its bytes as a `Box<[u8]>` does: no other value reads or writes them, and both
// homes may be dropped on any thread.
unsafe impl Send for Buffer {}
// SAFETY: a shared reference to a buffer allows reading its bytes and nothing else.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// What an address of a buffer is a multiple of; enough for O_DIRECT on every device.
    pub const ALIGNMENT: usize = 4096;

    /// A zeroed buffer of no pool, for tests and rare work: each costs two system calls.
    ///
    /// # Panics
    /// If the kernel has no memory left, as any allocation does.
    pub fn alone(len: usize) -> Self {
        let mapping = Mapping::new(len.max(1)).expect("memory for a buffer");
        Self { address: mapping.address(), len, home: Home::Alone(mapping) }
    }

    /// The buffer at `place` of `pool`, shortened to `len` bytes.
    ///
    /// # Safety
    /// `address` is the first of at least `len` initialised bytes of the unit at `place`; the unit is lent
    /// to nobody else until it is given back, and stays mapped until then.
    pub(super) unsafe fn of_pool(pool: Pool, place: Place, address: NonNull<u8>, len: usize) -> Self {
        Self { address, len, home: Home::Pool(pool, place) }
    }

    /// Keeps the first `len` bytes. Does nothing where there are not so many.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The slab of its pool that the bytes lie in ([`Pool::slab`]); none for a buffer of no pool, and for one that is
    /// longer than a slab.
    pub fn slab(&self) -> Option<u16> {
        match &self.home {
            Home::Pool(_, place) if place.slabs == 1 => Some(place.slab),
            Home::Pool(..) | Home::Alone(_) => None,
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `address` and `len` name initialised bytes (mapped memory starts as zeroes) that live as
        // long as `home`, and a shared borrow of the buffer keeps everyone from writing them.
        unsafe { slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the exclusive borrow of the buffer is the only way to its bytes.
        unsafe { slice::from_raw_parts_mut(self.address.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Home::Pool(pool, place) = &self.home {
            pool.give_back(*place);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).field("slab", &self.slab()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_of_no_pool_is_aligned_zeroed_and_writable() {
        let mut buffer = Buffer::alone(10_000);
        assert_eq!(buffer.as_ptr().addr() % Buffer::ALIGNMENT, 0);
        assert_eq!((buffer.len(), buffer.slab()), (10_000, None));
        assert!(buffer.iter().all(|byte| *byte == 0));
        buffer.fill(7);
        buffer.truncate(20_000);
        assert_eq!(buffer.len(), 10_000);
        buffer.truncate(3);
        assert_eq!(*buffer, [7; 3]);
        assert!(Buffer::alone(0).is_empty());
    }
}
