//! A disk that is a file, through the page cache.

use std::io;
use std::path::Path;

use super::DiskOptions;
use super::look::geometry;
use super::medium::{Medium, is_its_medium};
use super::way::Way;

/// A regular file (or a device) served through the page cache: fast where memory is plenty, and needs no
/// alignment.
///
/// Finished writes lie in memory, so the disk has a write cache: a flush is `fdatasync`, a durable write is
/// `RWF_DSYNC`. Discarded space becomes a hole in the file and reads as zeroes. No write is atomic: the kernel knows
/// such writes past the page cache only.
///
/// The identity is the file's inode and time of birth, which stay when it is renamed or its file system is mounted
/// elsewhere. They do not when it is copied or restored, as it should be: a name kept in an extended attribute would
/// be copied with the file, and two disks of one name destroy data where paths are joined by it. Devices have theirs
/// from the kernel, as [`BlockDisk`](crate::BlockDisk).
#[derive(Debug)]
pub struct FileDisk(Medium);

impl FileDisk {
    /// Opens `path`, and makes it first where the options say so. May block.
    ///
    /// # Errors
    /// The path cannot be opened or is in use, is neither file nor device, or is smaller than one block;
    /// the text says which and what to do.
    pub fn open(path: impl AsRef<Path>, options: &DiskOptions) -> io::Result<Self> {
        let path = path.as_ref();
        let file = options.open(path, 0)?;
        let geometry = geometry(path, &file, options, Way::PageCache)?;
        Ok(Self(Medium::new(path, file, geometry, Way::PageCache)?))
    }
}

is_its_medium!(FileDisk);
