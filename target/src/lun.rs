//! What a LUN of an embedded target is: a disk, and who it says it is.

use crate::Error;
use ferrite_api::{IdentitySpec, Percent};
use ferrite_backends::{Backend, BlockDisk, DiskOptions, FileDisk, Geometry, MemoryDisk};
use ferrite_engine::EmptyDrive;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A logical unit to be served.
///
/// Its block size, size and whether it may be written are those of the disk.
#[derive(Clone)]
pub struct Lun {
    pub(crate) disk: Arc<dyn Backend>,
    pub(crate) identity: IdentitySpec,
    pub(crate) soft_threshold: Option<Percent>,
    /// The disk is the disc in a drive.
    pub(crate) is_drive: bool,
}

impl Lun {
    /// A LUN on any disk, one of your own too.
    pub fn new(disk: impl Backend) -> Self {
        Lun::shared(Arc::new(disk))
    }

    /// A LUN on a disk that the program holds as well, to look at it or to change it.
    pub fn shared(disk: Arc<dyn Backend>) -> Self {
        Lun { disk, identity: IdentitySpec::default(), soft_threshold: None, is_drive: false }
    }

    /// A block device, or a file past the page cache (O_DIRECT). May block.
    ///
    /// # Errors
    /// [`Error::Disk`]: it is not there, not ours to open, or in use.
    pub fn blockio(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let disk = BlockDisk::open(path, &DiskOptions::default());
        disk.map(Lun::new).map_err(|source| Error::Disk { path: path.to_owned(), source })
    }

    /// A file through the page cache, of the size that it has. May block.
    ///
    /// # Errors
    /// [`Error::Disk`]: it is not there, not ours to open, or in use.
    pub fn fileio(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let disk = FileDisk::open(path, &DiskOptions::default());
        disk.map(Lun::new).map_err(|source| Error::Disk { path: path.to_owned(), source })
    }

    /// Memory of this process: `bytes` of zeroes, gone with the LUN. Blocks nobody wrote to take no memory.
    ///
    /// # Panics
    /// Above [`MemoryDisk::BYTES_MAX`].
    pub fn memory(bytes: u64) -> Self {
        Lun::new(MemoryDisk::new(bytes))
    }

    /// A drive for optical discs with this image in it, for reading only. May block.
    ///
    /// # Errors
    /// [`Error::Disk`]: it is not there, not ours to read, or somebody writes to it.
    pub fn cdrom(image: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Lun { is_drive: true, ..Lun::shared(disc(image.as_ref())?) })
    }

    /// A drive for optical discs with nothing in it.
    pub fn empty_drive() -> Self {
        Lun { is_drive: true, ..Lun::new(EmptyDrive) }
    }

    /// What its disk is like.
    pub fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    /// What its disk is, for people: `block /dev/vg0/data O_DIRECT`.
    pub fn describe(&self) -> String {
        self.disk.describe()
    }

    /// The same LUN; where its disk is thin, initiators are warned when this share of its space is used. A disk that
    /// cannot tell its space, as a block device, is refused with it.
    pub fn soft_threshold(mut self, share: Percent) -> Self {
        self.soft_threshold = Some(share);
        self
    }

    /// The same LUN, with another identity than the one derived from its disk.
    pub fn identity(mut self, identity: IdentitySpec) -> Self {
        self.identity = identity;
        self
    }
}

/// Opens the image of a disc.
pub(crate) fn disc(image: &Path) -> Result<Arc<dyn Backend>, Error> {
    let options = DiskOptions { read_only: true, ..DiskOptions::default() };
    match FileDisk::open(image, &options) {
        Ok(disc) => Ok(Arc::new(disc)),
        Err(source) => Err(Error::Disk { path: image.to_owned(), source }),
    }
}

impl fmt::Debug for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lun").field("disk", &self.disk.describe()).field("identity", &self.identity).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_not_there_is_named_in_the_error() {
        for lun in
            [Lun::blockio("/nonexistent/disk"), Lun::fileio("/nonexistent/disk"), Lun::cdrom("/nonexistent/disk")]
        {
            let Err(Error::Disk { path, .. }) = lun else { panic!("{lun:?}") };
            assert_eq!(path, Path::new("/nonexistent/disk"));
        }
    }

    #[test]
    fn a_memory_lun_is_as_large_as_asked() {
        assert_eq!(Lun::memory(1 << 20).disk.geometry().bytes, 1 << 20);
    }
}
