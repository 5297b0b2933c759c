//! What did both sides agree on at login (RFC 7143 §13)?

use serde::{Deserialize, Serialize};

use crate::wire::Digests;

/// The operational parameters of a session and its leading connection, as negotiated. Lengths are in bytes, times in
/// seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// HeaderDigest and DataDigest.
    pub digests: Digests,
    /// MaxConnections.
    pub max_connections: u32,
    /// InitialR2T: no unsolicited Data-Out PDUs.
    pub initial_r2t: bool,
    /// ImmediateData: data may come in the command PDU.
    pub immediate_data: bool,
    /// MaxRecvDataSegmentLength the initiator declared: the longest data segment we send.
    pub initiator_segment: u32,
    /// MaxRecvDataSegmentLength we declared: the longest data segment we take.
    pub target_segment: u32,
    /// MaxBurstLength.
    pub max_burst: u32,
    /// FirstBurstLength, never more than `max_burst`.
    pub first_burst: u32,
    /// DefaultTime2Wait.
    pub time_to_wait: u32,
    /// DefaultTime2Retain.
    pub time_to_retain: u32,
    /// MaxOutstandingR2T.
    pub max_outstanding_r2t: u32,
    /// DataPDUInOrder.
    pub data_pdu_in_order: bool,
    /// DataSequenceInOrder.
    pub data_sequence_in_order: bool,
    /// ErrorRecoveryLevel.
    pub error_recovery_level: u32,
    /// TaskReporting.
    pub task_reporting: TaskReporting,
    /// iSCSIProtocolLevel (RFC 7144): 2 allows its task management functions.
    pub protocol_level: u32,
}

/// How multi-task aborts and responses are ordered (RFC 7143 §13.23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskReporting {
    /// As in RFC 3720.
    #[default]
    Rfc3720,
    /// ResponseFence.
    ResponseFence,
    /// FastAbort.
    FastAbort,
}

impl Default for Params {
    /// What holds when nothing is negotiated: the defaults of RFC 7143 §13.
    fn default() -> Self {
        Self {
            digests: Digests::default(),
            max_connections: 1,
            initial_r2t: true,
            immediate_data: true,
            initiator_segment: 8192,
            target_segment: 8192,
            max_burst: 262_144,
            first_burst: 65_536,
            time_to_wait: 2,
            time_to_retain: 20,
            max_outstanding_r2t: 1,
            data_pdu_in_order: true,
            data_sequence_in_order: true,
            error_recovery_level: 0,
            task_reporting: TaskReporting::Rfc3720,
            protocol_level: 1,
        }
    }
}
