//! What a command must know of the disk before it can be answered.

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Which of these bytes have space? The answer begins at `at` and may end early.
    Mapped {
        /// First byte.
        at: u64,
        /// Bytes, never zero.
        len: u64,
    },
    /// How much space is used, and how much is left?
    Usage,
}

/// What the disk said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Runs without a gap, from the first byte that was asked for; at least one.
    Mapped(Vec<Mapped>),
    /// Bytes.
    Usage {
        /// Space that the unit occupies.
        used: u64,
        /// Space that it may still get.
        available: u64,
    },
    /// The disk cannot tell.
    Unknown,
}

/// A run of bytes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapped {
    /// Bytes, never zero.
    pub len: u64,
    /// Of which kind.
    pub mapping: Mapping,
}

/// Whether bytes have space (SBC-3, logical block provisioning state machine).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// They have.
    Mapped,
    /// They have none, and may get it when they are written.
    Deallocated,
    /// They have none, but it is set aside.
    Anchored,
}
