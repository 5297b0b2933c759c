//! What an initiator asks for at login, and what came of it.

use super::chap::Chap;

/// Everything an initiator brings to a login. The defaults are those of a common Linux host.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `InitiatorName` (RFC 7143 §13.5).
    pub initiator: String,
    /// `InitiatorAlias`, where there is one.
    pub alias: Option<String>,
    /// `TargetName`; `None` opens a discovery session (RFC 7143 §13.21).
    pub target: Option<String>,
    /// Initiator part of the session identifier (RFC 7143 §11.12.5).
    pub isid: [u8; 6],
    /// Target session identifier: 0 for a new session (RFC 7143 §11.12.6).
    pub tsih: u16,
    /// Connection identifier (RFC 7143 §11.12.7).
    pub cid: u16,
    /// The first CmdSN of a new session.
    pub cmd_sn: u32,
    /// CHAP; `None` offers `AuthMethod=None` alone.
    pub chap: Option<Chap>,
    /// The operational keys.
    pub keys: Keys,
    /// Keys sent as they stand along with the operational ones: vendor keys, or a test's nonsense.
    pub extra: Vec<(String, String)>,
}

impl Settings {
    /// A normal session of `initiator` with `target`.
    pub fn normal(initiator: impl Into<String>, target: impl Into<String>) -> Self {
        Settings { target: Some(target.into()), ..Settings::discovery(initiator) }
    }

    /// A discovery session of `initiator`.
    pub fn discovery(initiator: impl Into<String>) -> Self {
        Settings {
            initiator: initiator.into(),
            alias: None,
            target: None,
            // Type 10b, "random" (RFC 7143 §11.12.5), with a fixed value: sessions of one name need distinct ones.
            isid: [0x80, 0x00, 0x00, 0x00, 0x00, 0x01],
            tsih: 0,
            cid: 0,
            cmd_sn: 1,
            chap: None,
            keys: Keys::default(),
            extra: Vec::new(),
        }
    }
}

/// The operational keys of RFC 7143 §13, as the initiator proposes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// `HeaderDigest`, most wanted first, e.g. `["CRC32C", "None"]`.
    pub header_digest: Vec<&'static str>,
    /// `DataDigest`, most wanted first.
    pub data_digest: Vec<&'static str>,
    /// `MaxConnections`.
    pub max_connections: u32,
    /// `InitialR2T`.
    pub initial_r2t: bool,
    /// `ImmediateData`.
    pub immediate_data: bool,
    /// `MaxRecvDataSegmentLength`: what this side takes in one PDU, in bytes.
    pub max_recv_data_segment_length: u32,
    /// `MaxBurstLength`, in bytes.
    pub max_burst_length: u32,
    /// `FirstBurstLength`, in bytes.
    pub first_burst_length: u32,
    /// `DefaultTime2Wait`, in seconds.
    pub default_time2wait: u32,
    /// `DefaultTime2Retain`, in seconds.
    pub default_time2retain: u32,
    /// `MaxOutstandingR2T`.
    pub max_outstanding_r2t: u32,
    /// `DataPDUInOrder`.
    pub data_pdu_in_order: bool,
    /// `DataSequenceInOrder`.
    pub data_sequence_in_order: bool,
    /// `ErrorRecoveryLevel`.
    pub error_recovery_level: u32,
}

impl Default for Keys {
    fn default() -> Self {
        Keys {
            header_digest: vec!["None", "CRC32C"],
            data_digest: vec!["None", "CRC32C"],
            max_connections: 1,
            initial_r2t: false,
            immediate_data: true,
            max_recv_data_segment_length: 262_144,
            max_burst_length: 16_776_192,
            first_burst_length: 262_144,
            default_time2wait: 2,
            default_time2retain: 0,
            max_outstanding_r2t: 1,
            data_pdu_in_order: true,
            data_sequence_in_order: true,
            error_recovery_level: 0,
        }
    }
}

impl Keys {
    /// The same keys with both digests demanded (`true`) or ruled out (`false`).
    #[must_use]
    pub fn with_digests(mut self, on: bool) -> Self {
        let list = if on { vec!["CRC32C"] } else { vec!["None"] };
        (self.header_digest, self.data_digest) = (list.clone(), list);
        self
    }

    /// The proposal as key=value pairs, in the order of the standard.
    pub(crate) fn proposal(&self, discovery: bool) -> Vec<(&'static str, String)> {
        let yes_no = |yes: bool| if yes { "Yes" } else { "No" }.to_owned();
        let mut pairs = vec![
            ("HeaderDigest", self.header_digest.join(",")),
            ("DataDigest", self.data_digest.join(",")),
            ("MaxRecvDataSegmentLength", self.max_recv_data_segment_length.to_string()),
            ("DefaultTime2Wait", self.default_time2wait.to_string()),
            ("DefaultTime2Retain", self.default_time2retain.to_string()),
            ("ErrorRecoveryLevel", self.error_recovery_level.to_string()),
        ];
        // The rest is irrelevant to a discovery session (RFC 7143 §13, "Irrelevant when: SessionType=Discovery").
        if !discovery {
            pairs.extend([
                ("MaxConnections", self.max_connections.to_string()),
                ("InitialR2T", yes_no(self.initial_r2t)),
                ("ImmediateData", yes_no(self.immediate_data)),
                ("MaxBurstLength", self.max_burst_length.to_string()),
                ("FirstBurstLength", self.first_burst_length.to_string()),
                ("MaxOutstandingR2T", self.max_outstanding_r2t.to_string()),
                ("DataPDUInOrder", yes_no(self.data_pdu_in_order)),
                ("DataSequenceInOrder", yes_no(self.data_sequence_in_order)),
            ]);
        }
        pairs
    }
}
