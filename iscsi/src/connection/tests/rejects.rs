//! What is refused, and what survives it (RFC 7143 §11.17)?

use super::*;
use crate::wire::codes::{logout, reject};
use crate::wire::{AsyncMessage, LogoutRequest, LogoutResponse, NopIn, Reject};

/// The reason of the only Reject, whose data is the refused header.
fn reason(pair: &mut Pair, bhs: &Bhs) -> u8 {
    let (answer, data) = pair.only();
    assert_eq!(Opcode::of(&answer), Some(Opcode::Reject));
    assert_eq!(data[..5], bhs[..5]);
    assert_eq!(data.len(), 48);
    Reject::decode(&answer).reason
}

fn header(opcode: u8) -> Bhs {
    let mut bhs = [0; 48];
    bhs[0] = opcode;
    bhs[1] = 0x80;
    bhs
}

#[test]
fn unknown_opcodes_and_those_of_targets_are_rejected_and_the_stream_goes_on() {
    for opcode in [0x07, 0x1c, 0x1f, 0x20, 0x21, 0x25, 0x31, 0x3f, 0x3e] {
        let mut pair = Pair::new(usual());
        pair.send(header(opcode), &bytes(33));
        assert_eq!(reason(&mut pair, &header(opcode)), reject::NOT_SUPPORTED, "{opcode:02x}");
        pair.read(1, 8);
    }
}

#[test]
fn snack_is_rejected_at_level_0() {
    let mut pair = Pair::new(usual());
    pair.send(header(0x10), &[]);
    assert_eq!(reason(&mut pair, &header(0x10)), reject::SNACK);
    pair.read(1, 8);
}

#[test]
fn a_login_request_in_full_feature_phase_is_a_fault() {
    let mut pair = Pair::new(usual());
    pair.send(header(0x43), &[]);
    assert_eq!(pair.fault().clause, "RFC 7143 §4.3.1");
    assert_eq!(reason(&mut pair, &header(0x43)), reject::PROTOCOL);
}

#[test]
fn data_segments_hold_at_the_declared_length_and_break_one_past_it() {
    let mut pair = Pair::new(usual());
    pair.ping(1, &bytes(1024));
    assert_eq!(pair.only().1, bytes(1024));
    pair.ping(1, &bytes(1025));
    assert_eq!(pair.fault().clause, "RFC 7143 §13.12");
}

#[test]
fn contradictory_command_headers_are_rejected_and_their_data_swallowed() {
    let read = ScsiCommand { fin: true, read: true, itt: 1, expected: 8, ..Default::default() };
    let table = [
        (ScsiCommand { fin: false, ..read }, 0, "neither W nor F (§11.3.1)"),
        (read, 8, "data without W"),
        (ScsiCommand { attribute: 5, ..read }, 0, "a reserved attribute"),
        (ScsiCommand { attribute: 7, ..read }, 0, "a reserved attribute"),
    ];
    for (command, data, what) in table {
        let mut pair = Pair::new(usual());
        let cmd_sn = pair.next_cmd_sn();
        let bhs = ScsiCommand { cmd_sn, ..command }.encode();
        pair.send(bhs, &bytes(data));
        assert_eq!(reason(&mut pair, &bhs), reject::INVALID_FIELD, "{what}");
        assert_eq!(pair.session.in_flight(), 0);
        // Its CmdSN is used up.
        pair.read(2, 8);
    }
}

#[test]
fn malformed_additional_segments_are_rejected() {
    let mut pair = Pair::new(usual());
    let bhs = ScsiCommand { fin: true, read: true, itt: 1, cmd_sn: 1, ahs_words: 1, ..Default::default() }.encode();
    pair.next_cmd_sn();
    pair.feed(&[&bhs[..], &[0xff, 0xff, 1, 0]].concat());
    assert_eq!(reason(&mut pair, &bhs), reject::INVALID_FIELD);
    pair.read(2, 8);
}

#[test]
fn a_ping_is_answered_with_its_data_cut_to_what_the_initiator_takes() {
    let mut pair = Pair::new(Params { initiator_segment: 512, ..usual() });
    pair.ping(7, &bytes(1000));
    let (bhs, data) = pair.only();
    let nop = NopIn::decode(&bhs);
    assert_eq!((nop.itt, nop.ttt, nop.stat_sn), (7, NO_TAG, 1));
    assert_eq!(data, bytes(512));
    // Without a tag no answer is wanted.
    pair.ping(NO_TAG, b"");
    assert!(pair.sent().is_empty());
}

