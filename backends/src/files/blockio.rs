//! A disk that is a block device (or a file), past the page cache.

use std::io;
use std::path::Path;

use super::DiskOptions;
use super::look::geometry;
use super::medium::{Medium, is_its_medium};
use super::way::Way;

/// A block device, or a regular file, opened with `O_DIRECT`: what initiators write goes to the medium,
/// and the host's memory is not spent on caching what the initiators cache already.
///
/// The device's own cache is shown as it is (`queue/write_cache`). A file counts as cached even so: its
/// writes may need metadata that is not on the medium yet. Discards need a device that takes them
/// (`queue/discard_max_bytes`). Where it zeroes by unmapping too (`queue/write_zeroes_max_bytes`) they are
/// holes punched by `fallocate` and read as zeroes; elsewhere (dm-thin, for one) they are `BLKDISCARD`,
/// and what is read afterwards is undefined. Writes are atomic as far as the kernel says so of this file or device
/// (`statx`, `RWF_ATOMIC`). A zoned device that only takes sequential writes is refused.
///
/// The identity is the kernel's and goes where the medium goes, whatever its path and number are: the UUIDs of group
/// and volume of an LVM volume (or any other name of device-mapper), the UUID of an array, a WWID, a serial number;
/// for a partition that of its disk and its number in it, since not every kernel tells its own UUID and an upgrade
/// must not change a name. A loop device has none. A file has the one that [`FileDisk`](crate::FileDisk) describes.
///
/// Blocks are at least as large as what `O_DIRECT` can move, so an
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
        Ok(Self(Medium::new(path, file, geometry, Way::Direct)?))
    }
}

is_its_medium!(BlockDisk);
