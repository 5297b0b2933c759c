//! Which commands are taken, in which order, and how is the window told (RFC 7143 §4.2.2.1)?

use super::*;
use crate::session::tasks::IMMEDIATE_MAX;
use crate::wire::codes::reject;
use crate::wire::{NopIn, Reject, ScsiResponse};

fn read_with(cmd_sn: u32, itt: u32, immediate: bool) -> Bhs {
    ScsiCommand { immediate, fin: true, read: true, itt, expected: 8, cmd_sn, ..Default::default() }.encode()
}

#[test]
fn commands_outside_of_the_window_are_ignored_with_their_data() {
    for cmd_sn in [0, 1 + Session::COMMANDS_MAX, 0x8000_0001] {
        let mut pair = Pair::new(usual());
        let command = ScsiCommand { write: true, itt: 3, expected: 2000, cmd_sn, ..Default::default() };
        pair.send(command.encode(), &bytes(500));
        pair.data_out(3, NO_TAG, 0, 500, true, &bytes(500));
        assert!(pair.events.is_empty() && pair.sent().is_empty(), "CmdSN {cmd_sn}");
        pair.read(4, 8);
    }
}

#[test]
fn a_gap_on_the_only_connection_is_a_fault() {
    let mut pair = Pair::new(usual());
    pair.send(read_with(2, 1, false), &[]);
    assert_eq!(pair.fault().clause, "RFC 7143 §4.2.2.1");
}

#[test]
fn the_window_opens_when_tasks_end_and_max_cmd_sn_never_moves_back() {
    let mut pair = Pair::new(usual());
    let tasks: Vec<_> = (0..Session::COMMANDS_MAX).map(|itt| pair.read(itt, 8)).collect();
    let mut highest = 0;
    let mut window = |pair: &mut Pair| {
        pair.ping(9999, b"");
        let nop = NopIn::decode(&pair.only().0);
        assert!(nop.max_cmd_sn >= highest);
        highest = nop.max_cmd_sn;
        (nop.exp_cmd_sn, nop.max_cmd_sn)
    };
    let full = Session::COMMANDS_MAX;
    assert_eq!(window(&mut pair), (full + 1, full), "the window is closed");
    // One more is outside, and ignored.
    pair.send(read_with(full + 1, 5000, false), &[]);
    assert!(pair.events.is_empty());
    pair.connection.abort(&mut pair.session, tasks[0]);
    assert_eq!(window(&mut pair), (full + 1, full + 1));
    pair.read(5000, 8);
    assert_eq!(window(&mut pair), (full + 2, full + 1));
    // A request that is no task leaves the window as wide as it was.
    pair.connection.abort(&mut pair.session, tasks[1]);
    assert_eq!(window(&mut pair), (full + 2, full + 2));
    let cmd_sn = pair.next_cmd_sn();
    pair.send(NopOut { itt: 7000, ttt: NO_TAG, cmd_sn, ..Default::default() }.encode(), &[]);
    pair.sent();
    assert_eq!(window(&mut pair), (full + 3, full + 3));
}

#[test]
fn the_response_already_counts_its_own_place_as_free() {
    let mut pair = Pair::new(usual());
    let task = pair.read(1, 0);
    pair.connection.respond(&mut pair.session, task, Outcome::good(0));
    let response = ScsiResponse::decode(&pair.only().0);
    assert_eq!((response.exp_cmd_sn, response.max_cmd_sn), (2, 1 + Session::COMMANDS_MAX));
}

#[test]
fn immediate_commands_do_not_move_the_window_and_are_bounded() {
    let mut pair = Pair::new(usual());
    for itt in 0..IMMEDIATE_MAX as u32 {
        pair.send(read_with(1, itt, true), &[]);
        assert!(pair.command().immediate);
    }
    pair.send(read_with(1, 100, true), &[]);
    let reject = Reject::decode(&pair.only().0);
    assert_eq!((reject.reason, reject.exp_cmd_sn), (reject::TOO_MANY_IMMEDIATE, 1));
    // The window is all there for the others.
    (0..Session::COMMANDS_MAX).for_each(|itt| {
        pair.read(1000 + itt, 8);
    });
    assert_eq!(pair.session.in_flight(), Session::TASKS_MAX);
}

#[test]
fn a_tag_in_use_is_a_fault_and_a_free_one_can_be_used_again() {
    let mut pair = Pair::new(usual());
    let task = pair.read(1, 8);
    pair.connection.abort(&mut pair.session, task);
    pair.read(1, 8);
    pair.send(read_with(3, 1, false), &[]);
    assert_eq!(pair.fault().clause, "RFC 7143 §11.2.1.8");
    let mut pair = Pair::new(usual());
    pair.send(read_with(1, NO_TAG, false), &[]);
    assert_eq!(pair.fault().clause, "RFC 7143 §11.2.1.8");
}

#[test]
fn sequence_numbers_wrap() {
    let mut pair = Pair::new(usual());
    pair.session.window = crate::session::window::Window::new(crate::serial::Serial(u32::MAX - 1));
    pair.session.command_numbers();
    pair.connection.state.stat_sn = u32::MAX;
    pair.cmd_sn = u32::MAX - 1;
    let mut stat_sns = Vec::new();
    for itt in 0..4 {
        let task = pair.read(itt, 0);
        pair.connection.respond(&mut pair.session, task, Outcome::good(0));
        stat_sns.push(ScsiResponse::decode(&pair.only().0).stat_sn);
    }
    assert_eq!(stat_sns, [u32::MAX, 0, 1, 2]);
}

#[test]
fn a_session_and_its_connection_go_on_after_they_were_written_down_anywhere_in_the_stream() {
    let digests = Digests { header: true, data: true };
    let mut stream = Vec::new();
    let write =
        ScsiCommand { fin: true, write: true, itt: 5, expected: 301, cmd_sn: 1, data_len: 301, ..Default::default() };
    pdu::append(&mut stream, &write.encode(), &[], &bytes(301), digests);
    for cut in 1..stream.len() {
        let mut pair = Pair::new(Params { digests, ..usual() });
        pair.feed(&stream[..cut]);
        let begun = pair.event().map(|event| match event {
            Event::Command(command) => command.task,
            other => panic!("{other:?}"),
        });
        if let Some(task) = begun {
            pair.connection.begin_write(&mut pair.session, task, 301);
            pair.feed(&[]);
        }
        let state = serde_json::to_string(&pair.connection.suspend()).unwrap();
        let session = serde_json::to_string(&pair.session).unwrap();
        pair.connection = Connection::resume(serde_json::from_str(&state).unwrap(), pair.now);
        pair.session = serde_json::from_str(&session).unwrap();
        pair.feed(&stream[cut..]);
        let task = begun.unwrap_or_else(|| {
            let task = pair.command().task;
            pair.connection.begin_write(&mut pair.session, task, 301);
            pair.feed(&[]);
            task
        });
        assert_eq!(pair.event(), Some(Event::DataComplete(task)), "cut at {cut}");
        assert_eq!(pair.landed, in_place(&bytes(301)));
        pair.connection.respond(&mut pair.session, task, Outcome::good(301));
        assert_eq!(pair.opcodes(), [Opcode::ScsiResponse]);
    }
}
