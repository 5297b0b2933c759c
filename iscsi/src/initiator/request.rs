//! What can be asked of a target, and what comes back.

use bytes::Bytes;

use crate::wire::AsyncMessage;

/// A SCSI command with its data.
#[derive(Debug, Clone)]
pub struct Request {
    /// The LUN field (SAM-5 4.7).
    pub lun: [u8; 8],
    /// 6 to 260 bytes; what is longer than 16 travels in an additional header segment.
    pub cdb: Vec<u8>,
    /// Task attribute (RFC 7143 §11.3.1): 0 untagged, 1 simple, 2 ordered, 3 head of queue, 4 ACA.
    pub attribute: u8,
    /// Deliver out of the order of CmdSN (RFC 7143 §4.2.2.1).
    pub immediate: bool,
    /// Data to write.
    pub data_out: Bytes,
    /// Bytes to read at most.
    pub data_in: u32,
}

impl Request {
    /// A command without data for the unit `number`.
    pub fn new(number: u16, cdb: &[u8]) -> Self {
        Request {
            lun: lun(number),
            cdb: cdb.to_vec(),
            attribute: 1,
            immediate: false,
            data_out: Bytes::new(),
            data_in: 0,
        }
    }

    /// The same command, reading at most `len` bytes.
    #[must_use]
    pub fn reading(self, len: u32) -> Self {
        Request { data_in: len, ..self }
    }

    /// The same command, writing `data`.
    #[must_use]
    pub fn writing(self, data: impl Into<Bytes>) -> Self {
        Request { data_out: data.into(), ..self }
    }

    /// The same command, for immediate delivery.
    #[must_use]
    pub fn immediately(self) -> Self {
        Request { immediate: true, ..self }
    }
}

/// The LUN field of a unit number: peripheral device addressing up to 255, flat space beyond (SAM-5 4.7.5, 4.7.6).
///
/// # Panics
/// Where the number is above 16383, which neither form can write.
pub fn lun(number: u16) -> [u8; 8] {
    assert!(number < 1 << 14, "unit number {number} has no encoding");
    let [high, low] = number.to_be_bytes();
    [if number < 256 { 0 } else { 0x40 | high }, low, 0, 0, 0, 0, 0, 0]
}

/// How a SCSI command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScsiResult {
    /// iSCSI service response (RFC 7143 §11.4.3): 0 is "completed at target"; with anything else there is no status.
    pub response: u8,
    /// SCSI status: 00h GOOD, 02h CHECK CONDITION, ...
    pub status: u8,
    /// Sense data without its length.
    pub sense: Vec<u8>,
    /// Data that was read.
    pub data: Vec<u8>,
    /// How far the data fell short of, or ran over, what was expected.
    pub residual: Residual,
}

impl ScsiResult {
    /// The command completed with GOOD.
    pub fn is_good(&self) -> bool {
        self.response == 0 && self.status == 0
    }

    /// Sense key, additional sense code and its qualifier, from fixed or descriptor format (SPC-5 4.4).
    pub fn sense_code(&self) -> Option<(u8, u8, u8)> {
        let at = |index: usize| self.sense.get(index).copied();
        match at(0)? & 0x7f {
            0x70 | 0x71 => Some((at(2)? & 0x0f, at(12)?, at(13)?)),
            0x72 | 0x73 => Some((at(1)? & 0x0f, at(2)?, at(3)?)),
            _ => None,
        }
    }
}

/// The residual count (RFC 7143 §11.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residual {
    /// As many bytes as were expected.
    None,
    /// So many bytes of the expected ones were not moved.
    Underflow(u32),
    /// So many bytes were not moved because they were not expected.
    Overflow(u32),
}

/// How one request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The Initiator Task Tag that the request was given.
    pub itt: u32,
    /// Its answer.
    pub answer: Answer,
}

/// The answer to a request, by the kind of request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A SCSI command ended.
    Scsi(ScsiResult),
    /// A task management function ended with this response (RFC 7143 §11.6.1).
    Managed(u8),
    /// A ping came back with this data.
    Pong(Vec<u8>),
    /// A Text Response: its pairs so far as bytes, whether more follows, and the tag to ask for it with.
    Text {
        /// The data segment.
        data: Vec<u8>,
        /// The exchange is over.
        fin: bool,
        /// Target Transfer Tag to go on with.
        ttt: u32,
    },
    /// A Logout Response.
    LoggedOut {
        /// Response code (RFC 7143 §11.15.1): 0 is "closed".
        response: u8,
        /// Time2Wait in seconds.
        time_to_wait: u16,
        /// Time2Retain in seconds.
        time_to_retain: u16,
    },
    /// The request was rejected.
    Rejected {
        /// Reason (RFC 7143 §11.17.1).
        reason: u8,
        /// The header of the rejected PDU, as the target returned it.
        header: Vec<u8>,
    },
}

/// What a target says without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An Asynchronous Message, with its data segment.
    Async(AsyncMessage, Vec<u8>),
    /// A NOP-In that wants an answer; it has had one unless [`Manners::answer_pings`] is off.
    Ping {
        /// The Target Transfer Tag of the ping.
        ttt: u32,
        /// Its LUN field, which the answer repeats.
        lun: [u8; 8],
        /// Its data.
        data: Vec<u8>,
    },
    /// A NOP-In that wants no answer: news of the command window.
    Window,
    /// An R2T that was left unanswered because [`Manners::answer_r2t`] is off.
    Asked(crate::wire::R2t),
    /// A Reject of something that is no request in flight.
    Rejected {
        /// Reason (RFC 7143 §11.17.1).
        reason: u8,
        /// The header of the rejected PDU, as the target returned it.
        header: Vec<u8>,
    },
}

/// What an initiator does by itself, and what it overlooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// Answer the target's pings.
    pub answer_pings: bool,
    /// Send data that an R2T asks for. Off, it behaves like a host after an abort with `FastAbort=Yes`.
    pub answer_r2t: bool,
    /// Take a SCSI Response that miscounts the Data-In and R2T PDUs before it (RFC 7143 §11.4.8) for a breach. There
    /// are targets in wide use that count no R2Ts.
    pub check_exp_data_sn: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Manners { answer_pings: true, answer_r2t: true, check_exp_data_sn: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_numbers_are_written_in_the_form_that_fits() {
        assert_eq!(lun(255)[..2], [0, 255]);
        assert_eq!(lun(256)[..2], [0x41, 0]);
        assert_eq!(lun(16_383)[..2], [0x7f, 0xff]);
    }

    #[test]
    #[should_panic(expected = "no encoding")]
    fn unit_number_16384_has_no_form() {
        lun(16_384);
    }

    #[test]
    fn sense_codes_are_found_in_both_formats() {
        let result = |sense: &[u8]| ScsiResult {
            response: 0,
            status: 2,
            sense: sense.to_vec(),
            data: Vec::new(),
            residual: Residual::None,
        };
        let fixed = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 1, 0, 0, 0, 0];
        assert_eq!(result(&fixed).sense_code(), Some((5, 0x24, 1)));
        assert_eq!(result(&[0x72, 6, 0x29, 0, 0, 0, 0, 0]).sense_code(), Some((6, 0x29, 0)));
        assert_eq!(result(&fixed[..13]).sense_code(), None);
        assert_eq!(result(&[]).sense_code(), None);
    }
}
