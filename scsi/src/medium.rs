//! What a logical unit shows of its medium: geometry, caching, provisioning, limits.

use serde::{Deserialize, Serialize};

/// The medium behind a unit. Counts are logical blocks unless a name says otherwise.
///
/// [`Medium::new`] gives a plain writable disk; the rest is set with struct update syntax. Limits that an
/// initiator would find absurd are never shown as they are: see each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// Bytes of a logical block: 512 or 4096, or 2048 of a disc.
    pub block_size: u32,
    /// Logical blocks, at least one; none where a drive is empty.
    pub blocks: u64,
    /// LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT: 3 for 512-byte blocks on a 4 KiB disk.
    pub physical_exponent: u8,
    /// LOWEST ALIGNED LOGICAL BLOCK ADDRESS: the first block at the start of a physical one (14 bits).
    pub lowest_aligned: u16,
    /// Every write is refused with WRITE PROTECTED.
    pub read_only: bool,
    /// Completed writes may be lost until a flush (WCE of the caching page).
    pub write_cache: bool,
    /// How space is given to blocks.
    pub provisioning: Provisioning,
    /// What UNMAP may do, or `None` where it does not exist.
    pub unmap: Option<UnmapLimits>,
    /// GET LBA STATUS can tell which blocks have space, so that a block erase can be seen to have given it back.
    pub maps: bool,
    /// Blocks that are zeroed without being unmapped keep, or get, their space: what SBC-3 calls anchored.
    pub anchors: bool,
    /// What WRITE ATOMIC may do, or `None` where it does not exist.
    pub atomic: Option<AtomicLimits>,
    /// What turns.
    pub rotation: Rotation,
    /// MAXIMUM TRANSFER LENGTH: a longer command is refused. Shown no larger than fits 4 GiB - 1 byte.
    pub max_transfer: u32,
    /// OPTIMAL TRANSFER LENGTH; 0: none. Shown as a multiple of the physical block, and not above the maximum.
    pub optimal_transfer: u32,
    /// OPTIMAL TRANSFER LENGTH GRANULARITY; 0: none.
    pub optimal_granularity: u16,
}

/// How space is given to blocks (SBC-3, logical block provisioning).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provisioning {
    /// Every block has its space.
    Full,
    /// A block gets its space when it is first written, and the disk may run out of it.
    Thin,
}

/// Limits of UNMAP, in logical blocks (SBC-3, block limits page).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmapLimits {
    /// MAXIMUM UNMAP LBA COUNT of one command; `u32::MAX`: no limit.
    pub max_blocks: u32,
    /// MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT of one command; `u32::MAX`: as many as a parameter list holds.
    pub max_descriptors: u32,
    /// OPTIMAL UNMAP GRANULARITY; 0: none. Shown as a power of two of at most 1 MiB: ESX turns automatic UNMAP off
    /// for anything that is not a factor of 1 MiB.
    pub granularity: u32,
    /// UNMAP GRANULARITY ALIGNMENT: the first block of the first whole granule.
    pub alignment: u32,
    /// Unmapped blocks read as zeroes (LBPRZ).
    pub reads_zero: bool,
}

/// Limits of WRITE ATOMIC, in logical blocks (SBC-4, block limits page). An ATOMIC BOUNDARY is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtomicLimits {
    /// MAXIMUM ATOMIC TRANSFER LENGTH of one command, at least one. Shown no larger than [`Medium::max_transfer`], and
    /// as a multiple of the granularity.
    pub max_blocks: u32,
    /// ATOMIC ALIGNMENT: the address is a multiple of it; 0 and 1: any.
    pub alignment: u32,
    /// ATOMIC TRANSFER LENGTH GRANULARITY: the length is a multiple of it; 0 and 1: any.
    pub granularity: u32,
    /// Only powers of two, at multiples of themselves: what Linux can do on a disk (`RWF_ATOMIC`). No field of the page
    /// can say so; Linux asks for nothing else, and who does is refused.
    pub natural: bool,
}

/// MEDIUM ROTATION RATE (SBC-3, block device characteristics page).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rotation {
    /// Not reported.
    Unknown,
    /// Nothing turns.
    Solid,
    /// Revolutions a minute.
    Rpm(u16),
}

/// Why a medium cannot be shown as a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadMedium {
    /// The block size is neither 512 nor 4096.
    BlockSize(u32),
    /// There is not one whole block.
    Empty,
    /// More bytes than a file offset can name.
    TooLarge,
}

