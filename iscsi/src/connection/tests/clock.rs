//! When is a silent, slow or deaf peer dropped?

use super::*;
use crate::wire::NopIn;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Lets time pass as an owner would: to each deadline on the way.
fn pass(pair: &mut Pair, time: Duration) {
    let end = pair.now + time;
    for _ in 0..1000 {
        match pair.connection.deadline() {
            Some(at) if at <= end => {
                pair.now = pair.now.max(at);
                pair.connection.on_deadline(&mut pair.session, pair.now);
            }
            _ => {
                pair.now = end;
                return;
            }
        }
    }
    panic!("deadlines come without end");
}

#[test]
fn an_idle_initiator_is_asked_and_lives_when_it_answers() {
    let mut pair = Pair::new(usual());
    for _ in 0..3 {
        pass(&mut pair, seconds(29));
        assert!(pair.sent().is_empty());
        pass(&mut pair, seconds(2));
        let nop = NopIn::decode(&pair.only().0);
        assert_eq!((nop.itt, nop.stat_sn), (NO_TAG, 1), "StatSN is not used up");
        assert_ne!(nop.ttt, NO_TAG);
        pair.send(NopOut { immediate: true, itt: NO_TAG, ttt: nop.ttt, ..Default::default() }.encode(), &[]);
        assert!(pair.events.is_empty());
    }
}

#[test]
fn an_initiator_that_does_not_answer_is_dropped() {
    let mut pair = Pair::new(usual());
    pass(&mut pair, seconds(31));
    pair.sent();
    pass(&mut pair, seconds(28));
    assert_eq!(pair.event(), None);
    pass(&mut pair, seconds(3));
    assert_eq!(pair.fault().clause, "RFC 7143 §11.19");
}

#[test]
fn an_initiator_that_talks_is_alive_though_it_has_not_answered() {
    let mut pair = Pair::new(usual());
    pass(&mut pair, seconds(31));
    for itt in 0..10 {
        pair.sent();
        pass(&mut pair, seconds(20));
        pair.ping(itt, b"");
    }
    assert!(pair.events.is_empty());
}

#[test]
fn a_peer_that_takes_no_bytes_is_dropped() {
    let mut pair = Pair::new(usual());
    pair.connection.state.limits.ping_interval = None;
    let task = pair.read(1, 4096);
    pass(&mut pair, seconds(10));
    pair.connection.send_data(&mut pair.session, task, bytes(4096), Outcome::good(4096));
    pair.connection.sent(0, pair.now);
    pass(&mut pair, seconds(50));
    pair.connection.sent(10, pair.now);
    pass(&mut pair, seconds(55));
    assert_eq!(pair.event(), None, "it has taken some since");
    pass(&mut pair, seconds(6));
    assert_eq!(pair.fault().clause, "limit stall_timeout");
}

#[test]
fn a_question_behind_bytes_that_still_leave_is_not_held_against_the_peer() {
    let mut pair = Pair::new(usual());
    let task = pair.read(1, 4096);
    pair.connection.send_data(&mut pair.session, task, bytes(4096), Outcome::good(4096));
    for _ in 0..20 {
        pass(&mut pair, seconds(25));
        pair.connection.sent(10, pair.now);
    }
    assert_eq!(pair.event(), None);
    pass(&mut pair, seconds(31));
    assert_eq!(pair.fault().clause, "RFC 7143 §11.19");
}

#[test]
fn the_stall_clock_starts_with_the_bytes_even_when_nobody_told_the_time() {
    let limits = ConnectionLimits { ping_interval: None, ..ConnectionLimits::default() };
    let mut pair = Pair::new(usual());
    pair.connection.state.limits = limits;
    let task = pair.read(1, 8);
    pair.later(seconds(1000));
    pair.connection.send_data(&mut pair.session, task, bytes(8), Outcome::good(8));
    // The first call may be early by what the clock did not know; it must not be deadly.
    pair.connection.on_deadline(&mut pair.session, pair.now);
    assert_eq!(pair.event(), None);
    pass(&mut pair, seconds(59));
    assert_eq!(pair.event(), None);
    pass(&mut pair, seconds(2));
    assert_eq!(pair.fault().clause, "limit stall_timeout");
}

#[test]
fn a_pdu_of_one_byte_a_second_is_dropped() {
    let mut pair = Pair::new(usual());
    let bhs = NopOut { immediate: true, itt: 1, ttt: NO_TAG, ..Default::default() }.encode();
    for (at, byte) in bhs.iter().enumerate() {
        pair.feed(&[*byte]);
        pass(&mut pair, seconds(1));
        if let Some(event) = pair.event() {
            assert!(matches!(event, Event::Fault(fault) if fault.clause == "limit pdu_timeout"));
            assert_eq!(at, 29);
            return;
        }
    }
    panic!("it was let in");
}

#[test]
fn a_stream_that_is_always_inside_of_some_pdu_is_not_slow() {
    let mut pair = Pair::new(usual());
    let bhs = NopOut { immediate: true, itt: 1, ttt: NO_TAG, ..Default::default() }.encode();
    let stream = bhs.repeat(20);
    for piece in stream.chunks(40) {
        pair.feed(piece);
        pass(&mut pair, seconds(10));
        pair.sent();
    }
    assert!(pair.events.is_empty());
}

#[test]
fn time_that_the_owner_takes_is_not_the_peers() {
    let mut pair = Pair::new(usual());
    pair.write(5, 1000, &bytes(1000), true);
    let task = pair.command().task;
    pass(&mut pair, seconds(500));
    assert_eq!(pair.event(), None);
    pair.connection.begin_write(&mut pair.session, task, 1000);
    pair.feed(&[]);
    assert_eq!(pair.event(), Some(Event::DataComplete(task)));
}

#[test]
fn an_idle_discovery_session_ends_without_a_ping() {
    let mut pair = Pair::discovery(usual());
    pass(&mut pair, seconds(59));
    assert!(pair.sent().is_empty() && pair.event().is_none());
    pass(&mut pair, seconds(2));
    assert_eq!(pair.fault().clause, "limit ping_interval");
}
