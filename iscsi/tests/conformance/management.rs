//! Task management: what is ended, what is answered, and what may still come (RFC 7143 §4.2.3, §11.5, §11.6; RFC 7144).

use ferrite_iscsi::initiator::{Initiator, Keys, Notice, Pdu, Request, Settings, cdb, lun};
use ferrite_iscsi::wire::codes::{function, task_response};
use ferrite_iscsi::wire::{DataOut, NO_TAG, Opcode, R2t, TaskRequest};
use ferrite_iscsi::{ManageFunction, Referenced};

use crate::kit::{BLOCK, Kit, LUN0, Wire, assert_silent, next, pattern, settings, solicited};

fn ready(unit: u16) -> Request {
    Request::new(unit, &cdb::TEST_UNIT_READY)
}

/// An initiator with commands held at the target.
fn holding(units: &[u16]) -> (Kit, Initiator<Wire>, Vec<u32>) {
    let kit = Kit::new();
    let mut initiator = kit.try_login(&with_level_2()).unwrap();
    kit.target().holding = true;
    let tags = units.iter().map(|unit| initiator.submit(&ready(*unit)).unwrap()).collect();
    assert_silent(&mut initiator);
    (kit, initiator, tags)
}

/// RFC 7144 §7.1.1: its functions need iSCSIProtocolLevel=2.
fn with_level_2() -> Settings {
    Settings { extra: vec![("iSCSIProtocolLevel".into(), "2".into())], ..settings() }
}

/// RFC 7143 §11.5.1, §11.6.1: the task ends without a response of its own, the function with "complete".
#[test]
fn abort_task_ends_the_task_it_names() {
    let (kit, mut initiator, tags) = holding(&[0, 0, 0]);
    assert_eq!(initiator.manage(function::ABORT_TASK, LUN0, Some(tags[1])).unwrap(), task_response::COMPLETE);
    kit.target().release();
    assert_eq!([initiator.complete().unwrap().itt, initiator.complete().unwrap().itt], [tags[2], tags[0]]);
    assert_silent(&mut initiator);
    assert_eq!(kit.target().session().in_flight(), 0);
}

/// RFC 7143 §11.6.1: a task that has ended, or never was, does not exist.
#[test]
fn abort_task_of_a_task_that_has_ended_says_so() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let itt = initiator.submit(&ready(0)).unwrap();
    initiator.complete().unwrap();
    // RefCmdSN is the ended task's, below the window.
    let request = TaskRequest {
        immediate: true,
        function: function::ABORT_TASK,
        itt: 0x900,
        referenced_itt: itt,
        cmd_sn: initiator.cmd_sn(),
        ref_cmd_sn: initiator.cmd_sn().wrapping_sub(1),
        ..TaskRequest::default()
    };
    initiator.frames().send(&request.encode(), &[], &[]).unwrap();
    let answer = next(&mut initiator);
    assert_eq!((answer.opcode(), answer.bhs[2]), (Some(Opcode::TaskResponse), task_response::NO_TASK));
    assert_eq!(kit.target().managed[0].referenced, Referenced::Unknown);
}

/// RFC 7143 §11.6.1 (b): a command that was lost on its way counts as received, so that no gap is left behind.
#[test]
fn abort_task_fills_the_gap_of_a_command_that_never_came() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    let lost = initiator.take_cmd_sn();
    let request = TaskRequest {
        immediate: true,
        function: function::ABORT_TASK,
        itt: 0x900,
        referenced_itt: 0x800,
        cmd_sn: initiator.cmd_sn(),
        ref_cmd_sn: lost,
        ..TaskRequest::default()
    };
    initiator.frames().send(&request.encode(), &[], &[]).unwrap();
    let answer = next(&mut initiator);
    assert_eq!((answer.opcode(), answer.bhs[2]), (Some(Opcode::TaskResponse), task_response::COMPLETE));
    assert_eq!(kit.target().managed[0].referenced, Referenced::InWindow);
    initiator.test_unit_ready(0).unwrap();
    assert!(kit.target().faults.is_empty());
}

/// RFC 7143 §11.5.4: the LUN of ABORT TASK is that of the task.
#[test]
fn abort_task_with_another_lun_ends_nothing() {
    let (kit, mut initiator, tags) = holding(&[0]);
    assert_eq!(initiator.manage(function::ABORT_TASK, lun(1), Some(tags[0])).unwrap(), task_response::NO_TASK);
    kit.target().release();
    initiator.complete_one(tags[0]).unwrap();
}

