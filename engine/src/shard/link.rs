//! One connection of a shard: its socket, its phase, and what waits on either side of it.

use std::net::SocketAddr;
use std::time::Instant;

use ferrite_iscsi::{Connection, Login, Outgoing};

use super::body::Body;
use super::letters::Load;
use crate::io::SocketId;

/// A connection.
pub(crate) struct Link {
    pub(crate) socket: SocketId,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) portal_group: u16,
    /// Unique in its shard: slots are used again.
    pub(crate) serial: u64,
    pub(crate) phase: Phase,
    /// What login has to say.
    pub(crate) early: Outgoing<Body>,
    /// Received, but the protocol does not want it yet.
    pub(crate) held: Vec<u8>,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has sent all it will: nothing more is reported, so it is read until its end is seen.
    pub(crate) ended: bool,
    /// Already in the list of links to serve, or to send for.
    pub(crate) in_runnable: bool,
    pub(crate) in_dirty: bool,
    /// Nothing more is read, and all that is due is sent; closed at the latest then.
    pub(crate) closing: Option<Instant>,
    /// All is sent and so is the end; the peer's is waited for.
    pub(crate) finished: bool,
    /// When data of a write last landed, or was last asked for.
    pub(crate) landed: Instant,
    pub(crate) _load: Load,
}

/// How far a connection is.
pub(crate) enum Phase {
    Login(Box<LoginPhase>),
    Full {
        connection: Box<Connection<Body>>,
        /// Slot of its session.
        session: usize,
    },
    /// Only what is due is still sent.
    Over,
}

/// A login and what it waits for.
pub(crate) struct LoginPhase {
    pub(crate) login: Login,
    /// The target found for it, from [`ferrite_iscsi::LoginEvent::Names`] on.
    pub(crate) target: Option<std::sync::Arc<crate::catalog::Target>>,
    /// Ready, and waits for an older session of the same nexus to end.
    pub(crate) waiting: Option<ferrite_iscsi::Candidate>,
}

impl Link {
    /// Bytes due.
    pub(crate) fn due(&mut self) -> u64 {
        let full = match &mut self.phase {
            Phase::Full { connection, .. } => connection.outgoing().len(),
            Phase::Login(_) | Phase::Over => 0,
        };
        self.early.len() + full
    }

    /// Slot of its session; of none, before there is one.
    pub(crate) fn session(&self) -> usize {
        match self.phase {
            Phase::Full { session, .. } => session,
            Phase::Login(_) | Phase::Over => usize::MAX,
        }
    }

    /// When this connection wants to be looked at without anything having happened.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.closing.is_some() {
            return self.closing;
        }
        match &self.phase {
            Phase::Login(phase) => Some(phase.login.deadline()),
            Phase::Full { connection, .. } => connection.deadline(),
            Phase::Over => None,
        }
    }
}
