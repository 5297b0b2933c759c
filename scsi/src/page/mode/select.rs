//! The parameter list of MODE SELECT: what of it is a change, and what may not be one (SPC-4, mode parameters).

use super::{ModePage, SPF, Shown};
use crate::lasting::Settings;
use crate::medium::Medium;
use crate::sense::Sense;

/// Which header a mode parameter list begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// Four bytes, MODE SELECT (6).
    Six,
    /// Eight bytes, MODE SELECT (10).
    Ten,
}

/// What `now` becomes by `list`. All of it is checked before any of it counts; where a page comes twice, the later
/// counts.
///
/// # Errors
/// 5/1A/00, where the list ends inside of something; 5/26/00 that points at the first field that is not there, or that
/// differs from the current value and cannot be changed.
pub(crate) fn select(
    table: &[ModePage],
    medium: &Medium,
    now: Settings,
    header: Header,
    list: &[u8],
) -> Result<Settings, Sense> {
    let mut at = after_descriptors(medium, header, list)?;
    let mut settings = now;
    while at < list.len() {
        at += take_page(table, medium, now, &mut settings, list, at)?;
    }
    Ok(settings)
}

/// Where the pages begin, behind the header and the block descriptor. MODE DATA LENGTH and PS are reserved here, and WP
/// and DPOFUA mean nothing: all of them come back from initiators as they were read, and are not looked at.
fn after_descriptors(medium: &Medium, header: Header, list: &[u8]) -> Result<usize, Sense> {
    const LONGLBA: u8 = 0x01;
    let (len, medium_type) = match header {
        Header::Six => (4, 1),
        Header::Ten => (8, 2),
    };
    let bytes = list.get(..len).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    if bytes[medium_type] != 0 {
        return Err(Sense::invalid_parameter(medium_type as u16));
    }
    let (long, descriptors, field) = match header {
        Header::Six => (false, u16::from(bytes[3]), 3),
        Header::Ten => (bytes[4] & LONGLBA != 0, u16::from_be_bytes([bytes[6], bytes[7]]), 6),
    };
    let one = if long { 16 } else { 8 };
    match usize::from(descriptors) {
        0 => Ok(len),
        its if its == one => {
            let descriptor = list.get(len..len + one).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
            check_descriptor(medium, descriptor).map_err(|at| Sense::invalid_parameter((len + at) as u16))?;
            Ok(len + one)
        }
        _ => Err(Sense::invalid_parameter(field)),
    }
}

/// A block descriptor may say what is so, or that the number of blocks shall be what it is; a disk is resized by its
/// operator.
///
/// # Errors
/// The byte of the descriptor whose field says something else.
fn check_descriptor(medium: &Medium, descriptor: &[u8]) -> Result<(), usize> {
    let wide = |bytes: &[u8]| bytes.iter().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
    let (blocks, largest, length_at) = match descriptor.len() {
        8 => (wide(&descriptor[..4]), u64::from(u32::MAX), 5),
        _ => (wide(&descriptor[..8]), u64::MAX, 12),
    };
    if ![0, largest, medium.blocks].contains(&blocks) {
        return Err(0);
    }
    if wide(&descriptor[length_at..]) == u64::from(medium.block_size) { Ok(()) } else { Err(length_at) }
}

/// Takes over what the page at `at` sets, and says how long it is.
fn take_page(
    table: &[ModePage],
    medium: &Medium,
    now: Settings,
    settings: &mut Settings,
    list: &[u8],
    at: usize,
) -> Result<usize, Sense> {
    let wrong = |offset: usize| Sense::invalid_parameter((at + offset) as u16);
    let bytes = &list[at..];
    let header = if bytes[0] & SPF == 0 { 2 } else { 4 };
    let head = bytes.get(..header).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let (code, subcode, len, len_at) = match *head {
        [code, len] => (code, 0, usize::from(len), 1),
        [code, subcode, high, low] => (code, subcode, usize::from(u16::from_be_bytes([high, low])), 2),
        _ => unreachable!("a header has two bytes or four"),
    };
    let of_page = |its: &&ModePage| its.page == code & PAGE_CODE;
    table.iter().find(of_page).ok_or(wrong(0))?;
    // The subpage format cannot name subpage 00h, which has the other format.
    let of_subpage = |its: &&ModePage| its.subpage == subcode && (its.subpage == 0) == (header == 2);
    let page = table.iter().filter(of_page).find(of_subpage).ok_or(wrong(header / 4))?;
    if len != page.len {
        return Err(wrong(len_at));
    }
    let bytes = bytes.get(..header + len).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let shown = Shown { medium, settings: now, savable: false };
    let (current, changeable) = (shown.page(page, false), shown.page(page, true));
    for offset in header..bytes.len() {
        let differs = (bytes[offset] ^ current[offset]) & !changeable[offset];
        if differs != 0 {
            let bit = 7 - differs.leading_zeros() as u8;
            return Err(Sense::invalid_parameter_bit((at + offset) as u16, bit));
        }
    }
    for switch in page.switches.iter().filter(|switch| (switch.offered)(medium)) {
        (switch.set)(settings, bytes[switch.at] & switch.mask != 0);
    }
    Ok(bytes.len())
}