impl Medium {
    /// A writable disk of `blocks` blocks with a write-through cache, fully provisioned, without UNMAP, that takes
    /// transfers of up to 16 MiB.
    ///
    /// # Errors
    /// [`BadMedium`], when no disk can have this shape.
    pub fn new(block_size: u32, blocks: u64) -> Result<Medium, BadMedium> {
        let medium = Medium {
            block_size,
            blocks,
            physical_exponent: 0,
            lowest_aligned: 0,
            read_only: false,
            write_cache: false,
            provisioning: Provisioning::Full,
            unmap: None,
            maps: false,
            anchors: false,
            atomic: None,
            rotation: Rotation::Unknown,
            max_transfer: TRANSFER_BYTES_DEFAULT / block_size.max(1),
            optimal_transfer: 0,
            optimal_granularity: 0,
        };
        medium.shape().map(|()| medium)
    }

    /// The read-only disc that an image of `bytes` bytes is, in whole blocks of 2048; an empty drive for none.
    ///
    /// # Errors
    /// [`BadMedium`]: less than one block, or more than READ CAPACITY (10) can say.
    pub fn disc(bytes: u64) -> Result<Medium, BadMedium> {
        let blocks = bytes / u64::from(DISC_BLOCK);
        if blocks == 0 && bytes > 0 {
            return Err(BadMedium::Empty);
        }
        if blocks > u64::from(u32::MAX) {
            return Err(BadMedium::TooLarge);
        }
        let plain = Medium::new(512, 1).expect("one block is a disk");
        Ok(Medium {
            block_size: DISC_BLOCK,
            blocks,
            read_only: true,
            max_transfer: TRANSFER_BYTES_DEFAULT / DISC_BLOCK,
            ..plain
        })
    }

    /// Bytes of the medium.
    pub fn bytes(&self) -> u64 {
        self.blocks * u64::from(self.block_size)
    }

    /// Whether block size and count can be those of a disk.
    pub(crate) fn shape(&self) -> Result<(), BadMedium> {
        if !matches!(self.block_size, 512 | 4096) {
            return Err(BadMedium::BlockSize(self.block_size));
        }
        if self.blocks == 0 {
            return Err(BadMedium::Empty);
        }
        match self.blocks.checked_mul(u64::from(self.block_size)) {
            Some(bytes) if bytes <= i64::MAX as u64 => Ok(()),
            _ => Err(BadMedium::TooLarge),
        }
    }

    /// Blocks of the longest transfer: what is shown and what is accepted, one number.
    pub(crate) fn transfer_max(&self) -> u32 {
        self.max_transfer.clamp(1, u32::MAX / self.block_size)
    }

    /// Blocks of the transfer an initiator should prefer, or 0. Linux ignores one that is not a multiple of the
    /// physical block or that is above the maximum.
    pub(crate) fn transfer_optimal(&self) -> u32 {
        let physical = 1u32 << self.physical_exponent.min(PHYSICAL_EXPONENT_MAX);
        self.optimal_transfer.min(self.transfer_max()) / physical * physical
    }

    /// Whether SANITIZE has a block erase: whoever asks afterwards must see that no block has space, and read zeroes.
    pub(crate) fn block_erases(&self) -> bool {
        self.maps && self.unmap.is_some_and(|unmap| unmap.reads_zero)
    }

    /// Blocks of the longest COMPARE AND WRITE: what its one-byte field can say, so far as half of its data is a
    /// transfer.
    pub(crate) fn compare_and_write_max(&self) -> u8 {
        u8::try_from(self.transfer_max()).unwrap_or(u8::MAX)
    }

    /// The limits of WRITE ATOMIC as an initiator may see them; the longest is a multiple of the granularity.
    pub(crate) fn atomic_shown(&self) -> Option<AtomicLimits> {
        let limits = self.atomic?;
        let granularity = limits.granularity.max(1);
        let longest = limits.max_blocks.min(self.transfer_max()).min(u16::MAX.into());
        Some(AtomicLimits { max_blocks: longest / granularity * granularity, ..limits }).filter(|it| it.max_blocks > 0)
    }

    /// THRESHOLD EXPONENT: space is told in sets of 1 MiB.
    pub(crate) fn threshold_exponent(&self) -> u8 {
        const SET: u32 = 1 << 20;
        (SET / self.block_size).trailing_zeros() as u8
    }

    /// Blocks of the longest WRITE SAME: it occupies the disk without a transfer that would pace it.
    pub(crate) fn write_same_max(&self) -> u64 {
        WRITE_SAME_BYTES_MAX / u64::from(self.block_size)
    }

    /// Granularity and alignment of UNMAP as an initiator may see them, or `None` where there is none.
    pub(crate) fn unmap_granules(&self) -> Option<(u32, u32)> {
        let limits = self.unmap.filter(|limits| limits.granularity != 0)?;
        let factor = 1u32 << limits.granularity.trailing_zeros();
        let shown = factor.min(UNMAP_GRANULE_BYTES_MAX / self.block_size);
        Some((shown, limits.alignment % shown))
    }
}

