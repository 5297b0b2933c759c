//! What does each PDU ask for: which opcode goes where, in which order, and what is refused?

use std::borrow::Cow;

use super::event::{Event, LogoutReason};
use super::receive::Segment;
use super::{Connection, Phase};
use crate::fault::Fault;
use crate::payload::Payload;
use crate::serial::Serial;
use crate::session::Session;
use crate::session::window::Arrival;
use crate::wire::codes::{logout, reject};
use crate::wire::{Bhs, LogoutRequest, LogoutResponse, NO_TAG, NopIn, NopOut, Opcode, Reject, data_len};

impl<P: Payload> Connection<P> {
    /// Acts on a header and says whose the data behind it is.
    pub(super) fn dispatch(&mut self, session: &mut Session, bhs: &Bhs) -> Segment {
        let Some(opcode) = Opcode::of(bhs) else {
            return self.reject(session, reject::NOT_SUPPORTED, bhs);
        };
        match opcode {
            // Discovery sessions talk text, and end (RFC 7143 §4.3).
            Opcode::ScsiCommand | Opcode::TaskRequest if self.state.discovery => {
                if self.in_order(session, bhs) {
                    self.reject(session, reject::NOT_SUPPORTED, bhs)
                } else {
                    Segment::Discard
                }
            }
            Opcode::DataOut if self.state.discovery => self.reject(session, reject::NOT_SUPPORTED, bhs),
            Opcode::ScsiCommand => self.command(session, bhs),
            Opcode::DataOut => self.data_out(session, bhs),
            Opcode::NopOut => self.nop_out(session, bhs),
            Opcode::TaskRequest => self.task_request(session, bhs),
            Opcode::TextRequest if self.in_order(session, bhs) => Segment::Text,
            Opcode::TextRequest => Segment::Discard,
            Opcode::LogoutRequest => self.logout(session, bhs),
            // Error recovery level 0 has no SNACK (RFC 7143 §11.16).
            Opcode::SnackRequest => self.reject(session, reject::SNACK, bhs),
            Opcode::LoginRequest => {
                let what = "a Login Request in full feature phase";
                self.reject_and_fault(session, reject::PROTOCOL, "RFC 7143 §4.3.1", what);
                Segment::Discard
            }
            // What only a target sends.
            _ => self.reject(session, reject::NOT_SUPPORTED, bhs),
        }
    }

    /// May this PDU with a CmdSN be acted on now (RFC 7143 §4.2.2.1)? Outside of the window it is ignored silently;
    /// a gap on the only connection will never be filled at error recovery level 0.
    #[inline]
    pub(super) fn in_order(&mut self, session: &mut Session, bhs: &Bhs) -> bool {
        if is_immediate(bhs) {
            return true;
        }
        let cmd_sn = u32::from_be_bytes([bhs[24], bhs[25], bhs[26], bhs[27]]);
        match session.window.arrive(Serial(cmd_sn)) {
            Arrival::InOrder => true,
            Arrival::Outside => false,
            Arrival::Gap => {
                let expected = session.window.expected().0;
                let what = format!("CmdSN {cmd_sn} came where {expected} was expected, on the only connection");
                self.fault(Fault::connection("RFC 7143 §4.2.2.1", what));
                false
            }
        }
    }

    /// Answers with a Reject; the connection goes on and the data behind the header is let pass.
    pub(super) fn reject(&mut self, session: &mut Session, reason: u8, bhs: &Bhs) -> Segment {
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let reject = Reject {
            reason,
            itt: NO_TAG,
            stat_sn: self.next_stat_sn(),
            exp_cmd_sn,
            max_cmd_sn,
            data_len: bhs.len() as u32,
            ..Default::default()
        };
        self.put(&reject.encode(), bhs);
        Segment::Discard
    }

    /// Answers the PDU that is being received with a Reject and ends the connection.
    pub(super) fn reject_and_fault(
        &mut self,
        session: &mut Session,
        reason: u8,
        clause: &'static str,
        what: impl Into<Cow<'static, str>>,
    ) {
        let bhs = self.state.receiver.bhs();
        self.reject(session, reason, &bhs);
        self.fault(Fault::connection(clause, what));
    }

    /// NOP-Out (RFC 7143 §11.18): a ping, the answer to our ping, or just numbers.
    fn nop_out(&mut self, session: &mut Session, bhs: &Bhs) -> Segment {
        if !self.in_order(session, bhs) {
            return Segment::Discard;
        }
        let nop = NopOut::decode(bhs);
        if nop.itt != NO_TAG {
            return Segment::Ping { keep: nop.data_len.min(self.state.params.initiator_segment) };
        }
        if nop.ttt != NO_TAG && self.state.ping == Some(nop.ttt) {
            self.state.ping = None;
            self.clock.pong();
        }
        Segment::Discard
    }

    /// A ping's data is there: send it back.
    pub(super) fn pong(&mut self, session: &mut Session, bhs: &Bhs) {
        let nop = NopOut::decode(bhs);
        let data = std::mem::take(&mut self.state.receiver.gathered);
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let pong = NopIn {
            lun: nop.lun,
            itt: nop.itt,
            ttt: NO_TAG,
            stat_sn: self.next_stat_sn(),
            exp_cmd_sn,
            max_cmd_sn,
            data_len: data.len() as u32,
        };
        self.put(&pong.encode(), &data);
        self.state.receiver.gathered = data;
    }

    fn logout(&mut self, session: &mut Session, bhs: &Bhs) -> Segment {
        if !self.in_order(session, bhs) {
            return Segment::Discard;
        }
        let request = LogoutRequest::decode(bhs);
        let answer = match request.reason {
            logout::CLOSE_SESSION => Ok(LogoutReason::CloseSession),
            logout::CLOSE_CONNECTION if request.cid == self.state.cid => Ok(LogoutReason::CloseConnection),
            logout::CLOSE_CONNECTION => Err(logout::NO_CID),
            logout::REMOVE_FOR_RECOVERY => Err(logout::NO_RECOVERY),
            _ => return self.reject(session, reject::INVALID_FIELD, bhs),
        };
        match answer {
            Ok(reason) if data_len(bhs) == 0 => {
                self.state.phase = Phase::LoggingOut { itt: request.itt };
                self.events.push_back(Event::Logout(reason));
                Segment::Discard
            }
            // A Logout Request has no data segment (RFC 7143 §11.14).
            Ok(_) => self.reject(session, reject::INVALID_FIELD, bhs),
            Err(response) => {
                self.logout_response(session, request.itt, response);
                Segment::Discard
            }
        }
    }

    /// Answers [`Event::Logout`] with a response of [`logout`]; after 0 ("closed") the owner flushes and closes.
    pub fn answer_logout(&mut self, session: &mut Session, response: u8) {
        let Phase::LoggingOut { itt } = self.state.phase else { return };
        self.state.phase = Phase::Open;
        self.logout_response(session, itt, response);
        if response == logout::CLOSED {
            self.state.phase = Phase::Over;
        }
    }

    fn logout_response(&mut self, session: &mut Session, itt: u32, response: u8) {
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let params = &self.state.params;
        let answer = LogoutResponse {
            response,
            itt,
            exp_cmd_sn,
            max_cmd_sn,
            // The table of keys keeps both below 3601.
            time_to_wait: params.time_to_wait as u16,
            time_to_retain: params.time_to_retain as u16,
            stat_sn: self.next_stat_sn(),
            ..Default::default()
        };
        self.put(&answer.encode(), &[]);
    }
}

fn is_immediate(bhs: &Bhs) -> bool {
    bhs[0] & 0x40 != 0
}
