//! One connection under load, without its socket: which bytes ask for the next blocks, and what the answers mean.
//!
//! This is a second, far leaner initiator than `ferrite_iscsi::initiator`: it looks at no data, keeps no buffer per
//! command, and allocates nothing once it runs. Only the login is the other one's.

use std::time::Instant;

use ferrite_iscsi::initiator::Agreed;
use ferrite_iscsi::wire::digest::{Crc32c, crc32c};

use super::Error;
use super::workload::{Access, Extent, Workload};
use crate::outbox::Outbox;

const HEADER_LEN: usize = 48;
/// The reserved task tag (RFC 7143 §11.1).
const NO_TAG: u32 = u32::MAX;

/// What a lane needs to go on where the login stopped.
pub(crate) struct Start {
    pub(crate) agreed: Agreed,
    pub(crate) cmd_sn: u32,
    pub(crate) exp_stat_sn: u32,
    pub(crate) max_cmd_sn: u32,
    pub(crate) lun: [u8; 8],
}

/// Who hears of finished commands.
pub(crate) trait Finished {
    /// A command that was issued at `issued` has ended with GOOD.
    fn finished(&mut self, issued: Instant);
}

/// The commands of one connection.
pub(crate) struct Lane {
    start: Start,
    workload: Workload,
    /// Commands in flight by task tag.
    slots: Vec<Option<Slot>>,
    /// Tags that are free.
    free: Vec<u32>,
    next_cmd_sn: u32,
    exp_stat_sn: u32,
    max_cmd_sn: u32,
    reading: Reading,
    carry: [u8; HEADER_LEN + 4],
    carried: usize,
    pub(crate) out: Outbox,
}

#[derive(Clone, Copy)]
struct Slot {
    issued: Instant,
    /// Bytes of Data-In that came.
    received: u32,
}

/// Where in the stream the lane is.
#[derive(Clone, Copy)]
enum Reading {
    Header,
    /// `left` bytes of data and padding, then `digest` bytes of data digest, then `after`.
    Data {
        left: usize,
        checksum: Checksum,
        digest: usize,
        after: After,
    },
}

/// The running data digest, where digests are on.
type Checksum = Option<Crc32c>;

/// What a PDU means once its last byte has come.
#[derive(Clone, Copy)]
enum After {
    Nothing,
    Finish { tag: u32, status: u8 },
}

impl Lane {
    pub(crate) fn new(start: Start, workload: Workload, depth: usize) -> Self {
        Lane {
            slots: vec![None; depth],
            free: (0..depth as u32).rev().collect(),
            next_cmd_sn: start.cmd_sn,
            exp_stat_sn: start.exp_stat_sn,
            max_cmd_sn: start.max_cmd_sn,
            start,
            workload,
            reading: Reading::Header,
            carry: [0; HEADER_LEN + 4],
            carried: 0,
            out: Outbox::new(),
        }
    }

    /// Commands in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Queues commands until the depth or the target's command window is used up.
    pub(crate) fn fill(&mut self, now: Instant) {
        while self.max_cmd_sn.wrapping_sub(self.next_cmd_sn) as i32 >= 0 {
            let Some(tag) = self.free.pop() else { break };
            self.slots[tag as usize] = Some(Slot { issued: now, received: 0 });
            let extent = self.workload.next();
            self.issue(tag, extent);
        }
    }

    fn issue(&mut self, tag: u32, extent: Extent) {
        let moves = self.workload.moves();
        let agreed = &self.start.agreed;
        let write = self.workload.access().sends();
        let immediate = match write && agreed.immediate_data {
            true => moves.min(agreed.first_burst_length).min(agreed.max_send_data_segment_length),
            false => 0,
        };
        let burst = if write && !agreed.initial_r2t { moves.min(agreed.first_burst_length) } else { immediate };
        let mut header = [0; HEADER_LEN];
        header[0] = 0x01;
        // F where no unsolicited Data-Out follows, R or W, and SIMPLE (RFC 7143 §11.3.1).
        header[1] = if burst > immediate { 0 } else { 0x80 } | if write { 0x20 } else { 0x40 } | 1;
        header[8..16].copy_from_slice(&self.start.lun);
        put(&mut header, 16, tag);
        put(&mut header, 20, moves);
        put(&mut header, 24, self.next_cmd_sn);
        put(&mut header, 28, self.exp_stat_sn);
        header[32..48].copy_from_slice(&extent.cdb(self.workload.access()));
        self.next_cmd_sn = self.next_cmd_sn.wrapping_add(1);
        self.push_pdu(header, 0, immediate);
        if burst > immediate {
            self.data_out(tag, NO_TAG, immediate, burst - immediate);
        }
    }