#[test]
fn a_flood_of_pings_stops_the_reading_until_answers_have_left() {
    let mut pair = Pair::new(usual());
    let before = pair.connection.state.limits.inline_max;
    for _ in 0..before / 1024 + 10 {
        pair.ping(1, &bytes(1024));
    }
    assert_eq!(pair.connection.want(), Want::Nothing);
    assert!(!pair.pending.is_empty());
    assert!(pair.connection.outgoing().inline_len() <= before + 48 + 1024);
    pair.sent();
    pair.feed(&[]);
    assert!(pair.pending.is_empty());
}

fn log_out(pair: &mut Pair, reason: u8, cid: u16) {
    let cmd_sn = pair.next_cmd_sn();
    pair.send(LogoutRequest { reason, itt: 77, cid, cmd_sn, ..Default::default() }.encode(), &[]);
}

#[test]
fn logout_is_the_owners_to_answer_and_ends_the_connection() {
    for (reason, cid, want) in [
        (logout::CLOSE_SESSION, 0, LogoutReason::CloseSession),
        (logout::CLOSE_CONNECTION, 1, LogoutReason::CloseConnection),
    ] {
        let mut pair = Pair::new(usual());
        log_out(&mut pair, reason, cid);
        assert_eq!(pair.event(), Some(Event::Logout(want)));
        assert_eq!(pair.connection.want(), Want::Nothing);
        pair.connection.answer_logout(&mut pair.session, logout::CLOSED);
        let response = LogoutResponse::decode(&pair.only().0);
        assert_eq!((response.response, response.itt, response.time_to_wait, response.time_to_retain), (0, 77, 2, 20));
        assert!(pair.connection.is_over());
        assert_eq!(pair.connection.deadline(), None);
    }
}

#[test]
fn logouts_that_cannot_be_are_answered_and_the_connection_goes_on() {
    let table = [(logout::CLOSE_CONNECTION, logout::NO_CID), (logout::REMOVE_FOR_RECOVERY, logout::NO_RECOVERY)];
    for (reason, want) in table {
        let mut pair = Pair::new(usual());
        log_out(&mut pair, reason, 9);
        assert_eq!(LogoutResponse::decode(&pair.only().0).response, want);
        pair.read(1, 8);
    }
    let mut pair = Pair::new(usual());
    log_out(&mut pair, 3, 1);
    assert_eq!(Reject::decode(&pair.only().0).reason, reject::INVALID_FIELD);
}

#[test]
fn discovery_sessions_take_only_text_ping_and_logout() {
    let mut pair = Pair::discovery(usual());
    let bhs = ScsiCommand { fin: true, read: true, itt: 1, expected: 8, cmd_sn: 1, ..Default::default() }.encode();
    pair.next_cmd_sn();
    pair.send(bhs, &[]);
    assert_eq!(reason(&mut pair, &bhs), reject::NOT_SUPPORTED);
    pair.manage(1, 5, 6, 1);
    pair.data_out(1, NO_TAG, 0, 0, true, b"data");
    assert_eq!(pair.opcodes(), [Opcode::Reject, Opcode::Reject]);
    pair.ping(4, b"ping");
    assert_eq!(pair.opcodes(), [Opcode::NopIn]);
    log_out(&mut pair, logout::CLOSE_SESSION, 0);
    assert_eq!(pair.event(), Some(Event::Logout(LogoutReason::CloseSession)));
}

#[test]
fn notices_have_the_events_of_11_9_1() {
    let sense = [0x70, 0, 6];
    let table = [
        (Notice::ScsiEvent { lun: LUN, sense: &sense }, LUN, 0, [0, 0, 0], vec![0, 3, 0x70, 0, 6]),
        (Notice::LogoutRequest { seconds: 30 }, [0; 8], 1, [0, 0, 30], vec![]),
        (Notice::DropConnection, [0; 8], 2, [1, 2, 20], vec![]),
        (Notice::DropSession, [0; 8], 3, [0, 2, 20], vec![]),
        (Notice::TasksTerminated { lun: LUN }, LUN, 5, [0, 0, 0], vec![]),
    ];
    let mut pair = Pair::new(usual());
    for (at, (notice, lun, event, parameters, data)) in table.into_iter().enumerate() {
        pair.connection.notify(&mut pair.session, notice);
        let (bhs, found) = pair.only();
        let message = AsyncMessage::decode(&bhs);
        assert_eq!((message.lun, message.event, message.itt, message.stat_sn), (lun, event, NO_TAG, at as u32 + 1));
        assert_eq!([message.parameter1, message.parameter2, message.parameter3], parameters);
        assert_eq!(found, data);
    }
}
