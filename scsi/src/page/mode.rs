//! Mode pages: how the unit is set, none of which can be changed from outside (SPC-4 and SBC-3, mode parameters).

use crate::medium::Medium;

/// PAGE CONTROL: which values of a page are asked for. There are no saved ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    /// As it is.
    Current,
    /// A one for each bit that MODE SELECT could change: none.
    Changeable,
    /// As it is after power on, which is as it is.
    Default,
}

/// The pages that `page` and `subpage` mean, header and all; `None` where there is no such page. 3Fh means every
/// page, subpage FFh every subpage.
pub(crate) fn pages(medium: &Medium, control: Control, page: u8, subpage: u8) -> Option<Vec<u8>> {
    let wanted = |row: &&ModePage| {
        (page == EVERY_PAGE || page == row.page) && (subpage == EVERY_SUBPAGE || subpage == row.subpage)
    };
    let mut found = PAGES.iter().filter(wanted).peekable();
    found.peek()?;
    Some(found.flat_map(|row| row.bytes(medium, control)).collect())
}

const EVERY_PAGE: u8 = 0x3F;
const EVERY_SUBPAGE: u8 = 0xFF;

struct ModePage {
    page: u8,
    subpage: u8,
    /// Bytes after the header.
    len: usize,
    /// Sets what is not zero among them; offsets are those of the standard, with the header.
    set: fn(&Medium, &mut Body<'_>),
}

/// In ascending order, with page 3Fh's order in mind: subpages after their page.
static PAGES: [ModePage; 5] = [
    // READ-WRITE ERROR RECOVERY: errors are the disk's to recover from, and are reported.
    ModePage { page: 0x01, subpage: 0x00, len: 0x0A, set: |_, _| {} },
    ModePage { page: 0x08, subpage: 0x00, len: 0x12, set: caching },
    ModePage { page: 0x0A, subpage: 0x00, len: 0x0A, set: control },
    // CONTROL EXTENSION: nothing of it.
    ModePage { page: 0x0A, subpage: 0x01, len: 0x1C, set: |_, _| {} },
    ModePage { page: 0x1C, subpage: 0x00, len: 0x0A, set: informational_exceptions },
];

/// A volatile write cache, or none (WCE).
fn caching(medium: &Medium, body: &mut Body<'_>) {
    const WCE: u8 = 0x04;
    body.set(2, if medium.write_cache { WCE } else { 0 });
}

/// One task set for all; commands may be reordered at will (QUEUE ALGORITHM MODIFIER 1h); fixed format sense data
/// (D_SENSE zero); no limit to how long the unit may be busy.
fn control(_: &Medium, body: &mut Body<'_>) {
    const UNRESTRICTED_REORDERING: u8 = 0x10;
    body.set(3, UNRESTRICTED_REORDERING);
    body.set(8, 0xFF);
    body.set(9, 0xFF);
}

/// None are reported (DEXCPT).
fn informational_exceptions(_: &Medium, body: &mut Body<'_>) {
    const DEXCPT: u8 = 0x08;
    body.set(2, DEXCPT);
}

/// Bytes of a page after its header.
struct Body<'a>(&'a mut [u8]);

impl Body<'_> {
    /// Byte `at` of a page_0 format page.
    fn set(&mut self, at: usize, value: u8) {
        self.0[at - 2] = value;
    }
}

impl ModePage {
    fn bytes(&self, medium: &Medium, control: Control) -> Vec<u8> {
        const SPF: u8 = 0x40;
        let mut bytes = match self.subpage {
            0 => vec![self.page, self.len as u8],
            subpage => vec![SPF | self.page, subpage, 0, self.len as u8],
        };
        let header = bytes.len();
        bytes.resize(header + self.len, 0);
        if control != Control::Changeable {
            (self.set)(medium, &mut Body(&mut bytes[header..]));
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECOVERY: [u8; 12] = [0x01, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const CACHING: [u8; 20] = [0x08, 0x12, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const CONTROL: [u8; 12] = [0x0A, 0x0A, 0, 0x10, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0];
    const EXCEPTIONS: [u8; 12] = [0x1C, 0x0A, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn control_extension() -> Vec<u8> {
        let mut page = vec![0; 32];
        page[..4].copy_from_slice(&[0x4A, 0x01, 0, 0x1C]);
        page
    }

    fn ask(control: Control, page: u8, subpage: u8) -> Option<Vec<u8>> {
        let medium = Medium { write_cache: true, ..Medium::new(512, 1).unwrap() };
        pages(&medium, control, page, subpage)
    }

    #[test]
    fn each_page_has_its_golden_bytes() {
        for golden in [&RECOVERY[..], &CACHING, &CONTROL, &EXCEPTIONS] {
            assert_eq!(ask(Control::Current, golden[0], 0).unwrap(), golden);
            assert_eq!(ask(Control::Default, golden[0], 0).unwrap(), golden);
        }
        assert_eq!(ask(Control::Current, 0x0A, 0x01).unwrap(), control_extension());
    }

    #[test]
    fn write_cache_is_on_only_where_the_medium_has_one() {
        let plain = Medium::new(512, 1).unwrap();
        assert_eq!(pages(&plain, Control::Current, 0x08, 0).unwrap()[2], 0x00);
    }

    #[test]
    fn nothing_can_be_changed() {
        for (page, len) in [(0x01, 12), (0x08, 20), (0x0A, 12), (0x1C, 12)] {
            let bytes = ask(Control::Changeable, page, 0).unwrap();
            assert_eq!((bytes[0], bytes.len()), (page, len));
            assert!(bytes[2..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn all_pages_come_without_subpages_unless_those_are_asked_for() {
        let without = [&RECOVERY[..], &CACHING, &CONTROL, &EXCEPTIONS].concat();
        assert_eq!(ask(Control::Current, 0x3F, 0).unwrap(), without);
        let with = [&RECOVERY[..], &CACHING, &CONTROL, &control_extension(), &EXCEPTIONS].concat();
        assert_eq!(ask(Control::Current, 0x3F, 0xFF).unwrap(), with);
        let of_control = [&CONTROL[..], &control_extension()].concat();
        assert_eq!(ask(Control::Current, 0x0A, 0xFF).unwrap(), of_control);
    }

    #[test]
    fn what_is_not_in_the_table_is_none() {
        assert_eq!(ask(Control::Current, 0x02, 0), None);
        assert_eq!(ask(Control::Current, 0x0A, 2), None);
        assert_eq!(ask(Control::Current, 0x3F, 7), None);
    }
}
