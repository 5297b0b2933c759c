//! Does a connection do what its clauses say? An owner by hand over one connection, PDU by PDU.

mod clock;
mod order;
mod reads;
mod rejects;
mod stream;
mod tasks;
mod texts;
mod writes;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::*;
use crate::fuzz;
use crate::session::{Session, TaskTag};
use crate::wire::{
    Bhs, DataOut, Digests, NO_TAG, NopOut, Opcode, ScsiCommand, TaskRequest, TextRequest, data_len, pdu,
};

pub(super) const LUN: [u8; 8] = [0, 1, 0, 0, 0, 0, 0, 0];

/// A connection, its owner and its peer.
pub(super) struct Pair {
    pub(super) session: Session,
    pub(super) connection: Connection<Vec<u8>>,
    pub(super) now: Instant,
    /// Bytes the connection did not want yet.
    pub(super) pending: VecDeque<u8>,
    /// What landed: offset and byte.
    pub(super) landed: Vec<(u32, u8)>,
    pub(super) events: VecDeque<Event>,
    digests: Digests,
    pub(super) cmd_sn: u32,
}

impl Pair {
    pub(super) fn new(params: Params) -> Self {
        Self::with(params, false)
    }

    pub(super) fn discovery(params: Params) -> Self {
        Self::with(params, true)
    }

    fn with(params: Params, discovery: bool) -> Self {
        let (session, connection) = fuzz::admitted(params, discovery);
        Self {
            session,
            connection,
            now: Instant::now(),
            pending: VecDeque::new(),
            landed: Vec::new(),
            events: VecDeque::new(),
            digests: params.digests,
            cmd_sn: fuzz::FIRST_CMD_SN,
        }
    }

    /// Sends a PDU; the header's length is filled in.
    pub(super) fn send(&mut self, mut bhs: Bhs, data: &[u8]) {
        bhs[5..8].copy_from_slice(&(data.len() as u32).to_be_bytes()[1..]);
        let mut bytes = Vec::new();
        pdu::append(&mut bytes, &bhs, &[], data, self.digests);
        self.feed(&bytes);
    }

    /// Gives bytes to the connection as far as it wants them.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
        loop {
            self.pending.make_contiguous();
            let bytes = self.pending.as_slices().0;
            let some = match self.connection.want() {
                Want::Nothing => 0,
                Want::Bytes | Want::Discard { .. } => self.connection.receive(&mut self.session, bytes, self.now),
                Want::Payload { offset, len, .. } => {
                    let some = bytes.len().min(len as usize);
                    self.landed.extend((offset..).zip(bytes[..some].iter().copied()));
                    self.connection.landed(&mut self.session, &bytes[..some], self.now);
                    some
                }
            };
            self.pending.drain(..some);
            let before = self.events.len();
            self.events.extend(std::iter::from_fn(|| self.connection.poll_event()));
            if some == 0 && self.events.len() == before {
                return;
            }
        }
    }

    pub(super) fn event(&mut self) -> Option<Event> {
        self.events.extend(std::iter::from_fn(|| self.connection.poll_event()));
        self.events.pop_front()
    }

    /// The command that came in.
    pub(super) fn command(&mut self) -> Command {
        match self.event() {
            Some(Event::Command(command)) => command,
            other => panic!("no command but {other:?}"),
        }
    }

    /// The fault that was told.
    pub(super) fn fault(&mut self) -> Fault {
        match self.event() {
            Some(Event::Fault(fault)) => fault,
            other => panic!("no fault but {other:?}"),
        }
    }

    /// All PDUs that were sent.
    pub(super) fn sent(&mut self) -> Vec<(Bhs, Vec<u8>)> {
        let bytes = self.sent_bytes();
        let mut assembler = crate::wire::Assembler::new(crate::wire::DATA_SEGMENT_MAX);
        assembler.agree(self.digests, crate::wire::DATA_SEGMENT_MAX);
        let (mut pdus, mut rest) = (Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let taken = assembler.feed(rest).expect("what we send is whole");
            rest = &rest[taken..];
            let pdu = assembler.pdu().expect("what we send is whole");
            pdus.push((*pdu.bhs, pdu.data.to_vec()));
            assembler.clear();
        }
        pdus
    }

    pub(super) fn sent_bytes(&mut self) -> Vec<u8> {
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        self.connection.outgoing().slices(&mut slices, usize::MAX / 2, usize::MAX);
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.connection.sent(bytes.len(), self.now);
        bytes
    }

    /// The only PDU that was sent.
    pub(super) fn only(&mut self) -> (Bhs, Vec<u8>) {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:02x?}");
        sent.remove(0)
    }

    /// The opcodes of what was sent.
    pub(super) fn opcodes(&mut self) -> Vec<Opcode> {
        self.sent().iter().map(|(bhs, _)| Opcode::of(bhs).unwrap()).collect()
    }

    pub(super) fn next_cmd_sn(&mut self) -> u32 {
        let cmd_sn = self.cmd_sn;
        self.cmd_sn = cmd_sn.wrapping_add(1);
        cmd_sn
    }

    /// A read command.
    pub(super) fn read(&mut self, itt: u32, expected: u32) -> TaskTag {
        let cmd_sn = self.next_cmd_sn();
        let command = ScsiCommand { fin: true, read: true, lun: LUN, itt, expected, cmd_sn, ..Default::default() };
        self.send(command.encode(), &[]);
        self.command().task
    }

    /// A write command with immediate data; `fin`: no Data-Out follows unasked.
    pub(super) fn write(&mut self, itt: u32, expected: u32, immediate: &[u8], fin: bool) {
        let cmd_sn = self.next_cmd_sn();
        let command = ScsiCommand { fin, write: true, lun: LUN, itt, expected, cmd_sn, ..Default::default() };
        self.send(command.encode(), immediate);
    }

    /// A Data-Out.
    pub(super) fn data_out(&mut self, itt: u32, ttt: u32, data_sn: u32, offset: u32, fin: bool, data: &[u8]) {
        self.send(DataOut { fin, lun: LUN, itt, ttt, data_sn, offset, ..Default::default() }.encode(), data);
    }

    pub(super) fn ping(&mut self, itt: u32, data: &[u8]) {
        self.send(NopOut { immediate: true, itt, ttt: NO_TAG, ..Default::default() }.encode(), data);
    }

    pub(super) fn text(&mut self, itt: u32, ttt: u32, fin: bool, more: bool, data: &[u8]) {
        let cmd_sn = self.next_cmd_sn();
        self.send(TextRequest { fin, more, itt, ttt, cmd_sn, ..Default::default() }.encode(), data);
    }

    pub(super) fn manage(&mut self, function: u8, itt: u32, referenced_itt: u32, ref_cmd_sn: u32) {
        let cmd_sn = self.cmd_sn;
        let request = TaskRequest {
            immediate: true,
            function,
            lun: LUN,
            itt,
            referenced_itt,
            ref_cmd_sn,
            cmd_sn,
            ..Default::default()
        };
        self.send(request.encode(), &[]);
    }

    pub(super) fn later(&mut self, by: Duration) {
        self.now += by;
    }
}

/// What a sensible pair negotiates.
pub(super) fn usual() -> Params {
    Params {
        initial_r2t: false,
        initiator_segment: 1024,
        target_segment: 1024,
        max_burst: 4096,
        first_burst: 2048,
        max_outstanding_r2t: 2,
        protocol_level: 2,
        ..Params::default()
    }
}

pub(super) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

pub(super) fn in_place(data: &[u8]) -> Vec<(u32, u8)> {
    (0..).zip(data.iter().copied()).collect()
}
