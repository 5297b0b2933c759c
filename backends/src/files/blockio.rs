//! A disk that is a block device (or a file), past the page cache.

use std::io;
use std::path::Path;

use super::look::{Way, geometry};
use super::medium::Medium;
use super::{DiskOptions, FileRing};
use crate::{Backend, Geometry, Job};

/// A block device, or a regular file, opened with `O_DIRECT`: what initiators write goes to the medium,
/// and the host's memory is not spent on caching what the initiators cache already.
///
/// The device's own cache is shown as it is (`queue/write_cache`). A file counts as cached even so: its
/// writes may need metadata that is not on the medium yet. Discards need a device that takes them
/// (`queue/discard_max_bytes`). Where it zeroes by unmapping too (`queue/write_zeroes_max_bytes`) they are
/// holes punched by `fallocate` and read as zeroes; elsewhere (dm-thin, for one) they are `BLKDISCARD`,
/// and what is read afterwards is undefined. The identity is the kernel's: the UUIDs of an LVM volume, a WWID, a
/// serial number; none for a loop device. Blocks are at least as large as what `O_DIRECT` can move, so an
/// unaligned transfer never happens.
#[derive(Debug)]
pub struct BlockDisk(Medium);

impl BlockDisk {
    /// Opens `path`, and makes it first where the options say so. May block.
    ///
    /// # Errors
    /// The path cannot be opened or is in use (mounted, held by device-mapper...), the file system has no
    /// `O_DIRECT`, or the logical blocks are smaller than what it can move; the text says which and what
    /// to do.
    pub fn open(path: impl AsRef<Path>, options: &DiskOptions) -> io::Result<Self> {
        let path = path.as_ref();
        let file = options.open(path, libc::O_DIRECT)?;
        let geometry = geometry(path, &file, options, Way::Direct)?;
        Ok(Self(Medium::new(path, file, geometry)?))
    }
}

impl Backend for BlockDisk {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        self.0.submit(job, ring);
    }

    fn refresh(&self) -> io::Result<Geometry> {
        self.0.refresh()
    }

    fn detach(&self, ring: &mut dyn FileRing) {
        self.0.detach(ring);
    }

    fn describe(&self) -> String {
        let kind = if self.0.is_device { "block" } else { "file" };
        format!("{kind} {} O_DIRECT", self.0.path.display())
    }
}
