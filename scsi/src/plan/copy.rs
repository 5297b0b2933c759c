//! Bytes that move between units of one target without passing the initiator.

use super::copied::Copied;
use super::watch::{CopyTicket, CopyWatch};
use crate::sense::Sense;
use std::sync::Arc;

/// What is to be copied, in order.
///
/// Whoever carries it out tells it how far it is ([`Copy::moved`]), asks it now and then whether anybody still wants
/// it ([`Copy::is_cancelled`]), and says in the end how it went: by
/// [`LogicalUnit::copied`](crate::LogicalUnit::copied), whose answer the command gets, or, where the command was
/// answered before ([`Copy::immediate`]), by [`Copy::ended`]. A copy that is dropped before that was given up.
#[derive(Debug, Clone)]
pub struct Copy {
    /// One after the other; none overlaps the one before it in time, and none overlaps itself.
    pub moves: Vec<Move>,
    /// Answer GOOD before it is done; how it went is asked for by another command.
    pub immediate: bool,
    /// Number of the segment descriptor that each move is of; empty where there are none.
    segments: Arc<[u16]>,
    /// What stops it after the last move; what was wrong before the first one never became a copy.
    then: Option<Sense>,
    ticket: Arc<CopyTicket>,
}

impl Copy {
    /// A copy that nobody has asked about yet.
    pub fn new(moves: Vec<Move>, immediate: bool) -> Copy {
        Copy { moves, immediate, segments: Arc::new([]), then: None, ticket: Arc::default() }
    }

    /// With the number of the segment descriptor that each move is of, and what stops the copy when all are done.
    ///
    /// # Panics
    /// When there are not as many as moves.
    pub(crate) fn of_segments(self, segments: Vec<u16>, then: Option<Sense>) -> Copy {
        assert_eq!(segments.len(), self.moves.len(), "a move without a segment");
        Copy { segments: segments.into(), then, ..self }
    }

    /// Bytes of all moves.
    pub fn bytes(&self) -> u64 {
        self.moves.iter().map(|part| part.len).sum()
    }

    /// `bytes` are where they should be, from the first move on: what others are told who ask meanwhile.
    pub fn moved(&self, bytes: u64) {
        self.ticket.watch().set_bytes(bytes);
    }

    /// Nobody wants it any more (COPY OPERATION ABORT, the loss of its nexus, a reset of its unit): it ends as soon as
    /// it can, with [`Sense::COPY_CANCELLED`](crate::Sense::COPY_CANCELLED).
    pub fn is_cancelled(&self) -> bool {
        self.ticket.watch().is_cancelled()
    }

    /// It is over. The first word counts.
    pub fn ended(&self, copied: &Copied) {
        self.ticket.watch().end_with(copied.clone());
    }

    /// For those who ask how far it is.
    pub(crate) fn watch(&self) -> &Arc<CopyWatch> {
        self.ticket.watch()
    }

    /// Number of the segment descriptor that each move is of; empty where there are none.
    pub(crate) fn segments(&self) -> &Arc<[u16]> {
        &self.segments
    }

    /// What stops it after the last move.
    pub(crate) fn then(&self) -> Option<Sense> {
        self.then
    }
}

/// Two copies are the same when they do the same.
impl PartialEq for Copy {
    fn eq(&self, other: &Copy) -> bool {
        (&self.moves, self.immediate, &self.segments, self.then)
            == (&other.moves, other.immediate, &other.segments, other.then)
    }
}

impl Eq for Copy {}

/// One run of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Where the bytes come from.
    pub from: Source,
    /// LUN number of the unit they go to, in the same target.
    pub to: u16,
    /// First byte there.
    pub at: u64,
    /// Bytes, never zero; whole blocks of both units.
    pub len: u64,
}

/// Where copied bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A unit of the same target.
    Unit {
        /// Its LUN number.
        lun: u16,
        /// First byte.
        at: u64,
    },
    /// Nowhere: zeroes.
    Zeroes,
}
