//! How are tasks managed (RFC 7143 §11.5, §11.6, RFC 7144 §4.2)?

use super::*;
use crate::session::ManageTag;
use crate::wire::TaskResponse;
use crate::wire::codes::{function, task_response};

fn asked(pair: &mut Pair) -> Manage {
    match pair.event() {
        Some(Event::Manage(manage)) => manage,
        other => panic!("no task management but {other:?}"),
    }
}

fn response(pair: &mut Pair) -> u8 {
    TaskResponse::decode(&pair.only().0).response
}

fn complete(pair: &mut Pair, tag: ManageTag) {
    pair.connection.answer_manage(&mut pair.session, tag, ManageResponse::Complete);
    assert_eq!(response(pair), task_response::COMPLETE);
}

#[test]
fn abort_task_finds_a_task_that_is_alive() {
    let mut pair = Pair::new(usual());
    let task = pair.read(5, 8);
    pair.manage(function::ABORT_TASK, 50, 5, 1);
    let manage = asked(&mut pair);
    assert_eq!(
        (manage.function, manage.referenced, manage.lun),
        (ManageFunction::AbortTask, Referenced::Task(task), LUN)
    );
    pair.connection.abort(&mut pair.session, task);
    complete(&mut pair, manage.tag);
    pair.connection.answer_manage(&mut pair.session, manage.tag, ManageResponse::Complete);
    assert!(pair.sent().is_empty(), "it is answered once");
}

#[test]
fn abort_task_of_another_lun_or_of_a_task_that_ended_finds_nothing() {
    let mut pair = Pair::new(usual());
    let task = pair.read(5, 8);
    let request = TaskRequest {
        immediate: true,
        function: 1,
        lun: [0; 8],
        itt: 50,
        referenced_itt: 5,
        ref_cmd_sn: 1,
        cmd_sn: 2,
        ..Default::default()
    };
    pair.send(request.encode(), &[]);
    assert_eq!(asked(&mut pair).referenced, Referenced::Unknown);
    pair.connection.abort(&mut pair.session, task);
    pair.manage(function::ABORT_TASK, 51, 5, 1);
    let manage = asked(&mut pair);
    assert_eq!(manage.referenced, Referenced::Unknown, "§11.6.1 case c");
    pair.connection.answer_manage(&mut pair.session, manage.tag, ManageResponse::NoTask);
    assert_eq!(response(&mut pair), task_response::NO_TASK);
}

#[test]
fn abort_task_of_a_command_in_the_window_counts_it_as_received() {
    // §11.6.1 case b: the command with CmdSN 1 never came, the request is numbered after it.
    let mut pair = Pair::new(usual());
    pair.cmd_sn = 2;
    pair.manage(function::ABORT_TASK, 50, 5, 1);
    let manage = asked(&mut pair);
    assert_eq!(manage.referenced, Referenced::InWindow);
    complete(&mut pair, manage.tag);
    pair.read(6, 8);
}

#[test]
fn every_function_is_answered_by_its_row() {
    let table = [
        (function::ABORT_TASK_SET, Some(ManageFunction::AbortTaskSet), 0),
        (function::CLEAR_ACA, None, task_response::NOT_SUPPORTED),
        (function::CLEAR_TASK_SET, Some(ManageFunction::ClearTaskSet), 0),
        (function::LOGICAL_UNIT_RESET, Some(ManageFunction::LogicalUnitReset), 0),
        (function::TARGET_WARM_RESET, Some(ManageFunction::TargetWarmReset), 0),
        (function::TARGET_COLD_RESET, Some(ManageFunction::TargetColdReset), 0),
        (function::TASK_REASSIGN, None, task_response::NO_REASSIGN),
        (function::QUERY_TASK, Some(ManageFunction::QueryTask), 0),
        (function::QUERY_TASK_SET, Some(ManageFunction::QueryTaskSet), 0),
        (function::I_T_NEXUS_RESET, Some(ManageFunction::NexusReset), 0),
        (function::QUERY_ASYNC_EVENT, Some(ManageFunction::QueryAsyncEvent), 0),
        (0, None, task_response::NOT_SUPPORTED),
        (13, None, task_response::NOT_SUPPORTED),
        (0x7f, None, task_response::NOT_SUPPORTED),
    ];
    for (code, owner, answer) in table {
        let mut pair = Pair::new(usual());
        pair.manage(code, 50, NO_TAG, 0);
        match owner {
            Some(want) => assert_eq!(asked(&mut pair).function, want),
            None => assert_eq!(response(&mut pair), answer, "function {code}"),
        }
    }
}

#[test]
fn functions_of_rfc_7144_need_protocol_level_2() {
    for code in 9..=12 {
        let mut pair = Pair::new(Params { protocol_level: 1, ..usual() });
        pair.manage(code, 50, NO_TAG, 0);
        assert_eq!(response(&mut pair), task_response::NOT_SUPPORTED);
    }
}

#[test]
fn a_query_for_events_brings_back_what_was_found() {
    let mut pair = Pair::new(usual());
    pair.manage(function::QUERY_ASYNC_EVENT, 50, NO_TAG, 0);
    let tag = asked(&mut pair).tag;
    let found = ManageResponse::SucceededWith { key: 6, asc: 0x2a, ascq: 9 };
    pair.connection.answer_manage(&mut pair.session, tag, found);
    let answer = TaskResponse::decode(&pair.only().0);
    assert_eq!((answer.response, answer.additional), (task_response::SUCCEEDED, [6, 0x2a, 9]));
}

#[test]
fn too_many_functions_at_once_are_rejected() {
    let mut pair = Pair::new(usual());
    for itt in 0..8 {
        pair.manage(function::LOGICAL_UNIT_RESET, itt, NO_TAG, 0);
        asked(&mut pair);
    }
    pair.manage(function::LOGICAL_UNIT_RESET, 8, NO_TAG, 0);
    assert_eq!(response(&mut pair), task_response::REJECTED);
}

#[test]
fn an_abort_does_not_wait_for_data_whether_the_initiator_goes_on_or_stops() {
    for goes_on in [false, true] {
        let mut pair = Pair::new(usual());
        pair.write(5, 10_000, &[], true);
        let task = pair.command().task;
        pair.connection.begin_write(&mut pair.session, task, 10_000);
        pair.sent();
        pair.manage(function::ABORT_TASK, 50, 5, 1);
        let manage = asked(&mut pair);
        assert_eq!(manage.referenced, Referenced::Task(task));
        pair.connection.abort(&mut pair.session, task);
        complete(&mut pair, manage.tag);
        if goes_on {
            for sn in 0..4 {
                pair.data_out(5, task.to_wire(), sn, sn * 1024, sn == 3, &bytes(1024));
            }
        }
        assert!(pair.events.is_empty() && pair.sent().is_empty() && pair.landed.is_empty());
        pair.read(5, 8);
    }
}

#[test]
fn what_was_due_for_a_task_leaves_before_the_answer_to_its_abort() {
    let mut pair = Pair::new(usual());
    let task = pair.read(5, 2048);
    pair.connection.send_data(&mut pair.session, task, bytes(2048), Outcome::good(2048));
    pair.manage(function::ABORT_TASK, 50, 5, 1);
    let manage = asked(&mut pair);
    assert_eq!(manage.referenced, Referenced::Unknown);
    pair.connection.answer_manage(&mut pair.session, manage.tag, ManageResponse::NoTask);
    assert_eq!(pair.opcodes(), [Opcode::DataIn, Opcode::DataIn, Opcode::TaskResponse]);
}
