//! How long and how much is a peer allowed?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::session::Session;

/// Limits of one connection in full feature phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionLimits {
    /// The command window: commands of the session that may be in flight, 1 to [`Session::COMMANDS_MAX`].
    pub commands: u32,
    /// With nothing heard for so long, a NOP-In asks whether the initiator is there; `None`: never ask.
    pub ping_interval: Option<Duration>,
    /// An unanswered NOP-In ends the connection after so long.
    pub ping_timeout: Duration,
    /// A PDU that has begun must be whole after so long.
    pub pdu_timeout: Duration,
    /// Bytes that are due and of which none can be sent for so long end the connection.
    pub stall_timeout: Duration,
    /// With more inline bytes than this due (answers that need no task), nothing more is read.
    pub inline_max: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            commands: Session::COMMANDS_MAX,
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(30),
            pdu_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            inline_max: 1 << 20,
        }
    }
}
