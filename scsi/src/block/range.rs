//! The blocks that a command means, found in its CDB and checked against the medium, in bytes.

use crate::command::{Asked, Cdb};
use crate::medium::Medium;
use crate::plan::Plan;
use crate::sense::Sense;

/// A logical block address and a number of blocks, as the CDB has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addressed {
    pub(crate) lba: u64,
    pub(crate) blocks: u32,
    /// First byte of the field with the number of blocks, to point at.
    pub(crate) blocks_field: u16,
}

/// Bytes that lie inside the medium. `len` may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) at: u64,
    pub(crate) len: u64,
}

impl Addressed {
    /// Every command of a disk has address and count in one of these five places, by the length of its CDB.
    pub(crate) fn of(cdb: &Cdb<'_>) -> Addressed {
        match cdb.len() {
            6 => {
                // A count of zero means 256 here, and only here (SBC-3, READ (6)).
                let blocks = match cdb.u8(4) {
                    0 => 256,
                    blocks => blocks.into(),
                };
                Addressed { lba: u64::from(cdb.u32(0) & 0x001F_FFFF), blocks, blocks_field: 4 }
            }
            10 => Addressed { lba: cdb.u32(2).into(), blocks: cdb.u16(7).into(), blocks_field: 7 },
            12 => Addressed { lba: cdb.u32(2).into(), blocks: cdb.u32(6), blocks_field: 6 },
            16 => Addressed { lba: cdb.u64(2), blocks: cdb.u32(10), blocks_field: 10 },
            VARIABLE => Addressed { lba: cdb.u64(12), blocks: cdb.u32(28), blocks_field: 28 },
            len => unreachable!("no row has a CDB of {len} bytes that addresses blocks"),
        }
    }

    /// These blocks, in bytes.
    ///
    /// # Errors
    /// 5/21/00, when they are not all there; also for no blocks at an address that does not exist.
    pub(crate) fn within(&self, medium: &Medium) -> Result<Range, Sense> {
        within(medium, self.lba, self.blocks.into())
    }

    /// The same for what moves data: no more than MAXIMUM TRANSFER LENGTH at once.
    ///
    /// # Errors
    /// Also 5/24/00, pointing at the count.
    pub(crate) fn transfer(&self, medium: &Medium) -> Result<(u64, u32), Sense> {
        let range = self.within(medium)?;
        if self.blocks > medium.transfer_max() {
            return Err(Sense::invalid_field(self.blocks_field));
        }
        Ok((range.at, range.len as u32))
    }

    /// A count of zero means all blocks from the address to the last.
    ///
    /// # Errors
    /// As of [`Addressed::within`].
    pub(crate) fn or_the_rest(&self, medium: &Medium) -> Result<Range, Sense> {
        let named = self.within(medium)?;
        Ok(if self.blocks == 0 { Range { len: medium.bytes() - named.at, ..named } } else { named })
    }
}

/// `blocks` blocks from `lba`, in bytes; 5/21/00 when they are not all there.
pub(crate) fn within(medium: &Medium, lba: u64, blocks: u64) -> Result<Range, Sense> {
    // The address first: a count of zero needs one that exists, too.
    if lba >= medium.blocks || blocks > medium.blocks - lba {
        return Err(Sense::LBA_OUT_OF_RANGE);
    }
    let block_size = u64::from(medium.block_size);
    Ok(Range { at: lba * block_size, len: blocks * block_size })
}

/// Bytes of the commands that have an ADDITIONAL CDB LENGTH, as far as they address blocks.
const VARIABLE: usize = 32;

