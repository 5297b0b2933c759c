//! What one SCSI command is owed: its data out, its data in, and the numbers both must come under.

use bytes::Bytes;

use super::agreed::Agreed;
use super::error::Error;
use super::request::{Request, Residual, ScsiResult};
use crate::wire::{DataIn, R2t, ScsiResponse};

/// A command in flight.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) lun: [u8; 8],
    pub(crate) cmd_sn: u32,
    pub(crate) data_out: Bytes,
    /// Expected Data Transfer Length of a read.
    data_in_len: u32,
    data_in: Vec<u8>,
    /// Bytes of Data-In that came.
    received: u32,
    /// Bytes of the running Data-In sequence.
    burst: u32,
    /// The next DataSN or R2TSN; they share one count (RFC 7143 §11.8.3).
    next_sn: u32,
    /// Bytes of data out that were sent unsolicited or asked for.
    solicited: u32,
}

impl Task {
    pub(crate) fn new(request: &Request, cmd_sn: u32, unsolicited: u32) -> Self {
        Task {
            lun: request.lun,
            cmd_sn,
            data_out: request.data_out.clone(),
            data_in_len: request.data_in,
            data_in: Vec::new(),
            received: 0,
            burst: 0,
            next_sn: 0,
            solicited: unsolicited,
        }
    }

    /// Takes one Data-In PDU in.
    pub(crate) fn data_in(&mut self, pdu: &DataIn, data: &[u8], agreed: &Agreed) -> Result<(), Error> {
        let wrong = |clause, what: String| Err(Error::protocol(clause, what));
        if pdu.data_sn != self.next_sn {
            return wrong("RFC 7143 §11.7.5", format!("DataSN {} came where {} was due", pdu.data_sn, self.next_sn));
        }
        if pdu.status_here && !pdu.fin {
            return wrong("RFC 7143 §11.7.3", "S is set in a Data-In without F".into());
        }
        if pdu.acknowledge && agreed.error_recovery_level == 0 {
            return wrong("RFC 7143 §11.7.2", "A is set in a session without error recovery".into());
        }
        let (at, len) = (pdu.offset, data.len() as u32);
        if at.checked_add(len).is_none_or(|end| end > self.data_in_len) {
            return wrong(
                "RFC 7143 §11.7.6",
                format!("{len} bytes at {at} run over the {} expected", self.data_in_len),
            );
        }
        if agreed.data_pdu_in_order && agreed.data_sequence_in_order && at != self.received {
            return wrong("RFC 7143 §13.18", format!("data at {at} came where {} was due", self.received));
        }
        self.burst += len;
        if self.burst > agreed.max_burst_length {
            return wrong("RFC 7143 §13.13", format!("a sequence of {} bytes exceeds MaxBurstLength", self.burst));
        }
        if pdu.fin {
            self.burst = 0;
        }
        self.next_sn = self.next_sn.wrapping_add(1);
        self.received += len;
        let (at, end) = (at as usize, at as usize + data.len());
        if self.data_in.len() < end {
            self.data_in.resize(end, 0);
        }
        self.data_in[at..end].copy_from_slice(data);
        Ok(())
    }

    /// Takes one R2T in: the range of data out that must be sent now.
    pub(crate) fn asked(&mut self, pdu: &R2t, agreed: &Agreed) -> Result<std::ops::Range<u32>, Error> {
        let wrong = |clause, what: String| Err(Error::protocol(clause, what));
        if pdu.r2t_sn != self.next_sn {
            return wrong("RFC 7143 §11.8.3", format!("R2TSN {} came where {} was due", pdu.r2t_sn, self.next_sn));
        }
        if pdu.desired == 0 || pdu.desired > agreed.max_burst_length {
            return wrong("RFC 7143 §11.8.4", format!("an R2T asks for {} bytes", pdu.desired));
        }
        let end = match pdu.offset.checked_add(pdu.desired) {
            Some(end) if end as usize <= self.data_out.len() => end,
            _ => {
                let what = format!("{} bytes at {} are asked for of {}", pdu.desired, pdu.offset, self.data_out.len());
                return wrong("RFC 7143 §11.8.4", what);
            }
        };
        if agreed.data_sequence_in_order && pdu.offset != self.solicited {
            return wrong("RFC 7143 §13.19", format!("an R2T at {} came where {} was due", pdu.offset, self.solicited));
        }
        self.next_sn = self.next_sn.wrapping_add(1);
        self.solicited = self.solicited.max(end);
        Ok(pdu.offset..end)
    }

