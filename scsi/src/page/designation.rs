//! Pages 83h and 88h: all the names of a unit, its port, its target, and the other ports (SPC-4, device identification
//! page and SCSI ports page).

use crate::command::Asked;
use crate::identity::Profile;

/// The unit's own names first, then those of the port and of the target device.
pub(crate) fn standard(asked: &Asked<'_>) -> Vec<u8> {
    let mut page: Vec<u8> =
        asked.unit.identity().designators().iter().flat_map(|designator| designator.descriptor()).collect();
    let port = asked.port;
    let port_name = port_name(&port.target, asked.nexus.id().portal_group);
    page.extend(of_target(CodeSet::Binary, PORT | RELATIVE_TARGET_PORT, &wide(port.relative_port)));
    page.extend(of_target(CodeSet::Binary, PORT | TARGET_PORT_GROUP, &wide(port.group)));
    page.extend(of_target(CodeSet::Utf8, PORT | SCSI_NAME_STRING, &name_string(&port_name)));
    page.extend(of_target(CodeSet::Utf8, DEVICE | SCSI_NAME_STRING, &name_string(&port.target)));
    page
}

/// 88h SCSI PORTS: every target port by its number and its name. A target port of iSCSI is a portal group, whose tag is
/// its number, too.
pub(crate) fn ports(asked: &Asked<'_>) -> Vec<u8> {
    let port = asked.port;
    let mut numbers: Vec<u16> = port.groups.iter().flat_map(|group| &group.ports).copied().collect();
    numbers.sort_unstable();
    let descriptor = |number: u16| {
        let name = name_string(&port_name(&port.target, number));
        let designator = of_target(CodeSet::Utf8, PORT | SCSI_NAME_STRING, &name);
        let [high, low] = number.to_be_bytes();
        let [len_high, len_low] = (designator.len() as u16).to_be_bytes();
        // There is no initiator port in it (INITIATOR PORT TRANSPORTID LENGTH zero).
        [&[0, 0, high, low, 0, 0, 0, 0, 0, 0, len_high, len_low], &designator[..]].concat()
    };
    numbers.into_iter().take(PORTS_MAX).flat_map(descriptor).collect()
}

/// Ports of the SCSI ports page: as many as its length can say, with the longest names.
const PORTS_MAX: usize = 65535 / (12 + 4 + NAME_STRING_MAX);

/// The name of a target port (RFC 7143, SCSI architecture mapping).
fn port_name(target: &str, portal_group: u16) -> String {
    format!("{target},t,0x{portal_group:04x}")
}

/// One designator, as the old target had it: T10 vendor id, although the id behind it may be anything.
pub(crate) fn iet(asked: &Asked<'_>) -> Vec<u8> {
    let scsi_id = match asked.unit.identity().profile() {
        Profile::Iet { scsi_id, .. } => scsi_id,
        Profile::Standard => unreachable!("a page of the other profile"),
    };
    [&[0x01, 0x01, 0x00, 0x18][..], b"IET\0\0\0\0\0", &scsi_id].concat()
}

#[derive(Clone, Copy)]
enum CodeSet {
    Binary = 1,
    Utf8 = 3,
}

/// PROTOCOL IDENTIFIER 5h, iSCSI, in the high half of byte 0.
const ISCSI: u8 = 0x50;
/// PIV: the protocol identifier is valid.
const PIV: u8 = 0x80;
/// ASSOCIATION 01b: the name is of the target port.
const PORT: u8 = 0x10;
/// ASSOCIATION 10b: the name is of the target device.
const DEVICE: u8 = 0x20;

const RELATIVE_TARGET_PORT: u8 = 0x04;
const TARGET_PORT_GROUP: u8 = 0x05;
const SCSI_NAME_STRING: u8 = 0x08;

fn of_target(code_set: CodeSet, association_and_type: u8, name: &[u8]) -> Vec<u8> {
    let len = u8::try_from(name.len()).expect("name strings are cut");
    let mut bytes = vec![ISCSI | code_set as u8, PIV | association_and_type, 0, len];
    bytes.extend_from_slice(name);
    bytes
}

fn wide(number: u16) -> [u8; 4] {
    u32::from(number).to_be_bytes()
}

