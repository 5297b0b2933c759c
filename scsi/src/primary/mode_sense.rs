//! MODE SENSE (6) and (10): how the unit is set (SPC-4).

use crate::command::Asked;
use crate::lasting::Settings;
use crate::medium::Medium;
use crate::page::mode::{Shown, disk};
use crate::plan::Plan;
use crate::sense::Sense;

/// MODE SENSE (6): a header of four bytes, a block descriptor of eight.
pub(crate) fn six(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    let pages = pages(asked)?;
    let block = if asked.cdb.flag(1, DBD) { Vec::new() } else { short_block_descriptor(medium) };
    let len = 3 + block.len() + pages.len();
    let header = [u8::try_from(len).unwrap_or(u8::MAX), 0, device_specific(asked), block.len() as u8];
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
    header[3] = device_specific(asked);
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
    let book = asked.unit.book();
    let (changeable, settings) = match asked.cdb.u8(2) >> 6 {
        0 => (false, book.settings()),
        1 => (true, Settings::default()),
        2 => (false, Settings::default()),
        _ => (false, book.saved_settings().ok_or(Sense::SAVING_NOT_SUPPORTED)?),
    };
    let shown = Shown { medium: asked.unit.medium(), settings, savable: book.keeps() };
    shown.pages(&disk::PAGES, changeable, asked.cdb.u8(2) & 0x3F, asked.cdb.u8(3))
}

/// DEVICE-SPECIFIC PARAMETER of a disk (SBC-3): write protected, by its operator or an initiator, and that DPO and FUA
/// are understood.
fn device_specific(asked: &Asked<'_>) -> u8 {
    const WP: u8 = 0x80;
    const DPOFUA: u8 = 0x10;
    let protected = asked.unit.medium().read_only || asked.nexus.verdict().write_protected;
    DPOFUA | if protected { WP } else { 0 }
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
    use crate::lasting::{Lasting, Settings};
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
    fn a_page_or_subpage_that_is_not_there_is_pointed_at() {
        assert_eq!(Bench::disk().ask(&[0x1A, 0, 0x05, 0, 255, 0]), refused(Sense::invalid_field(2)));
        assert_eq!(Bench::disk().ask(&[0x1A, 0, 0x08, 1, 255, 0]), refused(Sense::invalid_field(3)));
        assert_eq!(Bench::disk().ask(&[0x5A, 0, 0x3F, 1, 0, 0, 0, 1, 0, 0]), refused(Sense::invalid_field(3)));
    }

    #[test]
    fn all_pages_come_in_one_answer_with_its_length() {
        let mut bench = Bench::disk();
        let all = bench.data(&[0x1A, 0, 0x3F, 0xFF, 255, 0]);
        assert_eq!(usize::from(all[0]) + 1, all.len());
        let codes: Vec<u8> = pages_in(&all[12..]);
        assert_eq!(codes, [0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x0A, 0x4A, 0x1A, 0x1C, 0x5C]);
        assert_eq!(bench.data(&[0x1A, 0, 0x3F, 0xFF, 5, 0]), all[..5]);
        assert_eq!(bench.ask(&[0x1A, 0, 0x3F, 0xFF, 0, 0]), good(&[]));
        let without_subpages = bench.data(&[0x1A, 0, 0x3F, 0, 255, 0]);
        assert_eq!(pages_in(&without_subpages[12..]), [0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x0A, 0x1A, 0x1C]);
    }

    #[test]
    fn saved_values_are_there_only_where_they_can_be_kept() {
        assert_eq!(Bench::disk().ask(&[0x1A, 8, 0xCA, 0, 255, 0]), refused(Sense::SAVING_NOT_SUPPORTED));
        let settings = Settings { write_protect: true, ..Settings::default() };
        let mut bench = Bench::keeping(Lasting { settings, ..Lasting::default() });
        let page = |bench: &mut Bench, control: u8| bench.data(&[0x1A, 8, control | 0x0A, 0, 255, 0])[4..9].to_vec();
        assert_eq!(page(&mut bench, 0xC0), [0x8A, 0x0A, 0x02, 0x10, 0x08]);
        assert_eq!(page(&mut bench, 0x80), [0x8A, 0x0A, 0x02, 0x10, 0x00], "by default nothing is protected");
        assert_eq!(page(&mut bench, 0x40), [0x8A, 0x0A, 0x04, 0x00, 0x08], "what can be changed");
        assert_eq!(page(&mut bench, 0x00), [0x8A, 0x0A, 0x02, 0x10, 0x08]);
        assert_eq!(bench.data(&[0x1A, 8, 0x0A, 0, 255, 0])[2], 0x90, "and the unit is write protected");
    }

    /// First bytes of pages, without PS.
    fn pages_in(mut pages: &[u8]) -> Vec<u8> {
        let mut codes = Vec::new();
        while let [code, rest @ ..] = pages {
            codes.push(code & 0x7F);
            let len = if code & 0x40 == 0 { 2 + usize::from(rest[0]) } else { 4 + usize::from(rest[2]) };
            pages = &pages[len..];
        }
        codes
    }
}
