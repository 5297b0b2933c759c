//! What an open file or device is like as a disk.

use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::{AtFlags, StatxFlags, statx};

use super::medium::{can_punch, length};
use super::options::refuse;
use super::sysfs::BlockDevice;
use super::way::Way;
use super::{DiskFile, DiskOptions};
use crate::geometry::BLOCK_SIZES;
use crate::{AtomicLimits, Buffer, Discard, Geometry, Pool};

/// The geometry of `file`, or why it cannot be served this way.
pub(super) fn geometry(path: &Path, file: &DiskFile, options: &DiskOptions, way: Way) -> io::Result<Geometry> {
    let about = file.file().metadata()?;
    let is_device = about.file_type().is_block_device();
    let device = BlockDevice::find(if is_device { about.rdev() } else { about.dev() });
    if is_device && device.as_ref().is_some_and(BlockDevice::is_zoned) {
        return Err(refuse(
            path,
            "a zoned device that takes writes in sequence only (host-managed) is no disk for initiators; \
             put dm-zoned or a file system on it",
        ));
    }
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
        geometry.atomic = if geometry.read_only { None } else { atomic_of(file, block_size) };
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
    geometry.physical_offset = device.physical_offset() % geometry.physical_block;
    if !geometry.physical_offset.is_multiple_of(geometry.block_size) {
        geometry.physical_offset = 0;
    }
    geometry.rotational = device.rotational();
    geometry.optimal_io = optimal(geometry.physical_block, device.optimal_io());
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
    let granularity = device.discard_granularity().max(1).checked_next_multiple_of(block_size).unwrap_or(block_size);
    let alignment = device.discard_alignment() % granularity;
    let alignment = if alignment.is_multiple_of(block_size) { alignment } else { 0 };
    (max_bytes > 0).then_some(Discard { granularity, alignment, max_bytes, reads_zero })
}

/// What the kernel does whole or not at all past the page cache, of a device or of a file on one.
fn atomic_of(file: &DiskFile, block_size: u32) -> Option<AtomicLimits> {
    let asked = StatxFlags::from_bits_retain(STATX_WRITE_ATOMIC);
    let about = statx(file, c"", AtFlags::EMPTY_PATH, asked).ok()?;
    let known = about.stx_mask & STATX_WRITE_ATOMIC != 0;
    let (min, max) = (about.stx_atomic_write_unit_min, about.stx_atomic_write_unit_max);
    if known { atomic_between(min, max, block_size) } else { None }
}

fn atomic_between(unit_min: u32, unit_max: u32, block_size: u32) -> Option<AtomicLimits> {
    let sane = unit_min.is_power_of_two() && unit_max.is_power_of_two();
    let unit = unit_min.max(block_size);
    let max_bytes = unit_max.min(Pool::BUFFER_MAX as u32);
    (sane && unit <= max_bytes).then_some(AtomicLimits { max_bytes, granularity: unit, alignment: unit, natural: true })
}

// Some bridges make a number up, such as the longest transfer they can count. Linux takes none that is not whole
// physical blocks; whole pages besides tell a stripe from a made-up number.
fn optimal(physical_block: u32, said: u32) -> u32 {
    let whole = said.is_multiple_of(physical_block) && said.is_multiple_of(PAGE);
    if whole && said as usize <= Pool::BUFFER_MAX { said } else { 0 }
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

/// `STATX_WRITE_ATOMIC` of linux/stat.h, since Linux 6.11; older kernels leave it out of their answer.
const STATX_WRITE_ATOMIC: u32 = 0x0001_0000;

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
        said(queue, read_only).discard
    }

    fn said(queue: &[(&str, &str)], read_only: bool) -> Geometry {
        let root = tree();
        let queue: Vec<_> = queue.iter().map(|(name, text)| (format!("queue/{name}"), *text)).collect();
        let files: Vec<_> = queue.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        put(&root.path().join("devices/sda"), &files);
        let mut geometry = Geometry { read_only, ..Geometry::plain(512, 1 << 20) };
        of_device(&mut geometry, &BlockDevice::find_in(root.path(), SDA).unwrap());
        geometry
    }

    #[test]
    fn a_granularity_is_whole_blocks_and_an_alignment_less_than_it() {
        let granule = |granularity: &str, alignment: &str| {
            let files = [("discard_granularity", granularity), ("../discard_alignment", alignment)];
            discard(&files, false).map(|discard| (discard.granularity, discard.alignment))
        };
        assert_eq!(granule("0", "0"), Some((512, 0)));
        assert_eq!(granule("65536", "4096"), Some((65536, 4096)));
        assert_eq!(granule("65536", "69632"), Some((65536, 4096)));
        assert_eq!(granule("65536", "100"), Some((65536, 0)));
        assert_eq!(granule("1000", "0"), Some((1024, 0)));
        assert_eq!(granule("4294967295", "4294967295"), Some((512, 0)));
    }

    #[test]
    fn a_preferred_transfer_that_is_made_up_is_none() {
        let optimal = |text: &str| said(&[("optimal_io_size", text)], false).optimal_io;
        assert_eq!([optimal("0"), optimal("65536"), optimal("196608")], [0, 65536, 196_608]);
        let longest = Pool::BUFFER_MAX as u32;
        assert_eq!([optimal(&longest.to_string()), optimal(&(longest + 4096).to_string())], [longest, 0]);
        assert_eq!([optimal("33553920"), optimal("512"), optimal("nonsense")], [0, 0, 0]);
    }

    #[test]
    fn physical_blocks_may_begin_within_the_device() {
        let offset = |text: &str| said(&[("../alignment_offset", text)], false).physical_offset;
        assert_eq!([offset("0"), offset("3584"), offset("4096"), offset("-1"), offset("100")], [0, 3584, 0, 0, 0]);
    }

    #[test]
    fn what_the_kernel_writes_atomically_is_shown_in_whole_blocks() {
        let limits =
            |unit, max_bytes| Some(AtomicLimits { max_bytes, granularity: unit, alignment: unit, natural: true });
        assert_eq!(atomic_between(0, 0, 512), None);
        assert_eq!(atomic_between(512, 65536, 512), limits(512, 65536));
        assert_eq!(atomic_between(512, 65536, 4096), limits(4096, 65536));
        assert_eq!(atomic_between(512, 2048, 4096), None);
        assert_eq!(atomic_between(4096, 1 << 30, 512), limits(4096, Pool::BUFFER_MAX as u32));
        assert_eq!(atomic_between(4096, 12288, 512), None, "no power of two");
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
