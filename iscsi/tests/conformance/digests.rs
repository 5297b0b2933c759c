//! CRC32C over headers and data (RFC 7143 §7.7, §7.8, §13.1).

use ferrite_iscsi::initiator::{Initiator, Keys, Pdu, Settings, cdb};
use ferrite_iscsi::wire::codes::reject;
use ferrite_iscsi::wire::{Digests, NO_TAG, NopOut, Opcode, Reject, ScsiCommand};

use crate::kit::{BLOCK, DIGESTS, Kit, Wire, assert_closed, discovery, next, pattern};

fn keys(header: bool, data: bool) -> Keys {
    let list = |on| if on { vec!["CRC32C"] } else { vec!["None"] };
    Keys { header_digest: list(header), data_digest: list(data), ..Keys::default() }
}

/// §13.1: each of the two is there or not, and the other does not care.
#[test]
fn every_combination_carries_every_kind_of_pdu() {
    for bits in 0..4 {
        let (header, data) = (bits & 1 != 0, bits & 2 != 0);
        let kit = Kit::new();
        let small = Keys { max_recv_data_segment_length: 1001, first_burst_length: 2000, ..keys(header, data) };
        let mut initiator = kit.login_with(Keys { max_burst_length: 3001, ..small });
        let written = pattern(20 * BLOCK as usize, 5);
        initiator.write(0, 1, &written, BLOCK).unwrap();
        assert_eq!(initiator.read(0, 1, 20, BLOCK).unwrap(), written);
        for len in 0..9 {
            assert_eq!(initiator.ping(&written[..len]).unwrap(), written[..len]);
        }
        assert_eq!(initiator.text(&[("X-odd", "123")]).unwrap().len(), 1);
        assert_eq!(initiator.inquiry(0, None).unwrap().len(), 36);
        assert_eq!(initiator.logout().unwrap(), 0);
    }
}

/// §13.1: discovery may have digests too.
#[test]
fn a_discovery_session_may_have_digests() {
    let kit = Kit::new();
    let mut session = kit.try_login(&Settings { keys: keys(true, true), ..discovery() }).unwrap();
    assert!(session.agreed().header_digest && session.agreed().data_digest);
    assert_eq!(session.send_targets("All").unwrap().len(), 1);
}

/// §13.1: the header digest covers additional header segments.
#[test]
fn additional_segments_are_covered_by_the_header_digest() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(true, true));
    let long = [&[0x7f][..], &pattern(99, 0)].concat();
    let request = ferrite_iscsi::initiator::Request::new(0, &long).reading(100);
    assert_eq!(initiator.command(&request).unwrap().data, long);
}

fn ping(initiator: &Initiator<Wire>, data: &[u8]) -> Vec<u8> {
    let nop = NopOut {
        immediate: true,
        itt: 0x700,
        ttt: NO_TAG,
        cmd_sn: initiator.cmd_sn(),
        exp_stat_sn: initiator.exp_stat_sn(),
        ..NopOut::default()
    };
    Pdu::new(nop.encode(), [], data).encode(DIGESTS)
}

/// §7.7: a header that cannot be trusted cannot be answered; the connection ends without a word.
#[test]
fn a_wrong_header_digest_ends_the_connection() {
    // Bytes 4 to 7 are lengths: there the digest is looked for at another place, and the connection ends all the same
    // as soon as enough bytes have come.
    for byte in (0..4).chain(8..52) {
        let kit = Kit::new();
        let mut initiator = kit.login_with(keys(true, true));
        let mut bytes = ping(&initiator, b"hello");
        bytes[byte] ^= 0x20;
        initiator.frames().send_bytes(&bytes);
        assert_closed(&mut initiator);
        assert_eq!(kit.target().faults[0].clause, "RFC 7143 §7.7", "byte {byte}");
    }
}

/// §7.8, §11.17.1: reason 02h, and without error recovery the connection ends.
#[test]
fn a_wrong_data_digest_is_rejected_and_ends_the_connection() {
    for byte in 52..64 {
        let kit = Kit::new();
        let mut initiator = kit.login_with(keys(true, true));
        let mut bytes = ping(&initiator, b"hello");
        assert_eq!(bytes.len(), 64);
        bytes[byte] ^= 0x01;
        initiator.frames().send_bytes(&bytes);
        let pdu = next(&mut initiator);
        assert_eq!(pdu.opcode(), Some(Opcode::Reject), "byte {byte}");
        assert_eq!(Reject::decode(&pdu.bhs).reason, reject::DATA_DIGEST);
        assert_eq!(pdu.data[..48], bytes[..48], "the rejected header comes back");
        assert_closed(&mut initiator);
    }
}

/// §7.8: data that was damaged on its way is never written.
#[test]
fn damaged_data_is_not_written() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(false, true));
    let mut command = ScsiCommand {
        fin: true,
        write: true,
        itt: 0x700,
        expected: 512,
        cmd_sn: initiator.take_cmd_sn(),
        ..ScsiCommand::default()
    };
    command.cdb[..10].copy_from_slice(&cdb::write10(0, 1));
    let digests = Digests { header: false, data: true };
    let mut bytes = Pdu::new(command.encode(), [], pattern(512, 3)).encode(digests);
    bytes[100] ^= 0x80;
    initiator.frames().send_bytes(&bytes);
    assert_eq!(next(&mut initiator).opcode(), Some(Opcode::Reject));
    assert_closed(&mut initiator);
    assert!(kit.target().disk.bytes.iter().all(|byte| *byte == 0));
}

/// §13.1: digests start with full feature phase; the login itself has none.
#[test]
fn the_login_itself_carries_no_digests() {
    // The kit's initiator sends its login requests without; a target that expected them could not read the first.
    let kit = Kit::new();
    let mut initiator = kit.login_with(keys(true, true));
    initiator.test_unit_ready(0).unwrap();
}
