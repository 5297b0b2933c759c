//! The whole medium is overwritten or given back.

use crate::lasting::Operation;

/// FORMAT UNIT or SANITIZE. Whoever carries it out begins it in the unit's [`Book`](crate::Book), which tells
/// everyone else that the unit is not ready, and ends it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erase {
    /// What initiators are told is going on.
    pub operation: Operation,
    /// What becomes of the medium.
    pub erasure: Erasure,
    /// Answer before it is done.
    pub immediate: bool,
}

/// What becomes of every byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// Zeroes; giving the space back is as good as writing, so long as it reads as zeroes.
    Zero,
    /// All that was there is gone, and its space given back where the disk can.
    Discard,
    /// Written with `pattern` over and over, `passes` times; with `invert` every second pass has its complement, so that
    /// the last one has the pattern as it is.
    Overwrite {
        /// As long as the initiator gave it; repeated from the first byte of each block.
        pattern: Box<[u8]>,
        /// From 1.
        passes: u8,
        /// Complement in every second pass.
        invert: bool,
    },
}
