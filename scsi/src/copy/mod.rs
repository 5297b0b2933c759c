//! Third-party copy: data moves between units because an initiator said so, and not through it (SPC-4, SBC-3).
//!
//! Each unit has a copy manager of its own, which reaches the units behind the port that a command came through, and no
//! others: whoever may use a target may use all of it. What is copied becomes a [`Plan::Copy`](crate::Plan::Copy); what
//! is remembered of it is in the unit's book, and ROD tokens are in the [`Device`](crate::Device).

pub(crate) mod extended;
pub(crate) mod gather;
pub(crate) mod list;
pub(crate) mod mint;
pub(crate) mod offer;
pub(crate) mod populate;
pub(crate) mod ranges;
pub(crate) mod reach;
pub(crate) mod rod;
pub(crate) mod segments;
pub(crate) mod status;
pub(crate) mod tokens;
pub(crate) mod told;
pub(crate) mod write_using;

#[cfg(test)]
mod tests;

/// MAXIMUM CSCD DESCRIPTOR COUNT.
pub(crate) const CSCDS_MAX: usize = 64;

/// MAXIMUM SEGMENT DESCRIPTOR COUNT.
pub(crate) const SEGMENTS_MAX: usize = 64;

/// MAXIMUM DESCRIPTOR LIST LENGTH: as many descriptors as there may be, each as long as the longest that is known.
pub(crate) const DESCRIPTORS_LEN_MAX: usize = CSCDS_MAX * list::CSCD + SEGMENTS_MAX * 32;

/// MAXIMUM SEGMENT LENGTH in bytes: more than a block to block segment can ask for.
pub(crate) const SEGMENT_BYTES_MAX: u32 = 256 << 20;

/// MAXIMUM RANGE DESCRIPTORS of POPULATE TOKEN and WRITE USING TOKEN.
pub(crate) const RANGES_MAX: usize = 64;

/// Bytes that one command may copy, and that one token may stand for.
pub(crate) const COPY_BYTES_MAX: u64 = SEGMENTS_MAX as u64 * SEGMENT_BYTES_MAX as u64;

/// OPTIMAL TRANSFER COUNT in bytes: a second or less of most disks.
pub(crate) const COPY_BYTES_OPTIMAL: u64 = 64 << 20;

/// DEFAULT INACTIVITY TIMEOUT and MAXIMUM INACTIVITY TIMEOUT of a token in seconds.
pub(crate) const TOKEN_IDLE_S: u32 = 60;
pub(crate) const TOKEN_IDLE_MAX_S: u32 = 600;

/// SERVICE ACTIONS of THIRD-PARTY COPY OUT (83h).
pub(crate) mod action {
    pub(crate) const EXTENDED_COPY_LID1: u8 = 0x00;
    pub(crate) const EXTENDED_COPY_LID4: u8 = 0x01;
    pub(crate) const POPULATE_TOKEN: u8 = 0x10;
    pub(crate) const WRITE_USING_TOKEN: u8 = 0x11;
}

/// Descriptor type codes that EXTENDED COPY knows.
pub(crate) mod descriptor {
    pub(crate) const BLOCK_TO_BLOCK: u8 = 0x02;
    pub(crate) const VERIFY_CSCD: u8 = 0x07;
    pub(crate) const IDENTIFICATION: u8 = 0xE4;

    /// All of them, ascending.
    pub(crate) const ALL: [u8; 3] = [BLOCK_TO_BLOCK, VERIFY_CSCD, IDENTIFICATION];
}
