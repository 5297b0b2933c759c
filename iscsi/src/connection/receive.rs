//! How is the stream cut into headers, data for its owners, and trailers, without keeping the data?

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::event::Want;
use super::{Connection, Phase};
use crate::fault::Fault;
use crate::payload::Payload;
use crate::session::{Session, TaskTag};
use crate::wire::digest::{self, Crc32c, DIGEST_LEN};
use crate::wire::text::TEXT_MAX;
use crate::wire::{BHS_LEN, Bhs, ahs_len, codes, data_len, padding};

/// Bytes that text and pings may keep allocated between PDUs.
const GATHERED_IDLE_MAX: usize = 16 * 1024;

/// Longest trailer: three bytes of padding and a digest.
const TRAILER_MAX: usize = 3 + DIGEST_LEN;

/// Where in a PDU the stream is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Receiver {
    pub(super) stage: Stage,
    /// BHS, additional segments and header digest, as far as they have come.
    header: Vec<u8>,
    /// Text or ping data.
    pub(super) gathered: Vec<u8>,
    /// The data segment so far.
    crc: Crc32c,
    trailer: [u8; TRAILER_MAX],
    /// What the data segment is for.
    segment: Segment,
}

/// What comes next in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// The header.
    Header,
    /// Data that is kept here: `len` more bytes, the first `keep` of them of use.
    Gather { len: u32, keep: u32 },
    /// Data of a task: `len` more bytes for its buffer at `offset`, then `behind` bytes that nobody wants. Blocked
    /// until the task's owner has decided.
    Payload { task: TaskTag, offset: u32, len: u32, behind: u32, blocked: bool },
    /// Data nobody wants.
    Discard { len: u32 },
    /// Padding and digest: `have` of them are there.
    Trailer { have: u8 },
}

/// What the data segment of a PDU is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Segment {
    /// Nothing.
    Discard,
    /// A ping's data, to be sent back as far as `keep`.
    Ping { keep: u32 },
    /// Text.
    Text,
    /// Write data that belongs at `offset`.
    Task { task: TaskTag, offset: u32 },
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Header,
            header: Vec::with_capacity(BHS_LEN + DIGEST_LEN),
            gathered: Vec::new(),
            crc: Crc32c::new(),
            trailer: [0; TRAILER_MAX],
            segment: Segment::Discard,
        }
    }

    /// A PDU has begun and is not whole.
    pub(super) fn mid_pdu(&self) -> bool {
        !self.header.is_empty()
    }

    /// The header of the PDU that is being received.
    pub(super) fn bhs(&self) -> Bhs {
        *self.header.first_chunk().expect("a data segment comes after its header")
    }

    /// Its additional header segments.
    pub(super) fn ahs(&self) -> &[u8] {
        &self.header[BHS_LEN..BHS_LEN + ahs_len(self.header.first_chunk().expect("the header is whole"))]
    }

    /// The task has ended: its bytes are nobody's now. Says whether the stream stood at them.
    pub(super) fn disown(&mut self, tag: TaskTag) -> bool {
        match self.stage {
            Stage::Payload { task, len, behind, .. } if task == tag => {
                self.stage = Stage::Discard { len: len + behind };
                true
            }
            _ => false,
        }
    }

    /// The owner takes the bytes of the task before `welcome`. Says whether the stream stood at them.
    pub(super) fn admit(&mut self, tag: TaskTag, welcome: u32) -> bool {
        match self.stage {
            Stage::Payload { task, offset, len, blocked: true, .. } if task == tag => {
                self.stage = split(task, offset, len, welcome);
                true
            }
            _ => false,
        }
    }
}

/// `len` bytes of a task at `offset`, of which those before `welcome` are taken.
fn split(task: TaskTag, offset: u32, len: u32, welcome: u32) -> Stage {
    match welcome.saturating_sub(offset).min(len) {
        0 => Stage::Discard { len },
        taken => Stage::Payload { task, offset, len: taken, behind: len - taken, blocked: false },
    }
}

