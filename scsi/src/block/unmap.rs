//! UNMAP: which blocks does the initiator need no more (SBC-3)?

use super::range::within;
use crate::command::Asked;
use crate::plan::{Extent, Extents, Plan};
use crate::sense::Sense;

/// The parameter list first. None is no error; one that is too short for its own header is.
///
/// # Errors
/// 5/24/00 also for ANCHOR on a disk that cannot.
pub(crate) fn unmap(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    if asked.cdb.flag(1, ANCHOR) && !asked.unit.medium().anchors {
        return Err(Sense::invalid_bit(1, 0));
    }
    let len = asked.cdb.u16(7);
    match len {
        0 => Ok(Plan::good()),
        1..HEADER => Err(Sense::PARAMETER_LIST_LENGTH),
        _ if asked.data_out < u32::from(len) => Err(Sense::DATA_OUT_LENGTH),
        _ => Ok(Plan::Gather { len: len.into() }),
    }
}

/// The extents in the list: all of them are checked before any of them is given away.
pub(crate) fn gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    let limits = medium.unmap.ok_or(Sense::INVALID_OPCODE)?;
    let (header, rest) = list.split_at_checked(HEADER.into()).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let described = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // Descriptors that the list is too short for were cut off by PARAMETER LIST LENGTH, and a last incomplete one is
    // ignored (SBC-3, UNMAP parameter list): neither is an error.
    let descriptors = rest[..described.min(rest.len())].chunks_exact(DESCRIPTOR);
    if descriptors.len() as u64 > u64::from(limits.max_descriptors) {
        return Err(Sense::invalid_parameter(2));
    }
    let mut extents = Extents::with_capacity(descriptors.len());
    let mut blocks_in_all: u64 = 0;
    for (place, descriptor) in descriptors.enumerate() {
        let (address, count) = descriptor.split_at(8);
        let lba = u64::from_be_bytes(address.try_into().expect("eight bytes"));
        let blocks = u32::from_be_bytes(count[..4].try_into().expect("four bytes"));
        // An extent of nothing may lie at the very end.
        if blocks == 0 && lba <= medium.blocks {
            continue;
        }
        let range = within(medium, lba, blocks.into())?;
        blocks_in_all += u64::from(blocks);
        if limits.max_blocks != NO_LIMIT && blocks_in_all > u64::from(limits.max_blocks) {
            return Err(Sense::invalid_parameter(HEADER + (place * DESCRIPTOR) as u16 + 8));
        }
        if range.len != 0 {
            extents.push(Extent { at: range.at, len: range.len });
        }
    }
    Ok(if extents.is_empty() { Plan::good() } else { Plan::Discard { extents, anchor: asked.cdb.flag(1, ANCHOR) } })
}

const ANCHOR: u8 = 0x01;

/// Bytes before the first block descriptor.
const HEADER: u16 = 8;

/// Bytes of an UNMAP block descriptor.
const DESCRIPTOR: usize = 16;

