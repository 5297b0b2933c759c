//! What each PDU of a target means for the requests in flight.

use std::io::{Read, Write};

use super::error::Error;
use super::frames::Pdu;
use super::request::{Answer, Completion, Notice};
use super::session::{Initiator, Pending};
use crate::wire::codes::task_response;
use crate::wire::{
    AsyncMessage, Bhs, DataIn, LogoutResponse, NO_TAG, NopIn, NopOut, Opcode, R2t, Reject, ScsiResponse, TaskResponse,
    TextResponse, initiator_task_tag,
};

/// How a PDU counts in StatSN (RFC 7143 §4.2.2.2).
enum Counts {
    /// It carries a status, and the next one has the next number.
    One,
    /// It carries the number of the next status without using it up.
    None,
    /// Its field is reserved.
    Reserved,
}

impl<S: Read + Write> Initiator<S> {
    /// Checks the numbers of a PDU and counts them.
    pub(super) fn count(&mut self, pdu: &Pdu) -> Result<Opcode, Error> {
        let opcode = pdu.opcode().filter(|opcode| *opcode as u8 >= Opcode::NopIn as u8).ok_or_else(|| {
            Error::protocol("RFC 7143 §11.2.1.2", format!("opcode {:#04x} is none of a target's", pdu.bhs[0]))
        })?;
        if !pdu.ahs.is_empty() {
            return Err(Error::protocol("RFC 7143 §11.2.2", "a target's PDU has an additional header segment"));
        }
        let counts = match opcode {
            Opcode::DataIn if !DataIn::decode(&pdu.bhs).status_here => Counts::Reserved,
            Opcode::NopIn if pdu.itt() == NO_TAG => Counts::None,
            Opcode::R2t => Counts::None,
            _ => Counts::One,
        };
        // StatSN and the window stand at the same bytes of all of a target's PDUs.
        let NopIn { stat_sn, exp_cmd_sn, max_cmd_sn, .. } = NopIn::decode(&pdu.bhs);
        if !matches!(counts, Counts::Reserved) && stat_sn != self.exp_stat_sn {
            let what = format!("{opcode:?} has StatSN {stat_sn} where {} was due", self.exp_stat_sn);
            return Err(Error::protocol("RFC 7143 §4.2.2.2", what));
        }
        if matches!(counts, Counts::One) {
            self.exp_stat_sn = stat_sn.wrapping_add(1);
        }
        self.window(exp_cmd_sn, max_cmd_sn)?;
        Ok(opcode)
    }

    /// Acts on one PDU.
    pub(super) fn take(&mut self, pdu: Pdu) -> Result<(), Error> {
        match self.count(&pdu)? {
            Opcode::DataIn => self.data_in(&DataIn::decode(&pdu.bhs), &pdu.data),
            Opcode::ScsiResponse => self.response(&ScsiResponse::decode(&pdu.bhs), &pdu.data),
            Opcode::R2t => self.asked(R2t::decode(&pdu.bhs)),
            Opcode::NopIn => self.nop_in(NopIn::decode(&pdu.bhs), pdu.data),
            Opcode::TaskResponse => {
                let answer = TaskResponse::decode(&pdu.bhs);
                match self.pending.remove(&answer.itt) {
                    Some(Pending::Manage { ends }) => {
                        if answer.response == task_response::COMPLETE {
                            ends.iter().for_each(|itt| self.forget(*itt));
                        }
                        self.finish(answer.itt, Answer::Managed(answer.response))
                    }
                    _ => Err(unasked("RFC 7143 §11.6.3", answer.itt)),
                }
            }
            Opcode::TextResponse => {
                let TextResponse { itt, fin, ttt, .. } = TextResponse::decode(&pdu.bhs);
                if fin != (ttt == NO_TAG) {
                    return Err(Error::protocol("RFC 7143 §11.11.4", "F and the Target Transfer Tag disagree"));
                }
                match self.pending.remove(&itt) {
                    Some(Pending::Text) => self.finish(itt, Answer::Text { data: pdu.data, fin, ttt }),
                    _ => Err(unasked("RFC 7143 §11.11.3", itt)),
                }
            }
            Opcode::LogoutResponse => {
                let LogoutResponse { itt, response, time_to_wait, time_to_retain, .. } =
                    LogoutResponse::decode(&pdu.bhs);
                match self.pending.remove(&itt) {
                    Some(Pending::Logout) => {
                        self.finish(itt, Answer::LoggedOut { response, time_to_wait, time_to_retain })
                    }
                    _ => Err(unasked("RFC 7143 §11.15", itt)),
                }
            }
            Opcode::AsyncMessage => {
                let message = AsyncMessage::decode(&pdu.bhs);
                if message.itt != NO_TAG {
                    return Err(Error::protocol("RFC 7143 §11.9", "an Asynchronous Message has a task tag"));
                }
                self.notice(Notice::Async(message, pdu.data));
                Ok(())
            }
            Opcode::Reject => self.rejected(&Reject::decode(&pdu.bhs), pdu.data),
            opcode => Err(Error::protocol("RFC 7143 §7.9", format!("{opcode:?} in full feature phase"))),
        }
    }

