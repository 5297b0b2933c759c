//! The end of a connection and of a session (RFC 7143 §11.14, §11.15).

use ferrite_iscsi::initiator::{Answer, Request, Settings, cdb};
use ferrite_iscsi::wire::codes::{logout, reject};
use ferrite_iscsi::wire::{Opcode, Reject};

use crate::kit::{BLOCK, Kit, assert_closed, next, pattern, settings};

/// §11.15.1: response 0, and the target closes the connection.
#[test]
fn a_session_is_closed_on_request() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let itt = initiator.submit_logout(logout::CLOSE_SESSION, 0).unwrap();
    let Answer::LoggedOut { response, time_to_wait, time_to_retain } = initiator.complete_one(itt).unwrap() else {
        panic!("a logout is answered by a Logout Response");
    };
    assert_eq!((response, time_to_wait, time_to_retain), (logout::CLOSED, 2, 0));
    assert_closed(&mut initiator);
    assert!(kit.target().faults.is_empty());
}

/// §11.14.1: a connection is closed under its own CID, and no other.
#[test]
fn a_connection_is_closed_under_its_own_id() {
    let kit = Kit::new();
    let mut initiator = kit.try_login(&Settings { cid: 7, ..settings() }).unwrap();
    let wrong = initiator.submit_logout(logout::CLOSE_CONNECTION, 8).unwrap();
    let answer = initiator.complete_one(wrong).unwrap();
    assert!(matches!(answer, Answer::LoggedOut { response: logout::NO_CID, .. }), "{answer:?}");
    initiator.test_unit_ready(0).unwrap();
    let right = initiator.submit_logout(logout::CLOSE_CONNECTION, 7).unwrap();
    let answer = initiator.complete_one(right).unwrap();
    assert!(matches!(answer, Answer::LoggedOut { response: logout::CLOSED, .. }), "{answer:?}");
    assert_closed(&mut initiator);
}

/// §11.15.1: without error recovery, nothing is removed for recovery: response 2.
#[test]
fn removal_for_recovery_is_not_supported() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let itt = initiator.submit_logout(logout::REMOVE_FOR_RECOVERY, 0).unwrap();
    let answer = initiator.complete_one(itt).unwrap();
    assert!(matches!(answer, Answer::LoggedOut { response: logout::NO_RECOVERY, .. }), "{answer:?}");
    initiator.test_unit_ready(0).unwrap();
}

/// §11.14.1: a reason that is none is rejected.
#[test]
fn an_unknown_reason_is_rejected() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    initiator.submit_logout(3, 0).unwrap();
    let pdu = next(&mut initiator);
    assert_eq!(pdu.opcode(), Some(Opcode::Reject));
    assert_eq!(Reject::decode(&pdu.bhs).reason, reject::INVALID_FIELD);
    initiator.test_unit_ready(0).unwrap();
}

/// §11.14: answers that were due before the logout leave before its response.
#[test]
fn what_was_due_before_the_logout_still_comes() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    initiator.write(0, 0, &pattern(8192, 1), BLOCK).unwrap();
    let read = initiator.submit(&Request::new(0, &cdb::read10(0, 16)).reading(8192)).unwrap();
    let logout = initiator.submit_logout(logout::CLOSE_SESSION, 0).unwrap();
    assert_eq!(initiator.complete().unwrap().itt, read);
    assert_eq!(initiator.complete().unwrap().itt, logout);
    assert_closed(&mut initiator);
}

/// §11.14: nothing is carried out that comes behind a logout.
#[test]
fn nothing_behind_a_logout_is_carried_out() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let logout = initiator.submit_logout(logout::CLOSE_SESSION, 0).unwrap();
    initiator.submit(&Request::new(0, &cdb::write10(0, 1)).writing(vec![1; 512])).unwrap();
    initiator.complete_one(logout).unwrap();
    assert_closed(&mut initiator);
    assert!(kit.target().commands.is_empty());
    assert_eq!(kit.target().disk.bytes[0], 0);
}
