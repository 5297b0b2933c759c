//! INQUIRY: who is there (SPC-4)?

use crate::command::Asked;
use crate::identity::{IetRelease, Profile};
use crate::page::vpd;
use crate::plan::Plan;
use crate::sense::Sense;
use crate::unit::Kind;

/// Standard data, or the vital product data page that is asked for.
pub(crate) fn of_disk(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let (evpd, page) = (asked.cdb.flag(1, EVPD), asked.cdb.u8(2));
    let data = match (evpd, page) {
        (true, page) => vpd::page(asked, page).ok_or(Sense::invalid_field(2))?,
        (false, 0) => standard(asked),
        (false, _) => return Err(Sense::invalid_field(2)),
    };
    Ok(Plan::data(data, asked.cdb.u16(3).into()))
}

/// Standard data with qualifier 011b; there are no pages of a unit that is not there.
pub(crate) fn of_missing(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    if asked.cdb.flag(1, EVPD) {
        return Err(Sense::invalid_bit(1, 0));
    }
    of_disk(asked)
}

const EVPD: u8 = 0x01;

/// Standard INQUIRY data as the unit's profile has it.
fn standard(asked: &Asked<'_>) -> Vec<u8> {
    let identity = asked.unit.identity();
    let form = match identity.profile() {
        Profile::Standard if asked.unit.kind() == Kind::Drive => &DRIVE,
        Profile::Standard => &STANDARD,
        Profile::Iet { release: IetRelease::V0_4_15, .. } => &IET_0_4_15,
        Profile::Iet { release: IetRelease::V1_4_20, .. } => &IET_1_4_20,
    };
    let mut data = vec![0; form.len];
    data[0] = asked.unit.kind().peripheral();
    data[1] = form.removable;
    data[2] = form.version;
    data[3] = form.format;
    data[4] = (form.len - 5) as u8;
    data[5] = form.features;
    data[6] = if form.tells_ports && ports(asked) > 1 { MULTIP } else { 0 };
    data[7] = CMDQUE;
    data[8..16].copy_from_slice(identity.vendor().as_bytes());
    data[16..32].copy_from_slice(identity.product().as_bytes());
    data[32..36].copy_from_slice(identity.revision().as_bytes());
    for (place, standard) in data[58..].chunks_exact_mut(2).zip(form.standards) {
        place.copy_from_slice(&standard.to_be_bytes());
    }
    data
}

/// What differs between profiles.
struct Form {
    len: usize,
    /// RMB.
    removable: u8,
    /// VERSION: the SPC that is claimed.
    version: u8,
    /// RESPONSE DATA FORMAT 2, with HISUP and the like.
    format: u8,
    /// TPGS, 3PC and their neighbours.
    features: u8,
    /// MULTIP says whether the target has more than one port.
    tells_ports: bool,
    /// VERSION DESCRIPTORS.
    standards: &'static [u16],
}

/// SPC-4; hierarchical addressing of units (HISUP), no NACA. SAM-5, iSCSI, SPC-4, SBC-3, without a version.
const STANDARD: Form = Form {
    len: 96,
    removable: 0x00,
    version: 0x06,
    format: 0x12,
    features: TPGS | THIRD_PARTY_COPY,
    tells_ports: true,
    standards: &[0x00A0, 0x0960, 0x0460, 0x04C0],
};

/// The same with MMC-6 and a medium that can be removed.
static DRIVE: Form = Form { removable: 0x80, standards: &[0x00A0, 0x0960, 0x0460, 0x04E0], features: TPGS, ..STANDARD };

/// SPC-2; bit 6 of byte 3 is what SCSI-2 called TrmIOP.
static IET_0_4_15: Form = Form {
    len: 64,
    removable: 0x00,
    version: 0x04,
    format: 0x42,
    features: 0,
    tells_ports: false,
    standards: &[0x0320, 0x0960, 0x0300],
};
static IET_1_4_20: Form = Form {
    len: 64,
    removable: 0x00,
    version: 0x04,
    format: 0x52,
    features: 0,
    tells_ports: false,
    standards: &[0x0320, 0x0960, 0x0300],
};

fn ports(asked: &Asked<'_>) -> usize {
    asked.port.groups.iter().map(|group| group.ports.len()).sum()
}

/// Access states change both implicitly and by SET TARGET PORT GROUPS.
const TPGS: u8 = 0x30;
/// 3PC: EXTENDED COPY and ROD tokens.
const THIRD_PARTY_COPY: u8 = 0x08;
/// There is more than one port.
const MULTIP: u8 = 0x10;
/// Commands may be queued.
const CMDQUE: u8 = 0x02;

#[cfg(test)]
mod tests {
    use crate::attention::Attention;
    use crate::identity::{Identity, IetRelease};
    use crate::port::PortGroup;
    use crate::sense::Sense;
    use crate::tests::{Bench, attention, good, refused};

