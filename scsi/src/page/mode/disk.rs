//! The mode pages of a disk (SPC-4 and SBC-3).

use super::{Body, ModePage, Switch};
use crate::medium::{Medium, Provisioning, Rotation};

/// In ascending order, as page 3Fh lists them: subpages after their page.
pub(crate) static PAGES: [ModePage; 11] = [
    ModePage { page: 0x01, subpage: 0x00, len: 0x0A, fixed: error_recovery, switches: &[] },
    // DISCONNECT-RECONNECT: iSCSI negotiates all that it could say.
    ModePage { page: 0x02, subpage: 0x00, len: 0x0E, fixed: nothing, switches: &[] },
    ModePage { page: 0x03, subpage: 0x00, len: 0x16, fixed: format_device, switches: &[] },
    ModePage { page: 0x04, subpage: 0x00, len: 0x16, fixed: rigid_disk_geometry, switches: &[] },
    // VERIFY ERROR RECOVERY: errors are the disk's to recover from, and are reported.
    ModePage { page: 0x07, subpage: 0x00, len: 0x0A, fixed: nothing, switches: &[] },
    ModePage { page: 0x08, subpage: 0x00, len: 0x12, fixed: nothing, switches: &[WCE] },
    ModePage { page: 0x0A, subpage: 0x00, len: 0x0A, fixed: control, switches: &[D_SENSE, SWP] },
    ModePage { page: 0x0A, subpage: 0x01, len: 0x1C, fixed: control_extension, switches: &[] },
    // POWER CONDITION: no timer runs, and the unit is always active.
    ModePage { page: 0x1A, subpage: 0x00, len: 0x26, fixed: nothing, switches: &[] },
    ModePage { page: 0x1C, subpage: 0x00, len: 0x0A, fixed: informational_exceptions, switches: &[] },
    // LOGICAL BLOCK PROVISIONING: initiators set no thresholds; the operator's is told to all of them (SITUA zero).
    ModePage { page: 0x1C, subpage: 0x02, len: 0x0C, fixed: nothing, switches: &[] },
];

/// CACHING: a volatile write cache, which an initiator may have written through.
const WCE: Switch = Switch {
    at: 2,
    mask: 0x04,
    offered: |medium| medium.write_cache,
    get: |settings| !settings.write_through,
    set: |settings, on| settings.write_through = !on,
};

/// CONTROL: sense data in descriptor format.
const D_SENSE: Switch = Switch {
    at: 2,
    mask: 0x04,
    offered: |_| true,
    get: |settings| settings.descriptor_sense,
    set: |settings, on| settings.descriptor_sense = on,
};

/// CONTROL: software write protect.
const SWP: Switch = Switch {
    at: 4,
    mask: 0x08,
    offered: |_| true,
    get: |settings| settings.write_protect,
    set: |settings, on| settings.write_protect = on,
};

