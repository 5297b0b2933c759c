//! What a nexus has read in the book: whether its commands may pass, and what changes their meaning.

use crate::lasting::ShutOut;
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

impl Verdict {
    /// Nothing keeps a command from being looked at.
    pub(crate) fn lets_all_pass(&self) -> bool {
        self.shut_out == ShutOut::No && self.hindrance.is_none()
    }
}
