//! What a shard tells of its sessions.

use std::net::SocketAddr;

use ferrite_api::Iqn;

/// One session, as of the moment its shard was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// Unique for as long as the engine runs.
    pub session: u64,
    /// Target session identifying handle.
    pub tsih: u16,
    /// Initiator name.
    pub initiator: String,
    /// `None` for a discovery session.
    pub target: Option<Iqn>,
    /// The initiator's end of the connection.
    pub peer: SocketAddr,
    /// Our end.
    pub portal: SocketAddr,
    /// The shard that serves it.
    pub shard: usize,
    /// SCSI commands so far.
    pub commands: u64,
    /// Bytes of data-in so far.
    pub bytes_read: u64,
    /// Bytes of data-out so far.
    pub bytes_written: u64,
    /// Commands not yet answered.
    pub in_flight: usize,
}
