//! The parameter list of EXTENDED COPY, in the form with list identifiers of one byte and in that with four (SPC-4).

use super::gather::{u16_at, u32_at, u64_at};
use super::{CSCDS_MAX, DESCRIPTORS_LEN_MAX, SEGMENTS_MAX, descriptor};
use crate::sense::{Sense, SenseKey};

/// What is asked for: nothing of it has been looked up yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct List<'a> {
    /// LIST IDENTIFIER, where the copy has one.
    pub(crate) id: Option<u32>,
    /// IMMED.
    pub(crate) immediate: bool,
    /// CSCD descriptors, each [`CSCD`] bytes of a known type.
    pub(crate) cscds: &'a [u8],
    /// Where they begin in the list.
    pub(crate) cscds_at: usize,
    pub(crate) segments: Vec<Segment>,
}

/// A segment descriptor of a known type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Copy from block device to block device.
    BlockToBlock {
        /// SOURCE and DESTINATION CSCD DESCRIPTOR ID.
        from: u16,
        to: u16,
        /// DC: the count is in blocks of the destination.
        of_destination: bool,
        blocks: u16,
        from_lba: u64,
        to_lba: u64,
    },
    /// Verify CSCD.
    Verify {
        /// SOURCE CSCD DESCRIPTOR ID.
        cscd: u16,
        /// TUR: TEST UNIT READY is to succeed, too.
        ready: bool,
    },
}

/// Bytes of the headers.
pub(crate) const LID1_HEADER: usize = 16;
pub(crate) const LID4_HEADER: usize = 48;

/// Bytes of a CSCD descriptor.
pub(crate) const CSCD: usize = 32;

/// The list of EXTENDED COPY (LID1); it has at least a header.
///
/// # Errors
/// 5/1A/00, 5/26/00 with the field, 5/26/06 to 09, 5/26/0B.
pub(crate) fn lid1(list: &[u8]) -> Result<List<'_>, Sense> {
    let lengths = Lengths {
        header: LID1_HEADER,
        cscds: u16_at(list, 2).into(),
        segments: u32_at(list, 8) as usize,
        inline: u32_at(list, 12) as usize,
    };
    let id = identifier(u32::from(list[0]), 0, list[1])?;
    let (cscds, segments) = lengths.split(list)?;
    Ok(List { id, immediate: false, cscds, cscds_at: LID1_HEADER, segments })
}

/// The list of EXTENDED COPY (LID4); it has at least a header.
///
/// # Errors
/// As of [`lid1`].
pub(crate) fn lid4(list: &[u8]) -> Result<List<'_>, Sense> {
    const IMMED: u8 = 0x01;
    const G_SENSE: u8 = 0x02;
    if list[0] != 0x01 {
        return Err(Sense::invalid_parameter(0));
    }
    // The header is laid out as if it were a CSCD descriptor of its own.
    if u16_at(list, 2) != 0x20 {
        return Err(Sense::invalid_parameter(2));
    }
    if list[16] != 0xFF {
        return Err(Sense::invalid_parameter(16));
    }
    // Sense data with GOOD status (G_SENSE) has nowhere to go.
    if list[15] & G_SENSE != 0 {
        return Err(Sense::invalid_parameter(15));
    }
    let lengths = Lengths {
        header: LID4_HEADER,
        cscds: u16_at(list, 42).into(),
        segments: u16_at(list, 44).into(),
        inline: u16_at(list, 46).into(),
    };
    let id = identifier(u32_at(list, 20), 20, list[1])?;
    let immediate = list[15] & IMMED != 0;
    if immediate && id.is_none() {
        return Err(Sense::invalid_parameter(15));
    }
    let (cscds, segments) = lengths.split(list)?;
    Ok(List { id, immediate, cscds, cscds_at: LID4_HEADER, segments })
}

/// LIST ID USAGE in byte 1 of either header says whether the identifier at `at` means anything. STR and PRIORITY, beside
/// it, are hints.
fn identifier(id: u32, at: u16, flags: u8) -> Result<Option<u32>, Sense> {
    match (flags >> 3) & 0x03 {
        // Held data is to be kept, or may be discarded; there is none.
        0b00 | 0b10 => Ok(Some(id)),
        0b11 if id == 0 => Ok(None),
        0b11 => Err(Sense::invalid_parameter(at)),
        _ => Err(Sense::invalid_parameter(1)),
    }
}

/// Bytes of the parts of a list.
struct Lengths {
    header: usize,
    cscds: usize,
    segments: usize,
    inline: usize,
}

