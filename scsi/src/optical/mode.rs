//! MODE SENSE of a drive: error recovery, and what the mechanism can do (MMC-6; page 2Ah as MMC-3 has it).

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// MODE SENSE (6). There is no block descriptor, whatever DBD says.
pub(crate) fn six(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let pages = pages(asked)?;
    let header = [(pages.len() + 3) as u8, 0, 0, 0];
    Ok(Plan::data([&header[..], &pages].concat(), asked.cdb.u8(4).into()))
}

/// MODE SENSE (10).
pub(crate) fn ten(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let pages = pages(asked)?;
    let [high, low] = (pages.len() as u16 + 6).to_be_bytes();
    let header = [high, low, 0, 0, 0, 0, 0, 0];
    Ok(Plan::data([&header[..], &pages].concat(), asked.cdb.u16(7).into()))
}

/// Everything is as it is by default, and nothing can be changed or saved.
fn pages(asked: &Asked<'_>) -> Result<Vec<u8>, Sense> {
    const CHANGEABLE: u8 = 1;
    const SAVED: u8 = 3;
    let (control, code, subpage) = (asked.cdb.u8(2) >> 6, asked.cdb.u8(2) & 0x3F, asked.cdb.u8(3));
    if control == SAVED {
        return Err(Sense::SAVING_NOT_SUPPORTED);
    }
    if !matches!(subpage, 0 | EVERY) {
        return Err(Sense::invalid_field(3));
    }
    let page = |page: &Page| {
        let mut body = vec![0; page.len];
        if control != CHANGEABLE {
            (page.body)(asked, &mut body);
        }
        [&[page.code, page.len as u8][..], &body].concat()
    };
    let wanted = PAGES.iter().filter(|page| code == EVERY_PAGE || page.code == code);
    let pages: Vec<u8> = wanted.flat_map(page).collect();
    if pages.is_empty() { Err(Sense::invalid_field(2)) } else { Ok(pages) }
}

struct Page {
    code: u8,
    /// Bytes after the header.
    len: usize,
    body: fn(&Asked<'_>, &mut [u8]),
}

static PAGES: [Page; 2] = [
    // READ/WRITE ERROR RECOVERY: errors are the image's disk's to recover from, and are reported.
    Page { code: 0x01, len: 0x0A, body: |_, _| {} },
    // MM CAPABILITIES AND MECHANICAL STATUS
    Page { code: 0x2A, len: 0x14, body: capabilities },
];

/// Reads CD-R, CD-RW and DVD-ROM, which are alike as images; a tray that can be locked, and opens when told to. Speeds
/// are zero: there is none to tell.
fn capabilities(asked: &Asked<'_>, body: &mut [u8]) {
    const READS: u8 = 0x01 | 0x02 | 0x08;
    const TRAY: u8 = 1 << 5;
    const EJECTS: u8 = 0x08;
    const LOCKED: u8 = 0x02;
    const LOCKS: u8 = 0x01;
    body[0] = READS;
    body[4] = TRAY | EJECTS | LOCKS | if asked.unit.book().tray().prevented { LOCKED } else { 0 };
}

const EVERY_PAGE: u8 = 0x3F;
const EVERY: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    const RECOVERY: [u8; 12] = [0x01, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const CAPABILITIES: [u8; 8] = [0x2A, 0x14, 0x0B, 0, 0, 0, 0x29, 0];

    fn ten(page: u8, subpage: u8, room: u8) -> [u8; 10] {
        [0x5A, 0, page, subpage, 0, 0, 0, 0, room, 0]
    }

    #[test]
    fn there_are_two_pages_and_no_block_descriptor() {
        let capabilities = [&CAPABILITIES[..], &[0; 14]].concat();
        let both = [&[0, 40, 0, 0, 0, 0, 0, 0][..], &RECOVERY, &capabilities].concat();
        let mut bench = Bench::drive(1000);
        assert_eq!(bench.ask(&ten(0x3F, 0, 255)), good(&both));
        assert_eq!(bench.ask(&ten(0x3F, 0xFF, 255)), good(&both));
        assert_eq!(bench.ask(&ten(0x3F, 0, 8)), good(&both[..8]));
        assert_eq!(bench.ask(&ten(0x3F, 0, 0)), good(&[]));
        let one = [&[25, 0, 0, 0][..], &capabilities].concat();
        assert_eq!(bench.ask(&[0x1A, 0x08, 0x2A, 0, 255, 0]), good(&one));
        assert_eq!(Bench::drive(0).ask(&[0x1A, 0, 0x2A, 0, 255, 0]), good(&one), "also without a disc");
    }

    #[test]
    fn a_locked_tray_shows() {
        let mut bench = Bench::drive(1000);
        bench.done(&[0x1E, 0, 0, 0, 1, 0]);
        assert_eq!(bench.data(&ten(0x2A, 0, 255))[8 + 6], 0x2B);
    }

    #[test]
    fn nothing_can_be_changed_or_saved() {
        let mut bench = Bench::drive(1000);
        assert_eq!(bench.data(&ten(0x40 | 0x2A, 0, 255))[8..], [&[0x2A, 0x14][..], &[0; 20]].concat());
        assert_eq!(bench.data(&ten(0x80 | 0x2A, 0, 255)), bench.data(&ten(0x2A, 0, 255)));
        assert_eq!(bench.ask(&ten(0xC0 | 0x2A, 0, 255)), refused(Sense::SAVING_NOT_SUPPORTED));
    }

    #[test]
    fn pages_that_are_not_there_are_refused() {
        let mut bench = Bench::drive(1000);
        for page in (0..0x3F).filter(|page| !matches!(page, 0x01 | 0x2A)) {
            assert_eq!(bench.ask(&ten(page, 0, 255)), refused(Sense::invalid_field(2)), "{page:02x}");
        }
        assert_eq!(bench.ask(&ten(0x2A, 1, 255)), refused(Sense::invalid_field(3)));
    }
}