/// Byte 0 of a page without PS and SPF.
const PAGE_CODE: u8 = 0x3F;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::mode::disk::PAGES;

    const CONTROL: [u8; 12] = [0x0A, 0x0A, 0x02, 0x10, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0];

    fn medium() -> Medium {
        Medium { write_cache: true, ..Medium::new(512, 2048).unwrap() }
    }

    fn six(descriptor: &[u8], pages: &[&[u8]]) -> Vec<u8> {
        [&[0, 0, 0, descriptor.len() as u8], descriptor, &pages.concat()].concat()
    }

    fn take(list: &[u8]) -> Result<Settings, Sense> {
        select(&PAGES, &medium(), Settings::default(), Header::Six, list)
    }

    fn with(page: &[u8], at: usize, value: u8) -> Vec<u8> {
        let mut page = page.to_vec();
        page[at] = value;
        page
    }

    #[test]
    fn what_can_be_changed_is_changed_and_what_is_as_it_was_is_let_pass() {
        assert_eq!(take(&six(&[], &[&CONTROL])), Ok(Settings::default()));
        let protect = with(&CONTROL, 4, 0x08);
        let protected = Settings { write_protect: true, ..Settings::default() };
        assert_eq!(take(&six(&[], &[&protect])), Ok(protected));
        let caching = [&[0x08, 0x12][..], &[0; 18]].concat();
        let both = Settings { write_through: true, ..protected };
        assert_eq!(take(&six(&[], &[&caching, &protect])), Ok(both));
        assert_eq!(take(&six(&[], &[&protect, &CONTROL])), Ok(Settings::default()), "the later page counts");
        assert_eq!(take(&six(&[], &[])), Ok(Settings::default()));
    }

    #[test]
    fn every_page_is_taken_back_as_it_was_read_with_ps() {
        let (medium, settings) = (medium(), Settings::default());
        let shown = Shown { medium: &medium, settings, savable: true };
        let pages = shown.pages(&PAGES, false, 0x3F, 0xFF).unwrap();
        assert_eq!(take(&six(&[], &[&pages])), Ok(settings));
    }

    #[test]
    fn a_bit_that_cannot_be_changed_is_pointed_at() {
        assert_eq!(take(&six(&[], &[&with(&CONTROL, 2, 0x0E)])), Err(Sense::invalid_parameter_bit(4 + 2, 3)));
        assert_eq!(take(&six(&[], &[&with(&CONTROL, 3, 0x00)])), Err(Sense::invalid_parameter_bit(4 + 3, 4)));
        assert_eq!(
            take(&six(&[], &[&CONTROL, &with(&CONTROL, 11, 1)])),
            Err(Sense::invalid_parameter_bit(4 + 12 + 11, 0))
        );
        let plain = Medium::new(512, 2048).unwrap();
        let caching = [&[0x08, 0x12, 0x04][..], &[0; 17]].concat();
        let refused = select(&PAGES, &plain, Settings::default(), Header::Six, &six(&[], &[&caching]));
        assert_eq!(refused, Err(Sense::invalid_parameter_bit(4 + 2, 2)), "there is no cache to turn on");
    }

    #[test]
    fn pages_that_are_not_there_and_wrong_lengths_are_pointed_at() {
        for (page, at) in [
            (&[0x05, 0x0A][..], 4),
            (&[0x3F, 0x0A], 4),
            (&[0x00, 0x00], 4),
            (&[0x4A, 0x02, 0, 0], 5),
            (&[0x4A, 0x00, 0, 0x0A], 5),
            (&[0x0A, 0x0B], 5),
            (&[0x0A, 0x09], 5),
            (&[0x4A, 0x01, 0x01, 0x1C], 6),
        ] {
            let list = six(&[], &[page, &[0; 300]]);
            assert_eq!(take(&list), Err(Sense::invalid_parameter(at)), "{page:02x?}");
        }
    }

    #[test]
    fn a_list_that_ends_inside_of_something_is_too_short() {
        let whole = six(&[0, 0, 8, 0, 0, 0, 2, 0], &[&CONTROL, &[0x4A, 0x01, 0, 0x1C, 0x07], &[0; 27]]);
        assert_eq!(take(&whole), Ok(Settings::default()));
        let whole_parts = [12, 24, whole.len()];
        for len in 0..=whole.len() {
            let expected =
                if whole_parts.contains(&len) { Ok(Settings::default()) } else { Err(Sense::PARAMETER_LIST_LENGTH) };
            assert_eq!(take(&whole[..len]), expected, "{len} bytes");
        }
    }

    #[test]
    fn block_descriptors_may_say_what_is_so_and_nothing_else() {
        for (blocks, length, expected) in [
            ([0, 0, 8, 0], [0, 2, 0], Ok(Settings::default())),
            ([0; 4], [0, 2, 0], Ok(Settings::default())),
            ([0xFF; 4], [0, 2, 0], Ok(Settings::default())),
            ([0, 0, 8, 1], [0, 2, 0], Err(Sense::invalid_parameter(4))),
            ([0, 0, 7, 0xFF], [0, 2, 0], Err(Sense::invalid_parameter(4))),
            ([0, 0, 8, 0], [0, 0x10, 0], Err(Sense::invalid_parameter(9))),
            ([0, 0, 8, 0], [0, 0, 0], Err(Sense::invalid_parameter(9))),
        ] {
            let descriptor = [&blocks[..], &[0], &length].concat();
            assert_eq!(take(&six(&descriptor, &[])), expected, "{descriptor:02x?}");
        }
        assert_eq!(take(&six(&[0; 16], &[])), Err(Sense::invalid_parameter(3)));
    }

    #[test]
    fn the_long_header_has_short_and_long_descriptors() {
        let ten = |long: u8, descriptor: &[u8]| {
            let list =
                [&[0, 0, 0, 0, long, 0, 0, descriptor.len() as u8], descriptor, &with(&CONTROL, 4, 0x08)].concat();
            select(&PAGES, &medium(), Settings::default(), Header::Ten, &list)
        };
        let protected = Ok(Settings { write_protect: true, ..Settings::default() });
        let long = [0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0];
        assert_eq!(ten(0, &[]), protected);
        assert_eq!(ten(1, &[]), protected);
        assert_eq!(ten(0, &[0, 0, 8, 0, 0, 0, 2, 0]), protected);
        assert_eq!(ten(1, &long), protected);
        assert_eq!(ten(0, &long), Err(Sense::invalid_parameter(6)));
        assert_eq!(ten(1, &long[..8]), Err(Sense::invalid_parameter(6)));
        assert_eq!(ten(1, &with(&long, 7, 1)), Err(Sense::invalid_parameter(8)));
        assert_eq!(ten(1, &with(&long, 14, 4)), Err(Sense::invalid_parameter(20)));
        let short = select(&PAGES, &medium(), Settings::default(), Header::Ten, &[0; 7]);
        assert_eq!(short, Err(Sense::PARAMETER_LIST_LENGTH));
    }

    #[test]
    fn the_medium_type_is_zero_and_what_initiators_read_back_is_not_looked_at() {
        assert_eq!(take(&[0, 1, 0, 0]), Err(Sense::invalid_parameter(1)));
        assert_eq!(take(&[0xFF, 0, 0x90, 0]), Ok(Settings::default()));
        let ten = |list: &[u8]| select(&PAGES, &medium(), Settings::default(), Header::Ten, list);
        assert_eq!(ten(&[0, 0, 1, 0, 0, 0, 0, 0]), Err(Sense::invalid_parameter(2)));
        assert_eq!(ten(&[0xFF, 0xFF, 0, 0x90, 0, 0, 0, 0]), Ok(Settings::default()));
    }
}