/// MAXIMUM UNMAP LBA COUNT that says: as many as you like.
const NO_LIMIT: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use crate::medium::{Medium, UnmapLimits};
    use crate::plan::{Extent, Plan};
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn cdb(len: usize) -> [u8; 10] {
        let [high, low] = (len as u16).to_be_bytes();
        [0x42, 0, 0, 0, 0, 0, 0, high, low, 0]
    }

    fn list(descriptors: &[(u64, u32)]) -> Vec<u8> {
        let len = 16 * descriptors.len() as u16;
        let mut list = [(len + 6).to_be_bytes(), len.to_be_bytes(), [0; 2], [0; 2]].concat();
        for (lba, blocks) in descriptors {
            list.extend_from_slice(&lba.to_be_bytes());
            list.extend_from_slice(&blocks.to_be_bytes());
            list.extend_from_slice(&[0; 4]);
        }
        list
    }

    fn unmap(bench: &mut Bench, list: &[u8]) -> Plan {
        assert_eq!(bench.plan_with(&cdb(list.len()), list.len() as u32), Plan::Gather { len: list.len() as u32 });
        bench.gathered(&cdb(list.len()), list)
    }

    fn limited(max_blocks: u32, max_descriptors: u32) -> Bench {
        let limits = UnmapLimits { max_blocks, max_descriptors, granularity: 8, alignment: 0, reads_zero: true };
        Bench::with(|medium| Medium { unmap: Some(limits), ..medium })
    }

    #[test]
    fn descriptors_become_extents_in_their_order() {
        let plan = unmap(&mut Bench::thin_disk(), &list(&[(8, 2), (0, 0), (2047, 1), (8, 1)]));
        let extents = [(8, 2), (2047, 1), (8, 1)].map(|(lba, blocks)| Extent { at: lba * 512, len: blocks * 512 });
        assert_eq!(plan, Plan::Discard { extents: extents.to_vec(), anchor: false });
    }

    #[test]
    fn an_empty_list_is_good_and_one_without_a_header_is_not() {
        let mut bench = Bench::thin_disk();
        assert_eq!(bench.ask(&cdb(0)), good(&[]));
        assert_eq!(bench.ask(&cdb(7)), refused(Sense::PARAMETER_LIST_LENGTH));
        assert_eq!(unmap(&mut bench, &list(&[])), good(&[]));
        assert_eq!(unmap(&mut bench, &list(&[(5, 0), (2048, 0)])), good(&[]));
    }

    #[test]
    fn an_announcement_shorter_than_the_list_is_refused() {
        assert_eq!(Bench::thin_disk().plan_with(&cdb(24), 23), refused(Sense::DATA_OUT_LENGTH));
    }

    #[test]
    fn incomplete_descriptors_and_those_beyond_the_list_are_ignored() {
        let whole = list(&[(1, 1), (3, 1)]);
        let first = Plan::Discard { extents: vec![Extent { at: 512, len: 512 }], anchor: false };
        assert_eq!(unmap(&mut Bench::thin_disk(), &whole[..39]), first);
        let mut says_less = whole.clone();
        says_less[3] = 31;
        assert_eq!(unmap(&mut Bench::thin_disk(), &says_less), first);
    }

    #[test]
    fn one_extent_out_of_range_refuses_them_all() {
        for bad in [(2047, 2), (2048, 1), (2049, 0), (u64::MAX, 1), (0, u32::MAX)] {
            assert_eq!(unmap(&mut Bench::thin_disk(), &list(&[(0, 1), bad])), refused(Sense::LBA_OUT_OF_RANGE));
        }
    }

    #[test]
    fn as_many_descriptors_and_blocks_as_the_limits_say_and_no_more() {
        let mut bench = limited(10, 2);
        assert!(matches!(unmap(&mut bench, &list(&[(0, 4), (8, 6)])), Plan::Discard { .. }));
        assert_eq!(unmap(&mut bench, &list(&[(0, 4), (8, 7)])), refused(Sense::invalid_parameter(32)));
        assert_eq!(unmap(&mut bench, &list(&[(0, 1), (1, 1), (2, 1)])), refused(Sense::invalid_parameter(2)));
    }

    #[test]
    fn no_limit_means_none() {
        let all = list(&[(0, 2048); 100]);
        assert!(
            matches!(unmap(&mut limited(u32::MAX, u32::MAX), &all), Plan::Discard { extents, .. } if extents.len() == 100)
        );
    }

    #[test]
    fn blocks_are_anchored_where_the_disk_can() {
        let mut bench = Bench::thin_with(|medium| Medium { anchors: true, ..medium });
        let mut anchor = cdb(24);
        anchor[1] = 1;
        let extents = vec![Extent { at: 512, len: 1024 }];
        assert_eq!(bench.plan_with(&anchor, 24), Plan::Gather { len: 24 });
        assert_eq!(bench.gathered(&anchor, &list(&[(1, 2)])), Plan::Discard { extents, anchor: true });
    }

    #[test]
    fn anchoring_is_refused_where_it_is_not_and_so_is_unmap_where_there_is_none() {
        assert_eq!(Bench::thin_disk().ask(&[0x42, 1, 0, 0, 0, 0, 0, 0, 24, 0]), refused(Sense::invalid_bit(1, 0)));
        assert_eq!(Bench::disk().ask(&cdb(24)), refused(Sense::INVALID_OPCODE));
        assert_eq!(Bench::disk().gathered(&cdb(24), &list(&[(0, 1)])), refused(Sense::INVALID_OPCODE));
    }
}