/// RFC 7143 §4.2.3.4, the FastAbort of common hosts: after the abort they serve no R2T any more.
#[test]
fn an_abort_does_not_wait_for_data_that_was_asked_for() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(solicited(1024));
    initiator.manners.answer_r2t = false;
    let itt = initiator.submit(&Request::new(0, &cdb::write10(0, 8)).writing(pattern(4096, 0))).unwrap();
    initiator.advance().unwrap();
    assert!(matches!(initiator.poll_notice(), Some(Notice::Asked(_))));
    assert_eq!(initiator.manage(function::ABORT_TASK, LUN0, Some(itt)).unwrap(), task_response::COMPLETE);
    assert_silent(&mut initiator);
    initiator.manners.answer_r2t = true;
    initiator.write(0, 0, &pattern(4096, 1), BLOCK).unwrap();
}

/// RFC 7143 §4.2.3.3: other hosts serve the R2Ts of aborted tasks to the end; that data is let pass.
#[test]
fn data_that_still_comes_for_an_aborted_task_is_let_pass() {
    let kit = Kit::new();
    let mut initiator = kit.login_with(Keys { max_outstanding_r2t: 2, ..solicited(1024) });
    initiator.manners.answer_r2t = false;
    let itt = initiator.submit(&Request::new(0, &cdb::write10(0, 8)).writing(pattern(4096, 0))).unwrap();
    let asked: Vec<R2t> = (0..2).map(|_| R2t::decode(&next(&mut initiator).bhs)).collect();
    assert_eq!(initiator.manage(function::ABORT_TASK, LUN0, Some(itt)).unwrap(), task_response::COMPLETE);
    for r2t in asked {
        for (data_sn, at) in [(0, 0), (1, 512)] {
            let pdu = DataOut {
                fin: at == 512,
                itt: r2t.itt,
                ttt: r2t.ttt,
                data_sn,
                offset: r2t.offset + at,
                ..DataOut::default()
            };
            initiator.frames().send_pdu(&Pdu::new(pdu.encode(), [], pattern(512, 9))).unwrap();
        }
    }
    assert_silent(&mut initiator);
    assert!(kit.target().faults.is_empty());
    assert!(kit.target().disk.bytes[..4096].iter().all(|byte| *byte == 0), "none of it was written");
    initiator.manners.answer_r2t = true;
    initiator.write(0, 0, &pattern(4096, 1), BLOCK).unwrap();
    assert_eq!(initiator.read(0, 0, 8, BLOCK).unwrap(), pattern(4096, 1));
}

/// RFC 7143 §4.2.3.3: the same for data that comes unasked.
#[test]
fn unsolicited_data_of_an_aborted_task_is_let_pass() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    kit.target().holding = true;
    let cmd_sn = initiator.take_cmd_sn();
    let mut command =
        ferrite_iscsi::wire::ScsiCommand { write: true, itt: 0x700, expected: 1024, cmd_sn, ..Default::default() };
    command.cdb[..10].copy_from_slice(&cdb::write10(0, 2));
    initiator.frames().send(&command.encode(), &[], &[]).unwrap();
    assert_eq!(initiator.manage(function::ABORT_TASK, LUN0, Some(0x700)).unwrap(), task_response::COMPLETE);
    for (data_sn, offset) in [(0, 0), (1, 512)] {
        let pdu = DataOut { fin: offset == 512, itt: 0x700, ttt: NO_TAG, data_sn, offset, ..DataOut::default() };
        initiator.frames().send_pdu(&Pdu::new(pdu.encode(), [], pattern(512, 9))).unwrap();
    }
    assert_silent(&mut initiator);
    kit.target().holding = false;
    initiator.test_unit_ready(0).unwrap();
}

/// RFC 7143 §11.5.1: sets and units; the tasks of other units go on.
#[test]
fn functions_on_a_unit_end_the_tasks_of_that_unit() {
    for (code, expected) in [
        (function::ABORT_TASK_SET, ManageFunction::AbortTaskSet),
        (function::CLEAR_TASK_SET, ManageFunction::ClearTaskSet),
        (function::LOGICAL_UNIT_RESET, ManageFunction::LogicalUnitReset),
    ] {
        let (kit, mut initiator, tags) = holding(&[0, 5, 0, 5]);
        assert_eq!(initiator.manage(code, lun(5), None).unwrap(), task_response::COMPLETE);
        let manage = kit.target().managed[0];
        assert_eq!((manage.function, manage.lun, manage.referenced), (expected, lun(5), Referenced::Nothing));
        kit.target().release();
        assert_eq!([initiator.complete().unwrap().itt, initiator.complete().unwrap().itt], [tags[2], tags[0]]);
        assert_silent(&mut initiator);
        assert_eq!(initiator.in_flight(), 0);
    }
}