    /// Ends with the status in a Data-In.
    pub(crate) fn end_with_data(self, pdu: &DataIn) -> Result<ScsiResult, Error> {
        let residual = residual(pdu.overflow, pdu.underflow, pdu.residual)?;
        self.end(ScsiResult { response: 0, status: pdu.status, sense: Vec::new(), data: Vec::new(), residual })
    }

    /// Whether a SCSI Response counts the Data-In and R2T PDUs before it as they were.
    pub(crate) fn check_count(&self, pdu: &ScsiResponse) -> Result<(), Error> {
        if pdu.response == 0 && pdu.exp_data_sn != self.next_sn {
            let what = format!("ExpDataSN is {} after {} Data-In and R2T PDUs", pdu.exp_data_sn, self.next_sn);
            return Err(Error::protocol("RFC 7143 §11.4.8", what));
        }
        Ok(())
    }

    /// Ends with a SCSI Response.
    pub(crate) fn end_with_response(self, pdu: &ScsiResponse, data: &[u8]) -> Result<ScsiResult, Error> {
        let residual = residual(pdu.overflow, pdu.underflow, pdu.residual)?;
        let sense = sense(data)?;
        self.end(ScsiResult { response: pdu.response, status: pdu.status, sense, data: Vec::new(), residual })
    }

    fn end(self, result: ScsiResult) -> Result<ScsiResult, Error> {
        let expected = if self.data_out.is_empty() { self.data_in_len } else { self.data_out.len() as u32 };
        let moved = match result.residual {
            Residual::Underflow(missing) => expected.checked_sub(missing),
            Residual::None | Residual::Overflow(_) => Some(expected),
        };
        let Some(moved) = moved else {
            return Err(Error::protocol("RFC 7143 §11.4.5.1", "the residual is more than was expected"));
        };
        // A command that failed may have stopped anywhere; one that did not must have brought what its residual says.
        if result.is_good() && self.data_out.is_empty() && self.received != moved {
            let what = format!("GOOD after {} bytes of data, where the residual tells of {moved}", self.received);
            return Err(Error::protocol("RFC 7143 §11.4.5.1", what));
        }
        Ok(ScsiResult { data: self.data_in, ..result })
    }
}

fn residual(overflow: bool, underflow: bool, count: u32) -> Result<Residual, Error> {
    match (overflow, underflow) {
        (false, false) => Ok(Residual::None),
        (true, false) => Ok(Residual::Overflow(count)),
        (false, true) => Ok(Residual::Underflow(count)),
        (true, true) => Err(Error::protocol("RFC 7143 §11.4.1", "both O and U are set")),
    }
}