impl Lengths {
    fn split<'a>(&self, list: &'a [u8]) -> Result<(&'a [u8], Vec<Segment>), Sense> {
        let descriptors = self.cscds.saturating_add(self.segments);
        if descriptors.saturating_add(self.inline).saturating_add(self.header) > list.len()
            || descriptors > DESCRIPTORS_LEN_MAX
            || !self.cscds.is_multiple_of(CSCD)
        {
            return Err(Sense::PARAMETER_LIST_LENGTH);
        }
        if self.inline != 0 {
            return Err(INLINE_DATA);
        }
        let (cscds, rest) = list[self.header..].split_at(self.cscds);
        if cscds.len() / CSCD > CSCDS_MAX {
            return Err(TOO_MANY_CSCDS);
        }
        if let Some(strange) = cscds.chunks_exact(CSCD).position(|cscd| cscd[0] != descriptor::IDENTIFICATION) {
            return Err(pointing(UNSUPPORTED_CSCD, self.header + strange * CSCD));
        }
        Ok((cscds, segments(&rest[..self.segments], self.header + self.cscds)?))
    }
}

/// All segment descriptors; the first begins at `at`.
fn segments(mut rest: &[u8], mut at: usize) -> Result<Vec<Segment>, Sense> {
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if segments.len() == SEGMENTS_MAX {
            return Err(TOO_MANY_SEGMENTS);
        }
        let (segment, len) = segment(rest, at)?;
        segments.push(segment);
        rest = &rest[len..];
        at += len;
    }
    Ok(segments)
}

/// The first segment descriptor, and its length.
fn segment(list: &[u8], at: usize) -> Result<(Segment, usize), Sense> {
    let len = match list[0] {
        descriptor::BLOCK_TO_BLOCK => 28,
        descriptor::VERIFY_CSCD => 12,
        _ => return Err(pointing(UNSUPPORTED_SEGMENT, at)),
    };
    let segment = list.get(..len).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    if usize::from(u16_at(segment, 2)) != len - 4 {
        return Err(Sense::invalid_parameter((at + 2) as u16));
    }
    let segment = match segment[0] {
        // CAT only matters where padding is allowed, which it is not.
        descriptor::BLOCK_TO_BLOCK => Segment::BlockToBlock {
            from: u16_at(segment, 4),
            to: u16_at(segment, 6),
            of_destination: segment[1] & 0x02 != 0,
            blocks: u16_at(segment, 10),
            from_lba: u64_at(segment, 12),
            to_lba: u64_at(segment, 20),
        },
        _ => Segment::Verify { cscd: u16_at(segment, 4), ready: segment[8] & 0x01 != 0 },
    };
    Ok((segment, len))
}

fn pointing(sense: Sense, at: usize) -> Sense {
    Sense { specific: Sense::invalid_parameter(at as u16).specific, ..sense }
}

const TOO_MANY_CSCDS: Sense = Sense::new(SenseKey::IllegalRequest, 0x26, 0x06);
const UNSUPPORTED_CSCD: Sense = Sense::new(SenseKey::IllegalRequest, 0x26, 0x07);
pub(crate) const TOO_MANY_SEGMENTS: Sense = Sense::new(SenseKey::IllegalRequest, 0x26, 0x08);
const UNSUPPORTED_SEGMENT: Sense = Sense::new(SenseKey::IllegalRequest, 0x26, 0x09);
const INLINE_DATA: Sense = Sense::new(SenseKey::IllegalRequest, 0x26, 0x0B);

#[cfg(test)]
mod tests {
    use super::*;

    /// A verify segment of CSCD `id`.
    fn verify(id: u8) -> Vec<u8> {
        vec![0x07, 0, 0, 8, 0, id, 0, 0, 1, 0, 0, 0]
    }

    fn block_to_block() -> Vec<u8> {
        [&[0x02, 0x02, 0, 24, 0, 1, 0, 2, 0, 0, 1, 2][..], &7u64.to_be_bytes(), &9u64.to_be_bytes()].concat()
    }

    fn cscds(count: usize) -> Vec<u8> {
        let mut one = [0; CSCD];
        one[0] = 0xE4;
        one.repeat(count)
    }

    fn list1(id: u8, usage: u8, cscds: &[u8], segments: &[u8]) -> Vec<u8> {
        let mut list = vec![id, usage << 3, 0, 0, 0, 0, 0, 0];
        list[2..4].copy_from_slice(&(cscds.len() as u16).to_be_bytes());
        list.extend_from_slice(&(segments.len() as u32).to_be_bytes());
        list.extend_from_slice(&[0; 4]);
        [list, cscds.to_vec(), segments.to_vec()].concat()
    }

    fn list4(id: u32, usage: u8, flags: u8, cscds: &[u8], segments: &[u8]) -> Vec<u8> {
        let mut list = vec![0; LID4_HEADER];
        (list[0], list[1], list[3], list[15], list[16]) = (1, usage << 3, 0x20, flags, 0xFF);
        list[20..24].copy_from_slice(&id.to_be_bytes());
        list[42..44].copy_from_slice(&(cscds.len() as u16).to_be_bytes());
        list[44..46].copy_from_slice(&(segments.len() as u16).to_be_bytes());
        [list, cscds.to_vec(), segments.to_vec()].concat()
    }

