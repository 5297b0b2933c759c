//! Pings of both sides (RFC 7143 §11.18, §11.19).

use std::time::Duration;

use ferrite_iscsi::ConnectionLimits;
use ferrite_iscsi::initiator::{Keys, Notice, Request, cdb};
use ferrite_iscsi::wire::{NO_TAG, NopIn, NopOut, Opcode};

use crate::kit::{Kit, assert_closed, assert_silent, discovery, next, pattern};

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(20);

fn pinging() -> Kit {
    let kit = Kit::new();
    kit.target().limits =
        ConnectionLimits { ping_interval: Some(INTERVAL), ping_timeout: TIMEOUT, ..ConnectionLimits::default() };
    kit
}

/// §11.19: the data comes back.
#[test]
fn a_ping_comes_back_with_its_data() {
    let mut initiator = Kit::new().login();
    for len in [0, 1, 3, 4, 5, 4096, 65_536] {
        assert_eq!(initiator.ping(&pattern(len, 2)).unwrap(), pattern(len, 2));
    }
}

/// §11.19: no more comes back than the initiator takes in one PDU.
#[test]
fn a_long_ping_is_cut_to_what_the_initiator_takes() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(Keys { max_recv_data_segment_length: 512, ..Keys::default() });
    assert_eq!(initiator.ping(&pattern(512, 2)).unwrap(), pattern(512, 2));
    assert_eq!(initiator.ping(&pattern(2000, 2)).unwrap(), pattern(512, 2));
}

/// §11.18: a ping without a task tag wants no answer.
#[test]
fn a_ping_without_a_task_tag_is_not_answered() {
    let mut initiator = Kit::new().login();
    let nop = NopOut { immediate: true, itt: NO_TAG, ttt: NO_TAG, cmd_sn: initiator.cmd_sn(), ..NopOut::default() };
    initiator.frames().send(&nop.encode(), &[], &[]).unwrap();
    assert_silent(&mut initiator);
    initiator.test_unit_ready(0).unwrap();
}

/// §11.19: a ping is answered by the protocol itself, however long commands take.
#[test]
fn a_ping_is_answered_while_commands_wait() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    kit.target().holding = true;
    while initiator.window_left() > 0 {
        initiator.submit(&Request::new(0, &cdb::TEST_UNIT_READY)).unwrap();
    }
    assert_eq!(initiator.ping(b"alive?").unwrap(), b"alive?");
    assert!(kit.target().held() > 0);
}

/// §11.19: the target asks after an idle initiator, once, and carries a StatSN without using it up.
#[test]
fn an_idle_initiator_is_asked_whether_it_is_there() {
    let kit = pinging();
    let mut initiator = kit.login();
    assert_silent(&mut initiator);
    kit.target().pass(INTERVAL - Duration::from_millis(1));
    assert_silent(&mut initiator);
    kit.target().pass(Duration::from_millis(1));
    let pdu = next(&mut initiator);
    assert_eq!(pdu.opcode(), Some(Opcode::NopIn));
    let ping = NopIn::decode(&pdu.bhs);
    assert_eq!((ping.itt, ping.stat_sn), (NO_TAG, initiator.exp_stat_sn()));
    assert_ne!(ping.ttt, NO_TAG);
    assert_silent(&mut initiator);
    initiator.answer_ping(ping.ttt, ping.lun).unwrap();
    initiator.test_unit_ready(0).unwrap();
}

/// §11.19: who answers is alive, for as long as it goes on answering.
#[test]
fn an_initiator_that_answers_stays() {
    let kit = pinging();
    let mut initiator = kit.login();
    kit.target().pass(INTERVAL);
    for _ in 0..10 {
        initiator.advance().unwrap();
        assert!(matches!(initiator.poll_notice(), Some(Notice::Ping { .. })));
        assert_silent(&mut initiator);
        kit.target().pass(TIMEOUT);
        assert_silent(&mut initiator);
        kit.target().pass(INTERVAL - TIMEOUT);
    }
    initiator.test_unit_ready(0).unwrap();
}

/// §11.19: who does not answer is gone.
#[test]
fn an_initiator_that_does_not_answer_is_dropped() {
    let kit = pinging();
    let mut initiator = kit.login();
    initiator.manners.answer_pings = false;
    kit.target().pass(INTERVAL);
    initiator.advance().unwrap();
    kit.target().pass(TIMEOUT - Duration::from_millis(1));
    assert_silent(&mut initiator);
    kit.target().pass(Duration::from_millis(1));
    assert_closed(&mut initiator);
    assert_eq!(kit.target().faults[0].clause, "RFC 7143 §11.19");
}

/// §11.18: an answer to a ping that nobody sent is harmless.
#[test]
fn an_answer_to_no_ping_is_ignored() {
    let kit = pinging();
    let mut initiator = kit.login();
    initiator.answer_ping(0x1234, [0; 8]).unwrap();
    assert_silent(&mut initiator);
    initiator.test_unit_ready(0).unwrap();
}

/// A busy initiator is not asked.
#[test]
fn an_initiator_that_speaks_is_not_asked() {
    let kit = pinging();
    let mut initiator = kit.login();
    for _ in 0..10 {
        kit.target().pass(INTERVAL - Duration::from_millis(1));
        initiator.test_unit_ready(0).unwrap();
        assert_silent(&mut initiator);
    }
}

/// A discovery session need not know pings: idle, it ends.
#[test]
fn an_idle_discovery_session_ends() {
    let kit = pinging();
    let mut session = kit.try_login(&discovery()).unwrap();
    kit.target().pass(INTERVAL + TIMEOUT + Duration::from_millis(1));
    assert_closed(&mut session);
}
