//! How does one connection carry its session in full feature phase (RFC 7143 §4.2, §11)?
//!
//! Bytes in, events out, bytes out. The stream is read by `receive`, what each PDU asks for is decided by `dispatch`,
//! `command` (SCSI commands and their data), `manage` and `text`; `answer` holds what the owner may say. Nothing is
//! looked up by name, nothing allocates once warm on the way of a command and its data.

mod answer;
mod clock;
mod command;
mod dispatch;
mod event;
mod limits;
mod manage;
mod receive;
#[cfg(test)]
mod tests;
mod text;

use std::collections::VecDeque;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use event::{
    Attribute, Command, Event, LogoutReason, Manage, ManageFunction, ManageResponse, Notice, Outcome, Referenced,
    TargetRecord, TargetsAsked, Want,
};
pub use limits::ConnectionLimits;

use crate::fault::Fault;
use crate::outgoing::Outgoing;
use crate::params::Params;
use crate::payload::Payload;
use clock::Clock;
use receive::{Receiver, Stage};
use text::Exchange;

/// One connection in full feature phase. `P` is what the owner sends data in.
///
/// The owner's loop: ask [`Connection::want`], give it what it wants, drain [`Connection::poll_event`], send what
/// [`Connection::outgoing`] holds, and call [`Connection::on_deadline`] in time.
#[derive(Debug)]
pub struct Connection<P> {
    state: ConnectionState,
    out: Outgoing<P>,
    events: VecDeque<Event>,
    clock: Clock,
}

/// What a connection must remember to go on elsewhere: plain data, without a clock and without bytes that are due.
#[derive(Debug, Serialize, Deserialize)]
pub struct ConnectionState {
    cid: u16,
    discovery: bool,
    limits: ConnectionLimits,
    params: Params,
    /// StatSN of the next status.
    stat_sn: u32,
    phase: Phase,
    receiver: Receiver,
    exchange: Exchange,
    /// Target Transfer Tag of the next NOP-In or Text Response.
    next_tag: u32,
    /// Target Transfer Tag of the NOP-In that is not answered.
    ping: Option<u32>,
}

/// How far the connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Open,
    /// A Logout Request waits for the owner's answer.
    LoggingOut {
        itt: u32,
    },
    /// Nothing is read or queued any more.
    Over,
}

impl<P: Payload> Connection<P> {
    pub(crate) fn new(
        cid: u16,
        discovery: bool,
        params: Params,
        limits: ConnectionLimits,
        stat_sn: u32,
        now: Instant,
    ) -> Self {
        let state = ConnectionState {
            cid,
            discovery,
            limits,
            params,
            stat_sn,
            phase: Phase::Open,
            receiver: Receiver::new(),
            exchange: Exchange::default(),
            next_tag: 0,
            ping: None,
        };
        Self::resume(state, now)
    }

    /// Goes on where [`Connection::suspend`] left off.
    pub fn resume(state: ConnectionState, now: Instant) -> Self {
        Self { state, out: Outgoing::new(), events: VecDeque::with_capacity(4), clock: Clock::new(now) }
    }

    /// No bytes are due and no events wait: it can be put away.
    pub fn is_quiet(&self) -> bool {
        self.out.is_empty() && self.events.is_empty()
    }

    /// Puts the connection away as plain data, to go on elsewhere.
    ///
    /// # Panics
    /// When it is not quiet: bytes or events would be lost.
    pub fn suspend(self) -> ConnectionState {
        assert!(self.is_quiet(), "a connection is put away only when nothing is due");
        self.state
    }

    /// Where the next bytes of the stream belong.
    #[inline]
    pub fn want(&self) -> Want {
        if self.state.phase != Phase::Open || self.out.inline_len() > self.state.limits.inline_max {
            return Want::Nothing;
        }
        match self.state.receiver.stage {
            Stage::Payload { blocked: true, .. } => Want::Nothing,
            Stage::Payload { task, offset, len, .. } => Want::Payload { task, offset, len },
            Stage::Discard { len } => Want::Discard { len },
            Stage::Header | Stage::Gather { .. } | Stage::Trailer { .. } => Want::Bytes,
        }
    }

    /// What happened; ask until there is nothing more.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is due to be sent. Report what left by [`Connection::sent`].
    #[inline]
    pub fn outgoing(&mut self) -> &mut Outgoing<P> {
        &mut self.out
    }

    /// The first `n` bytes that were due have left.
    pub fn sent(&mut self, n: usize, now: Instant) {
        self.out.advance(n);
        self.clock.sent(n, now, self.out.is_empty());
    }

    /// What was negotiated for this connection.
    pub fn params(&self) -> &Params {
        &self.state.params
    }

    /// The CID.
    pub fn cid(&self) -> u16 {
        self.state.cid
    }

    /// Nothing more will be read or queued: a fault was told, or a logout was answered.
    pub fn is_over(&self) -> bool {
        self.state.phase == Phase::Over
    }

    /// The peer was wrong: this connection is over.
    fn fault(&mut self, fault: Fault) {
        if self.state.phase != Phase::Over {
            self.state.phase = Phase::Over;
            self.events.push_back(Event::Fault(fault));
        }
    }

    /// A fresh Target Transfer Tag for NOP-In and Text Response, never FFFFFFFFh.
    fn fresh_tag(&mut self) -> u32 {
        let tag = self.state.next_tag;
        self.state.next_tag = if tag == crate::wire::NO_TAG - 1 { 0 } else { tag + 1 };
        tag
    }
}
