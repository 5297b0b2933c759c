//! How are task management functions taken and answered (RFC 7143 §11.5, §11.6, RFC 7144 §4.2)?

use super::Connection;
use super::event::{Event, Manage, ManageFunction, ManageResponse, Referenced};
use super::receive::Segment;
use crate::payload::Payload;
use crate::serial::Serial;
use crate::session::{ManageTag, Session};
use crate::wire::codes::{function, task_response};
use crate::wire::{Bhs, TaskRequest, TaskResponse};

/// One task management function.
struct Row {
    code: u8,
    /// iSCSIProtocolLevel it takes.
    level: u32,
    action: Action,
}

#[derive(Clone, Copy)]
enum Action {
    /// The owner carries it out.
    Owner(ManageFunction),
    /// It is answered here.
    Answer(u8),
}

#[rustfmt::skip]
const FUNCTIONS: [Row; 12] = [
    Row { code: function::ABORT_TASK,         level: 0, action: Action::Owner(ManageFunction::AbortTask) },
    Row { code: function::ABORT_TASK_SET,     level: 0, action: Action::Owner(ManageFunction::AbortTaskSet) },
    // NormACA is not offered, so there is never an ACA to clear.
    Row { code: function::CLEAR_ACA,          level: 0, action: Action::Answer(task_response::NOT_SUPPORTED) },
    Row { code: function::CLEAR_TASK_SET,     level: 0, action: Action::Owner(ManageFunction::ClearTaskSet) },
    Row { code: function::LOGICAL_UNIT_RESET, level: 0, action: Action::Owner(ManageFunction::LogicalUnitReset) },
    Row { code: function::TARGET_WARM_RESET,  level: 0, action: Action::Owner(ManageFunction::TargetWarmReset) },
    Row { code: function::TARGET_COLD_RESET,  level: 0, action: Action::Owner(ManageFunction::TargetColdReset) },
    // Only error recovery level 2 moves tasks between connections.
    Row { code: function::TASK_REASSIGN,      level: 0, action: Action::Answer(task_response::NO_REASSIGN) },
    Row { code: function::QUERY_TASK,         level: 2, action: Action::Owner(ManageFunction::QueryTask) },
    Row { code: function::QUERY_TASK_SET,     level: 2, action: Action::Owner(ManageFunction::QueryTaskSet) },
    Row { code: function::I_T_NEXUS_RESET,    level: 2, action: Action::Owner(ManageFunction::NexusReset) },
    Row { code: function::QUERY_ASYNC_EVENT,  level: 2, action: Action::Owner(ManageFunction::QueryAsyncEvent) },
];

impl<P: Payload> Connection<P> {
    pub(super) fn task_request(&mut self, session: &mut Session, bhs: &Bhs) -> Segment {
        if !self.in_order(session, bhs) {
            return Segment::Discard;
        }
        let request = TaskRequest::decode(bhs);
        let level = self.state.params.protocol_level;
        let row = FUNCTIONS.iter().find(|row| row.code == request.function && row.level <= level);
        match row.map_or(Action::Answer(task_response::NOT_SUPPORTED), |row| row.action) {
            Action::Answer(response) => self.task_response(session, request.itt, response, [0; 3]),
            Action::Owner(function) => match session.manages.add(request.itt) {
                None => self.task_response(session, request.itt, task_response::REJECTED, [0; 3]),
                Some(tag) => {
                    let referenced = referenced(session, function, &request);
                    self.events.push_back(Event::Manage(Manage { tag, function, lun: request.lun, referenced }));
                }
            },
        }
        Segment::Discard
    }

    /// Answers [`Event::Manage`]; what is due for aborted tasks was queued before and leaves before the answer.
    pub fn answer_manage(&mut self, session: &mut Session, manage: ManageTag, response: ManageResponse) {
        let Some(itt) = session.manages.remove(manage) else { return };
        let (code, additional) = match response {
            ManageResponse::Complete => (task_response::COMPLETE, [0; 3]),
            ManageResponse::NoTask => (task_response::NO_TASK, [0; 3]),
            ManageResponse::NoLun => (task_response::NO_LUN, [0; 3]),
            ManageResponse::StillAllegiant => (task_response::STILL_ALLEGIANT, [0; 3]),
            ManageResponse::NoReassign => (task_response::NO_REASSIGN, [0; 3]),
            ManageResponse::NotSupported => (task_response::NOT_SUPPORTED, [0; 3]),
            ManageResponse::NotAuthorized => (task_response::NOT_AUTHORIZED, [0; 3]),
            ManageResponse::Succeeded => (task_response::SUCCEEDED, [0; 3]),
            // SAM-5 §7.10: the sense key in the low nibble, UADE DEPTH (not reported) above it.
            ManageResponse::SucceededWith { key, asc, ascq } => (task_response::SUCCEEDED, [key & 0xf, asc, ascq]),
            ManageResponse::Rejected => (task_response::REJECTED, [0; 3]),
        };
        self.task_response(session, itt, code, additional);
    }

    fn task_response(&mut self, session: &mut Session, itt: u32, response: u8, additional: [u8; 3]) {
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let answer = TaskResponse {
            response,
            additional,
            itt,
            stat_sn: self.next_stat_sn(),
            exp_cmd_sn,
            max_cmd_sn,
            data_len: 0,
        };
        self.put(&answer.encode(), &[]);
    }
}

/// The rules of RFC 7143 §11.6.1 for ABORT TASK, as far as numbers decide.
fn referenced(session: &mut Session, function: ManageFunction, request: &TaskRequest) -> Referenced {
    if !matches!(function, ManageFunction::AbortTask | ManageFunction::QueryTask) {
        return Referenced::Nothing;
    }
    // The LUN must be the task's (RFC 7143 §11.5.4).
    let found = session.tasks.find(request.referenced_itt);
    if let Some(tag) = found.filter(|&tag| session.tasks.get(tag).is_some_and(|task| task.lun == request.lun)) {
        return Referenced::Task(tag);
    }
    let aborts = function == ManageFunction::AbortTask;
    if aborts && found.is_none() && session.window.give_up(Serial(request.ref_cmd_sn), Serial(request.cmd_sn)) {
        return Referenced::InWindow;
    }
    Referenced::Unknown
}