    const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 0xFF, 0];

    #[test]
    fn standard_data_claims_sam_5_iscsi_spc_4_and_sbc_3() {
        let mut golden = vec![0; 96];
        golden[..8].copy_from_slice(&[0x00, 0x00, 0x06, 0x12, 91, 0x38, 0, 0x02]);
        golden[8..36].copy_from_slice(b"FERRITE VIRTUAL DISK    0.1 ");
        golden[58..66].copy_from_slice(&[0x00, 0xA0, 0x09, 0x60, 0x04, 0x60, 0x04, 0xC0]);
        assert_eq!(Bench::disk().ask(&INQUIRY), good(&golden));
    }

    #[test]
    fn a_drive_claims_mmc_6_and_a_removable_medium() {
        let data = Bench::drive(1000).data(&INQUIRY);
        assert_eq!(data[..8], [0x05, 0x80, 0x06, 0x12, 91, 0x30, 0, 0x02]);
        assert_eq!(data[58..66], [0x00, 0xA0, 0x09, 0x60, 0x04, 0x60, 0x04, 0xE0]);
        let mut bench = Bench::drive(0);
        assert_eq!(bench.data(&[0x12, 1, 0, 0, 255, 0]), [5, 0, 0, 3, 0x00, 0x80, 0x83]);
        assert_eq!(bench.ask(&[0x12, 1, 0xB0, 0, 255, 0]), refused(Sense::invalid_field(2)));
    }

    #[test]
    fn a_target_with_several_ports_says_so_and_one_taken_over_does_not() {
        let byte_6 = |mut bench: Bench, groups: &[&[u16]]| {
            let group = |(at, ports): (usize, &&[u16])| PortGroup { number: at as u16 + 1, ports: ports.to_vec() };
            bench.port.groups = groups.iter().enumerate().map(group).collect();
            bench.data(&INQUIRY)[6]
        };
        assert_eq!(byte_6(Bench::disk(), &[&[1]]), 0x00);
        assert_eq!([byte_6(Bench::disk(), &[&[1, 2]]), byte_6(Bench::disk(), &[&[1], &[2]])], [0x10, 0x10]);
        let iet = Bench::of(Identity::iet(IetRelease::V0_4_15, b"id", "").unwrap());
        assert_eq!(byte_6(iet, &[&[1], &[2]]), 0x00);
    }

    #[test]
    fn a_disk_taken_over_shows_what_the_enterprise_target_showed() {
        let mut golden = vec![0; 64];
        golden[..8].copy_from_slice(&[0x00, 0x00, 0x04, 0x42, 59, 0, 0, 0x02]);
        golden[8..36].copy_from_slice(b"IET     VIRTUAL-DISK    0   ");
        golden[58..64].copy_from_slice(&[0x03, 0x20, 0x09, 0x60, 0x03, 0x00]);
        for (release, byte_3) in [(IetRelease::V0_4_15, 0x42), (IetRelease::V1_4_20, 0x52)] {
            golden[3] = byte_3;
            let identity = Identity::iet(release, b"id", "").unwrap();
            assert_eq!(Bench::of(identity).ask(&INQUIRY), good(&golden));
        }
    }

    #[test]
    fn standard_data_is_cut_to_the_allocation_length() {
        for room in [0, 1, 5, 36, 95, 96] {
            let all = Bench::disk().data(&INQUIRY);
            assert_eq!(Bench::disk().data(&[0x12, 0, 0, 0, room, 0]), all[..usize::from(room)]);
        }
        assert_eq!(Bench::disk().data(&[0x12, 0, 0, 0xFF, 0xFF, 0]).len(), 96);
    }

    #[test]
    fn a_page_code_without_evpd_and_an_unknown_page_are_invalid() {
        assert_eq!(Bench::disk().ask(&[0x12, 0, 0x83, 0, 255, 0]), refused(Sense::invalid_field(2)));
        assert_eq!(Bench::disk().ask(&[0x12, 1, 0x84, 0, 255, 0]), refused(Sense::invalid_field(2)));
        assert_eq!(Bench::disk().ask(&[0x12, 2, 0, 0, 255, 0]), refused(Sense::invalid_bit(1, 1)));
    }

    #[test]
    fn a_missing_unit_has_qualifier_011b_and_no_pages() {
        let data = Bench::missing().data(&INQUIRY);
        assert_eq!((data[0], data.len()), (0x7F, 96));
        assert_eq!(Bench::missing().ask(&[0x12, 1, 0, 0, 255, 0]), refused(Sense::invalid_bit(1, 0)));
    }

    #[test]
    fn inquiry_does_not_wait_for_an_attention_and_does_not_tell_it() {
        let mut bench = Bench::disk();
        bench.nexus.post(Attention::InquiryChanged);
        assert_eq!(bench.data(&INQUIRY).len(), 96);
        assert_eq!(bench.ask(&[0; 6]), attention(Attention::InquiryChanged));
    }
}
