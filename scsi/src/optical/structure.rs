//! READ DISC STRUCTURE (READ DVD STRUCTURE): what a DVD says of itself in its lead-in (MMC-6).

use super::{Disc, loaded};
use crate::command::Asked;
use crate::medium::Medium;
use crate::plan::Plan;
use crate::sense::Sense;

/// The structures of a DVD; a CD has none.
pub(crate) fn read(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let medium = loaded(asked)?;
    if Disc::of(medium) == Disc::Cd {
        return Err(Sense::INCOMPATIBLE_MEDIUM);
    }
    // MEDIA TYPE: DVD; and its only layer.
    if asked.cdb.u8(1) & 0x0F != 0 {
        return Err(Sense::invalid_bit(1, 3));
    }
    if asked.cdb.u8(6) != 0 {
        return Err(Sense::invalid_field(6));
    }
    let body = match asked.cdb.u8(7) {
        PHYSICAL => physical(medium),
        COPYRIGHT => vec![0; 4],
        LIST => list(),
        _ => return Err(Sense::invalid_field(7)),
    };
    let [high, low] = (body.len() as u16 + 2).to_be_bytes();
    Ok(Plan::data([&[high, low, 0, 0][..], &body].concat(), asked.cdb.u16(8).into()))
}

/// Physical format information: a read-only disc of 120 mm with one layer, and where its data is.
fn physical(medium: &Medium) -> Vec<u8> {
    const DVD_ROM_BOOK_1: u8 = 0x01;
    const DISC_120_MM_RATE_NOT_SPECIFIED: u8 = 0x0F;
    const ONE_LAYER_EMBOSSED: u8 = 0x01;
    /// The physical sector of the first logical block.
    const DATA_BEGINS: u32 = 0x03_0000;
    let mut body = vec![0; 2048];
    body[..3].copy_from_slice(&[DVD_ROM_BOOK_1, DISC_120_MM_RATE_NOT_SPECIFIED, ONE_LAYER_EMBOSSED]);
    let last = (medium.blocks - 1 + u64::from(DATA_BEGINS)).min(0xFF_FFFF) as u32;
    body[4..8].copy_from_slice(&DATA_BEGINS.to_be_bytes());
    body[8..12].copy_from_slice(&last.to_be_bytes());
    body
}

/// The structures there are, all of which can be read and none sent.
fn list() -> Vec<u8> {
    const READABLE: u8 = 0x40;
    let entry = |code: u8, len: u16| {
        let [high, low] = len.to_be_bytes();
        [code, READABLE, high, low]
    };
    [entry(PHYSICAL, 2048 + 4), entry(COPYRIGHT, 4 + 4), entry(LIST, 12 + 4)].concat()
}

const PHYSICAL: u8 = 0x00;
/// No copyright protection, no regions.
const COPYRIGHT: u8 = 0x01;
const LIST: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn structure(format: u8, room: u16) -> [u8; 12] {
        let [high, low] = room.to_be_bytes();
        [0xAD, 0, 0, 0, 0, 0, 0, format, high, low, 0, 0]
    }

    #[test]
    fn a_dvd_tells_its_format_and_that_nothing_protects_it() {
        let mut bench = Bench::drive(400_000);
        let format = bench.data(&structure(0, 4096));
        assert_eq!(format.len(), 2052);
        assert_eq!(format[..16], [8, 2, 0, 0, 1, 0x0F, 1, 0, 0, 3, 0, 0, 0, 9, 0x1A, 0x7F]);
        assert!(format[16..].iter().all(|byte| *byte == 0));
        assert_eq!(bench.ask(&structure(1, 255)), good(&[0, 6, 0, 0, 0, 0, 0, 0]));
        let list = [0, 14, 0, 0, 0x00, 0x40, 8, 4, 0x01, 0x40, 0, 8, 0xFF, 0x40, 0, 16];
        assert_eq!(bench.ask(&structure(0xFF, 255)), good(&list));
        assert_eq!(bench.ask(&structure(0xFF, 4)), good(&list[..4]));
        assert_eq!(bench.ask(&structure(0xFF, 0)), good(&[]));
    }

    #[test]
    fn a_cd_and_an_empty_drive_have_no_structures() {
        assert_eq!(Bench::drive(1000).ask(&structure(0, 255)), refused(Sense::INCOMPATIBLE_MEDIUM));
        assert_eq!(Bench::drive(0).ask(&structure(0, 255)), refused(Sense::NO_MEDIUM));
    }

    #[test]
    fn other_media_layers_and_formats_are_refused() {
        let mut bench = Bench::drive(400_000);
        assert_eq!(bench.ask(&structure(2, 255)), refused(Sense::invalid_field(7)));
        let mut cdb = structure(0, 255);
        cdb[6] = 1;
        assert_eq!(bench.ask(&cdb), refused(Sense::invalid_field(6)));
        let mut cdb = structure(0, 255);
        cdb[1] = 1;
        assert_eq!(bench.ask(&cdb), refused(Sense::invalid_bit(1, 3)));
    }
}
