//! Vital product data: which pages are there, and the small ones (SPC-4, vital product data parameters).

use super::{block, designation};
use crate::command::Asked;
use crate::copy::offer;
use crate::identity::{IetRelease, Profile};
use crate::sense::SenseBytes;
use crate::unit::Kind;

/// The page `code` of the unit that is asked, header and all; `None` where its profile has no such page.
pub(crate) fn page(asked: &Asked<'_>, code: u8) -> Option<Vec<u8>> {
    let (_, body) = pages(asked).iter().find(|(its, _)| *its == code)?;
    let body = body(asked);
    let mut page = vec![asked.unit.kind().peripheral(), code];
    page.extend_from_slice(&(body.len() as u16).to_be_bytes());
    page.extend_from_slice(&body);
    Some(page)
}

/// What comes after the four bytes of a page's header.
type Body = fn(&Asked<'_>) -> Vec<u8>;

/// In ascending order, as page 00h lists them.
const STANDARD: &[(u8, Body)] = &[
    (0x00, supported),
    (0x80, serial),
    (0x83, designation::standard),
    (0x85, management_addresses),
    (0x86, extended_inquiry),
    (0x87, mode_page_policy),
    (0x88, designation::ports),
    (0x8F, offer::page),
    (0xB0, block::limits),
    (0xB1, block::characteristics),
    (0xB2, block::provisioning),
];

/// The old target had no more, and its initiators must not see more.
const IET: &[(u8, Body)] = &[(0x00, supported), (0x80, iet_serial), (0x83, designation::iet)];

/// Of a drive there are those of every kind of unit.
const DRIVE: &[(u8, Body)] = &[(0x00, supported), (0x80, serial), (0x83, designation::standard)];

fn pages(asked: &Asked<'_>) -> &'static [(u8, Body)] {
    match asked.unit.identity().profile() {
        Profile::Standard if asked.unit.kind() == Kind::Drive => DRIVE,
        Profile::Standard => STANDARD,
        Profile::Iet { .. } => IET,
    }
}

/// 00h SUPPORTED VPD PAGES.
fn supported(asked: &Asked<'_>) -> Vec<u8> {
    pages(asked).iter().map(|(code, _)| *code).collect()
}

/// 80h UNIT SERIAL NUMBER.
fn serial(asked: &Asked<'_>) -> Vec<u8> {
    asked.unit.identity().serial().as_bytes().to_vec()
}

/// The same, right-aligned in the field the release gave it.
fn iet_serial(asked: &Asked<'_>) -> Vec<u8> {
    let identity = asked.unit.identity();
    let release = match identity.profile() {
        Profile::Iet { release, .. } => release,
        Profile::Standard => unreachable!("a page of the other profile"),
    };
    let width = match (release, identity.serial().len()) {
        (IetRelease::V0_4_15, 0) => 4,
        (_, 0..=16) => 16,
        _ => 32,
    };
    format!("{:>width$}", identity.serial()).into_bytes()
}

/// 85h MANAGEMENT NETWORK ADDRESSES: where the target is configured, if its operator tells.
fn management_addresses(asked: &Asked<'_>) -> Vec<u8> {
    /// SERVICE TYPE, of the logical unit's device: storage configuration service.
    const CONFIGURATION: u8 = 0x01;
    let Some(url) = asked.port.device.management() else {
        return Vec::new();
    };
    let padded = (url.len() + 1).next_multiple_of(4);
    let [high, low] = (padded as u16).to_be_bytes();
    let mut body = [&[CONFIGURATION, 0, high, low], url.as_bytes()].concat();
    body.resize(4 + padded, 0);
    body
}

/// 86h EXTENDED INQUIRY DATA: which task attributes are honoured, whether the cache forgets at power off, that REPORTED
/// LUNS DATA HAS CHANGED is told once for all units of a target (LUICLR), and how long sense data can be.
fn extended_inquiry(asked: &Asked<'_>) -> Vec<u8> {
    const HEADSUP_ORDSUP_SIMPSUP: u8 = 0x07;
    const V_SUP: u8 = 0x01;
    const LUICLR: u8 = 0x01;
    let mut body = vec![0; 0x3C];
    body[1] = HEADSUP_ORDSUP_SIMPSUP;
    body[2] = if asked.unit.medium().write_cache { V_SUP } else { 0 };
    body[3] = LUICLR;
    body[9] = SenseBytes::MAX as u8;
    body
}

/// 87h MODE PAGE POLICY: all pages and subpages are shared by all nexuses, and by no other unit (MLUS zero).
fn mode_page_policy(_: &Asked<'_>) -> Vec<u8> {
    vec![0x3F, 0xFF, 0x00, 0]
}

#[cfg(test)]
mod tests {
    use crate::device::Device;
    use crate::identity::{Identity, IetRelease};
    use crate::medium::Medium;
    use crate::sense::{Sense, SenseBytes};
    use crate::tests::{Bench, good, refused};
    use std::sync::Arc;

    fn vpd(code: u8) -> [u8; 6] {
        [0x12, 1, code, 4, 0, 0]
    }

    #[test]
    fn page_00_lists_every_page_there_is() {
        let golden = [0, 0, 0, 11, 0x00, 0x80, 0x83, 0x85, 0x86, 0x87, 0x88, 0x8F, 0xB0, 0xB1, 0xB2];
        assert_eq!(Bench::disk().ask(&vpd(0)), good(&golden));
        for &code in &golden[4..] {
            let page = Bench::disk().data(&vpd(code));
            let len = usize::from(u16::from_be_bytes([page[2], page[3]]));
            assert_eq!((page[1], page.len()), (code, 4 + len));
        }
        for code in (0..=255).filter(|code| !golden[4..].contains(code)) {
            assert_eq!(Bench::disk().ask(&vpd(code)), refused(Sense::invalid_field(2)));
        }
    }

    #[test]
    fn page_80_is_the_serial_number() {
        let identity = Identity::derive("a").with_serial("SN-1").unwrap();
        assert_eq!(Bench::of(identity).ask(&vpd(0x80)), good(b"\0\x80\0\x04SN-1"));
    }

    #[test]
    fn page_85_has_the_address_that_the_operator_tells() {
        let mut bench = Bench::disk();
        assert_eq!(bench.ask(&vpd(0x85)), good(&[0, 0x85, 0, 0]));
        for (url, padded) in [("https://a/", &b"https://a/\0\0"[..]), ("https://ab/c", b"https://ab/c\0\0\0\0")] {
            let device = Device::new(|| 0, |_| {}).managed_at(url).unwrap();
            bench.port.device = Arc::new(device);
            let len = padded.len() as u8;
            assert_eq!(bench.ask(&vpd(0x85)), good(&[&[0, 0x85, 0, len + 4, 0x01, 0, 0, len], padded].concat()));
        }
    }

    #[test]
    fn page_86_tells_of_task_attributes_of_a_volatile_cache_and_of_sense_data() {
        let mut golden = vec![0; 64];
        golden[..14].copy_from_slice(&[0, 0x86, 0, 0x3C, 0, 0x07, 0, 0x01, 0, 0, 0, 0, 0, SenseBytes::MAX as u8]);
        assert_eq!(Bench::disk().ask(&vpd(0x86)), good(&golden));
        golden[6] = 0x01;
        let mut cached = Bench::with(|medium| Medium { write_cache: true, ..medium });
        assert_eq!(cached.ask(&vpd(0x86)), good(&golden));
    }

    #[test]
    fn page_87_says_that_all_mode_pages_are_shared() {
        assert_eq!(Bench::disk().ask(&vpd(0x87)), good(&[0, 0x87, 0, 4, 0x3F, 0xFF, 0x00, 0]));
    }

    #[test]
    fn pages_are_cut_to_the_allocation_length() {
        assert_eq!(Bench::disk().ask(&[0x12, 1, 0, 0, 5, 0]), good(&[0, 0, 0, 11, 0]));
    }

    #[test]
    fn a_disk_taken_over_has_the_three_pages_it_had() {
        let mut bench = Bench::of(Identity::iet(IetRelease::V0_4_15, b"", "").unwrap());
        assert_eq!(bench.ask(&vpd(0x00)), good(&[0, 0, 0, 3, 0x00, 0x80, 0x83]));
        assert_eq!(bench.ask(&vpd(0xB0)), refused(Sense::invalid_field(2)));
    }

    #[test]
    fn a_disk_taken_over_has_its_serial_right_aligned() {
        let page_80 =
            |release, serial: &str| Bench::of(Identity::iet(release, b"id", serial).unwrap()).data(&vpd(0x80));
        assert_eq!(page_80(IetRelease::V0_4_15, ""), b"\0\x80\0\x04    ");
        assert_eq!(page_80(IetRelease::V0_4_15, "SN-1"), b"\0\x80\0\x10            SN-1");
        assert_eq!(page_80(IetRelease::V0_4_15, "AMHDSK-061207-02"), b"\0\x80\0\x10AMHDSK-061207-02");
        assert_eq!(page_80(IetRelease::V1_4_20, ""), b"\0\x80\0\x10                ");
        assert_eq!(page_80(IetRelease::V1_4_20, "AMHDSK-061207-02"), b"\0\x80\0\x10AMHDSK-061207-02");
        assert_eq!(page_80(IetRelease::V1_4_20, "AMHDSK-061207-002"), b"\0\x80\0\x20               AMHDSK-061207-002");
    }
}
