//! What an open file or device is like as a disk.

use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::medium::{can_punch, length};
use super::options::refuse;
use super::sysfs::BlockDevice;
use super::{DiskFile, DiskOptions};
use crate::geometry::BLOCK_SIZES;
use crate::{Buffer, Discard, Geometry};

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    PageCache,
    Direct,
}

/// The geometry of `file`, or why it cannot be served this way.
pub(super) fn geometry(path: &Path, file: &DiskFile, options: &DiskOptions, way: Way) -> io::Result<Geometry> {
    let about = file.file().metadata()?;
    let is_device = about.file_type().is_block_device();
    let device = BlockDevice::find(if is_device { about.rdev() } else { about.dev() });
    let unit = device.as_ref().and_then(BlockDevice::logical_block).unwrap_or(UNKNOWN_UNIT);
    let block_size = match options.block_size {
        Some(block_size) => block_size,
        // A file has no sectors: the page cache takes any.
        None if !is_device && way == Way::PageCache => BLOCK_SIZES[0],
        None if unit <= BLOCK_SIZES[0] => BLOCK_SIZES[0],
        None => BLOCK_SIZES[1],
    };
    if way == Way::Direct && block_size % unit != 0 {
        return Err(refuse(
            path,
            &format!(
                "O_DIRECT moves units of {unit} bytes here, which blocks of {block_size} are too small for; \
             ask for blocks of 4096 bytes or use the file backend"
            ),
        ));
    }
    let bytes = length(path, file)?;
    let mut geometry = Geometry::plain(block_size, bytes);
    if geometry.bytes == 0 {
        return Err(refuse(path, "the medium is smaller than one logical block"));
    }
    geometry.read_only = options.read_only;
    match device.filter(|_| is_device) {
        Some(device) => of_device(&mut geometry, &device),
        None if is_device => geometry.write_cache = true,
        None => {
            geometry.write_cache = true;
            geometry.physical_block = physical(block_size, about.blksize().try_into().unwrap_or(PAGE));
            geometry.discard = (!options.read_only && can_punch(file, bytes)).then_some(Discard {
                granularity: geometry.physical_block,
                alignment: 0,
                max_bytes: DISCARD_MAX,
                reads_zero: true,
            });
            geometry.identity = identity_of_file(&about);
        }
    }
    if way == Way::PageCache {
        geometry.write_cache = true;
        // The cache reads the rest of a page that a shorter write touches.
        geometry.physical_block = geometry.physical_block.max(PAGE);
    } else {
        try_to_read(path, file, block_size)?;
    }
    if is_device && !options.read_only && geometry.read_only {
        return Err(refuse(path, "the device takes no writes; open it read-only"));
    }
    Ok(geometry)
}

fn of_device(geometry: &mut Geometry, device: &BlockDevice) {
    geometry.read_only |= device.read_only();
    geometry.write_cache = device.write_cache();
    geometry.physical_block = physical(geometry.block_size, device.physical_block().unwrap_or(0));
    geometry.rotational = device.rotational();
    geometry.optimal_io = device.optimal_io();
    geometry.identity = device.identity();
    geometry.discard = if geometry.read_only { None } else { discard_of(device, geometry.block_size) };
}

/// How the space of a device is given back: as holes, which are zeroes by unmapping, where the device can do
/// both; else by a plain discard, which promises nothing about what is read afterwards.
fn discard_of(device: &BlockDevice, block_size: u32) -> Option<Discard> {
    // The kernel calls it an error when only part of a logical block of the device is to go.
    if device.logical_block().is_some_and(|unit| !block_size.is_multiple_of(unit)) {
        return None;
    }
    let zeroes_max = device.write_zeroes_max();
    let reads_zero = zeroes_max > 0;
    let kernel_max = if reads_zero { device.discard_max().min(zeroes_max) } else { device.discard_max() };
    let max_bytes = kernel_max.min(DISCARD_MAX) / u64::from(block_size) * u64::from(block_size);
    (max_bytes > 0).then(|| Discard {
        granularity: device.discard_granularity().max(block_size),
        alignment: device.discard_alignment(),
        max_bytes,
        reads_zero,
    })
}

