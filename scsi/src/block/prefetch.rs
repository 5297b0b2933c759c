//! PRE-FETCH: which blocks will be read soon (SBC-3)?

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// PRE-FETCH (10), (16): these blocks, or all from the address on, so far as MAXIMUM PREFETCH LENGTH goes. Fetching less
/// is what GOOD means here; CONDITION MET would promise that all of it stays in the cache. IMMED changes nothing, for
/// it is answered when the disk has taken the hint.
pub(crate) fn prefetch(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    let addressed = asked.addressed();
    addressed.transfer(medium)?;
    let range = addressed.or_the_rest(medium)?;
    let longest = u64::from(medium.transfer_max()) * u64::from(medium.block_size);
    Ok(Plan::Prefetch { at: range.at, len: range.len.min(longest) })
}

#[cfg(test)]
mod tests {
    use crate::medium::Medium;
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, refused};

    fn ten(flags: u8, lba: u32, blocks: u16) -> [u8; 10] {
        let mut cdb = [0x34, flags, 0, 0, 0, 0, 0, 0, 0, 0];
        cdb[2..6].copy_from_slice(&lba.to_be_bytes());
        cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
        cdb
    }

    fn sixteen(flags: u8, lba: u64, blocks: u32) -> [u8; 16] {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (0x90, flags);
        cdb[2..10].copy_from_slice(&lba.to_be_bytes());
        cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
        cdb
    }

    #[test]
    fn both_lengths_ask_for_the_same_bytes() {
        let expected = Plan::Prefetch { at: 1024, len: 1536 };
        for flags in [0, 2] {
            assert_eq!(Bench::disk().plan(&ten(flags, 2, 3)), expected);
            assert_eq!(Bench::disk().plan(&sixteen(flags, 2, 3)), expected);
        }
        let mut grouped = ten(0, 2, 3);
        grouped[6] = 3;
        assert_eq!(Bench::disk().plan(&grouped), expected);
    }

    #[test]
    fn no_blocks_are_all_that_follow_within_the_limit() {
        let rest = Plan::Prefetch { at: 2046 * 512, len: 1024 };
        assert_eq!(Bench::disk().plan(&ten(0, 2046, 0)), rest);
        let mut short = Bench::with(|medium| Medium { max_transfer: 8, ..medium });
        assert_eq!(short.plan(&sixteen(0, 1, 0)), Plan::Prefetch { at: 512, len: 4096 });
        assert_eq!(short.plan(&sixteen(0, 1, 8)), Plan::Prefetch { at: 512, len: 4096 });
        assert_eq!(short.plan(&sixteen(0, 1, 9)), refused(Sense::invalid_field(10)));
        assert_eq!(short.plan(&ten(0, 1, 9)), refused(Sense::invalid_field(7)));
    }

    #[test]
    fn blocks_that_do_not_exist_cannot_be_fetched() {
        let beyond = refused(Sense::LBA_OUT_OF_RANGE);
        for (lba, blocks) in [(2048, 0), (2048, 1), (2047, 2), (u32::MAX, 1)] {
            assert_eq!(Bench::disk().plan(&ten(0, lba, blocks)), beyond);
        }
        for (lba, blocks) in [(2048, 0), (2047, 2), (1 << 63, 1), (u64::MAX, 0), (u64::MAX, u32::MAX)] {
            assert_eq!(Bench::disk().plan(&sixteen(0, lba, blocks)), beyond);
        }
    }

    #[test]
    fn other_bits_are_refused() {
        assert_eq!(Bench::disk().plan(&ten(1, 0, 1)), refused(Sense::invalid_bit(1, 0)));
        assert_eq!(Bench::disk().plan(&sixteen(0x80, 0, 1)), refused(Sense::invalid_bit(1, 7)));
    }
}