    /// Queues one sequence of Data-Out PDUs (RFC 7143 §11.7).
    fn data_out(&mut self, tag: u32, transfer_tag: u32, offset: u32, len: u32) {
        let segment = (self.start.agreed.max_send_data_segment_length & !3).max(512);
        let (mut at, end) = (offset, offset + len);
        let mut data_sn = 0;
        while at < end {
            let len = segment.min(end - at);
            let mut header = [0; HEADER_LEN];
            header[0] = 0x05;
            header[1] = if at + len == end { 0x80 } else { 0 };
            header[8..16].copy_from_slice(&self.start.lun);
            put(&mut header, 16, tag);
            put(&mut header, 20, transfer_tag);
            put(&mut header, 28, self.exp_stat_sn);
            put(&mut header, 36, data_sn);
            put(&mut header, 40, at);
            self.push_pdu(header, at, len);
            at += len;
            data_sn += 1;
        }
    }

    fn push_pdu(&mut self, mut header: [u8; HEADER_LEN], at: u32, len: u32) {
        header[5..8].copy_from_slice(&len.to_be_bytes()[1..]);
        self.out.push(&header);
        if self.start.agreed.header_digest {
            self.out.push(&crc32c(&header).to_le_bytes());
        }
        if len == 0 {
            return;
        }
        let (at, len) = (at as usize, len as usize);
        self.out.push_data(at, len);
        let padding = len.next_multiple_of(4) - len;
        self.out.push(&[0; 3][..padding]);
        if self.start.agreed.data_digest {
            let mut digest = Crc32c::new();
            digest.update(&self.workload.pattern()[at..at + len]);
            digest.update(&[0; 3][..padding]);
            self.out.push(&digest.finish().to_le_bytes());
        }
    }