/// RFC 7143 §11.5.1: a reset of the target ends everything, if it is allowed at all.
#[test]
fn a_target_reset_ends_all_tasks_or_is_not_authorized() {
    let (kit, mut initiator, _) = holding(&[0, 1, 2]);
    assert_eq!(initiator.manage(function::TARGET_COLD_RESET, LUN0, None).unwrap(), task_response::NOT_AUTHORIZED);
    assert_eq!(kit.target().held(), 3);
    assert_eq!(initiator.manage(function::TARGET_WARM_RESET, LUN0, None).unwrap(), task_response::COMPLETE);
    assert_eq!((kit.target().held(), initiator.in_flight()), (0, 0));
}

/// RFC 7143 §4.2.3.1: what is sent behind a function is not touched by it.
#[test]
fn commands_behind_a_reset_are_carried_out() {
    let (kit, mut initiator, _) = holding(&[0, 0]);
    kit.target().holding = false;
    let reset = initiator.submit_manage(function::LOGICAL_UNIT_RESET, LUN0, None).unwrap();
    let behind = initiator.submit(&ready(0)).unwrap();
    assert_eq!([initiator.complete().unwrap().itt, initiator.complete().unwrap().itt], [reset, behind]);
    assert_eq!(initiator.in_flight(), 0);
}

/// RFC 7143 §11.6.1: what is not there is answered as not supported, not with silence.
#[test]
fn functions_that_are_not_supported_say_so() {
    let (_kit, mut initiator, tags) = holding(&[0]);
    assert_eq!(initiator.manage(function::CLEAR_ACA, LUN0, None).unwrap(), task_response::NOT_SUPPORTED);
    assert_eq!(initiator.manage(function::TASK_REASSIGN, LUN0, Some(tags[0])).unwrap(), task_response::NO_REASSIGN);
}

/// RFC 7144 §4.2.1: queries and I_T NEXUS RESET, where level 2 was agreed on.
#[test]
fn queries_are_answered_at_protocol_level_2() {
    let (kit, mut initiator, tags) = holding(&[0]);
    assert_eq!(initiator.agreed().other, [("iSCSIProtocolLevel".to_owned(), "2".to_owned())]);
    assert_eq!(initiator.manage(function::QUERY_TASK, LUN0, Some(tags[0])).unwrap(), task_response::SUCCEEDED);
    assert_eq!(initiator.manage(function::QUERY_TASK, LUN0, Some(0x999)).unwrap(), task_response::COMPLETE);
    assert_eq!(initiator.manage(function::QUERY_TASK_SET, LUN0, None).unwrap(), task_response::SUCCEEDED);
    initiator.submit_manage(function::QUERY_ASYNC_EVENT, LUN0, None).unwrap();
    let answer = next(&mut initiator);
    assert_eq!((answer.bhs[2], &answer.bhs[8..11]), (task_response::SUCCEEDED, &[6, 0x29, 0][..]));
    assert_eq!(initiator.manage(function::I_T_NEXUS_RESET, LUN0, None).unwrap(), task_response::COMPLETE);
    assert_eq!(kit.target().held(), 0);
}

/// RFC 7144 §7.1.1: without the level, its functions are unknown.
#[test]
fn queries_are_not_supported_without_protocol_level_2() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    for code in [function::QUERY_TASK, function::QUERY_TASK_SET, function::I_T_NEXUS_RESET, function::QUERY_ASYNC_EVENT]
    {
        assert_eq!(initiator.manage(code, LUN0, None).unwrap(), task_response::NOT_SUPPORTED, "function {code}");
    }
    assert!(kit.target().managed.is_empty());
}

/// RFC 7143 §11.5: a function that nobody knows is answered and costs nothing else.
#[test]
fn unknown_functions_are_answered() {
    for code in [0, 13, 0x7f] {
        let kit = Kit::new();
        let mut initiator = kit.login();
        initiator.submit_manage(code, LUN0, None).unwrap();
        let answer = next(&mut initiator);
        assert!(
            answer.opcode() == Some(Opcode::Reject)
                || [task_response::NOT_SUPPORTED, task_response::REJECTED].contains(&answer.bhs[2]),
            "{answer:?}"
        );
        initiator.forget(answer.itt());
        initiator.test_unit_ready(0).unwrap();
    }
}

/// RFC 7143 §11.5: functions come through while the window is full, because they are immediate.
#[test]
fn an_abort_comes_through_a_full_window() {
    let kit = Kit::new();
    let mut initiator = kit.login();
    kit.target().holding = true;
    let tags: Vec<u32> = (0..initiator.window_left()).map(|_| initiator.submit(&ready(0)).unwrap()).collect();
    for tag in &tags {
        assert_eq!(initiator.manage(function::ABORT_TASK, LUN0, Some(*tag)).unwrap(), task_response::COMPLETE);
    }
    assert_eq!(initiator.window_left() as usize, tags.len(), "each abort makes room");
}