// What a medium says is believed if it is what SCSI can say: a power of two of logical blocks.
fn physical(block_size: u32, said: u32) -> u32 {
    if said.is_power_of_two() { said.clamp(block_size, PHYSICAL_MAX) } else { block_size }
}

/// Inode and time of birth. Both stay when the file is renamed, the host restarts, or another host mounts
/// the file system; a copy of the file has others, as it should, and so has one restored from a backup.
/// File systems without times of birth give no name: an inode's number alone is given again.
fn identity_of_file(about: &std::fs::Metadata) -> Option<String> {
    let born = about.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("file:{:x}:{:x}", about.ino(), born.as_nanos()))
}

// Opening with O_DIRECT can succeed where reading then does not.
fn try_to_read(path: &Path, file: &DiskFile, block_size: u32) -> io::Result<()> {
    let mut block = Buffer::alone(block_size as usize);
    match file.file().read_at(&mut block, 0) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Err(refuse(path, &format!("O_DIRECT takes no transfers of {block_size} bytes here")))
        }
        // A medium error in the first block is no reason to refuse the disk.
        _ => Ok(()),
    }
}

/// What O_DIRECT needs where nobody says: enough for every file system in use.
const UNKNOWN_UNIT: u32 = 4096;

/// A page of the page cache.
const PAGE: u32 = 4096;

/// Larger physical blocks are a stripe, not a block.
const PHYSICAL_MAX: u32 = 64 << 10;

/// The longest discard that is invited: the kernel works on it at once and is not to be interrupted.
const DISCARD_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::sysfs::tests::{SDA, put, tree};

    /// What a device offers whose queue says this.
    fn discard(queue: &[(&str, &str)], read_only: bool) -> Option<Discard> {
        let root = tree();
        let queue: Vec<_> = queue.iter().map(|(name, text)| (format!("queue/{name}"), *text)).collect();
        let files: Vec<_> = queue.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        put(&root.path().join("devices/sda"), &files);
        let mut geometry = Geometry { read_only, ..Geometry::plain(512, 1 << 20) };
        of_device(&mut geometry, &BlockDevice::find_in(root.path(), SDA).unwrap());
        geometry.discard
    }

    const ZEROES: &str = "write_zeroes_max_bytes";
    const DISCARDS: &str = "discard_max_bytes";

    #[test]
    fn a_device_that_zeroes_discards_to_zeroes_and_another_promises_nothing() {
        let like = |max_bytes, reads_zero| Discard { granularity: 4096, alignment: 0, max_bytes, reads_zero };
        assert_eq!(discard(&[(ZEROES, "1048576")], false), Some(like(1 << 20, true)));
        assert_eq!(discard(&[(ZEROES, "0")], false), Some(like(1 << 30, false)));
        assert_eq!(discard(&[(ZEROES, "0"), (DISCARDS, "4294966784")], false), Some(like(DISCARD_MAX, false)));
        assert_eq!(discard(&[(ZEROES, "0"), (DISCARDS, "1000")], false), Some(like(512, false)), "whole blocks");
    }

    #[test]
    fn no_discard_is_offered_where_the_device_takes_none() {
        assert_eq!(discard(&[(DISCARDS, "0"), (ZEROES, "1048576")], false), None);
        assert_eq!(discard(&[(DISCARDS, "0"), (ZEROES, "0")], false), None);
        assert_eq!(discard(&[(DISCARDS, "511")], false), None, "less than a block");
        assert_eq!(discard(&[("logical_block_size", "4096")], false), None, "its blocks are larger than the disk's");
        assert_eq!(discard(&[], true), None, "read-only");
    }
}