impl<P: Payload> Connection<P> {
    /// Takes bytes of the stream while [`Connection::want`] says `Bytes` or `Discard`, and says how many. Stops where
    /// payload begins and after each PDU that raised an event.
    pub fn receive(&mut self, session: &mut Session, bytes: &[u8], now: Instant) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.events.is_empty() {
            let rest = &bytes[taken..];
            taken += match self.want() {
                Want::Nothing | Want::Payload { .. } => break,
                Want::Discard { len } => self.discard(session, rest, len),
                Want::Bytes => match self.state.receiver.stage {
                    Stage::Header => self.header(session, rest),
                    Stage::Gather { len, keep } => self.gather(session, rest, len, keep),
                    Stage::Trailer { have } => self.trailer(session, rest, have),
                    Stage::Payload { .. } | Stage::Discard { .. } => unreachable!("they are wanted as such"),
                },
            };
        }
        if taken > 0 {
            self.clock.heard(now);
        }
        self.tick(now);
        taken
    }

    /// The next bytes of the stream, a prefix of what `want()` asked for as `Payload`, stand in the task's buffer.
    /// They are only looked at.
    ///
    /// # Panics
    /// When no payload was wanted, or less.
    pub fn landed(&mut self, session: &mut Session, payload: &[u8], now: Instant) {
        if payload.is_empty() {
            return;
        }
        let Stage::Payload { task, offset, len, behind, blocked: false } = self.state.receiver.stage else {
            panic!("payload landed that was not wanted");
        };
        let landed = u32::try_from(payload.len()).ok().filter(|&landed| landed <= len).expect("less was wanted");
        self.digest(payload);
        self.state.receiver.stage = match (len - landed, behind) {
            (0, 0) => Stage::Trailer { have: 0 },
            (0, behind) => Stage::Discard { len: behind },
            (left, _) => Stage::Payload { task, offset: offset + landed, len: left, behind, blocked: false },
        };
        self.end_of_segment(session);
        self.clock.heard(now);
        self.tick(now);
    }

    /// Collects the header; decides when it is whole.
    fn header(&mut self, session: &mut Session, bytes: &[u8]) -> usize {
        let need = self.header_len() - self.state.receiver.header.len();
        let some = need.min(bytes.len());
        self.state.receiver.header.extend_from_slice(&bytes[..some]);
        if some == need && self.header_len() == self.state.receiver.header.len() {
            self.begin(session);
        }
        some
    }

    /// How long the header is, as far as is known.
    fn header_len(&self) -> usize {
        let digest = if self.state.params.digests.header { DIGEST_LEN } else { 0 };
        match self.state.receiver.header.first_chunk::<BHS_LEN>() {
            Some(bhs) => BHS_LEN + ahs_len(bhs) + digest,
            None => BHS_LEN,
        }
    }

    /// The header is whole: what is it, and whose is the data behind it?
    fn begin(&mut self, session: &mut Session) {
        if self.state.params.digests.header {
            let header = &self.state.receiver.header;
            let (covered, crc) = header.split_at(header.len() - DIGEST_LEN);
            if crc != digest::to_wire(digest::crc32c(covered)) {
                // Nothing in the header can be trusted, not even for a Reject (RFC 7143 §7.7).
                return self.fault(Fault::connection("RFC 7143 §7.7", "the header digest is wrong"));
            }
        }
        let bhs = self.state.receiver.bhs();
        let len = data_len(&bhs);
        let max = self.state.params.target_segment;
        if len > max {
            let what = format!("a data segment of {len} bytes, more than the {max} declared");
            return self.reject_and_fault(session, codes::reject::PROTOCOL, "RFC 7143 §13.12", what);
        }
        let segment = self.dispatch(session, &bhs);
        if self.state.phase == Phase::Over {
            return;
        }
        self.state.receiver.segment = segment;
        if len == 0 {
            return self.finish(session);
        }
        self.state.receiver.crc = Crc32c::new();
        self.state.receiver.stage = match segment {
            Segment::Discard => Stage::Discard { len },
            Segment::Ping { keep } => Stage::Gather { len, keep },
            Segment::Text => Stage::Gather { len, keep: len.min(TEXT_MAX as u32 + 1) },
            Segment::Task { task, offset } => match session.tasks.get(task) {
                Some(alive) if alive.incoming.begun => split(task, offset, len, alive.incoming.welcome),
                Some(_) => Stage::Payload { task, offset, len, behind: 0, blocked: true },
                None => Stage::Discard { len },
            },
        };
    }

    fn gather(&mut self, session: &mut Session, bytes: &[u8], len: u32, keep: u32) -> usize {
        let some = bytes.len().min(len as usize);
        let kept = some.min(keep as usize);
        self.digest(&bytes[..some]);
        self.state.receiver.gathered.extend_from_slice(&bytes[..kept]);
        self.state.receiver.stage = match len - some as u32 {
            0 => Stage::Trailer { have: 0 },
            len => Stage::Gather { len, keep: keep - kept as u32 },
        };
        self.end_of_segment(session);
        some
    }

    fn discard(&mut self, session: &mut Session, bytes: &[u8], len: u32) -> usize {
        let some = bytes.len().min(len as usize);
        self.digest(&bytes[..some]);
        self.state.receiver.stage = match len - some as u32 {
            0 => Stage::Trailer { have: 0 },
            len => Stage::Discard { len },
        };
        self.end_of_segment(session);
        some
    }

    /// Goes over a trailer that has no bytes.
    fn end_of_segment(&mut self, session: &mut Session) {
        if self.state.receiver.stage == (Stage::Trailer { have: 0 }) && self.trailer_len() == 0 {
            self.finish(session);
        }
    }

    fn trailer_len(&self) -> usize {
        let digest = if self.state.params.digests.data { DIGEST_LEN } else { 0 };
        padding(data_len(&self.state.receiver.bhs()) as usize) + digest
    }

    fn trailer(&mut self, session: &mut Session, bytes: &[u8], have: u8) -> usize {
        let need = self.trailer_len();
        let have = usize::from(have);
        let some = bytes.len().min(need - have);
        let receiver = &mut self.state.receiver;
        receiver.trailer[have..have + some].copy_from_slice(&bytes[..some]);
        receiver.stage = Stage::Trailer { have: (have + some) as u8 };
        if have + some < need {
            return some;
        }
        if self.state.params.digests.data {
            let (pad, crc) = receiver.trailer[..need].split_at(need - DIGEST_LEN);
            receiver.crc.update(pad);
            if crc != digest::to_wire(receiver.crc.finish()) {
                // At error recovery level 0 nothing is asked for again (RFC 7143 §7.8).
                let what = "the data digest is wrong";
                self.reject_and_fault(session, codes::reject::DATA_DIGEST, "RFC 7143 §7.8", what);
                return some;
            }
        }
        self.finish(session);
        some
    }

    /// The PDU is whole.
    fn finish(&mut self, session: &mut Session) {
        let bhs = self.state.receiver.bhs();
        match self.state.receiver.segment {
            Segment::Discard => {}
            Segment::Ping { .. } => self.pong(session, &bhs),
            Segment::Text => self.text_request(session, &bhs),
            Segment::Task { task, .. } => self.data_arrived(session, task, data_len(&bhs)),
        }
        let receiver = &mut self.state.receiver;
        receiver.stage = Stage::Header;
        receiver.header.clear();
        receiver.gathered.clear();
        if receiver.gathered.capacity() > GATHERED_IDLE_MAX {
            receiver.gathered.shrink_to(GATHERED_IDLE_MAX);
        }
        self.clock.pdu_restarts();
    }

    #[inline]
    fn digest(&mut self, bytes: &[u8]) {
        if self.state.params.digests.data {
            self.state.receiver.crc.update(bytes);
        }
    }
}
