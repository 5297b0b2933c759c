//! The command window and the numbers of commands (RFC 7143 §4.2.2.1).

use ferrite_iscsi::initiator::{Answer, Error, Initiator, Request, Settings, cdb};
use ferrite_iscsi::wire::codes::reject;
use ferrite_iscsi::wire::{NO_TAG, NopOut, Opcode, ScsiCommand};
use ferrite_iscsi::{ConnectionLimits, Session};

use crate::kit::{Kit, Wire, assert_closed, assert_silent, next, settings};

fn ready() -> Request {
    Request::new(0, &cdb::TEST_UNIT_READY)
}

/// A TEST UNIT READY with numbers of the test's choice.
fn numbered(initiator: &mut Initiator<Wire>, itt: u32, cmd_sn: u32, immediate: bool) {
    let exp_stat_sn = initiator.exp_stat_sn();
    let command = ScsiCommand { immediate, fin: true, itt, cmd_sn, exp_stat_sn, ..ScsiCommand::default() };
    initiator.frames().send(&command.encode(), &[], &[]).unwrap();
}

fn limited(commands: u32) -> Kit {
    let kit = Kit::new();
    kit.target().limits = ConnectionLimits { commands, ..ConnectionLimits::default() };
    kit
}

/// §4.2.2.1: MaxCmdSN - ExpCmdSN + 1 commands may be sent, and they may all be in flight.
#[test]
fn the_window_is_as_wide_as_the_target_takes_commands() {
    for commands in [1, 2, 128] {
        let kit = limited(commands);
        let mut initiator = kit.login();
        assert_eq!(initiator.window_left(), commands);
        kit.target().holding = true;
        for _ in 0..commands {
            initiator.submit(&ready()).unwrap();
        }
        assert_silent(&mut initiator);
        assert_eq!((kit.target().held(), initiator.window_left()), (commands as usize, 0));
        kit.target().release();
        for _ in 0..commands {
            assert!(matches!(initiator.complete().unwrap().answer, Answer::Scsi(result) if result.is_good()));
        }
        assert_eq!(initiator.window_left(), commands, "it opens again as far as it was");
    }
}

/// A session cannot be given more commands than it has room for.
#[test]
fn the_window_has_an_upper_limit() {
    let kit = limited(u32::MAX);
    assert_eq!(kit.login().window_left(), Session::COMMANDS_MAX);
}

/// §4.2.2.1: MaxCmdSN never goes back, though commands come in while others are held.
#[test]
fn the_window_never_shrinks() {
    let kit = limited(8);
    let mut initiator = kit.login();
    let mut highest = initiator.max_cmd_sn();
    kit.target().holding = true;
    for round in 0..40 {
        if initiator.window_left() > 0 {
            initiator.submit(&ready()).unwrap();
        }
        initiator.ping(b"what is the window?").unwrap();
        let now = initiator.max_cmd_sn();
        assert!(now.wrapping_sub(highest) < 1 << 31, "round {round}");
        highest = now;
        if round % 5 == 4 {
            kit.target().release();
            while initiator.in_flight() > 0 {
                initiator.complete().unwrap();
            }
            kit.target().holding = true;
        }
    }
}

/// §4.2.2.1: "the target MUST silently ignore any non-immediate command outside of this range".
#[test]
fn commands_outside_of_the_window_are_ignored() {
    let kit = limited(4);
    let mut initiator = kit.login();
    let (first, last) = (initiator.cmd_sn(), initiator.max_cmd_sn());
    for cmd_sn in [first.wrapping_sub(1), last.wrapping_add(1), first.wrapping_add(1 << 31)] {
        numbered(&mut initiator, 0x50, cmd_sn, false);
        assert_silent(&mut initiator);
    }
    assert!(kit.target().commands.is_empty());
    initiator.test_unit_ready(0).unwrap();
}

/// §4.2.2.1: a number is used once; what comes again is ignored.
#[test]
fn a_command_that_comes_again_is_ignored() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let cmd_sn = initiator.cmd_sn();
    initiator.test_unit_ready(0).unwrap();
    numbered(&mut initiator, 0x50, cmd_sn, false);
    assert_silent(&mut initiator);
    assert_eq!(kit.target().commands.len(), 1);
}

/// §4.2.2.1: serial numbers wrap (RFC 1982).
#[test]
fn numbers_wrap_around() {
    for start in [u32::MAX - 20, (1 << 31) - 20] {
        let kit = limited(8);
        let mut initiator = kit.try_login(&Settings { cmd_sn: start, ..settings() }).unwrap();
        for _ in 0..10 {
            for _ in 0..8 {
                initiator.submit(&ready()).unwrap();
            }
            for _ in 0..8 {
                initiator.complete().unwrap();
            }
        }
        assert_eq!(initiator.cmd_sn(), start.wrapping_add(80));
    }
}

