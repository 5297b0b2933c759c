//! What a peer may do against the standard: it is told, or cut off, and never does any harm (RFC 7143 §7, §11.17).

use std::time::Duration;

use ferrite_iscsi::initiator::{Initiator, Keys, Pdu, cdb};
use ferrite_iscsi::wire::codes::reject;
use ferrite_iscsi::wire::{LoginRequest, Opcode, Reject, ScsiCommand, SnackRequest};
use ferrite_iscsi::{ConnectionLimits, Cost};
use proptest::prelude::*;

use crate::kit::{BLOCK, DIGESTS, Kit, Piece, Wire, assert_closed, assert_silent, next, pattern};

/// Sends a header and hears the Reject for it.
#[track_caller]
fn rejected(initiator: &mut Initiator<Wire>, pdu: &Pdu) -> u8 {
    initiator.frames().send_pdu(pdu).unwrap();
    let answer = next(initiator);
    assert_eq!(answer.opcode(), Some(Opcode::Reject));
    assert_eq!(answer.itt(), u32::MAX, "a Reject has the reserved task tag (RFC 7143 §11.17)");
    assert_eq!(answer.data[..48], pdu.bhs, "the rejected header comes back");
    Reject::decode(&answer.bhs).reason
}

/// §11.17.1: reason 05h for what is no opcode, or none of an initiator's; the connection goes on.
#[test]
fn unknown_opcodes_are_rejected() {
    let mut initiator = Kit::new().login();
    for opcode in (0..64u8).filter(|opcode| ![0, 1, 2, 3, 4, 5, 6, 0x10].contains(opcode)) {
        let mut bhs = [0; 48];
        // Immediate, so that no number is asked of it.
        bhs[0] = opcode | 0x40;
        let reason = rejected(&mut initiator, &Pdu::new(bhs, [], pattern(10, 0)));
        assert_eq!(reason, reject::NOT_SUPPORTED, "opcode {opcode:#04x}");
    }
    initiator.test_unit_ready(0).unwrap();
}

/// §11.16: SNACK belongs to error recovery, which was not agreed on.
#[test]
fn snack_is_rejected_without_error_recovery() {
    let mut initiator = Kit::new().login();
    let snack = SnackRequest { itt: 1, ttt: 1, ..SnackRequest::default() };
    assert_eq!(rejected(&mut initiator, &Pdu::new(snack.encode(), [], [])), reject::SNACK);
    initiator.test_unit_ready(0).unwrap();
}

/// §4.3.1: there is no login in full feature phase.
#[test]
fn a_login_request_in_full_feature_phase_ends_the_connection() {
    let mut initiator = Kit::new().login();
    let login = LoginRequest { immediate: true, ..LoginRequest::default() };
    rejected(&mut initiator, &Pdu::new(login.encode(), [], []));
    assert_closed(&mut initiator);
}

/// §11.2.2: additional header segments that do not fit together.
#[test]
fn malformed_additional_segments_are_rejected() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    for ahs in [
        vec![0, 6, 1, 0, 1, 2, 3, 4],
        vec![0xff, 0xff, 9, 0],
        vec![0, 1, 1, 0],
        [vec![0, 246, 1, 0], vec![0; 248]].concat(),
    ] {
        let command = ScsiCommand { fin: true, itt: 0x700, cmd_sn: initiator.take_cmd_sn(), ..ScsiCommand::default() };
        assert_eq!(rejected(&mut initiator, &Pdu::new(command.encode(), ahs, [])), reject::INVALID_FIELD);
    }
    assert!(kit.target().commands.is_empty());
    initiator.test_unit_ready(0).unwrap();
}

/// §11.2.2: a segment of a kind nobody knows is passed over.
#[test]
fn unknown_additional_segments_are_passed_over() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let command = ScsiCommand { fin: true, itt: 0x700, cmd_sn: initiator.take_cmd_sn(), ..ScsiCommand::default() };
    let pdu = Pdu::new(command.encode(), [0, 5, 0x3f, 0, 1, 2, 3, 4], []);
    initiator.frames().send_pdu(&pdu).unwrap();
    assert_eq!(next(&mut initiator).opcode(), Some(Opcode::ScsiResponse));
}

/// §13.12: the longest segment that a header can announce is not waited for.
#[test]
fn an_announcement_of_too_much_ends_the_connection_at_once() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let mut bhs = ScsiCommand { fin: true, write: true, itt: 1, ..ScsiCommand::default() }.encode();
    bhs[5..8].copy_from_slice(&[0xff; 3]);
    initiator.frames().send_bytes(&bhs);
    assert_eq!(next(&mut initiator).opcode(), Some(Opcode::Reject));
    assert_closed(&mut initiator);
    assert_eq!(kit.target().faults[0].clause, "RFC 7143 §13.12");
}

/// A PDU that does not come to its end keeps nobody waiting for ever.
#[test]
fn half_a_pdu_ends_the_connection_in_time() {
    for len in [1, 47, 48, 100] {
        let kit = Kit::new();
        let timeout = Duration::from_secs(7);
        kit.target().limits = ConnectionLimits { pdu_timeout: timeout, ..ConnectionLimits::default() };
        let mut initiator = kit.login();
        let cmd_sn = initiator.take_cmd_sn();
        let mut command = ScsiCommand { fin: true, write: true, itt: 1, expected: 512, cmd_sn, ..Default::default() };
        command.cdb[..10].copy_from_slice(&cdb::write10(0, 1));
        let bytes = Pdu::new(command.encode(), [], pattern(512, 0)).encode(Default::default());
        initiator.frames().send_bytes(&bytes[..len]);
        assert_silent(&mut initiator);
        kit.target().pass(timeout - Duration::from_millis(1));
        assert_silent(&mut initiator);
        // The time starts anew when the owner has decided on a command, so it may be twice as long in all.
        kit.target().pass(timeout + Duration::from_millis(1));
        assert_closed(&mut initiator);
        assert_eq!(kit.target().faults[0].cost, Cost::Connection);
    }
}

