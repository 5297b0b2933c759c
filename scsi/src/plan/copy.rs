//! Bytes that move between units of one target without passing the initiator, and how that went.

use crate::sense::Sense;

/// What is to be copied, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// One after the other; none overlaps the one before it in time.
    pub moves: Vec<Move>,
    /// Answer before it is done; how it went is asked for later, by the number that the command gave.
    pub immediate: bool,
}

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

/// How a [`Copy`] went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Bytes that are where they should be, from the first move on.
    pub bytes: u64,
    /// Why it ended early.
    pub failure: Option<CopyFailure>,
}

/// What stopped a [`Copy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFailure {
    /// Number of the move, from zero.
    pub at: usize,
    /// Which unit refused or failed.
    pub side: CopySide,
    /// Its sense; `None` is a RESERVATION CONFLICT.
    pub sense: Option<Sense>,
}

/// One of the two ends of a [`Move`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopySide {
    /// Where the bytes come from.
    Source,
    /// Where they go.
    Destination,
}
