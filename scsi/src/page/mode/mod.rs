//! Mode pages: how they are shown, and how a parameter list changes what can be changed (SPC-4, mode parameters).

pub(crate) mod disk;
mod select;

pub(crate) use select::{Header, select};

use crate::lasting::Settings;
use crate::medium::Medium;
use crate::sense::Sense;

/// One page of a kind of unit.
pub(crate) struct ModePage {
    pub(crate) page: u8,
    /// 00h: the page has the page_0 format.
    pub(crate) subpage: u8,
    /// Bytes after the header.
    pub(crate) len: usize,
    /// Sets what is not zero and nobody can change.
    pub(crate) fixed: fn(&Medium, &mut Body<'_>),
    /// What initiators can change.
    pub(crate) switches: &'static [Switch],
}

/// A bit that MODE SELECT can change.
pub(crate) struct Switch {
    /// Byte of the page, counted with its header.
    pub(crate) at: usize,
    pub(crate) mask: u8,
    /// Which media have it; for others it is zero and stays so.
    pub(crate) offered: fn(&Medium) -> bool,
    pub(crate) get: fn(&Settings) -> bool,
    pub(crate) set: fn(&mut Settings, bool),
}

/// Bytes of a page after its header.
pub(crate) struct Body<'a> {
    bytes: &'a mut [u8],
    header: usize,
}

/// Which values of a page are asked for, other than those that can be changed.
pub(crate) struct Shown<'a> {
    pub(crate) medium: &'a Medium,
    /// As they are, by default, or saved.
    pub(crate) settings: Settings,
    /// Pages with something to change can be saved (PS).
    pub(crate) savable: bool,
}

impl Shown<'_> {
    /// The pages of `table` that a page and a subpage code ask for: page 3Fh is all pages, subpage FFh all subpages of
    /// what is asked. With `changeable`, ones where a bit can be changed.
    ///
    /// # Errors
    /// 5/24/00 that points at byte 2 for a page that is not there, at byte 3 for a subpage.
    pub(crate) fn pages(&self, table: &[ModePage], changeable: bool, page: u8, subpage: u8) -> Result<Vec<u8>, Sense> {
        let of_page = |its: &&ModePage| page == EVERY_PAGE || its.page == page;
        let of_subpage = |its: &&ModePage| subpage == EVERY_SUBPAGE || its.subpage == subpage;
        if !table.iter().any(|its| of_page(&its)) {
            return Err(Sense::invalid_field(2));
        }
        if page == EVERY_PAGE && !matches!(subpage, 0 | EVERY_SUBPAGE) {
            return Err(Sense::invalid_field(3));
        }
        let pages: Vec<u8> =
            table.iter().filter(of_page).filter(of_subpage).flat_map(|its| self.page(its, changeable)).collect();
        if pages.is_empty() { Err(Sense::invalid_field(3)) } else { Ok(pages) }
    }

    fn page(&self, page: &ModePage, changeable: bool) -> Vec<u8> {
        let mut switches = page.switches.iter().filter(|switch| (switch.offered)(self.medium)).peekable();
        let mut bytes = page.header();
        if self.savable && switches.peek().is_some() {
            bytes[0] |= PS;
        }
        let header = bytes.len();
        bytes.resize(header + page.len, 0);
        if !changeable {
            (page.fixed)(self.medium, &mut Body { bytes: &mut bytes[header..], header });
        }
        for switch in switches.filter(|switch| changeable || (switch.get)(&self.settings)) {
            bytes[switch.at] |= switch.mask;
        }
        bytes
    }
}

impl ModePage {
    fn header(&self) -> Vec<u8> {
        match self.subpage {
            0 => vec![self.page, self.len as u8],
            subpage => vec![SPF | self.page, subpage, 0, self.len as u8],
        }
    }
}

impl Body<'_> {
    /// Sets the bytes from `at` on, counted with the page's header as the standards count.
    pub(crate) fn set(&mut self, at: usize, bytes: &[u8]) {
        let at = at - self.header;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// Page code that asks for all pages.
const EVERY_PAGE: u8 = 0x3F;
/// Subpage code that asks for all subpages.
const EVERY_SUBPAGE: u8 = 0xFF;
/// Parameters savable.
const PS: u8 = 0x80;
/// Subpage format.
const SPF: u8 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    static PAGES: [ModePage; 4] = [
        ModePage { page: 0x01, subpage: 0x00, len: 2, fixed: |_, body| body.set(2, &[7]), switches: &[] },
        ModePage { page: 0x0A, subpage: 0x00, len: 2, fixed: |_, body| body.set(3, &[0x80]), switches: &SWITCHES },
        ModePage { page: 0x0A, subpage: 0x02, len: 2, fixed: |_, body| body.set(4, &[1, 2]), switches: &[] },
        ModePage { page: 0x1C, subpage: 0x01, len: 1, fixed: |_, _| {}, switches: &[] },
    ];
    static SWITCHES: [Switch; 2] = [
        Switch {
            at: 3,
            mask: 0x01,
            offered: |_| true,
            get: |settings| settings.write_protect,
            set: |settings, on| settings.write_protect = on,
        },
        Switch {
            at: 2,
            mask: 0x10,
            offered: |medium| medium.write_cache,
            get: |settings| settings.descriptor_sense,
            set: |settings, on| settings.descriptor_sense = on,
        },
    ];

    fn ask(changeable: bool, page: u8, subpage: u8) -> Result<Vec<u8>, Sense> {
        let medium = Medium::new(512, 1).unwrap();
        let settings = Settings { write_protect: true, descriptor_sense: true, ..Settings::default() };
        Shown { medium: &medium, settings, savable: true }.pages(&PAGES, changeable, page, subpage)
    }

    #[test]
    fn a_page_has_what_is_fixed_and_what_is_switched_on_and_may_be_saved() {
        assert_eq!(ask(false, 0x01, 0).unwrap(), [0x01, 2, 7, 0]);
        assert_eq!(ask(false, 0x0A, 0).unwrap(), [0x8A, 2, 0, 0x81]);
        assert_eq!(ask(false, 0x0A, 2).unwrap(), [0x4A, 2, 0, 2, 1, 2]);
    }

    #[test]
    fn only_a_switch_that_the_medium_has_can_be_changed() {
        assert_eq!(ask(true, 0x0A, 0).unwrap(), [0x8A, 2, 0, 0x01]);
        let cached = Medium { write_cache: true, ..Medium::new(512, 1).unwrap() };
        let shown = Shown { medium: &cached, settings: Settings::default(), savable: false };
        assert_eq!(shown.pages(&PAGES, true, 0x0A, 0).unwrap(), [0x0A, 2, 0x10, 0x01]);
    }

    #[test]
    fn all_pages_come_without_subpages_unless_those_are_asked_for() {
        assert_eq!(ask(true, 0x3F, 0).unwrap(), [0x01, 2, 0, 0, 0x8A, 2, 0, 1]);
        assert_eq!(ask(true, 0x3F, 0xFF).unwrap().len(), 4 + 4 + 6 + 5);
        assert_eq!(ask(true, 0x0A, 0xFF).unwrap().len(), 4 + 6);
    }

    #[test]
    fn what_is_not_there_is_pointed_at() {
        assert_eq!(ask(false, 0x02, 0), Err(Sense::invalid_field(2)));
        for (page, subpage) in [(0x01, 1), (0x0A, 1), (0x1C, 0), (0x3F, 1)] {
            assert_eq!(ask(false, page, subpage), Err(Sense::invalid_field(3)));
        }
    }
}
