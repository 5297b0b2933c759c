//! What a nexus has read in the book: whether its commands may pass, and what changes their meaning.

use crate::sense::Sense;

/// How things stand for one nexus at one generation of the book.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Another nexus has the unit.
    pub(crate) shut_out: ShutOut,
    /// SWP.
    pub(crate) write_protected: bool,
    /// Every write is durable.
    pub(crate) write_through: bool,
    /// D_SENSE.
    pub(crate) descriptor_sense: bool,
    /// What a command is told that needs the medium.
    pub(crate) hindrance: Option<Sense>,
}

/// Which commands meet somebody else's reservation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ShutOut {
    /// None.
    #[default]
    No,
    /// Those of the tables of SPC-2: somebody holds it by RESERVE.
    Held,
    /// Those that write: a persistent reservation of a write exclusive type.
    FromWriting,
    /// Those that read or write: a persistent reservation of an exclusive access type.
    FromAccess,
}

impl Verdict {
    /// Nothing keeps a command from being looked at.
    pub(crate) fn lets_all_pass(&self) -> bool {
        self.shut_out == ShutOut::No && self.hindrance.is_none()
    }
}
