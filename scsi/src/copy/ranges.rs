//! Block device range descriptors: which blocks does POPULATE TOKEN or WRITE USING TOKEN name (SBC-3)?

use super::gather::{u16_at, u32_at, u64_at};
use super::list::TOO_MANY_SEGMENTS;
use super::{COPY_BYTES_MAX, RANGES_MAX};
use crate::block::range::within;
use crate::medium::Medium;
use crate::plan::Extent;
use crate::sense::Sense;

/// Bytes of a block device range descriptor.
pub(crate) const RANGE: usize = 16;

/// The ranges of a parameter list whose BLOCK DEVICE RANGE DESCRIPTOR LENGTH is at `at`, two bytes before the first of
/// them, in bytes of the medium and in their order. Ranges of nothing are left out.
///
/// # Errors
/// 5/1A/00 for a list that ends before them; 5/26/00 with the field for a length that is too short for one or does not
/// fit the list's own (bytes 0 and 1), for ranges that overlap, and for too many bytes; 5/26/08; 5/21/00.
pub(crate) fn ranges(list: &[u8], at: usize, medium: &Medium) -> Result<Vec<Extent>, Sense> {
    let (said, len) = (usize::from(u16_at(list, 0)), usize::from(u16_at(list, at)));
    let first = at + 2;
    if said < first - 2 + RANGE {
        return Err(Sense::invalid_parameter(0));
    }
    if len < RANGE || said < first - 2 + len {
        return Err(Sense::invalid_parameter(at as u16));
    }
    let descriptors = list.get(first..first + len).ok_or(Sense::PARAMETER_LIST_LENGTH)?.chunks_exact(RANGE);
    if descriptors.len() > RANGES_MAX {
        return Err(TOO_MANY_SEGMENTS);
    }
    let mut extents: Vec<Extent> = Vec::with_capacity(descriptors.len());
    for (number, descriptor) in descriptors.enumerate() {
        let (lba, blocks) = (u64_at(descriptor, 0), u32_at(descriptor, 8));
        // A range of nothing may lie at the very end.
        if blocks == 0 && lba == medium.blocks {
            continue;
        }
        let range = within(medium, lba, blocks.into())?;
        let overlaps = |other: &Extent| range.at < other.at + other.len && other.at < range.at + range.len;
        if extents.iter().any(overlaps) {
            return Err(Sense::invalid_parameter((first + number * RANGE) as u16));
        }
        if range.len != 0 {
            extents.push(Extent { at: range.at, len: range.len });
        }
    }
    if bytes_of(&extents) > COPY_BYTES_MAX {
        return Err(Sense::invalid_parameter(at as u16));
    }
    Ok(extents)
}

/// Bytes of all of them: at most 64 times 2³² blocks, which no `u64` is too small for.
pub(crate) fn bytes_of(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| extent.len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A POPULATE TOKEN list.
    fn list(ranges: &[(u64, u32)]) -> Vec<u8> {
        let len = (ranges.len() * RANGE) as u16;
        let mut list = vec![0; 16];
        list[..2].copy_from_slice(&(len + 14).to_be_bytes());
        list[14..].copy_from_slice(&len.to_be_bytes());
        for (lba, blocks) in ranges {
            list.extend_from_slice(&lba.to_be_bytes());
            list.extend_from_slice(&blocks.to_be_bytes());
            list.extend_from_slice(&[0; 4]);
        }
        list
    }

    fn parse(list: &[u8]) -> Result<Vec<(u64, u64)>, Sense> {
        let extents = ranges(list, 14, &Medium::new(512, 1000).unwrap())?;
        Ok(extents.iter().map(|extent| (extent.at / 512, extent.len / 512)).collect())
    }

    #[test]
    fn ranges_keep_their_order_and_those_of_nothing_are_left_out() {
        assert_eq!(
            parse(&list(&[(10, 5), (0, 0), (1000, 0), (0, 10), (999, 1)])),
            Ok(vec![(10, 5), (0, 10), (999, 1)])
        );
        assert_eq!(parse(&list(&[(5, 0)])), Ok(vec![]));
    }

    #[test]
    fn a_range_must_exist() {
        for bad in [(999, 2), (1000, 1), (1001, 0), (u64::MAX, 1), (0, u32::MAX)] {
            assert_eq!(parse(&list(&[(0, 1), bad])), Err(Sense::LBA_OUT_OF_RANGE));
        }
    }

    #[test]
    fn ranges_that_overlap_are_pointed_at() {
        for twin in [(10, 5), (14, 1), (0, 11), (12, 1)] {
            assert_eq!(parse(&list(&[(10, 5), (0, 1), twin])), Err(Sense::invalid_parameter(48)));
        }
        assert!(parse(&list(&[(10, 5), (15, 5), (5, 5)])).is_ok());
    }

    #[test]
    fn as_many_ranges_as_the_limit_and_no_more() {
        let of = |count: u64| list(&(0..count).map(|lba| (lba, 1)).collect::<Vec<_>>());
        assert_eq!(parse(&of(64)).map(|ranges| ranges.len()), Ok(64));
        assert_eq!(parse(&of(65)), Err(TOO_MANY_SEGMENTS));
    }

    #[test]
    fn as_many_bytes_as_the_limit_and_no_more() {
        let medium = Medium::new(4096, 1 << 40).unwrap();
        let most = (COPY_BYTES_MAX / 4096) as u32;
        assert!(ranges(&list(&[(0, most - 1), (1 << 33, 1)]), 14, &medium).is_ok());
        let refused = ranges(&list(&[(0, most), (1 << 33, 1)]), 14, &medium);
        assert_eq!(refused, Err(Sense::invalid_parameter(14)));
    }

    #[test]
    fn the_lengths_must_fit_each_other_and_the_list() {
        let good = list(&[(0, 1), (5, 1)]);
        let with = |at: usize, value: u8| {
            let mut bad = good.clone();
            bad[at] = value;
            parse(&bad)
        };
        assert_eq!(with(1, 29), Err(Sense::invalid_parameter(0)));
        assert_eq!(with(1, 45), Err(Sense::invalid_parameter(14)));
        assert_eq!(with(15, 15), Err(Sense::invalid_parameter(14)));
        assert_eq!(with(15, 31), Ok(vec![(0, 1)]), "an incomplete descriptor is ignored");
        assert_eq!(parse(&good[..47]), Err(Sense::PARAMETER_LIST_LENGTH));
    }
}