/// SPC-4, SCSI name string designator: ends with NUL, filled with NUL to a multiple of four, at most 252 bytes. iSCSI
/// names end at 223 bytes and leave room for the port; a longer one is cut, for it is not our place to refuse it.
fn name_string(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.truncate(NAME_STRING_MAX - 1);
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

const NAME_STRING_MAX: usize = 252;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Designator, Identity, IetRelease, Naa};
    use crate::port::PortGroup;
    use crate::tests::{Bench, good};

    const PAGE_83: [u8; 6] = [0x12, 1, 0x83, 1, 0, 0];

    #[test]
    fn the_unit_has_its_own_names_and_those_of_port_and_target() {
        let naa = Designator::Naa(Naa::new(&[0x3A, 0xBC, 0xDE, 0xF0, 1, 2, 3, 4]).unwrap());
        let identity = Identity::derive("a").with_designators(vec![naa, "t10.FERRITE id".parse().unwrap()]).unwrap();
        let mut bench = Bench::of(identity);
        bench.port.target = "iqn.2026-11.com.example:demo".into();
        (bench.port.relative_port, bench.port.group) = (3, 0x0102);
        let golden = [
            &[0, 0x83, 0, 12 + 14 + 8 + 8 + 44 + 36][..],
            &[0x01, 0x03, 0, 8, 0x3A, 0xBC, 0xDE, 0xF0, 1, 2, 3, 4],
            b"\x02\x01\0\x0AFERRITE id",
            &[0x51, 0x94, 0, 4, 0, 0, 0, 3],
            &[0x51, 0x95, 0, 4, 0, 0, 1, 2],
            b"\x53\x98\0\x28iqn.2026-11.com.example:demo,t,0x0001\0\0\0",
            b"\x53\xA8\0\x20iqn.2026-11.com.example:demo\0\0\0\0",
        ]
        .concat();
        assert_eq!(bench.ask(&PAGE_83), good(&golden));
    }

    #[test]
    fn every_port_is_listed_by_number_and_name() {
        let mut bench = Bench::disk();
        bench.port.target = "iqn.2026-11.com.example:demo".into();
        bench.port.groups =
            vec![PortGroup { number: 1, ports: vec![1, 0x0102] }, PortGroup { number: 2, ports: vec![2] }];
        let name = |tag: &str| [b"\x53\x98\0\x28iqn.2026-11.com.example:demo,t,0x", tag.as_bytes(), b"\0\0\0"].concat();
        let golden = [
            &[0, 0x88, 0, 3 * 56, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 44][..],
            &name("0001"),
            &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 44],
            &name("0002"),
            &[0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 44],
            &name("0102"),
        ]
        .concat();
        assert_eq!(bench.ask(&[0x12, 1, 0x88, 1, 0, 0]), good(&golden));
    }

    #[test]
    fn the_list_of_ports_ends_where_its_length_does() {
        let mut bench = Bench::disk();
        bench.port.target = "x".repeat(300);
        bench.port.groups = vec![PortGroup { number: 1, ports: (1..=1000).collect() }];
        let page = bench.data(&[0x12, 1, 0x88, 0xFF, 0xFF, 0]);
        let len = usize::from(u16::from_be_bytes([page[2], page[3]]));
        assert_eq!((len, page.len()), (PORTS_MAX * (12 + 4 + NAME_STRING_MAX), 4 + len));
    }

    #[test]
    fn a_disk_taken_over_has_one_designator_with_the_sixteen_bytes_it_had() {
        let scsi_id = [2, 0, 0, 0, 9, 0x11, 0, 0, 0x0D, 0, 0, 0];
        let identity = Identity::iet(IetRelease::V0_4_15, &[&[0; 4][..], &scsi_id].concat(), "").unwrap();
        let golden = [
            0x00, 0x83, 0x00, 0x1C, 0x01, 0x01, 0x00, 0x18, 0x49, 0x45, 0x54, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9,
            0x11, 0, 0, 0x0D, 0, 0, 0,
        ];
        assert_eq!(Bench::of(identity).ask(&PAGE_83), good(&golden));
    }

    #[test]
    fn name_strings_end_with_nul_at_a_multiple_of_four() {
        assert_eq!(name_string("abc"), b"abc\0");
        assert_eq!(name_string("abcd"), b"abcd\0\0\0\0");
        assert_eq!(name_string(&"x".repeat(251)).len(), NAME_STRING_MAX);
        assert_eq!(name_string(&"x".repeat(1000)).len(), NAME_STRING_MAX);
    }
}