/// §4.2.2.1: on one connection numbers come in order; what is missing will not come any more.
#[test]
fn a_gap_on_the_only_connection_ends_it() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    initiator.take_cmd_sn();
    initiator.submit(&ready()).unwrap();
    assert_closed(&mut initiator);
    assert_eq!(kit.target().faults[0].clause, "RFC 7143 §4.2.2.1");
}

/// §4.2.2.1: an immediate command carries the current number and does not use it up.
#[test]
fn immediate_commands_use_no_number() {
    let kit = limited(1);
    let mut initiator = kit.login();
    let before = initiator.cmd_sn();
    kit.target().holding = true;
    let held = initiator.submit(&ready()).unwrap();
    assert_silent(&mut initiator);
    assert_eq!(initiator.window_left(), 0);
    kit.target().holding = false;
    initiator.command(&ready().immediately()).unwrap();
    initiator.command(&ready().immediately()).unwrap();
    assert_eq!(initiator.cmd_sn(), before.wrapping_add(1));
    kit.target().release();
    initiator.complete_one(held).unwrap();
}

/// §4.2.2.1, §11.17.1: immediate commands have room of their own, and a limit: reason 06h.
#[test]
fn too_many_immediate_commands_are_rejected() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    kit.target().holding = true;
    let window = Session::COMMANDS_MAX as usize;
    for _ in 0..window {
        initiator.submit(&ready()).unwrap();
    }
    let room = Session::TASKS_MAX - window;
    for _ in 0..room {
        initiator.submit(&ready().immediately()).unwrap();
    }
    assert_silent(&mut initiator);
    assert_eq!(kit.target().held(), Session::TASKS_MAX);
    let past = initiator.submit(&ready().immediately()).unwrap();
    let answer = initiator.complete_one(past).unwrap();
    assert!(matches!(answer, Answer::Rejected { reason: reject::TOO_MANY_IMMEDIATE, .. }), "{answer:?}");
    kit.target().release();
    for _ in 0..Session::TASKS_MAX {
        initiator.complete().unwrap();
    }
    initiator.command(&ready().immediately()).unwrap();
}

/// §11.2.1.8: a task tag names one task.
#[test]
fn a_task_tag_in_use_cannot_be_used_again() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    kit.target().holding = true;
    for _ in 0..2 {
        let cmd_sn = initiator.take_cmd_sn();
        numbered(&mut initiator, 0x50, cmd_sn, false);
    }
    let answer = initiator.receive_pdu();
    assert!(matches!(&answer, Ok(pdu) if pdu.opcode() == Some(Opcode::Reject)), "{answer:?}");
    assert_eq!(kit.target().commands.len(), 1);
}

/// §11.2.1.8: FFFFFFFFh is no tag for a task.
#[test]
fn the_reserved_task_tag_names_no_command() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let cmd_sn = initiator.take_cmd_sn();
    numbered(&mut initiator, NO_TAG, cmd_sn, false);
    assert_eq!(next(&mut initiator).opcode(), Some(Opcode::Reject));
    assert!(kit.target().commands.is_empty());
}

/// §11.2.1.8: as soon as its task has ended, a tag is free.
#[test]
fn a_task_tag_can_be_used_after_its_task() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    for _ in 0..300 {
        let cmd_sn = initiator.take_cmd_sn();
        numbered(&mut initiator, 0x50, cmd_sn, false);
        assert_eq!(next(&mut initiator).itt(), 0x50);
    }
}

/// §11.18: a ping in the order of commands uses a number, like any other request.
#[test]
fn other_requests_are_numbered_too() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let ping = initiator.submit_ping(b"in order", false).unwrap();
    initiator.complete_one(ping).unwrap();
    initiator.test_unit_ready(0).unwrap();
    let cmd_sn = initiator.cmd_sn().wrapping_sub(1);
    let again = NopOut { itt: 0x60, ttt: NO_TAG, cmd_sn, ..NopOut::default() };
    initiator.frames().send(&again.encode(), &[], &[]).unwrap();
    assert_silent(&mut initiator);
}

/// §4.2.2.2: answers are numbered in the order they are sent, whatever the order of the commands.
#[test]
fn statuses_are_numbered_in_the_order_they_are_sent() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    kit.target().holding = true;
    let submitted: Vec<u32> = (0..10).map(|_| initiator.submit(&ready()).unwrap()).collect();
    assert!(matches!(initiator.receive_pdu(), Err(Error::Io(_))));
    kit.target().release();
    // The initiator checks each StatSN; the test target answers the last command first.
    let ended: Vec<u32> = (0..10).map(|_| initiator.complete().unwrap().itt).collect();
    assert_eq!(ended, submitted.into_iter().rev().collect::<Vec<_>>());
}
