//! What a command turned out to mean: a finished reply, or work on bytes of the medium.

mod copied;
mod copy;
mod erase;
mod question;
mod watch;

pub use copied::{Copied, CopyFailure, CopySide};
pub use copy::{Copy, Move, Source};
pub use erase::{Erase, Erasure};
pub use question::{Answer, Mapped, Mapping, Question};
pub(crate) use watch::{CopyWatch, End};

use crate::attention::Attention;
use crate::lasting::{Lasting, Registrant};
use crate::sense::Sense;

/// What is to be done for one command. Positions and lengths are *bytes*, lie inside the medium, and are
/// multiples of its block size.
///
/// Lengths are what the command block asks for. Where the initiator announced less data-out than that
/// ([`Command::data_out`](crate::Command::data_out)), the whole blocks that do arrive are written or compared, and
/// the residual tells the rest; the parameter lists of [`Plan::Gather`] are always announced in full.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Plan {
    /// Nothing to do on the medium.
    Reply(Reply),
    /// Send `len` bytes of the medium; with `fua`, as they are on stable storage.
    Read {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u32,
        /// Force unit access.
        fua: bool,
    },
    /// Store `len` bytes of data-out; with `fua`, durably before the answer.
    Write {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u32,
        /// Force unit access.
        fua: bool,
    },
    /// Store `len` bytes durably, then read them back from the medium.
    WriteAndVerify {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u32,
        /// What is read back is compared byte by byte with what was written.
        compare: bool,
    },
    /// Read `len` bytes from the medium; nothing is sent.
    Verify {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u32,
    },
    /// Compare `len` bytes of data-out with the medium; a difference is [`Sense::miscompare`].
    Compare {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u32,
    },
    /// Compare `pattern` bytes of data-out (one block) with every block of `len` bytes of the medium.
    CompareRepeated {
        /// First byte.
        at: u64,
        /// Bytes of the medium, never zero.
        len: u64,
        /// Bytes of data-out: the block size.
        pattern: u32,
    },
    /// Make completed writes durable.
    Flush {
        /// First byte.
        at: u64,
        /// Bytes; 0: everything.
        len: u64,
        /// Answer before it is done.
        immediate: bool,
    },
    /// The parameter list (or pattern block) of `len` bytes is wanted first; then
    /// [`LogicalUnit::gathered`](crate::LogicalUnit::gathered).
    Gather {
        /// Bytes, never zero, at most 64 KiB.
        len: u32,
    },
    /// UNMAP: the initiator needs the contents of these bytes no more.
    Discard {
        /// What may go, in the order given; extents may overlap.
        extents: Extents,
        /// They are zeroed, but keep their space.
        anchor: bool,
    },
    /// WRITE SAME of zeroes.
    Zero {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u64,
        /// Giving the space back is as good as writing, so long as it reads as zeroes.
        may_unmap: bool,
        /// Force unit access.
        fua: bool,
    },
    /// WRITE SAME of one block, over and over.
    WriteSame {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u64,
        /// Force unit access.
        fua: bool,
        /// One block.
        pattern: Box<[u8]>,
    },
    /// COMPARE AND WRITE: twice `len` bytes of data-out. Where the first half equals the medium, the second half is
    /// written; a difference is [`Sense::miscompare`]. Nothing else may write these bytes between the two.
    CompareAndWrite {
        /// First byte.
        at: u64,
        /// Bytes of the medium, never zero.
        len: u32,
        /// Force unit access.
        fua: bool,
    },
    /// ORWRITE: `len` bytes of the medium become what they are OR data-out. Nothing else may write them meanwhile.
    OrWrite {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u32,
        /// Force unit access.
        fua: bool,
    },
    /// WRITE ATOMIC: `len` bytes of data-out, of which after any failure either all are stored or none.
    WriteAtomic {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u32,
        /// Force unit access.
        fua: bool,
    },
    /// PRE-FETCH: these bytes will be read soon.
    Prefetch {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u64,
    },
    /// Only the disk knows; then [`LogicalUnit::answered`](crate::LogicalUnit::answered).
    Ask(Question),
    /// EXTENDED COPY, WRITE USING TOKEN: bytes move between units of the target; then
    /// [`LogicalUnit::copied`](crate::LogicalUnit::copied).
    Copy(Box<Copy>),
    /// FORMAT UNIT, SANITIZE: the whole medium.
    Erase(Box<Erase>),
    /// What lasts of the unit's state has to be on stable storage; then
    /// [`Book::amend`](crate::Book::amend), which makes it true and says what is next.
    Keep(Box<Amendment>),
    /// PREEMPT AND ABORT: the commands that these nexuses have on the unit end, none of their data is written any
    /// more, then GOOD.
    Abort {
        /// SCSI initiator port names with portal groups, as in [`NexusId`](crate::NexusId).
        nexuses: Vec<(Box<str>, u16)>,
    },
}

impl Plan {
    /// GOOD, without data.
    pub(crate) fn good() -> Plan {
        Plan::Reply(Reply { status: Status::Good, sense: None, data: Vec::new() })
    }

    /// GOOD with `data`, cut to the allocation length (SPC-4 4.2.5.6): an initiator gets no more than it has room for.
    pub(crate) fn data(mut data: Vec<u8>, allocation_length: u32) -> Plan {
        data.truncate(allocation_length as usize);
        Plan::Reply(Reply { status: Status::Good, sense: None, data })
    }
}

/// CHECK CONDITION.
impl From<Sense> for Plan {
    fn from(sense: Sense) -> Plan {
        Plan::Reply(sense.into())
    }
}

/// A change of what lasts: planned from the state that was, made true once it is safe.
///
/// The owner sees to it that between the plan and [`Book::amend`](crate::Book::amend) no other command of the unit
/// that [changes what lasts](crate::goes_alone) is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// What has to be on stable storage first.
    pub keep: Lasting,
    /// What the unit's state becomes.
    pub(crate) next: Lasting,
    /// Who hears of it: all but the session, with what they hear.
    pub(crate) posts: Vec<(u64, Attention)>,
    /// Who hears of it besides: these and no others.
    pub(crate) told: Vec<(Registrant, Attention)>,
    /// What is next for the command that asked for it.
    pub(crate) then: Plan,
}

/// An answer without work on the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// SCSI status.
    pub status: Status,
    /// Why, where the status is CHECK CONDITION.
    pub sense: Option<Sense>,
    /// Data-in, already cut to the allocation length.
    pub data: Vec<u8>,
}

impl From<Sense> for Reply {
    fn from(sense: Sense) -> Reply {
        Reply { status: Status::CheckCondition, sense: Some(sense), data: Vec::new() }
    }
}

/// RESERVATION CONFLICT and its like: a status that says everything.
impl From<Status> for Reply {
    fn from(status: Status) -> Reply {
        Reply { status, sense: None, data: Vec::new() }
    }
}

/// Status codes of SAM-5 5.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Done.
    Good = 0x00,
    /// Not done; the sense says why.
    CheckCondition = 0x02,
    /// Not now.
    Busy = 0x08,
    /// Another nexus has reserved the unit.
    ReservationConflict = 0x18,
    /// No room for another task.
    TaskSetFull = 0x28,
    /// Aborted by another nexus.
    TaskAborted = 0x40,
}

/// Bytes of the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// First byte.
    pub at: u64,
    /// Bytes, never zero.
    pub len: u64,
}

/// Extents of one UNMAP, at most as many as the block limits page offers.
pub type Extents = Vec<Extent>;
