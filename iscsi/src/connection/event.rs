//! What does a connection tell its owner, and what may the owner answer?

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::session::{ManageTag, TaskTag};

/// Where the next bytes of the stream belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// To [`super::Connection::receive`]: headers, text, padding, digests.
    Bytes,
    /// To the buffer of a task, then to [`super::Connection::landed`].
    Payload {
        /// The task.
        task: TaskTag,
        /// Where in the task's data, in bytes.
        offset: u32,
        /// At most this many bytes.
        len: u32,
    },
    /// To [`super::Connection::receive`], which counts them off: data nobody wants any more.
    Discard {
        /// At most this many bytes.
        len: u32,
    },
    /// Nowhere now: a command waits for its owner's answer, or too much is due to be sent, or it is over.
    Nothing,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A SCSI command came in.
    Command(Command),
    /// All bytes that [`super::Connection::begin_write`] asked for have landed.
    DataComplete(TaskTag),
    /// A task management function is asked for.
    Manage(Manage),
    /// The initiator asks where targets are; answer with [`super::Connection::answer_targets`].
    SendTargets(TargetsAsked),
    /// The initiator logs out; answer with [`super::Connection::answer_logout`].
    Logout(LogoutReason),
    /// The connection is over: flush what is due for a moment (a Reject may be in it), close, log.
    Fault(Fault),
}

/// A SCSI command (RFC 7143 §11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The task it became.
    pub task: TaskTag,
    /// LUN as on the wire (SAM-5 §4.7).
    pub lun: [u8; 8],
    /// The CDB, or its first 16 bytes.
    pub cdb: [u8; 16],
    /// The whole CDB when it is longer than 16 bytes.
    pub extended: Option<Box<[u8]>>,
    /// Task attribute.
    pub attribute: Attribute,
    /// Data is expected by the initiator.
    pub read: bool,
    /// Data is offered by the initiator. With `read`: a bidirectional command.
    pub write: bool,
    /// Expected Data Transfer Length in bytes; of the write when bidirectional.
    pub expected: u32,
    /// It came for immediate delivery.
    pub immediate: bool,
    /// Immediate data stands right behind it, or unsolicited Data-Out PDUs follow.
    pub data_follows: bool,
}

/// Task attributes (RFC 7143 §11.3.1, SAM-5 §8.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Attribute {
    /// Untagged: treated as SIMPLE.
    Untagged,
    /// SIMPLE.
    #[default]
    Simple,
    /// ORDERED.
    Ordered,
    /// HEAD OF QUEUE.
    HeadOfQueue,
    /// ACA.
    Aca,
}

impl Attribute {
    /// From the three ATTR bits; `None` for the reserved values.
    pub fn from_bits(bits: u8) -> Option<Self> {
        const TABLE: [Attribute; 5] =
            [Attribute::Untagged, Attribute::Simple, Attribute::Ordered, Attribute::HeadOfQueue, Attribute::Aca];
        TABLE.get(usize::from(bits)).copied()
    }
}

/// A task management function that the owner must carry out (RFC 7143 §11.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manage {
    /// What to answer with.
    pub tag: ManageTag,
    /// What to do.
    pub function: ManageFunction,
    /// LUN as on the wire; without meaning for target resets and I_T NEXUS RESET.
    pub lun: [u8; 8],
    /// What the Referenced Task Tag of ABORT TASK and QUERY TASK means.
    pub referenced: Referenced,
}

/// Task management functions that reach the owner. CLEAR ACA and TASK REASSIGN are answered here as not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManageFunction {
    /// ABORT TASK: end [`Manage::referenced`].
    AbortTask,
    /// ABORT TASK SET: end all tasks of this session for the LUN.
    AbortTaskSet,
    /// CLEAR TASK SET: end all tasks of all sessions for the LUN.
    ClearTaskSet,
    /// LOGICAL UNIT RESET.
    LogicalUnitReset,
    /// TARGET WARM RESET.
    TargetWarmReset,
    /// TARGET COLD RESET: as warm, and the sessions end.
    TargetColdReset,
    /// QUERY TASK: is [`Manage::referenced`] there?
    QueryTask,
    /// QUERY TASK SET: has this session any task for the LUN?
    QueryTaskSet,
    /// I_T NEXUS RESET.
    NexusReset,
    /// QUERY ASYNCHRONOUS EVENT: is a unit attention waiting for this session?
    QueryAsyncEvent,
}