    /// Takes in what the target sent, all of it.
    pub(crate) fn receive(&mut self, mut bytes: &[u8], heard: &mut impl Finished) -> Result<(), Error> {
        let header_len = HEADER_LEN + if self.start.agreed.header_digest { 4 } else { 0 };
        while !bytes.is_empty() {
            match &mut self.reading {
                Reading::Header if self.carried == 0 && bytes.len() >= header_len => {
                    let (header, rest) = bytes.split_at(header_len);
                    bytes = rest;
                    self.header(header, heard)?;
                }
                Reading::Header => {
                    let taken = bytes.len().min(header_len - self.carried);
                    self.carry[self.carried..self.carried + taken].copy_from_slice(&bytes[..taken]);
                    self.carried += taken;
                    bytes = &bytes[taken..];
                    if self.carried == header_len {
                        self.carried = 0;
                        let header = self.carry;
                        self.header(&header[..header_len], heard)?;
                    }
                }
                Reading::Data { left, checksum, .. } if *left > 0 => {
                    let (data, rest) = bytes.split_at(bytes.len().min(*left));
                    *left -= data.len();
                    if let Some(checksum) = checksum {
                        checksum.update(data);
                    }
                    bytes = rest;
                    self.finish_data(heard)?;
                }
                Reading::Data { digest, .. } => {
                    let taken = bytes.len().min(*digest - self.carried);
                    self.carry[self.carried..self.carried + taken].copy_from_slice(&bytes[..taken]);
                    self.carried += taken;
                    bytes = &bytes[taken..];
                    self.finish_data(heard)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the data segment once its data and its digest are there.
    fn finish_data(&mut self, heard: &mut impl Finished) -> Result<(), Error> {
        let Reading::Data { left: 0, checksum, digest, after } = self.reading else {
            return Ok(());
        };
        if self.carried < digest {
            return Ok(());
        }
        if let Some(checksum) = checksum {
            let told = u32::from_le_bytes([self.carry[0], self.carry[1], self.carry[2], self.carry[3]]);
            if checksum.finish() != told {
                return Err(Error::Digest);
            }
        }
        self.carried = 0;
        self.reading = Reading::Header;
        self.act(after, heard)
    }

    fn act(&mut self, after: After, heard: &mut impl Finished) -> Result<(), Error> {
        let After::Finish { tag, status } = after else {
            return Ok(());
        };
        let slot = self.slots[tag as usize].take().ok_or(Error::Protocol("a response to no command"))?;
        self.free.push(tag);
        if status != 0 {
            return Err(Error::Status(status));
        }
        if self.workload.access() == Access::Read && slot.received != self.workload.moves() {
            return Err(Error::Protocol("GOOD for a read that did not bring all its data"));
        }
        heard.finished(slot.issued);
        Ok(())
    }

    fn header(&mut self, bytes: &[u8], heard: &mut impl Finished) -> Result<(), Error> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk().expect("a whole header");
        if self.start.agreed.header_digest && crc32c(header).to_le_bytes() != bytes[HEADER_LEN..] {
            return Err(Error::Digest);
        }
        if header[4] != 0 {
            return Err(Error::Protocol("an additional header segment from a target"));
        }
        let len = u32::from_be_bytes([0, header[5], header[6], header[7]]);
        let after = self.meaning(header, len)?;
        if len == 0 {
            return self.act(after, heard);
        }
        let digest = self.start.agreed.data_digest;
        self.reading = Reading::Data {
            left: (len as usize).next_multiple_of(4),
            checksum: digest.then(Crc32c::new),
            digest: if digest { 4 } else { 0 },
            after,
        };
        Ok(())
    }

    fn meaning(&mut self, header: &[u8; HEADER_LEN], len: u32) -> Result<After, Error> {
        self.window(header);
        let flags = header[1];
        match header[0] & 0x3f {
            0x25 => {
                let tag = self.known(header)?;
                let slot = self.slots[tag as usize].as_mut().expect("a known tag");
                slot.received = slot.received.saturating_add(len);
                // S: the status comes with the last data (RFC 7143 §11.7.1).
                if flags & 0x01 == 0 {
                    return Ok(After::Nothing);
                }
                self.stat_sn(header);
                Ok(After::Finish { tag, status: header[3] })
            }
            0x21 => {
                let tag = self.known(header)?;
                self.stat_sn(header);
                if header[2] != 0 {
                    return Err(Error::Protocol("a command failed at the target"));
                }
                Ok(After::Finish { tag, status: header[3] })
            }
            0x31 => {
                let tag = self.known(header)?;
                let (offset, wanted) = (word(header, 40), word(header, 44));
                let here = offset.checked_add(wanted).is_some_and(|end| end <= self.workload.moves());
                if !(self.workload.access().sends() && here) {
                    return Err(Error::Protocol("an R2T for data that the command does not have"));
                }
                self.data_out(tag, word(header, 20), offset, wanted);
                Ok(After::Nothing)
            }
            0x20 => {
                if word(header, 20) != NO_TAG {
                    self.answer_ping(header);
                }
                Ok(After::Nothing)
            }
            0x32 => Err(Error::Protocol("an asynchronous message during the run")),
            0x3f => Err(Error::Protocol("a Reject")),
            _ => Err(Error::Protocol("a PDU that nobody asked for")),
        }
    }

    fn known(&self, header: &[u8; HEADER_LEN]) -> Result<u32, Error> {
        let tag = word(header, 16);
        match self.slots.get(tag as usize) {
            Some(Some(_)) => Ok(tag),
            _ => Err(Error::Protocol("an answer for a task tag that is not in use")),
        }
    }

    fn stat_sn(&mut self, header: &[u8; HEADER_LEN]) {
        self.exp_stat_sn = word(header, 24).wrapping_add(1);
    }

    /// The command window, which never shrinks (RFC 7143 §4.2.2.1).
    fn window(&mut self, header: &[u8; HEADER_LEN]) {
        let max_cmd_sn = word(header, 32);
        if max_cmd_sn.wrapping_sub(self.max_cmd_sn) as i32 > 0 {
            self.max_cmd_sn = max_cmd_sn;
        }
    }

    /// A NOP-Out that answers the target's NOP-In (RFC 7143 §11.18): immediate, without a task tag.
    fn answer_ping(&mut self, ping: &[u8; HEADER_LEN]) {
        let mut header = [0; HEADER_LEN];
        header[..2].copy_from_slice(&[0x40, 0x80]);
        header[8..16].copy_from_slice(&ping[8..16]);
        put(&mut header, 16, NO_TAG);
        header[20..24].copy_from_slice(&ping[20..24]);
        put(&mut header, 24, self.next_cmd_sn);
        put(&mut header, 28, self.exp_stat_sn);
        self.push_pdu(header, 0, 0);
    }

    /// Queues the request to close the session (RFC 7143 §11.14).
    pub(crate) fn log_out(&mut self) {
        let mut header = [0; HEADER_LEN];
        header[..2].copy_from_slice(&[0x46, 0x80]);
        put(&mut header, 24, self.next_cmd_sn);
        put(&mut header, 28, self.exp_stat_sn);
        self.push_pdu(header, 0, 0);
    }
}

fn word(header: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

fn put(header: &mut [u8; HEADER_LEN], at: usize, value: u32) {
    header[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests;