/// The sense in the data segment of a SCSI Response: two bytes of length, then as many of sense.
fn sense(data: &[u8]) -> Result<Vec<u8>, Error> {
    if data.is_empty() {
        return Ok(Vec::new());
    }
    let sense = data.split_first_chunk::<2>().and_then(|(len, rest)| rest.get(..u16::from_be_bytes(*len).into()));
    match sense {
        Some(sense) => Ok(sense.to_vec()),
        None => Err(Error::protocol("RFC 7143 §11.4.7", "SenseLength runs over the data segment")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Keys;
    use super::*;

    fn read(len: u32) -> Task {
        Task::new(&Request::new(0, &[0; 6]).reading(len), 1, 0)
    }

    fn write(len: usize) -> Task {
        Task::new(&Request::new(0, &[0; 6]).writing(vec![0; len]), 1, 0)
    }

    fn agreed() -> Agreed {
        Agreed { max_burst_length: 1024, ..Agreed::new(&Keys::default()) }
    }

    fn piece(data_sn: u32, offset: u32, fin: bool) -> DataIn {
        DataIn { data_sn, offset, fin, ..DataIn::default() }
    }

    #[test]
    fn data_in_order_is_put_together() {
        let mut task = read(6);
        task.data_in(&piece(0, 0, false), b"abcd", &agreed()).unwrap();
        task.data_in(&piece(1, 4, true), b"ef", &agreed()).unwrap();
        let end = ScsiResponse { exp_data_sn: 2, ..ScsiResponse::default() };
        assert_eq!(task.end_with_response(&end, &[]).unwrap().data, b"abcdef");
    }

    #[test]
    fn data_that_is_out_of_number_order_or_bounds_is_a_breach() {
        for (pdu, data) in [
            (piece(1, 0, true), &b"abcd"[..]),
            (piece(0, 2, true), b"ab"),
            (piece(0, 0, true), b"abcdefg"),
            (piece(0, u32::MAX, true), b"ab"),
            (DataIn { status_here: true, ..piece(0, 0, false) }, b"ab"),
            (DataIn { acknowledge: true, ..piece(0, 0, true) }, b"ab"),
        ] {
            assert!(read(6).data_in(&pdu, data, &agreed()).is_err(), "{pdu:?}");
        }
    }

    #[test]
    fn a_sequence_may_fill_max_burst_length_and_not_one_byte_more() {
        let mut task = read(4096);
        task.data_in(&piece(0, 0, false), &[0; 1000], &agreed()).unwrap();
        task.data_in(&piece(1, 1000, true), &[0; 24], &agreed()).unwrap();
        task.data_in(&piece(2, 1024, false), &[0; 1024], &agreed()).unwrap();
        assert!(task.data_in(&piece(3, 2048, true), &[0], &agreed()).is_err());
    }

    #[test]
    fn an_r2t_must_ask_for_what_is_due() {
        let ask = |r2t_sn, offset, desired| R2t { r2t_sn, offset, desired, ..R2t::default() };
        let mut task = write(2000);
        assert_eq!(task.asked(&ask(0, 0, 1024), &agreed()).unwrap(), 0..1024);
        assert_eq!(task.asked(&ask(1, 1024, 976), &agreed()).unwrap(), 1024..2000);
        for bad in [ask(1, 0, 512), ask(0, 0, 0), ask(0, 0, 1025), ask(0, 1, 512), ask(0, u32::MAX, 2)] {
            assert!(write(2000).asked(&bad, &agreed()).is_err(), "{bad:?}");
        }
        assert!(write(100).asked(&ask(0, 0, 101), &agreed()).is_err());
    }

    #[test]
    fn good_needs_the_bytes_that_the_residual_tells_of() {
        let end = |missing| ScsiResponse { underflow: missing > 0, residual: missing, ..ScsiResponse::default() };
        assert!(read(6).end_with_response(&end(0), &[]).is_err());
        assert_eq!(read(6).end_with_response(&end(6), &[]).unwrap().residual, Residual::Underflow(6));
        assert!(read(6).end_with_response(&end(7), &[]).is_err());
    }

    #[test]
    fn sense_is_cut_out_by_its_length() {
        let end = ScsiResponse { status: 2, underflow: true, residual: 6, ..ScsiResponse::default() };
        let result = read(6).end_with_response(&end, &[0, 3, 0x70, 0, 5, 9]).unwrap();
        assert_eq!((result.status, &result.sense[..]), (2, &[0x70, 0, 5][..]));
        assert!(read(6).end_with_response(&end, &[0, 3, 0x70, 0]).is_err());
        assert!(read(6).end_with_response(&end, &[0]).is_err());
    }

    #[test]
    fn a_response_that_miscounts_the_data_pdus_is_a_breach() {
        let end = ScsiResponse { exp_data_sn: 1, underflow: true, residual: 6, ..ScsiResponse::default() };
        assert!(read(6).check_count(&end).is_err());
        assert!(read(6).check_count(&ScsiResponse::default()).is_ok());
    }
}
