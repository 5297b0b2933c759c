//! Which numbers do the reason, response, function and event fields carry?

/// Task management functions (RFC 7143 §11.5.1, RFC 7144 §4.2.1).
pub mod function {
    /// ABORT TASK.
    pub const ABORT_TASK: u8 = 1;
    /// ABORT TASK SET.
    pub const ABORT_TASK_SET: u8 = 2;
    /// CLEAR ACA.
    pub const CLEAR_ACA: u8 = 3;
    /// CLEAR TASK SET.
    pub const CLEAR_TASK_SET: u8 = 4;
    /// LOGICAL UNIT RESET.
    pub const LOGICAL_UNIT_RESET: u8 = 5;
    /// TARGET WARM RESET.
    pub const TARGET_WARM_RESET: u8 = 6;
    /// TARGET COLD RESET.
    pub const TARGET_COLD_RESET: u8 = 7;
    /// TASK REASSIGN.
    pub const TASK_REASSIGN: u8 = 8;
    /// QUERY TASK (RFC 7144).
    pub const QUERY_TASK: u8 = 9;
    /// QUERY TASK SET (RFC 7144).
    pub const QUERY_TASK_SET: u8 = 10;
    /// I_T NEXUS RESET (RFC 7144).
    pub const I_T_NEXUS_RESET: u8 = 11;
    /// QUERY ASYNCHRONOUS EVENT (RFC 7144).
    pub const QUERY_ASYNC_EVENT: u8 = 12;
}

/// Task management responses (RFC 7143 §11.6.1, RFC 7144 §4.2.2).
pub mod task_response {
    /// Function complete.
    pub const COMPLETE: u8 = 0;
    /// Task does not exist.
    pub const NO_TASK: u8 = 1;
    /// LUN does not exist.
    pub const NO_LUN: u8 = 2;
    /// Task still allegiant.
    pub const STILL_ALLEGIANT: u8 = 3;
    /// Task allegiance reassignment not supported.
    pub const NO_REASSIGN: u8 = 4;
    /// Task management function not supported.
    pub const NOT_SUPPORTED: u8 = 5;
    /// Function authorization failed.
    pub const NOT_AUTHORIZED: u8 = 6;
    /// Function succeeded (RFC 7144): the queried thing is there.
    pub const SUCCEEDED: u8 = 7;
    /// Function rejected.
    pub const REJECTED: u8 = 255;
}

/// Reject reasons (RFC 7143 §11.17.1).
pub mod reject {
    /// Data (payload) digest error.
    pub const DATA_DIGEST: u8 = 0x02;
    /// SNACK reject.
    pub const SNACK: u8 = 0x03;
    /// Protocol error.
    pub const PROTOCOL: u8 = 0x04;
    /// Command not supported.
    pub const NOT_SUPPORTED: u8 = 0x05;
    /// Immediate command reject: too many immediate commands.
    pub const TOO_MANY_IMMEDIATE: u8 = 0x06;
    /// Task in progress.
    pub const TASK_IN_PROGRESS: u8 = 0x07;
    /// Invalid data acknowledgement.
    pub const INVALID_ACK: u8 = 0x08;
    /// Invalid PDU field.
    pub const INVALID_FIELD: u8 = 0x09;
    /// Long operation reject: no Target Transfer Tag can be made now.
    pub const LONG_OPERATION: u8 = 0x0a;
    /// Waiting for Logout.
    pub const WAITING_FOR_LOGOUT: u8 = 0x0c;
}

/// Asynchronous events (RFC 7143 §11.9.1).
pub mod async_event {
    /// A SCSI asynchronous event: sense data is in the data segment.
    pub const SCSI: u8 = 0;
    /// The target requests Logout.
    pub const LOGOUT_REQUEST: u8 = 1;
    /// The target will drop this connection.
    pub const DROP_CONNECTION: u8 = 2;
    /// The target will drop all connections of this session.
    pub const DROP_SESSION: u8 = 3;
    /// The target requests parameter negotiation on this connection.
    pub const NEGOTIATE: u8 = 4;
    /// All active tasks of the logical unit are being terminated.
    pub const TASKS_TERMINATED: u8 = 5;
}

/// Logout reasons and responses (RFC 7143 §11.14.1, §11.15.1).
pub mod logout {
    /// Reason: close the session.
    pub const CLOSE_SESSION: u8 = 0;
    /// Reason: close the connection.
    pub const CLOSE_CONNECTION: u8 = 1;
    /// Reason: remove the connection for recovery.
    pub const REMOVE_FOR_RECOVERY: u8 = 2;
    /// Response: closed successfully.
    pub const CLOSED: u8 = 0;
    /// Response: CID not found.
    pub const NO_CID: u8 = 1;
    /// Response: connection recovery is not supported.
    pub const NO_RECOVERY: u8 = 2;
    /// Response: cleanup failed.
    pub const CLEANUP_FAILED: u8 = 3;
}

/// Login stages (RFC 7143 §11.12.3).
pub mod stage {
    /// SecurityNegotiation.
    pub const SECURITY: u8 = 0;
    /// LoginOperationalNegotiation.
    pub const OPERATIONAL: u8 = 1;
    /// FullFeaturePhase.
    pub const FULL_FEATURE: u8 = 3;
}