impl Asked<'_> {
    /// The byte with DPO, FUA, BYTCHK and their like: beside the operation code, or beside the service action of a CDB of
    /// variable length. The six-byte commands have none, for their address is there.
    pub(crate) fn flags(&self) -> u8 {
        match self.cdb.len() {
            6 => 0,
            _ => self.cdb.u8(self.flags_at().into()),
        }
    }

    /// 5/24/00 that points at a field in the same byte.
    pub(crate) fn wrong_flag(&self, bit: u8) -> Sense {
        Sense::invalid_bit(self.flags_at(), bit)
    }

    fn flags_at(&self) -> u16 {
        if self.cdb.len() == VARIABLE { 10 } else { 1 }
    }

    /// The blocks that the CDB addresses.
    pub(crate) fn addressed(&self) -> Addressed {
        Addressed::of(&self.cdb)
    }
}

/// No blocks are no error, and nothing to do.
pub(crate) fn unless_empty(len: u32, plan: Plan) -> Plan {
    if len == 0 { Plan::good() } else { plan }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_count_are_found_in_every_length_of_cdb() {
        let of = |cdb: &[u8]| {
            let found = Addressed::of(&Cdb::new(cdb));
            (found.lba, found.blocks, found.blocks_field)
        };
        assert_eq!(of(&[0x08, 0xFF, 0x02, 0x03, 4, 0]), (0x1F_0203, 4, 4));
        assert_eq!(of(&[0x08, 0, 0, 0, 0, 0]), (0, 256, 4));
        assert_eq!(of(&[0x28, 0xFF, 1, 2, 3, 4, 0xFF, 5, 6, 0xFF]), (0x0102_0304, 0x0506, 7));
        assert_eq!(of(&[0xA8, 0xFF, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF, 0xFF]), (0x0102_0304, 0x0506_0708, 6));
        let mut variable = [0xFF; 32];
        variable[12..20].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        variable[28..].copy_from_slice(&[9, 10, 11, 12]);
        assert_eq!(of(&variable), (0x0102_0304_0506_0708, 0x090A_0B0C, 28));
        assert_eq!(
            of(&[0x88, 0xFF, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xFF, 0xFF]),
            (0x0102_0304_0506_0708, 0x090A_0B0C, 10)
        );
    }

    #[test]
    fn blocks_end_where_the_medium_ends() {
        let medium = Medium::new(4096, 100).unwrap();
        assert_eq!(within(&medium, 99, 1), Ok(Range { at: 99 * 4096, len: 4096 }));
        assert_eq!(within(&medium, 0, 100), Ok(Range { at: 0, len: 409_600 }));
        assert_eq!(within(&medium, 99, 0), Ok(Range { at: 99 * 4096, len: 0 }));
        for (lba, blocks) in [(99, 2), (100, 0), (100, 1), (u64::MAX, 1), (1, u64::MAX), (u64::MAX, u64::MAX)] {
            assert_eq!(within(&medium, lba, blocks), Err(Sense::LBA_OUT_OF_RANGE), "{lba} {blocks}");
        }
    }

    #[test]
    fn a_transfer_ends_at_the_limit_that_is_shown() {
        let medium = Medium { max_transfer: 8, ..Medium::new(512, 100).unwrap() };
        let transfer = |blocks| Addressed { lba: 1, blocks, blocks_field: 7 }.transfer(&medium);
        assert_eq!(transfer(8), Ok((512, 4096)));
        assert_eq!(transfer(9), Err(Sense::invalid_field(7)));
        assert_eq!(transfer(100), Err(Sense::LBA_OUT_OF_RANGE));
    }

    #[test]
    fn no_blocks_may_mean_all_that_follow() {
        let medium = Medium::new(512, 100).unwrap();
        let or_the_rest = |lba, blocks| Addressed { lba, blocks, blocks_field: 7 }.or_the_rest(&medium);
        assert_eq!(or_the_rest(98, 0), Ok(Range { at: 98 * 512, len: 1024 }));
        assert_eq!(or_the_rest(98, 1), Ok(Range { at: 98 * 512, len: 512 }));
        assert_eq!(or_the_rest(100, 0), Err(Sense::LBA_OUT_OF_RANGE));
    }
}
