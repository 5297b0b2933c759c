//! How does one connection carry its session in full feature phase (RFC 7143 §4.2, §11)?

mod event;
mod limits;

use std::time::Instant;

pub use event::{
    Attribute, Command, Event, LogoutReason, Manage, ManageFunction, ManageResponse, Notice,
    Outcome, Referenced, TargetRecord, TargetsAsked, Want,
};
pub use limits::ConnectionLimits;

use crate::outgoing::Outgoing;
use crate::payload::Payload;
use crate::session::{ManageTag, Session, TaskTag};

/// One connection in full feature phase.
pub struct Connection<P> {
    out: Outgoing<P>,
}

#[allow(missing_docs, unused_variables)]
impl<P: Payload> Connection<P> {
    pub fn want(&self) -> Want {
        Want::Nothing
    }
    pub fn receive(&mut self, session: &mut Session, bytes: &[u8], now: Instant) -> usize {
        0
    }
    pub fn landed(&mut self, session: &mut Session, payload: &[u8], now: Instant) {}
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    pub fn outgoing(&mut self) -> &mut Outgoing<P> {
        &mut self.out
    }
    pub fn sent(&mut self, n: usize, now: Instant) {}
    pub fn deadline(&self) -> Option<Instant> {
        None
    }
    pub fn on_deadline(&mut self, session: &mut Session, now: Instant) {}
    pub fn begin_write(&mut self, session: &mut Session, task: TaskTag, len: u32) {}
    pub fn send_data(
        &mut self,
        session: &mut Session,
        task: TaskTag,
        payload: P,
        outcome: Outcome<'_>,
    ) {
    }
    pub fn respond(&mut self, session: &mut Session, task: TaskTag, outcome: Outcome<'_>) {}
    pub fn abort(&mut self, session: &mut Session, task: TaskTag) {}
    pub fn answer_manage(
        &mut self,
        session: &mut Session,
        manage: ManageTag,
        response: ManageResponse,
    ) {
    }
    pub fn answer_targets(&mut self, session: &mut Session, targets: &[TargetRecord]) {}
    pub fn answer_logout(&mut self, session: &mut Session, response: u8) {}
    pub fn notify(&mut self, session: &mut Session, notice: Notice<'_>) {}
}
