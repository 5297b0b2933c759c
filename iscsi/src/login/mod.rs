//! How does a TCP connection become a session (RFC 7143 §6)?

mod entropy;
mod status;
mod terms;

use std::time::{Duration, Instant};

pub use entropy::Entropy;
pub use status::LoginStatus;
pub use terms::{Account, Auth, DigestOffer, Offer, Secret, Terms};

use crate::connection::{Connection, ConnectionLimits};
use crate::fault::Fault;
use crate::payload::Payload;
use crate::session::{Candidate, Session, Tsih};

/// Limits of one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimits {
    /// The whole login must be over after so long.
    pub timeout: Duration,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginEvent {
    /// The names are known: answer with [`Login::offer`] or [`Login::refuse`].
    Names(Candidate),
    /// Authenticated and negotiated: answer with [`Login::admit`] or [`Login::refuse`].
    Ready(Candidate),
    /// Login has failed and the initiator is told: send [`Login::output`], close.
    Failed {
        /// What the initiator is told.
        status: LoginStatus,
        /// Why, for the log.
        why: String,
    },
    /// What came is no login, or the time is over: close.
    Fault(Fault),
}

/// One TCP connection up to full feature phase.
pub struct Login {}

#[allow(missing_docs, unused_variables)]
impl Login {
    pub fn new(limits: LoginLimits, entropy: Entropy, now: Instant) -> Login {
        Login {}
    }
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> usize {
        0
    }
    pub fn poll_event(&mut self) -> Option<LoginEvent> {
        None
    }
    pub fn output(&mut self) -> Vec<u8> {
        Vec::new()
    }
    pub fn deadline(&self) -> Instant {
        Instant::now()
    }
    pub fn on_deadline(&mut self, now: Instant) {}
    pub fn offer(&mut self, terms: Terms) {}
    pub fn admit<P: Payload>(
        self,
        tsih: Tsih,
        limits: ConnectionLimits,
        now: Instant,
    ) -> (Session, Connection<P>) {
        panic!()
    }
    pub fn refuse(&mut self, status: LoginStatus, why: &str) {}
    pub fn redirect(&mut self, address: &str, permanently: bool, why: &str) {}
}