/// What a Referenced Task Tag means, by the rules of RFC 7143 §11.6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referenced {
    /// The function names no task.
    Nothing,
    /// A task that is alive; for ABORT TASK: `abort` it, then answer [`ManageResponse::Complete`].
    Task(TaskTag),
    /// No such task, but its CmdSN lies in the window before this request: it counts as received and aborted
    /// (RFC 7143 §11.6.1 case b). Answer [`ManageResponse::Complete`].
    InWindow,
    /// No such task: it has ended or never was. Answer [`ManageResponse::NoTask`] to ABORT TASK.
    Unknown,
}

/// Task management responses (RFC 7143 §11.6.1, RFC 7144 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManageResponse {
    /// Function complete. To a query: there is nothing.
    Complete,
    /// Task does not exist.
    NoTask,
    /// LUN does not exist.
    NoLun,
    /// Task still allegiant.
    StillAllegiant,
    /// Task allegiance reassignment not supported.
    NoReassign,
    /// Task management function not supported.
    NotSupported,
    /// Function authorization failed.
    NotAuthorized,
    /// Function succeeded (RFC 7144). To a query: it is there.
    Succeeded,
    /// QUERY ASYNCHRONOUS EVENT found a unit attention: function succeeded, with the sense key, code and qualifier.
    SucceededWith {
        /// Sense key, 6 for a unit attention.
        key: u8,
        /// Additional sense code.
        asc: u8,
        /// Additional sense code qualifier.
        ascq: u8,
    },
    /// Function rejected.
    Rejected,
}

/// Which targets SendTargets asks for (RFC 7143 Appendix C).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetsAsked {
    /// All that this initiator may see.
    All,
    /// The named one.
    One(String),
    /// The one of this session.
    Own,
}

/// One record of a SendTargets answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRecord {
    /// TargetName.
    pub name: String,
    /// TargetAddress values: address with port (`192.0.2.1:3260`, `[2001:db8::1]:3260`) and portal group tag.
    pub portals: Vec<(String, u16)>,
}

/// Why the initiator logs out (RFC 7143 §11.14.1). Removal for recovery is refused here at error recovery level 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutReason {
    /// Close the session.
    CloseSession,
    /// Close this connection; with one connection the session ends with it.
    CloseConnection,
}

/// The outcome of a SCSI command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// SCSI status byte.
    pub status: u8,
    /// Sense data without the two length bytes in front of it; at most [`Outcome::SENSE_MAX`] bytes are sent.
    pub sense: &'a [u8],
    /// Bytes that the command would have moved if the initiator's buffer had been right: more than expected is an
    /// overflow, less an underflow (RFC 7143 §11.4.5).
    pub wanted: u32,
}

impl Outcome<'_> {
    /// The most sense data that a response carries (SPC-5 §4.5.1).
    pub const SENSE_MAX: usize = 252;

    /// GOOD, `wanted` bytes moved.
    pub const fn good(wanted: u32) -> Self {
        Outcome { status: 0, sense: &[], wanted }
    }
}

/// What the target says unasked (RFC 7143 §11.9). Event 4 (negotiate) is not here: initiators drop the session on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// A SCSI asynchronous event with its sense data.
    ScsiEvent {
        /// LUN as on the wire.
        lun: [u8; 8],
        /// Sense data without length bytes.
        sense: &'a [u8],
    },
    /// Log out within so many seconds, or the connection is dropped.
    LogoutRequest {
        /// Seconds.
        seconds: u16,
    },
    /// This connection will be dropped.
    DropConnection,
    /// All connections of the session will be dropped.
    DropSession,
    /// All tasks of the LUN are ended by another session; only with TaskReporting=FastAbort (RFC 7143 §4.2.3.4).
    TasksTerminated {
        /// LUN as on the wire.
        lun: [u8; 8],
    },
}
