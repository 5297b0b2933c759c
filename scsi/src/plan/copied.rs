//! How bytes that were to move between units got on.

use crate::sense::Sense;

/// How a [`Copy`](super::Copy) went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Bytes that are where they should be, from the first move on.
    pub bytes: u64,
    /// Why it ended early.
    pub failure: Option<CopyFailure>,
}

/// What stopped a [`Copy`](super::Copy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFailure {
    /// Number of the move, from zero.
    pub at: usize,
    /// Which unit refused or failed.
    pub side: CopySide,
    /// Its sense; `None` is a RESERVATION CONFLICT.
    pub sense: Option<Sense>,
}

/// One of the two ends of a [`Move`](super::Move).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopySide {
    /// Where the bytes come from.
    Source,
    /// Where they go.
    Destination,
}
