//! MODE SENSE (6) and (10): how the unit is set (SPC-4).

use crate::command::Asked;
use crate::medium::Medium;
use crate::page::mode::{self, Control};
use crate::plan::Plan;
use crate::sense::Sense;

/// MODE SENSE (6): a header of four bytes, a block descriptor of eight.
pub(crate) fn six(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    let pages = pages(asked)?;
    let block = if asked.cdb.flag(1, DBD) { Vec::new() } else { short_block_descriptor(medium) };
    let len = 3 + block.len() + pages.len();
    let header = [u8::try_from(len).unwrap_or(u8::MAX), 0, device_specific(medium), block.len() as u8];
    Ok(Plan::data([&header[..], &block, &pages].concat(), asked.cdb.u8(4).into()))
}

/// MODE SENSE (10): a header of eight bytes, a block descriptor of eight, or sixteen where LLBAA allows it.
pub(crate) fn ten(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    let pages = pages(asked)?;
    let (none, long) = (asked.cdb.flag(1, DBD), asked.cdb.flag(1, LLBAA));
    let block = match (none, long) {
        (true, _) => Vec::new(),
        (false, false) => short_block_descriptor(medium),
        (false, true) => long_block_descriptor(medium),
    };
    let len = (6 + block.len() + pages.len()) as u16;
    let mut header = [0; 8];
    header[..2].copy_from_slice(&len.to_be_bytes());
    header[3] = device_specific(medium);
    header[4] = u8::from(long && !none);
    header[7] = block.len() as u8;
    Ok(Plan::data([&header[..], &block, &pages].concat(), asked.cdb.u16(7).into()))
}

/// Disable block descriptors.
const DBD: u8 = 0x08;
/// Long LBA accepted.
const LLBAA: u8 = 0x10;

/// The pages that byte 2 and 3 ask for, with the values that page control asks for.
fn pages(asked: &Asked<'_>) -> Result<Vec<u8>, Sense> {
    let control = match asked.cdb.u8(2) >> 6 {
        0 => Control::Current,
        1 => Control::Changeable,
        2 => Control::Default,
        _ => return Err(Sense::SAVING_NOT_SUPPORTED),
    };
    let (page, subpage) = (asked.cdb.u8(2) & 0x3F, asked.cdb.u8(3));
    mode::pages(asked.unit.medium(), control, page, subpage).ok_or(Sense::invalid_field(2))
}

/// DEVICE-SPECIFIC PARAMETER of a disk (SBC-3): write protected, and that DPO and FUA are understood.
fn device_specific(medium: &Medium) -> u8 {
    const WP: u8 = 0x80;
    const DPOFUA: u8 = 0x10;
    DPOFUA | if medium.read_only { WP } else { 0 }
}

/// The short LBA mode parameter block descriptor (SBC-3); a disk with more blocks than four bytes can say has
/// FFFF_FFFFh.
fn short_block_descriptor(medium: &Medium) -> Vec<u8> {
    let blocks = u32::try_from(medium.blocks).unwrap_or(u32::MAX);
    [blocks.to_be_bytes(), medium.block_size.to_be_bytes()].concat()
}

/// The long LBA mode parameter block descriptor (SBC-3).
fn long_block_descriptor(medium: &Medium) -> Vec<u8> {
    let mut descriptor = vec![0; 16];
    descriptor[..8].copy_from_slice(&medium.blocks.to_be_bytes());
    descriptor[12..].copy_from_slice(&medium.block_size.to_be_bytes());
    descriptor
}

#[cfg(test)]
mod tests {
    use crate::medium::Medium;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    const CACHING: [u8; 20] = [0x08, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn six_has_a_short_header_and_a_block_descriptor() {
        let mut golden = vec![31, 0, 0x10, 8, 0, 0, 8, 0, 0, 0, 2, 0];
        golden.extend_from_slice(&CACHING);
        assert_eq!(Bench::disk().ask(&[0x1A, 0, 0x08, 0, 255, 0]), good(&golden));
    }

    #[test]
    fn six_leaves_the_block_descriptor_out_on_request() {
        let mut golden = vec![23, 0, 0x10, 0];
        golden.extend_from_slice(&CACHING);
        assert_eq!(Bench::disk().ask(&[0x1A, 8, 0x08, 0, 255, 0]), good(&golden));
        assert_eq!(Bench::disk().ask(&[0x1A, 8, 0x08, 0, 4, 0]), good(&golden[..4]));
    }

    #[test]
    fn ten_has_a_long_header_and_a_long_block_descriptor_where_it_is_accepted() {
        let mut golden = vec![0, 42, 0, 0x10, 1, 0, 0, 16, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0];
        golden.extend_from_slice(&CACHING);
        assert_eq!(Bench::disk().ask(&[0x5A, 0x10, 0x08, 0, 0, 0, 0, 1, 0, 0]), good(&golden));
        let mut golden = vec![0, 34, 0, 0x10, 0, 0, 0, 8, 0, 0, 8, 0, 0, 0, 2, 0];
        golden.extend_from_slice(&CACHING);
        assert_eq!(Bench::disk().ask(&[0x5A, 0, 0x08, 0, 0, 0, 0, 1, 0, 0]), good(&golden));
        let mut golden = vec![0, 26, 0, 0x10, 0, 0, 0, 0];
        golden.extend_from_slice(&CACHING);
        assert_eq!(Bench::disk().ask(&[0x5A, 0x18, 0x08, 0, 0, 0, 0, 1, 0, 0]), good(&golden));
    }

    #[test]
    fn write_protection_shows_in_the_header_and_a_volatile_cache_in_its_page() {
        let mut bench = Bench::with(|medium| Medium { read_only: true, write_cache: true, ..medium });
        let data = bench.data(&[0x1A, 8, 0x08, 0, 255, 0]);
        assert_eq!((data[2], data[6]), (0x90, 0x04));
    }

    #[test]
    fn a_disk_too_large_for_the_short_descriptor_says_so() {
        let mut bench = Bench::with(|medium| Medium { blocks: 1 << 33, ..medium });
        assert_eq!(bench.data(&[0x1A, 0, 0x08, 0, 255, 0])[4..8], [0xFF; 4]);
        assert_eq!(bench.data(&[0x5A, 0x10, 0x08, 0, 0, 0, 0, 1, 0, 0])[8..16], [0, 0, 0, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn saved_values_and_unknown_pages_are_refused() {
        assert_eq!(Bench::disk().ask(&[0x1A, 0, 0xC8, 0, 255, 0]), refused(Sense::SAVING_NOT_SUPPORTED));
        assert_eq!(Bench::disk().ask(&[0x1A, 0, 0x07, 0, 255, 0]), refused(Sense::invalid_field(2)));
        assert_eq!(Bench::disk().ask(&[0x1A, 0, 0x08, 1, 255, 0]), refused(Sense::invalid_field(2)));
    }
}