    fn data_in(&mut self, pdu: &DataIn, data: &[u8]) -> Result<(), Error> {
        let agreed = self.agreed().clone();
        let Some(Pending::Scsi(task)) = self.pending.get_mut(&pdu.itt) else {
            return Err(unasked("RFC 7143 §11.7.4", pdu.itt));
        };
        task.data_in(pdu, data, &agreed)?;
        if !pdu.status_here {
            return Ok(());
        }
        let Some(Pending::Scsi(task)) = self.pending.remove(&pdu.itt) else { unreachable!("it was there just now") };
        self.finish(pdu.itt, Answer::Scsi(task.end_with_data(pdu)?))
    }

    fn response(&mut self, pdu: &ScsiResponse, data: &[u8]) -> Result<(), Error> {
        let Some(Pending::Scsi(task)) = self.pending.remove(&pdu.itt) else {
            return Err(unasked("RFC 7143 §11.4", pdu.itt));
        };
        if self.manners.check_exp_data_sn {
            task.check_count(pdu)?;
        }
        self.finish(pdu.itt, Answer::Scsi(task.end_with_response(pdu, data)?))
    }

    fn asked(&mut self, pdu: R2t) -> Result<(), Error> {
        if !self.manners.answer_r2t {
            self.notice(Notice::Asked(pdu));
            return Ok(());
        }
        let agreed = self.agreed().clone();
        let Some(Pending::Scsi(task)) = self.pending.get_mut(&pdu.itt) else {
            return Err(unasked("RFC 7143 §11.8", pdu.itt));
        };
        if pdu.ttt == NO_TAG {
            return Err(Error::protocol("RFC 7143 §11.8.5", "an R2T has the reserved Target Transfer Tag"));
        }
        let range = task.asked(&pdu, &agreed)?;
        let data = task.data_out.clone();
        self.data_out(pdu.itt, pdu.ttt, pdu.lun, range, &data)
    }

    fn nop_in(&mut self, pdu: NopIn, data: Vec<u8>) -> Result<(), Error> {
        if pdu.itt != NO_TAG {
            if pdu.ttt != NO_TAG {
                return Err(Error::protocol("RFC 7143 §11.19.1", "an answer to a ping has a Target Transfer Tag"));
            }
            return match self.pending.remove(&pdu.itt) {
                Some(Pending::Ping) => self.finish(pdu.itt, Answer::Pong(data)),
                _ => Err(unasked("RFC 7143 §11.19", pdu.itt)),
            };
        }
        if pdu.ttt == NO_TAG {
            self.notice(Notice::Window);
            return Ok(());
        }
        if self.manners.answer_pings {
            self.answer_ping(pdu.ttt, pdu.lun)?;
        }
        self.notice(Notice::Ping { ttt: pdu.ttt, lun: pdu.lun, data });
        Ok(())
    }

    /// Answers a ping of the target (RFC 7143 §11.18): immediate, without a task tag, its tag and LUN repeated.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn answer_ping(&mut self, ttt: u32, lun: [u8; 8]) -> Result<(), Error> {
        let answer = NopOut {
            immediate: true,
            lun,
            itt: NO_TAG,
            ttt,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            data_len: 0,
        };
        self.frames.send(&answer.encode(), &[], &[])
    }

    fn rejected(&mut self, pdu: &Reject, header: Vec<u8>) -> Result<(), Error> {
        let bad: Option<&Bhs> = header.first_chunk();
        let request = bad.filter(|bad| matches!(Opcode::of(bad), Some(opcode) if opens_a_request(opcode)));
        let itt = request.map(initiator_task_tag).filter(|itt| self.pending.contains_key(itt));
        match itt {
            Some(itt) => {
                self.pending.remove(&itt);
                self.finish(itt, Answer::Rejected { reason: pdu.reason, header })
            }
            None => {
                self.notice(Notice::Rejected { reason: pdu.reason, header });
                Ok(())
            }
        }
    }

    fn finish(&mut self, itt: u32, answer: Answer) -> Result<(), Error> {
        self.done.push_back(Completion { itt, answer });
        Ok(())
    }
}

/// Whether a rejected PDU of this kind takes its whole request along. A Data-Out does not: its command is answered by
/// a SCSI Response (RFC 7143 §7.6).
fn opens_a_request(opcode: Opcode) -> bool {
    use Opcode::{LogoutRequest, NopOut, ScsiCommand, TaskRequest, TextRequest};
    matches!(opcode, NopOut | ScsiCommand | TaskRequest | TextRequest | LogoutRequest)
}

fn unasked(clause: &'static str, itt: u32) -> Error {
    Error::protocol(clause, format!("an answer came for task tag {itt:#x}, which is not in use for such a request"))
}
