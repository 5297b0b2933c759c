//! What every disk promises: its geometry, and to finish each job it is given.

use std::io;
use std::sync::Arc;

use crate::{DiskError, FileRing, Job};

/// A disk. Implement this to serve storage of your own.
///
/// One disk is used by several threads at once, each with its own [`FileRing`]. The order in which jobs
/// take effect is free except where one was finished before the other was submitted; but a read never
/// sees half of one write to the same logical block.
pub trait Backend: Send + Sync + 'static {
    /// What this disk is like, as of its opening or its last [`refresh`](Self::refresh).
    fn geometry(&self) -> Geometry;

    /// Takes a job. Must not block: finish it now, hand it to `ring`, or send it elsewhere.
    ///
    /// The extent of the job may lie beyond the end of the disk: fail it with
    /// [`DiskError::OutOfRange`] ([`Op::check`](crate::Op::check) does the arithmetic).
    fn submit(&self, job: Job, ring: &mut dyn FileRing);

    /// Looks at the medium again after it may have changed its size, and returns what is true now. May
    /// block: it is called by the control plane only.
    ///
    /// # Errors
    /// The medium could not be looked at; the geometry stays as it was.
    fn refresh(&self) -> io::Result<Geometry>;

    /// True when reads are answered from the disk's own pages by [`Job::finish_with`]: then they come
    /// without a buffer. A disk that says false always gets a buffer with a read.
    fn shares_pages(&self) -> bool {
        false
    }

    /// No more jobs come by way of `ring`: let it forget the files it was given.
    fn detach(&self, ring: &mut dyn FileRing) {
        let _ = ring;
    }

    /// What this is, for people: `block /dev/vg0/data O_DIRECT`.
    fn describe(&self) -> String;
}

/// A shared disk is a disk: whoever keeps a clone can look at it while it is served.
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn geometry(&self) -> Geometry {
        (**self).geometry()
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        (**self).submit(job, ring);
    }

    fn refresh(&self) -> io::Result<Geometry> {
        (**self).refresh()
    }

    fn shares_pages(&self) -> bool {
        (**self).shares_pages()
    }

    fn detach(&self, ring: &mut dyn FileRing) {
        (**self).detach(ring);
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// What a disk is like. Lengths and offsets are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// The logical block: every extent is a multiple of it. 512 or 4096.
    pub block_size: u32,
    /// What the medium writes at once without reading first; a multiple of `block_size`.
    pub physical_block: u32,
    /// The capacity; a multiple of `block_size`.
    pub bytes: u64,
    /// Writes are refused.
    pub read_only: bool,
    /// A finished write may be lost with the power until a flush is finished.
    pub write_cache: bool,
    /// How space is given back; `None` where it cannot be.
    pub discard: Option<Discard>,
    /// Whether the medium has heads that move, where known.
    pub rotational: Option<bool>,
    /// The transfer length the medium likes best; 0 where it has no opinion.
    pub optimal_io: u32,
    /// Names the medium whatever its path and host are now, where there is such a name.
    pub identity: Option<String>,
}

/// How a disk gives space back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discard {
    /// Space comes back in units of this many bytes; parts of a unit may be kept.
    pub granularity: u32,
    /// Where the first whole unit starts.
    pub alignment: u32,
    /// The longest extent that one job should name. Longer ones work, but may take long.
    pub max_bytes: u64,
    /// A discarded extent reads as zeroes until it is written.
    pub reads_zero: bool,
}

impl Geometry {
    /// A writable disk with no write cache, no discard and no opinions.
    ///
    /// # Panics
    /// If `block_size` is not a size of logical blocks ([`BLOCK_SIZES`]).
    pub fn plain(block_size: u32, bytes: u64) -> Self {
        assert!(BLOCK_SIZES.contains(&block_size), "logical blocks have 512 or 4096 bytes, not {block_size}");
        Self {
            block_size,
            physical_block: block_size,
            bytes: bytes - bytes % u64::from(block_size),
            read_only: false,
            write_cache: false,
            discard: None,
            rotational: None,
            optimal_io: 0,
            identity: None,
        }
    }
}

/// The sizes of logical blocks that initiators understand.
pub const BLOCK_SIZES: [u32; 2] = [512, 4096];

/// Blocking work on a job; the job is finished with what it returns.
pub type Work = Box<dyn FnOnce(&mut Job) -> Result<(), DiskError> + Send>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_rounded_down_to_whole_blocks() {
        assert_eq!(Geometry::plain(512, 1023).bytes, 512);
        assert_eq!(Geometry::plain(4096, 4095).bytes, 0);
        assert_eq!(Geometry::plain(4096, u64::MAX).bytes % 4096, 0);
    }
}
