//! READ DEFECT DATA: which blocks are bad (SBC-3)? A disk behind a target knows of none; what its medium has, the host
//! deals with.

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// READ DEFECT DATA (10).
pub(crate) fn ten(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let lists = lists(asked, 2)?;
    Ok(Plan::data(vec![0, lists, 0, 0], asked.cdb.u16(7).into()))
}

/// READ DEFECT DATA (12). An ADDRESS DESCRIPTOR INDEX beyond the end of the list, which is where they all are, is no
/// error.
pub(crate) fn twelve(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let lists = lists(asked, 1)?;
    Ok(Plan::data(vec![0, lists, 0, 0, 0, 0, 0, 0], asked.cdb.u32(6)))
}

/// PLISTV, GLISTV and DEFECT LIST FORMAT: the lists that are asked for, empty, in the format that is asked for.
///
/// # Errors
/// 5/24/00 for a format that does not exist, or is a vendor's.
fn lists(asked: &Asked<'_>, at: u16) -> Result<u8, Sense> {
    const FORMAT: u8 = 0x07;
    const VENDOR: u8 = 0x06;
    let asked_for = asked.cdb.u8(at.into());
    if asked_for & FORMAT >= VENDOR { Err(Sense::invalid_bit(at, 2)) } else { Ok(asked_for & 0x1F) }
}

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn ten(lists: u8, room: u8) -> [u8; 10] {
        [0x37, 0, lists, 0, 0, 0, 0, 0, room, 0]
    }

    fn twelve(lists: u8, room: u8) -> [u8; 12] {
        [0xB7, lists, 0, 0, 0, 9, 0, 0, 0, room, 0, 0]
    }

    #[test]
    fn the_lists_that_are_asked_for_are_there_and_empty() {
        for lists in [0x00, 0x08, 0x10, 0x18, 0x1D] {
            assert_eq!(Bench::disk().ask(&ten(lists, 32)), good(&[0, lists, 0, 0]));
            assert_eq!(Bench::disk().ask(&twelve(lists, 32)), good(&[0, lists, 0, 0, 0, 0, 0, 0]));
        }
    }

    #[test]
    fn the_answer_is_cut_to_the_allocation_length() {
        assert_eq!(Bench::disk().ask(&ten(0x18, 2)), good(&[0, 0x18]));
        assert_eq!(Bench::disk().ask(&ten(0x18, 0)), good(&[]));
        assert_eq!(Bench::disk().ask(&twelve(0x18, 5)), good(&[0, 0x18, 0, 0, 0]));
        assert_eq!(Bench::disk().ask(&twelve(0x18, 0)), good(&[]));
    }

    #[test]
    fn formats_of_vendors_and_reserved_bits_are_refused() {
        for format in [6, 7] {
            assert_eq!(Bench::disk().ask(&ten(format, 32)), refused(Sense::invalid_bit(2, 2)));
            assert_eq!(Bench::disk().ask(&twelve(format, 32)), refused(Sense::invalid_bit(1, 2)));
        }
        assert_eq!(Bench::disk().ask(&ten(0x20, 32)), refused(Sense::invalid_bit(2, 5)));
        assert_eq!(Bench::disk().ask(&twelve(0x80, 32)), refused(Sense::invalid_bit(1, 7)));
    }
}