fn nothing(_: &Medium, _: &mut Body<'_>) {}

/// READ-WRITE ERROR RECOVERY: errors are the disk's to recover from, and are reported; where space can run out, that
/// is told beforehand (LBPERE).
fn error_recovery(medium: &Medium, body: &mut Body<'_>) {
    const LBPERE: u8 = 0x80;
    if medium.unmap.is_some() && medium.provisioning == Provisioning::Thin {
        body.set(7, &[LBPERE]);
    }
}

/// FORMAT DEVICE (obsolete; old tools ask): tracks of the invented geometry, and soft sectors.
fn format_device(medium: &Medium, body: &mut Body<'_>) {
    const SSEC: u8 = 0x80;
    body.set(10, &SECTORS.to_be_bytes());
    body.set(12, &(medium.block_size as u16).to_be_bytes());
    body.set(20, &[SSEC]);
}

/// RIGID DISK GEOMETRY (obsolete; old tools ask): cylinders of heads and sectors that no disk has had for long, so many
/// that all of them are blocks of the disk.
fn rigid_disk_geometry(medium: &Medium, body: &mut Body<'_>) {
    let cylinders = (medium.blocks / (u64::from(HEADS) * u64::from(SECTORS))).clamp(1, 0xFF_FFFF) as u32;
    body.set(2, &cylinders.to_be_bytes()[1..]);
    body.set(5, &[HEADS]);
    if let Rotation::Rpm(rate) = medium.rotation {
        body.set(20, &rate.to_be_bytes());
    }
}

/// What BIOSes made of every large disk.
const HEADS: u8 = 255;
const SECTORS: u16 = 63;

/// CONTROL: one task set for all; no log parameter is saved (GLTSD); commands with the attribute SIMPLE may be
/// reordered at will (QUEUE ALGORITHM MODIFIER 1h); no limit to how long the unit may be busy. Commands of others that
/// end an initiator's commands say so by an attention (TAS zero), which is told once (UA_INTLCK_CTRL zero).
fn control(_: &Medium, body: &mut Body<'_>) {
    const GLTSD: u8 = 0x02;
    const UNRESTRICTED_REORDERING: u8 = 0x10;
    body.set(2, &[GLTSD, UNRESTRICTED_REORDERING]);
    body.set(8, &[0xFF, 0xFF]);
}

/// CONTROL EXTENSION: the clock is the host's (TCMOS) until an initiator sets it, which counts more (SCSIP); access
/// states change without being asked to (IALUAE).
fn control_extension(_: &Medium, body: &mut Body<'_>) {
    const TCMOS: u8 = 0x04;
    const SCSIP: u8 = 0x02;
    const IALUAE: u8 = 0x01;
    body.set(4, &[TCMOS | SCSIP | IALUAE]);
}

/// INFORMATIONAL EXCEPTIONS CONTROL: none are reported (DEXCPT).
fn informational_exceptions(_: &Medium, body: &mut Body<'_>) {
    const DEXCPT: u8 = 0x08;
    body.set(2, &[DEXCPT]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lasting::Settings;
    use crate::page::mode::Shown;

    fn cached() -> Medium {
        Medium { write_cache: true, ..Medium::new(512, 1_000_000).unwrap() }
    }

    fn page(medium: &Medium, settings: Settings, changeable: bool, page: u8, subpage: u8) -> Vec<u8> {
        Shown { medium, settings, savable: false }.pages(&PAGES, changeable, page, subpage).unwrap()
    }

    #[test]
    fn each_page_has_its_golden_bytes() {
        type Golden = (u8, u8, &'static [u8], &'static [(usize, u8)]);
        let golden: [Golden; 11] = [
            (0x01, 0, &[0x01, 0x0A], &[]),
            (0x02, 0, &[0x02, 0x0E], &[]),
            (0x03, 0, &[0x03, 0x16], &[(11, 63), (12, 2), (20, 0x80)]),
            // 1 000 000 blocks are 62 cylinders of 16 065.
            (0x04, 0, &[0x04, 0x16], &[(4, 62), (5, 255)]),
            (0x07, 0, &[0x07, 0x0A], &[]),
            (0x08, 0, &[0x08, 0x12], &[(2, 0x04)]),
            (0x0A, 0, &[0x0A, 0x0A], &[(2, 0x02), (3, 0x10), (8, 0xFF), (9, 0xFF)]),
            (0x0A, 1, &[0x4A, 0x01, 0, 0x1C], &[(4, 0x07)]),
            (0x1A, 0, &[0x1A, 0x26], &[]),
            (0x1C, 0, &[0x1C, 0x0A], &[(2, 0x08)]),
            (0x1C, 2, &[0x5C, 0x02, 0, 0x0C], &[]),
        ];
        for (code, subcode, header, set) in golden {
            let len = header.len() + usize::from(header[header.len() - 1]);
            let mut bytes = [header, &vec![0; len - header.len()]].concat();
            for &(at, value) in set {
                bytes[at] = value;
            }
            assert_eq!(page(&cached(), Settings::default(), false, code, subcode), bytes, "{code:02x}/{subcode:02x}");
        }
    }

    #[test]
    fn write_cache_error_reporting_and_rotation_are_those_of_the_medium() {
        let plain = Medium::new(4096, 1).unwrap();
        assert_eq!(page(&plain, Settings::default(), false, 0x08, 0)[2], 0x00);
        assert_eq!(page(&plain, Settings::default(), false, 0x03, 0)[12..14], [0x10, 0x00]);
        assert_eq!(page(&plain, Settings::default(), false, 0x04, 0)[2..6], [0, 0, 1, 255]);
        let turning = Medium { rotation: Rotation::Rpm(7200), blocks: u64::MAX >> 13, ..plain };
        let geometry = page(&turning, Settings::default(), false, 0x04, 0);
        assert_eq!((&geometry[2..6], &geometry[20..22]), (&[0xFF, 0xFF, 0xFF, 255][..], &[0x1C, 0x20][..]));
        let thin = crate::tests::Bench::thin_disk();
        assert_eq!(page(thin.unit.medium(), Settings::default(), false, 0x01, 0)[7], 0x80);
    }

    #[test]
    fn exactly_wce_d_sense_and_swp_can_be_changed_and_wce_only_where_there_is_a_cache() {
        let all = Shown { medium: &cached(), settings: Settings::default(), savable: false };
        let bytes = all.pages(&PAGES, true, 0x3F, 0xFF).unwrap();
        let plain = Medium::new(512, 1).unwrap();
        let ones = |medium: &Medium, code| {
            let bytes = page(medium, Settings::default(), true, code, 0);
            (2..bytes.len()).filter(|&at| bytes[at] != 0).map(|at| (at, bytes[at])).collect::<Vec<_>>()
        };
        assert_eq!(ones(&cached(), 0x08), [(2, 0x04)]);
        assert_eq!(ones(&plain, 0x08), []);
        assert_eq!(ones(&plain, 0x0A), [(2, 0x04), (4, 0x08)]);
        let headers: usize = PAGES.iter().map(|page| if page.subpage == 0 { 2 } else { 4 }).sum();
        assert_eq!(bytes.len(), headers + PAGES.iter().map(|page| page.len).sum::<usize>());
        let elsewhere = [0x01, 0x02, 0x03, 0x04, 0x07, 0x1A, 0x1C];
        assert!(elsewhere.iter().all(|&code| ones(&cached(), code).is_empty()));
    }

    #[test]
    fn settings_show_where_they_can_be_changed() {
        let settings = Settings { write_protect: true, write_through: true, descriptor_sense: true };
        assert_eq!(page(&cached(), settings, false, 0x08, 0)[2], 0x00);
        assert_eq!(page(&cached(), settings, false, 0x0A, 0)[2..5], [0x06, 0x10, 0x08]);
    }

    #[test]
    fn all_pages_with_their_subpages_fit_a_mode_sense_of_six_bytes() {
        let all = page(&cached(), Settings::default(), false, 0x3F, 0xFF);
        assert!(4 + 8 + all.len() <= 255, "{}", all.len());
    }
}
