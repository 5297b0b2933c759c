//! WRITE SAME: one block, over and over (SBC-3).

use super::range::Range;
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// WRITE SAME (10), (16), (32): the block first, unless it is said to be zeroes (NDOB).
pub(crate) fn write_same(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const NDOB: u8 = 0x01;
    let range = range(asked)?;
    if asked.flags() & NDOB != 0 {
        return Ok(zero(asked, range));
    }
    let len = asked.unit.medium().block_size;
    // More than one block is as wrong as less: the initiator thinks of another block size.
    if asked.data_out != len {
        return Err(Sense::DATA_OUT_LENGTH);
    }
    Ok(Plan::Gather { len })
}

/// With the block: zeroes are a plan of their own, for disks can do them without writing.
pub(crate) fn gathered(asked: &mut Asked<'_>, block: &[u8]) -> Result<Plan, Sense> {
    let range = range(asked)?;
    if block.len() != asked.unit.medium().block_size as usize {
        return Err(Sense::DATA_OUT_LENGTH);
    }
    if block.iter().all(|&byte| byte == 0) {
        return Ok(zero(asked, range));
    }
    // With UNMAP too: a block that would not read as this one may not be unmapped (SBC-3, WRITE SAME and unmap
    // operations).
    Ok(Plan::WriteSame {
        at: range.at,
        len: range.len,
        fua: asked.nexus.verdict().write_through,
        pattern: block.into(),
    })
}

/// The blocks that are meant: to the end, where the count is zero.
///
/// # Errors
/// 5/24/00 also for UNMAP or ANCHOR on a disk that cannot, for ANCHOR without UNMAP, and for more than MAXIMUM WRITE SAME
/// LENGTH.
fn range(asked: &Asked<'_>) -> Result<Range, Sense> {
    let medium = asked.unit.medium();
    let (unmap, anchor) = (asked.flags() & UNMAP != 0, asked.flags() & ANCHOR != 0);
    if unmap && medium.unmap.is_none() {
        return Err(asked.wrong_flag(3));
    }
    if anchor && !(unmap && medium.anchors) {
        return Err(asked.wrong_flag(4));
    }
    let addressed = asked.addressed();
    let range = addressed.or_the_rest(medium)?;
    if range.len > medium.write_same_max() * u64::from(medium.block_size) {
        return Err(Sense::invalid_field(addressed.blocks_field));
    }
    Ok(range)
}

/// Anchored blocks are zeroed ones that keep their space.
fn zero(asked: &Asked<'_>, range: Range) -> Plan {
    let may_unmap = asked.flags() & (UNMAP | ANCHOR) == UNMAP;
    Plan::Zero { at: range.at, len: range.len, may_unmap, fua: asked.nexus.verdict().write_through }
}

const ANCHOR: u8 = 0x10;
const UNMAP: u8 = 0x08;