/// A command whose data was promised and never comes holds one task and nothing else.
#[test]
fn data_that_never_comes_does_not_stop_other_commands() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(Keys { immediate_data: false, ..Keys::default() });
    let command = ScsiCommand {
        write: true,
        itt: 0x700,
        expected: 512,
        cmd_sn: initiator.take_cmd_sn(),
        cdb: [0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        ..ScsiCommand::default()
    };
    initiator.frames().send(&command.encode(), &[], &[]).unwrap();
    for _ in 0..1000 {
        initiator.test_unit_ready(0).unwrap();
    }
    assert_eq!(kit.target().session().in_flight(), 1);
}

/// Bytes after the end of a connection are not looked at.
#[test]
fn nothing_is_answered_after_the_end() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let login = LoginRequest { immediate: true, ..LoginRequest::default() };
    initiator.frames().send(&login.encode(), &[], &[]).unwrap();
    for _ in 0..10 {
        initiator.submit_ping(b"anybody there?", true).unwrap();
    }
    assert_eq!(next(&mut initiator).opcode(), Some(Opcode::Reject));
    assert_closed(&mut initiator);
}

/// A valid conversation as bytes: a write with data asked for, a read, a ping, a text, an abort, a logout.
fn conversation(digests: bool) -> Vec<u8> {
    let recorded = {
        let kit = Kit::new();
        let keys = Keys { max_burst_length: 1024, first_burst_length: 512, ..Keys::default() }.with_digests(digests);
        let mut initiator = Initiator::login(Recorder::new(kit.wire(Piece::Whole)), &with(keys)).unwrap();
        initiator.frames().stream().bytes.clear();
        initiator.write(0, 0, &pattern(4096, 1), BLOCK).unwrap();
        initiator.read(0, 0, 8, BLOCK).unwrap();
        initiator.ping(b"hello").unwrap();
        initiator.text(&[("SendTargets", "")]).unwrap();
        initiator.manage(1, [0; 8], Some(77)).unwrap();
        initiator.frames().stream().bytes.clone()
    };
    assert!(recorded.len() > 4096);
    recorded
}

fn with(keys: Keys) -> ferrite_iscsi::initiator::Settings {
    ferrite_iscsi::initiator::Settings { keys, ..crate::kit::settings() }
}

/// Keeps what is written.
struct Recorder {
    wire: Wire,
    bytes: Vec<u8>,
}

impl Recorder {
    fn new(wire: Wire) -> Self {
        Recorder { wire, bytes: Vec::new() }
    }
}

impl std::io::Read for Recorder {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.wire.read(into)
    }
}

impl std::io::Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        self.wire.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whatever was said, the target is alive or has ended the connection, and every task can be ended.
fn assert_sane(kit: &Kit, initiator: &mut Initiator<Wire>) {
    while initiator.frames().receive().is_ok() {}
    let mut target = kit.target();
    if !target.is_closed() {
        assert!(target.session().in_flight() <= ferrite_iscsi::Session::TASKS_MAX);
        target.pass(Duration::from_secs(300));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// §7: no bytes at all are fatal to the target.
    #[test]
    fn random_bytes_never_break_the_target(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        digests: bool,
        piece in 1usize..100,
    ) {
        let kit = Kit::new();
        let settings = with(Keys::default().with_digests(digests));
        let mut initiator = Initiator::login(kit.wire(Piece::Bytes(piece)), &settings).unwrap();
        initiator.frames().send_bytes(&bytes);
        assert_sane(&kit, &mut initiator);
    }

    /// §7: the same before login.
    #[test]
    fn random_bytes_never_break_a_login(bytes in proptest::collection::vec(any::<u8>(), 0..2000), start: bool) {
        let kit = Kit::new();
        let mut frames = kit.frames();
        if start {
            let login = LoginRequest { immediate: true, csg: 0, data_len: bytes.len() as u32, ..Default::default() };
            frames.send(&login.encode(), &[], &bytes).unwrap();
        }
        frames.send_bytes(&bytes);
        while frames.receive().is_ok() {}
    }

    /// §7: damage to a valid conversation costs at most the connection.
    #[test]
    fn damaged_conversations_never_break_the_target(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut: prop::sample::Index,
        digests: bool,
    ) {
        let mut bytes = conversation(digests);
        for (at, mask) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        bytes.truncate(1 + cut.index(bytes.len()));
        let kit = Kit::new();
        let keys = Keys { max_burst_length: 1024, first_burst_length: 512, ..Keys::default() }.with_digests(digests);
        let mut initiator = kit.login_with(keys);
        initiator.frames().send_bytes(&bytes);
        assert_sane(&kit, &mut initiator);
    }
}

/// The recorded conversation is a good one: played back unharmed, it is carried out.
#[test]
fn the_undamaged_conversation_is_carried_out() {
    for digests in [false, true] {
        let kit = Kit::new();
        let keys = Keys { max_burst_length: 1024, first_burst_length: 512, ..Keys::default() }.with_digests(digests);
        let mut initiator = kit.login_with(keys);
        assert_eq!(initiator.frames().digests() == DIGESTS, digests);
        initiator.frames().send_bytes(&conversation(digests));
        while initiator.frames().receive().is_ok() {}
        assert!(kit.target().faults.is_empty() && !kit.target().is_closed());
        assert_eq!(kit.target().disk.bytes[..4096], pattern(4096, 1));
    }
}
