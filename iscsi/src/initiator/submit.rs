//! How requests go out: numbered, within the command window, with as much data as may go unasked.

use std::io::{Read, Write};
use std::ops::Range;

use super::error::Error;
use super::request::Request;
use super::session::{Initiator, Pending};
use super::task::Task;
use crate::wire::{DataOut, LogoutRequest, NO_TAG, NopOut, ScsiCommand, TaskRequest, TextRequest, ahs};

impl<S: Read + Write> Initiator<S> {
    /// Sends a command and gives its task tag. It waits while the command window is closed.
    ///
    /// # Errors
    /// Those of the stream, and a breach by the target met while waiting.
    ///
    /// # Panics
    /// Where the CDB is shorter than 6 or longer than 260 bytes, or data flows both ways.
    pub fn submit(&mut self, request: &Request) -> Result<u32, Error> {
        assert!((6..=ahs::CDB_MAX).contains(&request.cdb.len()), "a CDB of {} bytes does not exist", request.cdb.len());
        assert!(request.data_out.is_empty() || request.data_in == 0, "bidirectional commands are not spoken here");
        while !request.immediate && self.window_left() == 0 {
            self.advance()?;
        }
        let (itt, total) = (self.take_itt(), request.data_out.len() as u32);
        let first_burst = total.min(self.agreed().first_burst_length);
        let immediate_data = match self.agreed().immediate_data {
            true => first_burst.min(self.agreed().max_send_data_segment_length),
            false => 0,
        };
        let unsolicited = if self.agreed().initial_r2t { immediate_data } else { first_burst };
        let (base, rest) = request.cdb.split_at(request.cdb.len().min(16));
        let segments = if rest.is_empty() { Vec::new() } else { ahs::extended_cdb(rest) };
        let mut cdb = [0; 16];
        cdb[..base.len()].copy_from_slice(base);
        let command = ScsiCommand {
            immediate: request.immediate,
            fin: unsolicited == immediate_data,
            read: request.data_in > 0,
            write: total > 0,
            attribute: request.attribute,
            ahs_words: (segments.len() / 4) as u8,
            lun: request.lun,
            itt,
            expected: total.max(request.data_in),
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            cdb,
            data_len: immediate_data,
        };
        let task = Task::new(request, self.cmd_sn, unsolicited);
        self.number(request.immediate);
        self.pending.insert(itt, Pending::Scsi(Box::new(task)));
        self.frames.send(&command.encode(), &segments, &request.data_out[..immediate_data as usize])?;
        if unsolicited > immediate_data {
            self.data_out(itt, NO_TAG, request.lun, immediate_data..unsolicited, &request.data_out)?;
        }
        Ok(itt)
    }

    /// Sends a task management request (RFC 7143 §11.5) for immediate delivery. `referenced` is the tag of the task
    /// that ABORT TASK and QUERY TASK are about.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn submit_manage(&mut self, function: u8, lun: [u8; 8], referenced: Option<u32>) -> Result<u32, Error> {
        let itt = self.take_itt();
        let ref_cmd_sn = match referenced.and_then(|tag| self.pending.get(&tag)) {
            Some(Pending::Scsi(task)) => task.cmd_sn,
            _ => self.cmd_sn,
        };
        let referenced = referenced.unwrap_or(NO_TAG);
        let request = TaskRequest {
            immediate: true,
            function,
            lun,
            itt,
            referenced_itt: referenced,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            ref_cmd_sn,
            ..TaskRequest::default()
        };
        let ends = self.affected(function, lun, referenced);
        self.pending.insert(itt, Pending::Manage { ends });
        self.frames.send(&request.encode(), &[], &[])?;
        Ok(itt)
    }

    /// Sends a ping that wants `data` back (RFC 7143 §11.18), for immediate delivery or in the order of commands.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn submit_ping(&mut self, data: &[u8], immediate: bool) -> Result<u32, Error> {
        let itt = self.take_itt();
        let request = NopOut {
            immediate,
            itt,
            ttt: NO_TAG,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            data_len: data.len() as u32,
            ..NopOut::default()
        };
        self.number(immediate);
        self.pending.insert(itt, Pending::Ping);
        self.frames.send(&request.encode(), &[], data)?;
        Ok(itt)
    }

    /// Sends one Text Request: the first of an exchange, or with the task tag and the Target Transfer Tag of the
    /// exchange it goes on with (both stay the same for all of it, RFC 7143 §11.10.3).
    ///
    /// # Errors
    /// Those of the stream.
    pub fn submit_text(&mut self, text: &[u8], fin: bool, going_on: Option<(u32, u32)>) -> Result<u32, Error> {
        let (itt, ttt) = going_on.unwrap_or_else(|| (self.take_itt(), NO_TAG));
        let request = TextRequest {
            fin,
            itt,
            ttt,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            data_len: text.len() as u32,
            ..TextRequest::default()
        };
        self.number(false);
        self.pending.insert(itt, Pending::Text);
        self.frames.send(&request.encode(), &[], text)?;
        Ok(itt)
    }

    /// Asks for the end of the session or of connection `cid` (RFC 7143 §11.14), for immediate delivery.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn submit_logout(&mut self, reason: u8, cid: u16) -> Result<u32, Error> {
        let itt = self.take_itt();
        let request = LogoutRequest {
            immediate: true,
            reason,
            itt,
            cid,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            ..LogoutRequest::default()
        };
        self.pending.insert(itt, Pending::Logout);
        self.frames.send(&request.encode(), &[], &[])?;
        Ok(itt)
    }

    fn take_itt(&mut self) -> u32 {
        loop {
            let itt = self.next_itt;
            self.next_itt = itt.wrapping_add(1);
            if itt != NO_TAG && !self.pending.contains_key(&itt) {
                return itt;
            }
        }
    }

    /// Counts a request that is sent: an immediate one carries the CmdSN without using it up (RFC 7143 §4.2.2.1).
    fn number(&mut self, immediate: bool) {
        if !immediate {
            self.cmd_sn = self.cmd_sn.wrapping_add(1);
        }
    }

    /// Sends one sequence of Data-Out PDUs (RFC 7143 §11.7).
    pub(super) fn data_out(
        &mut self,
        itt: u32,
        ttt: u32,
        lun: [u8; 8],
        range: Range<u32>,
        data: &[u8],
    ) -> Result<(), Error> {
        let segment = self.agreed().max_send_data_segment_length;
        let mut pdu =
            DataOut { lun, itt, ttt, exp_stat_sn: self.exp_stat_sn, offset: range.start, ..Default::default() };
        while pdu.offset < range.end {
            pdu.data_len = segment.min(range.end - pdu.offset);
            pdu.fin = pdu.offset + pdu.data_len == range.end;
            let (at, len) = (pdu.offset as usize, pdu.data_len as usize);
            self.frames.send(&pdu.encode(), &[], &data[at..at + len])?;
            pdu.data_sn += 1;
            pdu.offset += pdu.data_len;
        }
        Ok(())
    }
}
