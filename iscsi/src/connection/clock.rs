//! When has a peer been silent, slow or deaf for too long?

use std::time::{Duration, Instant};

use super::event::Want;
use super::{Connection, Phase};
use crate::fault::Fault;
use crate::payload::Payload;
use crate::session::Session;
use crate::wire::{NO_TAG, NopIn};

/// What the deadlines are counted from. Calls without a time leave a start open (`None`); the next call that knows
/// the time fills it in, so that nothing is ever counted from a moment long past.
#[derive(Debug)]
pub(super) struct Clock {
    /// The last time anybody told.
    seen: Instant,
    /// Bytes came.
    heard: Instant,
    /// Bytes left.
    moved: Instant,
    /// The PDU that is being received began, or was let go on.
    pdu: Option<Instant>,
    /// Bytes are due and none has left since.
    stall: Option<Instant>,
    /// The unanswered NOP-In was queued.
    ping: Option<Instant>,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self { seen: now, heard: now, moved: now, pdu: None, stall: None, ping: None }
    }

    pub(super) fn sent(&mut self, n: usize, now: Instant, all: bool) {
        self.seen = now;
        if n > 0 {
            self.moved = now;
        }
        if all {
            self.stall = None;
        } else if n > 0 || self.stall.is_none() {
            self.stall = Some(now);
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.seen = now;
        self.heard = now;
    }

    /// The PDU is whole, or its owner was what it waited for.
    #[inline]
    pub(super) fn pdu_restarts(&mut self) {
        self.pdu = None;
    }

    pub(super) fn pong(&mut self) {
        self.ping = None;
    }

    pub(super) fn tick(&mut self, now: Instant, mid_pdu: bool, due: bool) {
        self.seen = now;
        self.pdu = if mid_pdu { self.pdu.or(Some(now)) } else { None };
        self.stall = if due { self.stall.or(Some(now)) } else { None };
    }
}

/// What a deadline that has passed means.
enum Passed {
    Stalled,
    SlowPdu,
    NoPong,
    Idle,
}

impl<P: Payload> Connection<P> {
    /// When [`Connection::on_deadline`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines().into_iter().flatten().map(|(at, _)| at).min()
    }

    /// The time of [`Connection::deadline`] has come: pings, or raises [`super::Event::Fault`].
    pub fn on_deadline(&mut self, session: &mut Session, now: Instant) {
        if self.state.phase == Phase::Open && self.want() == Want::Nothing {
            // We do not listen: the peer's silence is our doing.
            self.clock.heard(now);
            self.clock.pdu_restarts();
        }
        self.tick(now);
        let limits = self.state.limits;
        for (at, passed) in self.deadlines().into_iter().flatten() {
            if at > now {
                continue;
            }
            match passed {
                Passed::Stalled => {
                    let what = format!("the peer takes no bytes for {:?}", limits.stall_timeout);
                    self.fault(Fault::connection("limit stall_timeout", what));
                }
                Passed::SlowPdu => {
                    let what = format!("a PDU is not whole after {:?}", limits.pdu_timeout);
                    self.fault(Fault::connection("limit pdu_timeout", what));
                }
                Passed::NoPong => {
                    let what = format!("a NOP-In is not answered after {:?}", limits.ping_timeout);
                    self.fault(Fault::connection("RFC 7143 §11.19", what));
                }
                Passed::Idle if self.state.discovery => {
                    let what = format!("a discovery session is idle for {:?}", idle(&limits, true));
                    self.fault(Fault::connection("limit ping_interval", what));
                }
                Passed::Idle => self.ping(session, now),
            }
        }
    }

    /// Notes the time with what the clock cannot see itself.
    pub(super) fn tick(&mut self, now: Instant) {
        self.clock.tick(now, self.state.receiver.mid_pdu(), !self.out.is_empty());
    }

    fn deadlines(&self) -> [Option<(Instant, Passed)>; 3] {
        let (clock, limits) = (&self.clock, &self.state.limits);
        if self.state.phase == Phase::Over {
            return [None, None, None];
        }
        let stall =
            (!self.out.is_empty()).then(|| (clock.stall.unwrap_or(clock.seen) + limits.stall_timeout, Passed::Stalled));
        if self.state.phase != Phase::Open {
            return [stall, None, None];
        }
        let pdu = self
            .state
            .receiver
            .mid_pdu()
            .then(|| (clock.pdu.unwrap_or(clock.seen) + limits.pdu_timeout, Passed::SlowPdu));
        let life = match clock.ping {
            // A peer that says something else, or takes what stands before our question, is busy, not dead.
            Some(ping) => Some((ping.max(clock.heard).max(clock.moved) + limits.ping_timeout, Passed::NoPong)),
            None => idle(limits, self.state.discovery).map(|idle| (clock.heard + idle, Passed::Idle)),
        };
        [stall, pdu, life]
    }

    /// Asks whether the initiator is there (RFC 7143 §11.19): StatSN is carried, not used up.
    fn ping(&mut self, session: &mut Session, now: Instant) {
        let ttt = self.fresh_tag();
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let stat_sn = self.state.stat_sn;
        let ping = NopIn { itt: NO_TAG, ttt, stat_sn, exp_cmd_sn, max_cmd_sn, ..Default::default() };
        self.put(&ping.encode(), &[]);
        self.state.ping = Some(ttt);
        self.clock.ping = Some(now);
        self.tick(now);
    }
}

/// How long nothing may be heard. A discovery session is not pinged, its initiator need not know NOP: it just ends
/// when it would have been found dead.
fn idle(limits: &super::ConnectionLimits, discovery: bool) -> Option<Duration> {
    let interval = limits.ping_interval?;
    Some(if discovery { interval + limits.ping_timeout } else { interval })
}
