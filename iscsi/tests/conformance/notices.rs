//! What a target says unasked (RFC 7143 §11.9).

use ferrite_iscsi::initiator::{Initiator, Keys, Notice as Heard};
use ferrite_iscsi::wire::AsyncMessage;
use ferrite_iscsi::wire::codes::async_event;
use ferrite_iscsi::{Notice, Offer};

use crate::kit::{Kit, Wire};

/// The next Asynchronous Message; the initiator checks its task tag and StatSN.
fn hear(initiator: &mut Initiator<Wire>) -> (AsyncMessage, Vec<u8>) {
    initiator.advance().unwrap();
    match initiator.poll_notice() {
        Some(Heard::Async(message, data)) => (message, data),
        other => panic!("an Asynchronous Message was expected, not {other:?}"),
    }
}

/// §11.9.1 event 0, §11.9.4.1: sense data with its length in front, for the unit it is about.
#[test]
fn a_scsi_event_carries_its_sense() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let sense = [0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3f, 0x0e, 0, 0, 0, 0];
    kit.target().notify(Notice::ScsiEvent { lun: [0, 3, 0, 0, 0, 0, 0, 0], sense: &sense });
    let (message, data) = hear(&mut initiator);
    assert_eq!((message.event, message.lun[1]), (async_event::SCSI, 3));
    assert_eq!(data, [&[0, 18][..], &sense].concat());
    initiator.test_unit_ready(0).unwrap();
}

/// §11.9.1 event 1: Parameter3 is the time in which to log out.
#[test]
fn a_logout_request_tells_the_time_for_it() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    kit.target().notify(Notice::LogoutRequest { seconds: 10 });
    let (message, data) = hear(&mut initiator);
    assert_eq!((message.event, message.parameter3, data.len()), (async_event::LOGOUT_REQUEST, 10, 0));
    assert_eq!(initiator.logout().unwrap(), 0);
}

/// §11.9.1 events 2 and 3: which connection, and Time2Wait and Time2Retain.
#[test]
fn a_drop_is_announced_with_the_times_of_the_session() {
    let kit = Kit::offering(Offer { time_to_wait: 5, time_to_retain: 0, ..Offer::default() });
    let settings = ferrite_iscsi::initiator::Settings { cid: 0x42, ..crate::kit::settings() };
    let mut initiator = kit.try_login(&settings).unwrap();
    kit.target().notify(Notice::DropConnection);
    let (message, _) = hear(&mut initiator);
    assert_eq!((message.event, message.parameter1), (async_event::DROP_CONNECTION, 0x42));
    assert_eq!((message.parameter2, message.parameter3), (5, 0));
    kit.target().notify(Notice::DropSession);
    let (message, _) = hear(&mut initiator);
    assert_eq!((message.event, message.parameter2, message.parameter3), (async_event::DROP_SESSION, 5, 0));
}

/// §11.9.1 event 5: the unit whose tasks another session has ended.
#[test]
fn the_end_of_tasks_is_told_with_their_unit() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    kit.target().notify(Notice::TasksTerminated { lun: [0, 9, 0, 0, 0, 0, 0, 0] });
    let (message, _) = hear(&mut initiator);
    assert_eq!((message.event, message.lun[1]), (async_event::TASKS_TERMINATED, 9));
}

/// §4.2.2.2: messages are numbered among the answers, in the order they were said.
#[test]
fn messages_are_numbered_among_the_answers() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(Keys::default().with_digests(true));
    for round in 0..20 {
        kit.target().notify(Notice::ScsiEvent { lun: [0; 8], sense: &[0x72, 6, 0x2a, 9, 0, 0, 0, 0][..8 - round % 3] });
        initiator.test_unit_ready(0).unwrap();
        assert!(matches!(initiator.poll_notice(), Some(Heard::Async(..))));
    }
}