#[cfg(test)]
mod tests {
    use crate::medium::Medium;
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, refused};

    fn ten(flags: u8, lba: u8, blocks: u8) -> [u8; 10] {
        [0x41, flags, 0, 0, 0, lba, 0, 0, blocks, 0]
    }

    fn sixteen(flags: u8, lba: u32, blocks: u32) -> [u8; 16] {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (0x93, flags);
        cdb[6..10].copy_from_slice(&lba.to_be_bytes());
        cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
        cdb
    }

    /// A disk of 512 MiB: larger than the longest WRITE SAME.
    fn large() -> Bench {
        Bench::thin_with(|medium| Medium { blocks: 1 << 20, ..medium })
    }

    #[test]
    fn a_block_that_is_not_zeroes_is_written_again_and_again() {
        let mut bench = Bench::thin_disk();
        let block = [7; 512];
        for cdb in [&ten(0, 3, 2)[..], &ten(8, 3, 2), &sixteen(0, 3, 2), &sixteen(8, 3, 2)] {
            assert_eq!(bench.plan_with(cdb, 512), Plan::Gather { len: 512 });
            let expected = Plan::WriteSame { at: 1536, len: 1024, fua: false, pattern: block.into() };
            assert_eq!(bench.gathered(cdb, &block), expected);
        }
    }

    #[test]
    fn zeroes_are_zeroed_and_unmapped_only_where_that_was_asked_for() {
        let mut bench = Bench::thin_disk();
        for (flags, may_unmap) in [(0, false), (8, true)] {
            let expected = Plan::Zero { at: 1536, len: 1024, may_unmap, fua: false };
            assert_eq!(bench.gathered(&ten(flags, 3, 2), &[0; 512]), expected);
            assert_eq!(bench.gathered(&sixteen(flags, 3, 2), &[0; 512]), expected);
            assert_eq!(bench.plan(&sixteen(flags | 1, 3, 2)), expected);
        }
    }

    #[test]
    fn no_data_out_is_known_to_the_longer_form_only() {
        assert_eq!(Bench::disk().ask(&ten(1, 3, 2)), refused(Sense::invalid_bit(1, 0)));
    }

    #[test]
    fn less_than_a_block_is_not_enough() {
        let mut bench = Bench::disk();
        assert_eq!(bench.plan_with(&ten(0, 3, 2), 511), refused(Sense::DATA_OUT_LENGTH));
        assert_eq!(bench.gathered(&ten(0, 3, 2), &[0; 511]), refused(Sense::DATA_OUT_LENGTH));
    }

    #[test]
    fn no_blocks_mean_or_the_rest() {
        let expected = Plan::Zero { at: 512, len: 2047 * 512, may_unmap: false, fua: false };
        assert_eq!(Bench::disk().gathered(&ten(0, 1, 0), &[0; 512]), expected);
        assert_eq!(Bench::disk().plan(&sixteen(1, 1, 0)), expected);
    }

    #[test]
    fn as_much_as_the_limit_that_is_shown_and_no_more() {
        let limit = 1 << 19;
        assert!(matches!(large().plan(&sixteen(1, 0, limit)), Plan::Zero { len: 0x1000_0000, .. }));
        assert_eq!(large().ask(&sixteen(1, 0, limit + 1)), refused(Sense::invalid_field(10)));
        assert!(matches!(large().plan(&sixteen(1, limit, 0)), Plan::Zero { len: 0x1000_0000, .. }));
        assert_eq!(large().ask(&sixteen(1, limit - 1, 0)), refused(Sense::invalid_field(10)));
    }

    #[test]
    fn blocks_beyond_the_last_are_out_of_range() {
        for (lba, blocks) in [(2047, 2), (2048, 1), (2048, 0)] {
            assert_eq!(Bench::disk().ask(&sixteen(1, lba, blocks)), refused(Sense::LBA_OUT_OF_RANGE));
        }
    }

    #[test]
    fn anchored_blocks_are_zeroed_and_keep_their_space() {
        let mut bench = Bench::thin_with(|medium| Medium { anchors: true, ..medium });
        let anchored = Plan::Zero { at: 1536, len: 1024, may_unmap: false, fua: false };
        assert_eq!(bench.gathered(&ten(0x18, 3, 2), &[0; 512]), anchored);
        assert_eq!(bench.plan(&sixteen(0x19, 3, 2)), anchored);
        assert!(matches!(bench.gathered(&ten(0x18, 3, 2), &[7; 512]), Plan::WriteSame { .. }));
        assert_eq!(bench.ask(&sixteen(0x11, 3, 2)), refused(Sense::invalid_bit(1, 4)));
        assert_eq!(Bench::thin_disk().ask(&sixteen(0x19, 3, 2)), refused(Sense::invalid_bit(1, 4)));
    }

    #[test]
    fn the_longest_form_has_its_flags_beside_its_service_action() {
        let cdb = |flags: u8, blocks: u8| {
            let mut cdb = [0; 32];
            (cdb[0], cdb[7], cdb[9], cdb[10], cdb[19], cdb[31]) = (0x7F, 0x18, 0x0D, flags, 3, blocks);
            cdb
        };
        let mut bench = Bench::thin_with(|medium| Medium { anchors: true, ..medium });
        let zero = |may_unmap| Plan::Zero { at: 1536, len: 1024, may_unmap, fua: false };
        assert_eq!(bench.plan(&cdb(0x01, 2)), zero(false));
        assert_eq!(bench.plan(&cdb(0x09, 2)), zero(true));
        assert_eq!(bench.plan(&cdb(0x19, 2)), zero(false));
        assert_eq!(bench.plan_with(&cdb(0x08, 2), 512), Plan::Gather { len: 512 });
        assert_eq!(bench.gathered(&cdb(0x08, 2), &[0; 512]), zero(true));
        assert_eq!(bench.plan_with(&cdb(0, 2), 1024), refused(Sense::DATA_OUT_LENGTH));
        assert_eq!(bench.ask(&cdb(0x11, 2)), refused(Sense::invalid_bit(10, 4)));
        assert_eq!(bench.ask(&cdb(0x21, 2)), refused(Sense::invalid_bit(10, 5)));
        assert_eq!(Bench::disk().ask(&cdb(0x09, 2)), refused(Sense::invalid_bit(10, 3)));
    }

    #[test]
    fn anchoring_protection_and_unmapping_what_cannot_are_refused() {
        assert_eq!(Bench::thin_disk().ask(&sixteen(0x10, 0, 1)), refused(Sense::invalid_bit(1, 4)));
        assert_eq!(Bench::thin_disk().ask(&ten(0x20, 0, 1)), refused(Sense::invalid_bit(1, 5)));
        assert_eq!(Bench::disk().ask(&ten(0x08, 0, 1)), refused(Sense::invalid_bit(1, 3)));
        assert_eq!(Bench::disk().gathered(&ten(0x08, 0, 1), &[0; 512]), refused(Sense::invalid_bit(1, 3)));
    }
}