impl std::fmt::Display for BadMedium {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadMedium::BlockSize(size) => {
                write!(f, "a block size of {size} bytes, where 512 and 4096 exist")
            }
            BadMedium::Empty => write!(f, "not one whole block"),
            BadMedium::TooLarge => write!(f, "more than 8 EiB"),
        }
    }
}

impl std::error::Error for BadMedium {}

/// Bytes of a block of user data of a CD or DVD.
const DISC_BLOCK: u32 = 2048;

const TRANSFER_BYTES_DEFAULT: u32 = 16 << 20;

/// Bytes of the longest WRITE SAME: a few seconds of a slow disk, well below an initiator's patience.
const WRITE_SAME_BYTES_MAX: u64 = 256 << 20;

/// The largest granule ESX accepts.
const UNMAP_GRANULE_BYTES_MAX: u32 = 1 << 20;

/// The field in READ CAPACITY (16) has four bits.
pub(crate) const PHYSICAL_EXPONENT_MAX: u8 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn thin(granularity: u32, alignment: u32) -> Medium {
        let limits = UnmapLimits { max_blocks: 1, max_descriptors: 1, granularity, alignment, reads_zero: true };
        Medium { unmap: Some(limits), ..Medium::new(512, 100).unwrap() }
    }

    #[test]
    fn only_shapes_that_a_disk_can_have_become_a_medium() {
        assert_eq!(Medium::new(520, 1), Err(BadMedium::BlockSize(520)));
        assert_eq!(Medium::new(0, 1), Err(BadMedium::BlockSize(0)));
        assert_eq!(Medium::new(512, 0), Err(BadMedium::Empty));
        assert_eq!(Medium::new(512, u64::MAX), Err(BadMedium::TooLarge));
        assert_eq!(Medium::new(512, 1 << 54), Err(BadMedium::TooLarge));
        assert_eq!(Medium::new(512, (1 << 54) - 1).unwrap().bytes(), (1 << 63) - 512);
        assert_eq!(Medium::new(4096, 3).unwrap().bytes(), 12288);
    }

    #[test]
    fn the_longest_transfer_fits_four_bytes_and_is_never_nothing() {
        let with = |max_transfer| Medium { max_transfer, ..Medium::new(4096, 9).unwrap() }.transfer_max();
        assert_eq!(with(u32::MAX), 0x000F_FFFF);
        assert_eq!(with(0x000F_FFFF), 0x000F_FFFF);
        assert_eq!((with(0), with(77)), (1, 77));
    }

    #[test]
    fn the_preferred_transfer_is_whole_physical_blocks_below_the_maximum() {
        let with = |optimal_transfer| {
            let plain = Medium::new(512, 9).unwrap();
            Medium { physical_exponent: 3, max_transfer: 100, optimal_transfer, ..plain }.transfer_optimal()
        };
        assert_eq!([with(0), with(7), with(8), with(31), with(1000)], [0, 0, 8, 24, 96]);
    }

    #[test]
    fn a_compare_and_write_is_as_long_as_its_field_and_a_transfer_allow() {
        let with = |max_transfer| Medium { max_transfer, ..Medium::new(512, 9).unwrap() }.compare_and_write_max();
        assert_eq!([with(0), with(7), with(255), with(256), with(u32::MAX)], [1, 7, 255, 255, 255]);
    }

    #[test]
    fn an_atomic_write_is_whole_granules_within_a_transfer() {
        let longest = |max_blocks, granularity| {
            let limits = AtomicLimits { max_blocks, alignment: 0, granularity, natural: false };
            let plain = Medium { max_transfer: 100, ..Medium::new(512, 9).unwrap() };
            Medium { atomic: Some(limits), ..plain }.atomic_shown().map(|shown| shown.max_blocks)
        };
        assert_eq!([longest(1, 0), longest(50, 1), longest(1000, 1)], [Some(1), Some(50), Some(100)]);
        assert_eq!([longest(50, 8), longest(1000, 8), longest(7, 8)], [Some(48), Some(96), None]);
        assert_eq!(Medium::new(512, 9).unwrap().atomic_shown(), None);
    }

    #[test]
    fn granules_are_factors_of_one_mebibyte() {
        assert_eq!(thin(0, 5).unmap_granules(), None);
        assert_eq!(thin(128, 5).unmap_granules(), Some((128, 5)));
        assert_eq!(thin(128, 128).unmap_granules(), Some((128, 0)));
        assert_eq!(thin(192, 0).unmap_granules(), Some((64, 0)));
        assert_eq!(thin(2048, 7).unmap_granules(), Some((2048, 7)));
        assert_eq!(thin(4096, 2049).unmap_granules(), Some((2048, 1)));
    }
}