    #[test]
    fn both_forms_say_the_same_in_other_places() {
        let (cscds, segments) = (cscds(2), [block_to_block(), verify(1)].concat());
        let golden = vec![
            Segment::BlockToBlock { from: 1, to: 2, of_destination: true, blocks: 0x0102, from_lba: 7, to_lba: 9 },
            Segment::Verify { cscd: 1, ready: true },
        ];
        let one = list1(5, 0, &cscds, &segments);
        let four = list4(0x0102_0304, 2, 1, &cscds, &segments);
        let (one, four) = (lid1(&one).unwrap(), lid4(&four).unwrap());
        assert_eq!((one.id, one.immediate, one.cscds_at, one.cscds.len()), (Some(5), false, 16, 64));
        assert_eq!((four.id, four.immediate, four.cscds_at, four.cscds.len()), (Some(0x0102_0304), true, 48, 64));
        assert_eq!((&one.segments, &four.segments), (&golden, &golden));
    }

    #[test]
    fn the_usage_says_whether_there_is_an_identifier() {
        let id = |id, usage| lid1(&list1(id, usage, &[], &[])).map(|list| list.id);
        assert_eq!([id(7, 0b00), id(7, 0b10), id(0, 0b11)], [Ok(Some(7)), Ok(Some(7)), Ok(None)]);
        assert_eq!(id(7, 0b11), Err(Sense::invalid_parameter(0)));
        assert_eq!(id(7, 0b01), Err(Sense::invalid_parameter(1)));
        let id = |id, usage, flags| lid4(&list4(id, usage, flags, &[], &[])).map(|list| list.id);
        assert_eq!(id(7, 0b11, 0), Err(Sense::invalid_parameter(20)));
        assert_eq!(id(0, 0b11, 1), Err(Sense::invalid_parameter(15)), "nobody could ask how it went");
    }

    #[test]
    fn the_longer_header_is_checked_field_by_field() {
        let good = list4(1, 0, 0, &[], &[]);
        for (at, value, pointer) in [(0, 0, 0), (2, 1, 2), (3, 0x1F, 2), (15, 0x02, 15), (16, 0xE4, 16)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(lid4(&bad).err(), Some(Sense::invalid_parameter(pointer)));
        }
    }

    #[test]
    fn as_many_descriptors_as_the_limits_and_no_more() {
        let parse = |targets, segments| lid1(&list1(1, 0, &cscds(targets), &verify(0).repeat(segments))).map(|_| ());
        assert_eq!(parse(CSCDS_MAX, SEGMENTS_MAX), Ok(()));
        assert_eq!(parse(CSCDS_MAX + 1, 1), Err(TOO_MANY_CSCDS));
        assert_eq!(parse(1, SEGMENTS_MAX + 1), Err(TOO_MANY_SEGMENTS));
    }

    #[test]
    fn descriptors_longer_than_the_limit_are_a_wrong_length() {
        let parse = |len: usize| lid1(&list1(1, 0, &[], &vec![0x02; len])).err();
        assert_eq!(parse(DESCRIPTORS_LEN_MAX), Some(Sense::invalid_parameter(18)));
        assert_eq!(parse(DESCRIPTORS_LEN_MAX + 1), Some(Sense::PARAMETER_LIST_LENGTH));
    }

    #[test]
    fn a_list_that_ends_too_early_is_a_wrong_length() {
        let list = list1(1, 0, &cscds(1), &block_to_block());
        for len in LID1_HEADER..list.len() {
            assert_eq!(lid1(&list[..len]).err(), Some(Sense::PARAMETER_LIST_LENGTH), "{len} bytes");
        }
        let torn = list1(1, 0, &cscds(1), &block_to_block()[..27]);
        assert_eq!(lid1(&torn).err(), Some(Sense::PARAMETER_LIST_LENGTH));
        let torn = list1(1, 0, &cscds(1)[..31], &[]);
        assert_eq!(lid1(&torn).err(), Some(Sense::PARAMETER_LIST_LENGTH));
        let mut wraps = list;
        wraps[8..16].fill(0xFF);
        assert_eq!(lid1(&wraps).err(), Some(Sense::PARAMETER_LIST_LENGTH));
    }

    #[test]
    fn inline_data_is_more_than_there_may_be() {
        let mut list = [list1(1, 0, &[], &[]), vec![0; 4]].concat();
        list[15] = 4;
        assert_eq!(lid1(&list).err(), Some(INLINE_DATA));
    }

    #[test]
    fn descriptors_of_other_types_are_pointed_at() {
        let mut fibre_channel = cscds(2);
        fibre_channel[CSCD] = 0xE0;
        let refused = lid1(&list1(1, 0, &fibre_channel, &block_to_block())).err();
        assert_eq!(refused, Some(pointing(UNSUPPORTED_CSCD, 48)));
        let stream = [verify(0), vec![0x03, 0, 0, 0]].concat();
        let refused = lid1(&list1(1, 0, &cscds(1), &stream)).err();
        assert_eq!(refused, Some(pointing(UNSUPPORTED_SEGMENT, 60)));
    }

    #[test]
    fn a_segment_descriptor_with_another_length_is_pointed_at() {
        let mut odd = verify(0);
        odd[3] = 7;
        assert_eq!(lid1(&list1(1, 0, &cscds(1), &odd)).err(), Some(Sense::invalid_parameter(50)));
    }
}
