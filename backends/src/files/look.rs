//! What an open file or device is like as a disk.

use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::medium::{can_punch, length};
use super::options::refuse;
use super::sysfs::BlockDevice;
use super::{DiskFile, DiskOptions};
use crate::contract::BLOCK_SIZES;
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
    // Holes are punched into a device as zeroes by unmapping, so it must be able to do both.
    let max_bytes = device.discard_max().min(device.write_zeroes_max()).min(DISCARD_MAX);
    geometry.discard = (max_bytes > 0 && !geometry.read_only).then(|| Discard {
        granularity: device.discard_granularity().max(geometry.block_size),
        alignment: device.discard_alignment(),
        max_bytes: max_bytes - max_bytes % u64::from(geometry.block_size),
        reads_zero: true,
    });
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
