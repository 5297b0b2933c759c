//! What does the owner say, and how does it become PDUs (RFC 7143 §11.4, §11.7, §11.9)?

use super::event::{Notice, Outcome};
use super::{Connection, Phase};
use crate::payload::Payload;
use crate::session::{Session, Task, TaskTag};
use crate::wire::codes::async_event;
use crate::wire::digest::{self, Crc32c};
use crate::wire::{AsyncMessage, Bhs, DataIn, NO_TAG, ScsiResponse, padding};

/// SCSI status GOOD.
const GOOD: u8 = 0;

const ZEROS: [u8; 3] = [0; 3];

impl<P: Payload> Connection<P> {
    /// Sends the data of a read and then its status, and ends the task: Data-In PDUs of at most the initiator's
    /// MaxRecvDataSegmentLength in sequences of at most MaxBurstLength, GOOD in the last of them, any other status in
    /// a SCSI Response. Bytes beyond what the initiator expects are not sent.
    ///
    /// A task that has ended meanwhile is passed over.
    pub fn send_data(&mut self, session: &mut Session, task: TaskTag, payload: P, outcome: Outcome<'_>) {
        let Some(task) = self.end(session, task) else { return };
        let expected = if task.read && !task.write { task.expected } else { 0 };
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX).min(expected);
        if len == 0 || self.state.phase == Phase::Over {
            return self.scsi_response(session, &task, 0, outcome);
        }
        let collapse = outcome.status == GOOD && outcome.sense.is_empty();
        let pdus = self.data_in(session, &task, payload, len, collapse.then_some(outcome.wanted));
        if !collapse {
            self.scsi_response(session, &task, pdus, outcome);
        }
    }

    /// Sends a SCSI Response and ends the task; data that still comes for it is let pass.
    ///
    /// A task that has ended meanwhile is passed over.
    pub fn respond(&mut self, session: &mut Session, task: TaskTag, outcome: Outcome<'_>) {
        if let Some(task) = self.end(session, task) {
            self.scsi_response(session, &task, 0, outcome);
        }
    }

    /// Ends the task without a response; nothing more is sent for it, data that still comes is let pass.
    pub fn abort(&mut self, session: &mut Session, task: TaskTag) {
        self.end(session, task);
    }

    /// Sends an Asynchronous Message.
    pub fn notify(&mut self, session: &mut Session, notice: Notice<'_>) {
        let params = &self.state.params;
        let (wait, retain) = (params.time_to_wait as u16, params.time_to_retain as u16);
        let (lun, event, parameters) = match notice {
            Notice::ScsiEvent { lun, .. } => (lun, async_event::SCSI, [0; 3]),
            Notice::LogoutRequest { seconds } => ([0; 8], async_event::LOGOUT_REQUEST, [0, 0, seconds]),
            Notice::DropConnection => ([0; 8], async_event::DROP_CONNECTION, [self.state.cid, wait, retain]),
            Notice::DropSession => ([0; 8], async_event::DROP_SESSION, [0, wait, retain]),
            Notice::TasksTerminated { lun } => (lun, async_event::TASKS_TERMINATED, [0; 3]),
        };
        let mut buffer = [0; 2 + Outcome::SENSE_MAX];
        let data = match notice {
            Notice::ScsiEvent { sense, .. } => with_length(sense, &mut buffer),
            _ => &[],
        };
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let message = AsyncMessage {
            lun,
            itt: NO_TAG,
            stat_sn: self.next_stat_sn(),
            exp_cmd_sn,
            max_cmd_sn,
            event,
            vendor_code: 0,
            parameter1: parameters[0],
            parameter2: parameters[1],
            parameter3: parameters[2],
            data_len: data.len() as u32,
        };
        self.put(&message.encode(), data);
    }

    /// Queues a PDU with inline data, padding and digests.
    pub(super) fn put(&mut self, bhs: &Bhs, data: &[u8]) {
        if self.state.phase == Phase::Over {
            return;
        }
        self.put_header(bhs);
        if !data.is_empty() {
            self.out.push_bytes(data);
            let mut crc = Crc32c::new();
            if self.state.params.digests.data {
                crc.update(data);
            }
            self.put_trailer(data.len(), crc);
        }
    }

    /// StatSN of a status that is sent now.
    pub(super) fn next_stat_sn(&mut self) -> u32 {
        let stat_sn = self.state.stat_sn;
        self.state.stat_sn = stat_sn.wrapping_add(1);
        stat_sn
    }

    fn end(&mut self, session: &mut Session, tag: TaskTag) -> Option<Task> {
        let task = session.end(tag)?;
        if self.state.receiver.disown(tag) {
            self.clock.pdu_restarts();
        }
        Some(task)
    }

    /// Queues the first `len` bytes of `payload` as Data-In PDUs and says how many there are. `good`: with GOOD in
    /// the last, and the bytes that the command wanted to move.
    fn data_in(&mut self, session: &mut Session, task: &Task, payload: P, len: u32, good: Option<u32>) -> u32 {
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        // Only the last PDU of a sequence may need padding (RFC 7143 §4.2.5.2 has every offset on a word).
        let segment_max = self.state.params.initiator_segment & !3;
        let burst_max = self.state.params.max_burst & !3;
        self.out.lend(payload);
        let (mut offset, mut burst, mut data_sn) = (0, burst_max, 0);
        while offset < len {
            let some = segment_max.min(burst).min(len - offset);
            let last = offset + some == len;
            let mut pdu = DataIn {
                fin: last || some == burst,
                lun: task.lun,
                itt: task.itt,
                ttt: NO_TAG,
                exp_cmd_sn,
                max_cmd_sn,
                data_sn,
                offset,
                data_len: some,
                ..Default::default()
            };
            if let (true, Some(wanted)) = (last, good) {
                let residual = Residual::of(task.expected, wanted);
                pdu.status_here = true;
                pdu.status = GOOD;
                pdu.overflow = residual.overflow;
                pdu.underflow = residual.underflow;
                pdu.residual = residual.count;
                pdu.stat_sn = self.next_stat_sn();
            }
            self.put_header(&pdu.encode());
            self.out.push_data(offset as usize, some as usize, last);
            let mut crc = Crc32c::new();
            if self.state.params.digests.data {
                digest_range(&mut crc, self.out.lent(), offset as usize, some as usize);
            }
            self.put_trailer(some as usize, crc);
            offset += some;
            data_sn += 1;
            burst = if some == burst { burst_max } else { burst - some };
        }
        data_sn
    }

    /// `data_pdus`: Data-In PDUs that were sent before.
    fn scsi_response(&mut self, session: &mut Session, task: &Task, data_pdus: u32, outcome: Outcome<'_>) {
        let mut buffer = [0; 2 + Outcome::SENSE_MAX];
        let data = if outcome.sense.is_empty() { &[][..] } else { with_length(outcome.sense, &mut buffer) };
        let residual = Residual::of(task.expected, outcome.wanted);
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let response = ScsiResponse {
            overflow: residual.overflow,
            underflow: residual.underflow,
            status: outcome.status,
            itt: task.itt,
            stat_sn: self.next_stat_sn(),
            exp_cmd_sn,
            max_cmd_sn,
            exp_data_sn: data_pdus + task.incoming.r2t_sn,
            residual: residual.count,
            data_len: data.len() as u32,
            ..Default::default()
        };
        self.put(&response.encode(), data);
    }

    fn put_header(&mut self, bhs: &Bhs) {
        self.out.push_bytes(bhs);
        if self.state.params.digests.header {
            self.out.push_bytes(&digest::to_wire(digest::crc32c(bhs)));
        }
    }

    /// Padding and digest after `len` bytes of data whose digest so far is `crc`.
    fn put_trailer(&mut self, len: usize, mut crc: Crc32c) {
        let pad = &ZEROS[..padding(len)];
        self.out.push_bytes(pad);
        if self.state.params.digests.data {
            crc.update(pad);
            self.out.push_bytes(&digest::to_wire(crc.finish()));
        }
    }
}

/// Residual flags and count (RFC 7143 §11.4.5).
struct Residual {
    overflow: bool,
    underflow: bool,
    count: u32,
}

impl Residual {
    fn of(expected: u32, wanted: u32) -> Self {
        Self { overflow: wanted > expected, underflow: wanted < expected, count: wanted.abs_diff(expected) }
    }
}

/// Sense data as it stands in a data segment: after its length (RFC 7143 §11.4.7.1).
fn with_length<'a>(sense: &[u8], buffer: &'a mut [u8; 2 + Outcome::SENSE_MAX]) -> &'a [u8] {
    let sense = &sense[..sense.len().min(Outcome::SENSE_MAX)];
    buffer[..2].copy_from_slice(&(sense.len() as u16).to_be_bytes());
    buffer[2..2 + sense.len()].copy_from_slice(sense);
    &buffer[..2 + sense.len()]
}

fn digest_range(crc: &mut Crc32c, payload: &impl Payload, mut at: usize, mut len: usize) {
    while len > 0 {
        let piece = payload.piece(at);
        let some = piece.len().min(len);
        crc.update(&piece[..some]);
        at += some;
        len -= some;
    }
}
