//! What a disk is like: its size, its blocks, and what it can do beside reading and writing.

/// What a disk is like. Lengths and offsets are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// The logical block: every extent is a multiple of it. 512 or 4096.
    pub block_size: u32,
    /// What the medium writes at once without reading first; a multiple of `block_size`.
    pub physical_block: u32,
    /// Where the first whole physical block begins; a multiple of `block_size`, less than `physical_block`.
    pub physical_offset: u32,
    /// The capacity; a multiple of `block_size`.
    pub bytes: u64,
    /// Writes are refused.
    pub read_only: bool,
    /// A finished write may be lost with the power until a flush is finished.
    pub write_cache: bool,
    /// How space is given back; `None` where it cannot be.
    pub discard: Option<Discard>,
    /// Which writes are done whole or not at all; `None` where none is known to be.
    pub atomic: Option<AtomicLimits>,
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

/// Which [`Op::WriteAtomic`](crate::Op::WriteAtomic) a disk does whole or not at all, also when the power goes
/// in the middle of it. Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtomicLimits {
    /// The longest (MAXIMUM ATOMIC TRANSFER LENGTH); a multiple of `granularity`.
    pub max_bytes: u32,
    /// Every length is a multiple of this (ATOMIC TRANSFER LENGTH GRANULARITY).
    pub granularity: u32,
    /// Every extent begins at a multiple of this (ATOMIC ALIGNMENT).
    pub alignment: u32,
    /// Beyond that every length is a power of two, and every extent begins at a multiple of its length: what
    /// Linux asks for. SCSI has no field for it, so an extent that breaks this rule alone is refused when it comes.
    pub natural: bool,
}

impl AtomicLimits {
    /// Whether an extent keeps to the limits. An empty one does.
    pub fn allow(&self, at: u64, len: u32) -> bool {
        let multiple = |of: u64, unit: u32| of.is_multiple_of(u64::from(unit.max(1)));
        let natural = len.is_power_of_two() && multiple(at, len);
        len == 0
            || len <= self.max_bytes
                && multiple(len.into(), self.granularity)
                && multiple(at, self.alignment)
                && (natural || !self.natural)
    }
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
            physical_offset: 0,
            bytes: bytes - bytes % u64::from(block_size),
            read_only: false,
            write_cache: false,
            discard: None,
            atomic: None,
            rotational: None,
            optimal_io: 0,
            identity: None,
        }
    }
}

/// The sizes of logical blocks that initiators understand.
pub const BLOCK_SIZES: [u32; 2] = [512, 4096];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_rounded_down_to_whole_blocks() {
        assert_eq!(Geometry::plain(512, 1023).bytes, 512);
        assert_eq!(Geometry::plain(4096, 4095).bytes, 0);
        assert_eq!(Geometry::plain(4096, u64::MAX).bytes % 4096, 0);
    }

    #[test]
    fn an_atomic_write_keeps_to_the_length_the_alignment_and_the_rule_of_the_kernel() {
        let scsi = AtomicLimits { max_bytes: 16384, granularity: 1024, alignment: 4096, natural: false };
        for (at, len, allowed) in [
            (0, 0, true),
            (0, 1024, true),
            (4096, 3072, true),
            (4096, 16384, true),
            (4096, 17408, false),
            (4096, 512, false),
            (1024, 1024, false),
        ] {
            assert_eq!(scsi.allow(at, len), allowed, "{len} bytes at {at}");
        }
        let linux = AtomicLimits { alignment: 1024, natural: true, ..scsi };
        for (at, len, allowed) in [(1024, 1024, true), (4096, 3072, false), (4096, 8192, false), (8192, 8192, true)] {
            assert_eq!(linux.allow(at, len), allowed, "{len} bytes at {at}");
        }
    }
}
